//! What one value on the command line means. Pure functions from text to a checked value; `Err` is half a sentence
//! that `config` puts behind "--option VALUE: ". Where pictures come from (`Choice`, `Size`) the video slice reads itself.

use std::net::{Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use super::PlayoutDelay;
use crate::frame::Bitrate;

/// Frames per second: one is a slide show and still live; no Pi camera mode and no browser goes beyond 120.
pub const FPS: RangeInclusive<u32> = 1..=120;
/// Bits per second: below, a picture of any size falls apart; above, the VideoCore encoder gives up.
pub const BITRATE: RangeInclusive<u32> = 50_000..=25_000_000;
/// Viewers at a time. The upper end is far beyond what a small board can encrypt and guards against typing errors.
pub const MAX_VIEWERS: RangeInclusive<u32> = 1..=100;

pub(super) const LISTEN: &str = "PORT, IP:PORT or [IPv6]:PORT, such as 8080 or 127.0.0.1:8080";
pub(super) const PORT: &str = "a port, 0 to 65535; 0 takes any free one";
pub(super) const PLAYOUT_DELAY: &str =
    "MIN-MAX in milliseconds such as 0-0 or 0-100, each 0 to 40950 in steps of 10, or off";
pub(super) const ORIGIN: &str = "an origin is SCHEME://HOST or SCHEME://HOST:PORT without a path, or * for any";
pub(super) const LOG: &str = "error, warn, info, debug, trace or off, or a filter such as info,windshield::link=debug";

/// `--http`: a port alone means all addresses of this machine, IPv6 and IPv4.
///
/// # Errors
/// Half a sentence about what would be right.
pub fn listen(text: &str) -> Result<SocketAddr, String> {
    if let Ok(port) = port(text) {
        return Ok((Ipv6Addr::UNSPECIFIED, port).into());
    }
    text.parse().map_err(|_| match text.strip_prefix("localhost:").map(port) {
        Some(Ok(port)) => format!("names are not looked up; for this machine only say 127.0.0.1:{port}"),
        _ => format!("not an address ({LISTEN})"),
    })
}

/// `--udp`.
///
/// # Errors
/// Half a sentence about what would be right.
pub fn port(text: &str) -> Result<u16, String> {
    let number = whole(text, &(0..=u32::from(u16::MAX))).map_err(|_| format!("not {PORT}"))?;
    Ok(u16::try_from(number).expect("the range ends at u16::MAX"))
}

/// `--fps`.
///
/// # Errors
/// Half a sentence about what would be right.
pub fn fps(text: &str) -> Result<u32, String> {
    whole(text, &FPS)
}

/// `--max-viewers`.
///
/// # Errors
/// Half a sentence about what would be right.
pub fn max_viewers(text: &str) -> Result<usize, String> {
    whole(text, &MAX_VIEWERS).map(|number| number as usize)
}

/// `--bitrate`: bits per second, `k` for thousands, `M` for millions, with decimals if wanted: 2M, 1.5M, 1500k.
///
/// # Errors
/// Half a sentence about what would be right.
pub fn bitrate(text: &str) -> Result<Bitrate, String> {
    let (number, unit) = match text.as_bytes() {
        [.., b'k' | b'K'] => (&text[..text.len() - 1], 1e3),
        [.., b'm' | b'M'] => (&text[..text.len() - 1], 1e6),
        _ => (text, 1.0),
    };
    // f64 would also read "inf", "nan", "1e9" and "-1".
    let digits = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let number = number.parse::<f64>().ok().filter(|_| digits);
    let bits = number.ok_or("not a bitrate in bits per second such as 2M, 1500k or 2000000")? * unit;
    let (least, most) = (*BITRATE.start(), *BITRATE.end());
    if bits < f64::from(least) || bits > f64::from(most) {
        return Err("not between 50k and 25M (bits per second)".into());
    }
    Ok(Bitrate(bits.round() as u32))
}

/// `--playout-delay`; none for `off`.
///
/// # Errors
/// Half a sentence about what would be right.
pub fn playout_delay(text: &str) -> Result<Option<PlayoutDelay>, String> {
    if text == "off" {
        return Ok(None);
    }
    let wrong = || format!("not {PLAYOUT_DELAY}");
    let (min, max) = text.split_once('-').ok_or_else(wrong)?;
    // 12 bits of 10 ms each.
    let bound = |text| whole(text, &(0..=40_950)).ok().filter(|ms| ms % 10 == 0).and_then(|ms| u16::try_from(ms).ok());
    let (min_ms, max_ms) = bound(min).zip(bound(max)).ok_or_else(wrong)?;
    if min_ms > max_ms {
        return Err(format!("the smaller number goes first: {max_ms}-{min_ms}"));
    }
    Ok(Some(PlayoutDelay { min_ms, max_ms }))
}

/// `--token`. It travels in an HTTP header (RFC 6750 section 2.1), so only the characters of a `b64token` will do.
///
/// # Errors
/// Half a sentence about what would be right; it holds nothing of the token.
pub fn token(text: &str) -> Result<String, String> {
    if text.is_empty() {
        return Err("is empty and would let everybody in; give a secret, or leave it out to run without".into());
    }
    let (body, allowed) = (text.trim_end_matches('='), |b: u8| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b));
    if body.is_empty() || !body.bytes().all(allowed) {
        return Err("only letters, digits and - . _ ~ + / can go into the HTTP header, with = at the end".into());
    }
    Ok(text.into())
}

/// `--allow-origin`, in the spelling browsers use (RFC 6454 section 6.1): lower case, without the scheme's own port.
///
/// # Errors
/// Half a sentence about what would be right.
pub fn origin(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.into());
    }
    let wrong = || ORIGIN.to_string();
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://").ok_or_else(wrong)?;
    if let Some((authority, _)) = authority.split_once(['/', '?', '#']) {
        return Err(format!("an origin has no path: say {scheme}://{authority}"));
    }
    // The last colon outside brackets parts host and port.
    let (host, after) = match authority.rfind(']') {
        Some(at) if authority.starts_with('[') => authority.split_at(at + 1),
        _ => authority.split_at(authority.rfind(':').unwrap_or(authority.len())),
    };
    let is_host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)),
    };
    let is_scheme = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    if !is_host || !is_scheme {
        return Err(wrong());
    }
    let own = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    };
    match after.strip_prefix(':').map(port) {
        None if after.is_empty() => Ok(text),
        Some(Ok(port)) if port != 0 && Some(port) == own => Ok(format!("{scheme}://{host}")),
        Some(Ok(port)) if port != 0 => Ok(format!("{scheme}://{host}:{port}")),
        _ => Err(wrong()),
    }
}

/// `--log`: a level, or `TARGET=LEVEL` parts joined by commas. Stricter than `env_logger`, which takes a mistyped
/// level for the name of a module and then logs nothing.
///
/// # Errors
/// Half a sentence about what would be right.
pub fn log_filter(text: &str) -> Result<String, String> {
    let is_level = |text: &str| text.trim().parse::<log::LevelFilter>().is_ok();
    let is_target = |text: &str| text == "windshield" || text.contains("::");
    let good = text.split(',').map(str::trim).all(|part| match part.split_once('=') {
        Some((target, level)) => !target.trim().is_empty() && is_level(level),
        None => is_level(part) || is_target(part),
    });
    if good { Ok(text.into()) } else { Err(format!("not a log level ({LOG})")) }
}

/// A whole number without sign, within `range`.
fn whole(text: &str, range: &RangeInclusive<u32>) -> Result<u32, String> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("not a whole number between {} and {}", range.start(), range.end()));
    }
    // Digits that do not fit 32 bits are out of every range here.
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("not between {} and {}", range.start(), range.end()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_port_alone_means_every_address() {
        assert_eq!(listen("8080"), Ok("[::]:8080".parse().unwrap()));
        assert_eq!(listen("0"), Ok("[::]:0".parse().unwrap()));
        for text in ["127.0.0.1:80", "0.0.0.0:8080", "[::1]:8080", "[fe80::1%2]:8080"] {
            assert_eq!(listen(text), Ok(text.parse().unwrap()));
        }
        for text in ["", ":8080", "65536", "-1", "+80", "192.168.0.5", "::1", "::1:8080", "pi.local:8080", "1.2.3.4:"] {
            assert!(listen(text).is_err(), "{text}");
        }
        assert!(listen("localhost:8080").unwrap_err().contains("127.0.0.1:8080"));
    }

    #[test]
    fn a_bitrate_may_be_typed_the_way_people_say_it() {
        for (text, bits) in [
            ("2M", 2_000_000),
            ("2m", 2_000_000),
            ("1500k", 1_500_000),
            ("1.5M", 1_500_000),
            ("0.3M", 300_000),
            ("2000000", 2_000_000),
            ("50k", 50_000),
            ("25M", 25_000_000),
        ] {
            assert_eq!(bitrate(text), Ok(Bitrate(bits)), "{text}");
        }
        for text in ["", "M", "fast", "-2M", "+2M", "inf", "nan", "1e6", "2 M", "2Mbit", "1.2.3M", "2M0", "é"] {
            assert!(bitrate(text).unwrap_err().starts_with("not a bitrate"), "{text}");
        }
        for text in ["0", "49k", "49999", "25.1M", "99999999999999999999999M"] {
            assert!(bitrate(text).unwrap_err().starts_with("not between"), "{text}");
        }
    }

    #[test]
    fn a_playout_delay_fits_the_header_extension() {
        let some = |min_ms, max_ms| Ok(Some(PlayoutDelay { min_ms, max_ms }));
        assert_eq!(playout_delay("0-0"), some(0, 0));
        assert_eq!(playout_delay("0-40950"), some(0, 40_950));
        assert_eq!(playout_delay("100-200"), some(100, 200));
        assert_eq!(playout_delay("off"), Ok(None));
        for text in ["", "0", "-", "5-10", "0-40960", "0-65546", "a-b", "0-0-0", "-10-0", "OFF"] {
            assert!(playout_delay(text).is_err(), "{text}");
        }
        assert!(playout_delay("100-50").unwrap_err().contains("50-100"));
    }

    #[test]
    fn an_origin_is_compared_as_browsers_spell_it() {
        for (typed, meant) in [
            ("*", "*"),
            ("https://Drive.Example", "https://drive.example"),
            ("https://drive.example:443", "https://drive.example"),
            ("http://drive.example:80", "http://drive.example"),
            ("http://drive.example:443", "http://drive.example:443"),
            ("http://192.168.0.5:3000", "http://192.168.0.5:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("http://[::1]", "http://[::1]"),
            ("capacitor://localhost", "capacitor://localhost"),
        ] {
            assert_eq!(origin(typed).as_deref(), Ok(meant), "{typed}");
        }
        for text in [
            "",
            "null",
            "drive.example",
            "https://",
            "://a",
            "http://a b",
            "http://a:",
            "http://a:0",
            "http://a:99999",
            "http://[::1",
            "http://[x]",
            "http://::1",
            "http://u@a",
            "1http://a",
            "http://*",
        ] {
            assert_eq!(origin(text), Err(ORIGIN.into()), "{text}");
        }
        assert_eq!(origin("https://a.example/watch").unwrap_err(), "an origin has no path: say https://a.example");
    }

    #[test]
    fn a_token_fits_an_http_header() {
        for text in ["a", "correct-horse_battery.staple~", "Zm9v+/==", "0"] {
            assert_eq!(token(text).as_deref(), Ok(text));
        }
        assert!(token("").unwrap_err().contains("empty"));
        for text in ["two words", "tab\t", "line\n", "ümlaut", "=", "a=b", "\"q\""] {
            assert!(token(text).unwrap_err().starts_with("only letters"), "{text}");
        }
    }

    #[test]
    fn a_mistyped_log_level_is_noticed() {
        for text in ["info", "DEBUG", "off", "info,windshield::link=debug", "windshield", "warn, windshield=trace"] {
            assert_eq!(log_filter(text).as_deref(), Ok(text));
        }
        for text in ["", "inof", "info,", "windshield=loud", "=info", "verbose"] {
            assert!(log_filter(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts_are_plain_numbers_within_their_range() {
        assert_eq!((fps("1"), fps("30"), fps("120")), (Ok(1), Ok(30), Ok(120)));
        assert_eq!((max_viewers("1"), max_viewers("100")), (Ok(1), Ok(100)));
        assert_eq!(fps("500"), Err("not between 1 and 120".into()));
        assert_eq!(fps("99999999999999999999"), Err("not between 1 and 120".into()));
        assert_eq!(max_viewers("0"), Err("not between 1 and 100".into()));
        for text in ["", "-1", "+1", "29.97", "1e1", "thirty", "३"] {
            assert_eq!(fps(text), Err("not a whole number between 1 and 120".into()), "{text}");
        }
        assert_eq!((port("0"), port("65535")), (Ok(0), Ok(65_535)));
        assert!(port("65536").is_err());
    }
}
