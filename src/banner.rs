//! What a person reads at start: which addresses to open, the first of them as a QR code for a phone, how to stop.
//! Pure: from what `host` and `run` found out to text; `run` prints it once when everything is bound.

use std::fmt::Write;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use fast_qr::{ECL, QRBuilder, QRCode};

/// What the banner tells of.
#[derive(Debug, Clone)]
pub struct Info<'a> {
    /// Program version.
    pub version: &'a str,
    /// One line: which source and why.
    pub source: &'a str,
    /// The TCP address that was really bound.
    pub http: SocketAddr,
    /// The UDP port that was really bound.
    pub udp: u16,
    /// This machine's addresses, as the system lists its interfaces; see [`crate::host::addresses`].
    pub addresses: &'a [IpAddr],
    /// This machine's name for `NAME.local`, if somebody answers to it; see [`crate::host::mdns_name`].
    pub mdns_name: Option<&'a str>,
    /// Whether viewers need a token.
    pub guard: Guard,
    /// How to draw the QR code.
    pub qr: Qr,
}

/// Whether viewers must show a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// Whoever reaches the port may watch.
    Open,
    /// `--token` was given.
    Token,
}

/// How a QR code can be drawn where the banner goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Qr {
    /// Not at all: no terminal, or one without block characters.
    None,
    /// Block characters only; right on dark terminals.
    Plain,
    /// Block characters in black on white, whatever the terminal's own colours are.
    Coloured,
}

/// The text, with a line feed at its end.
pub fn banner(info: &Info<'_>) -> String {
    let bound = info.http.ip().to_canonical();
    let port = info.http.port();
    let mut text = format!("windshield {}: {}\n\n", info.version, info.source);
    if bound.is_loopback() {
        line(&mut text, "Open this address in a browser. Only this machine can watch:");
        line(&mut text, &format!("  {}", local_url(bound, port)));
    } else {
        reachable(&mut text, info, bound, port);
    }
    text.push('\n');
    if info.guard == Guard::Token {
        line(&mut text, "Viewers need the token: the page asks for it, or add #token=... to the address.");
    }
    if !bound.is_loopback() {
        line(&mut text, &format!("A firewall on the way must let through TCP port {port} and UDP port {}.", info.udp));
    }
    line(&mut text, "Ctrl-C stops.");
    text
}

/// The addresses by which others reach this machine, and the QR code of the first.
fn reachable(text: &mut String, info: &Info<'_>, bound: IpAddr, port: u16) {
    let addresses = match bound.is_unspecified() {
        true => best_first(info.addresses, bound),
        false => vec![bound],
    };
    let Some(first) = addresses.first() else {
        let local = local_url(bound, port);
        line(text, &format!("No network yet: {local} works on this machine;"));
        line(text, "addresses are looked up again for each viewer.");
        return;
    };
    line(text, "Open one of these addresses in a browser:");
    let (v4, v6): (Vec<IpAddr>, Vec<IpAddr>) = addresses.iter().partition(|ip| ip.is_ipv4());
    // Only where all addresses are served is it sure that the one behind the name is.
    let name = info.mdns_name.filter(|_| bound.is_unspecified()).map(|name| format!("http://{name}.local:{port}/"));
    let urls = v4.into_iter().map(|ip| url(ip, port)).chain(name).chain(v6.into_iter().map(|ip| url(ip, port)));
    for url in urls {
        line(text, &format!("  {url}"));
    }
    if bound.is_unspecified() {
        line(text, &format!("  {} (on this machine)", local_url(bound, port)));
    }
    if let Some(code) = draw(&url(*first, port), info.qr) {
        let _ = write!(text, "\n{code}");
    }
}

/// The addresses another machine can use, the likeliest first: home networks, other IPv4 (VPN, public), IPv4 without
/// a DHCP server (a direct cable), IPv6. Within a kind the system's order stays: a bridge of virtual machines comes
/// after the real interfaces.
fn best_first(addresses: &[IpAddr], bound: IpAddr) -> Vec<IpAddr> {
    let mut usable: Vec<IpAddr> = Vec::new();
    for ip in addresses.iter().map(IpAddr::to_canonical) {
        let reachable = match ip {
            IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_unspecified(),
            // Browsers take no address with an interface in it, and fe80:: is nothing without one.
            IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unspecified() && !ip.is_unicast_link_local(),
        };
        if reachable && (ip.is_ipv4() || bound.is_ipv6()) && !usable.contains(&ip) {
            usable.push(ip);
        }
    }
    usable.sort_by_key(|ip| match ip {
        IpAddr::V4(ip) if ip.is_private() => 0,
        IpAddr::V4(ip) if !ip.is_link_local() => 1,
        IpAddr::V4(_) => 2,
        IpAddr::V6(_) => 3,
    });
    usable
}

fn url(ip: IpAddr, port: u16) -> String {
    // SocketAddr knows the brackets of IPv6.
    format!("http://{}/", SocketAddr::new(ip, port))
}

/// How a browser on this machine gets here. `localhost` covers 127.0.0.1 and `::1`; 127.0.0.2 and its kind are no `localhost`.
fn local_url(bound: IpAddr, port: u16) -> String {
    let is_localhost =
        bound.is_unspecified() || bound == IpAddr::V6(Ipv6Addr::LOCALHOST) || bound == IpAddr::from([127, 0, 0, 1]);
    if is_localhost { format!("http://localhost:{port}/") } else { url(bound, port) }
}

/// Light modules on each side. ISO/IEC 18004 wants 4; phones are content with 2, and an address then takes 29 columns.
const QUIET: usize = 2;

/// `url` as a QR code, two rows of modules to a line of text.
fn draw(url: &str, style: Qr) -> Option<String> {
    if style == Qr::None {
        return None;
    }
    // The lowest error correction: a screen has no scratches, and a smaller code is easier to catch.
    let code = QRBuilder::new(url).ecl(ECL::L).build().ok()?;
    let side = code.size + 2 * QUIET;
    let mut text = String::new();
    for y in (0..side).step_by(2) {
        let (begin, end) = match style {
            Qr::Coloured => ("\x1b[30;47m", "\x1b[0m"),
            _ => ("", ""),
        };
        text.push_str(begin);
        for x in 0..side {
            let (upper, lower) = (is_dark(&code, x, y), is_dark(&code, x, y + 1));
            // What is drawn is dark on the white we set, or light on the dark that we suppose.
            let drawn = |dark: bool| dark == (style == Qr::Coloured);
            text.push(match (drawn(upper), drawn(lower)) {
                (true, true) => '█',
                (true, false) => '▀',
                (false, true) => '▄',
                (false, false) => ' ',
            });
        }
        text.push_str(end);
        text.push('\n');
    }
    Some(text)
}

/// The module at a place of the drawing; all that lies around the code is light.
fn is_dark(code: &QRCode, x: usize, y: usize) -> bool {
    let inside = QUIET..QUIET + code.size;
    inside.contains(&x) && inside.contains(&y) && code[y - QUIET][x - QUIET].value()
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn info<'a>(http: &str, addresses: &'a [IpAddr]) -> Info<'a> {
        Info {
            version: "1.2.3",
            source: "the demo scene",
            http: http.parse().unwrap(),
            udp: 8081,
            addresses,
            mdns_name: None,
            guard: Guard::Open,
            qr: Qr::None,
        }
    }

    fn ips(list: &[&str]) -> Vec<IpAddr> {
        list.iter().map(|ip| ip.parse().unwrap()).collect()
    }

    #[test]
    fn every_address_another_machine_can_open_is_listed_best_first() {
        let addresses = ips(&[
            "127.0.0.1",
            "169.254.7.7",
            "100.64.3.2",
            "192.168.1.20",
            "172.17.0.1",
            "::1",
            "fe80::1",
            "2001:db8::5",
            "192.168.1.20",
        ]);
        let info = Info { mdns_name: Some("car"), ..info("[::]:8080", &addresses) };
        assert_eq!(
            banner(&info),
            "windshield 1.2.3: the demo scene\n\n\
             Open one of these addresses in a browser:\n  \
               http://192.168.1.20:8080/\n  \
               http://172.17.0.1:8080/\n  \
               http://100.64.3.2:8080/\n  \
               http://169.254.7.7:8080/\n  \
               http://car.local:8080/\n  \
               http://[2001:db8::5]:8080/\n  \
               http://localhost:8080/ (on this machine)\n\n\
             A firewall on the way must let through TCP port 8080 and UDP port 8081.\n\
             Ctrl-C stops.\n"
        );
    }

    #[test]
    fn without_a_network_it_says_so_and_what_works() {
        let addresses = ips(&["127.0.0.1", "::1", "fe80::1"]);
        let text = banner(&Info { qr: Qr::Coloured, ..info("[::]:8080", &addresses) });
        assert!(text.contains("No network yet: http://localhost:8080/ works on this machine"), "{text}");
        assert!(!text.contains('█'), "a phone could not open it");
    }

    #[test]
    fn bound_to_loopback_only_this_machine_is_invited() {
        let addresses = ips(&["192.168.1.20", "2001:db8::5"]);
        for (http, url) in [
            ("127.0.0.1:80", "http://localhost:80/"),
            ("[::1]:80", "http://localhost:80/"),
            ("[::ffff:127.0.0.1]:80", "http://localhost:80/"),
            ("127.0.0.2:80", "http://127.0.0.2:80/"),
        ] {
            let text = banner(&Info { mdns_name: Some("car"), qr: Qr::Plain, ..info(http, &addresses) });
            assert!(text.contains("Only this machine can watch") && text.contains(&format!("  {url}\n")), "{text}");
            assert!(!text.contains("192.168") && !text.contains(".local") && !text.contains('█'), "{text}");
        }
    }

    #[test]
    fn bound_to_one_address_only_that_one_is_listed() {
        let addresses = ips(&["192.168.1.20", "10.0.0.5"]);
        let text = banner(&Info { mdns_name: Some("car"), ..info("10.0.0.5:8080", &addresses) });
        assert!(text.contains("http://10.0.0.5:8080/"), "{text}");
        assert!(!text.contains("192.168") && !text.contains(".local") && !text.contains("localhost"), "{text}");
    }

    #[test]
    fn where_ipv6_is_off_no_ipv6_address_is_promised() {
        let addresses = ips(&["192.168.1.20", "2001:db8::5"]);
        let text = banner(&info("0.0.0.0:8080", &addresses));
        assert!(text.contains("192.168.1.20") && !text.contains("2001"), "{text}");
    }

    #[test]
    fn a_token_is_asked_for_but_not_told() {
        let text = banner(&Info { guard: Guard::Token, ..info("[::]:8080", &[]) });
        assert!(text.contains("Viewers need the token"), "{text}");
    }

    /// Reads a drawing back into modules, quiet zone included.
    fn modules(drawing: &str, dark_is_drawn: bool) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in drawing.lines() {
            let cells: Vec<char> = line.chars().filter(|c| " ▀▄█".contains(*c)).collect();
            for half in ['▀', '▄'] {
                rows.push(cells.iter().map(|c| (*c == '█' || *c == half) == dark_is_drawn).collect());
            }
        }
        rows
    }

    #[test]
    fn the_drawn_code_is_the_code_of_the_address_in_about_thirty_columns() {
        let url = "http://192.168.178.123:8080/";
        let code = QRBuilder::new(url).ecl(ECL::L).build().unwrap();
        for (style, dark_is_drawn) in [(Qr::Coloured, true), (Qr::Plain, false)] {
            let drawing = draw(url, style).unwrap();
            let rows = modules(&drawing, dark_is_drawn);
            assert_eq!(rows[0].len(), 29);
            for (y, row) in rows.iter().enumerate() {
                for (x, dark) in row.iter().enumerate() {
                    assert_eq!(*dark, is_dark(&code, x, y), "{style:?} {x} {y}");
                }
            }
            assert!(rows[QUIET][QUIET] && !rows[QUIET - 1][QUIET], "the corner of the finder pattern");
        }
        assert_eq!(draw(url, Qr::None), None);
    }

    #[test]
    fn the_first_address_listed_is_the_one_in_the_code() {
        let addresses = ips(&["100.64.3.2", "192.168.1.20"]);
        let text = banner(&Info { qr: Qr::Plain, ..info("[::]:8080", &addresses) });
        assert!(text.contains(&draw("http://192.168.1.20:8080/", Qr::Plain).unwrap()), "{text}");
    }
}
