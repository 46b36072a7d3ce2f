//! What a person writes after `--camera`: `key=value` pairs parted by commas, read into [`Settings`]; every refusal is
//! a sentence that names the key and what would be right. Pure. The words for white balance and exposure are shared
//! with `json`.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::{Exposure, Profile, Rotation, Settings, WhiteBalance};

/// Shortest and longest exposure in microseconds. A Pi camera v2 begins at about 10; beyond a second it is no video.
pub(super) const EXPOSURE_US: RangeInclusive<u64> = 10..=1_000_000;

const EXPOSURE: &str = "a time up to which the automatic may go, such as 5ms or 800us (10us to 1s), fixed:5ms for \
                        exactly that, or auto";
const ROTATION: &str = "0, 90, 180 or 270 degrees clockwise";
const FLIP: &str = "on or off, or the key alone for on";

/// Each word for a white balance, ours first, then others' (`rpicam-vid` has tungsten and indoor).
const WHITE_BALANCES: [(&str, WhiteBalance); 9] = [
    ("auto", WhiteBalance::Auto),
    ("incandescent", WhiteBalance::Incandescent),
    ("fluorescent", WhiteBalance::Fluorescent),
    ("horizon", WhiteBalance::Horizon),
    ("daylight", WhiteBalance::Daylight),
    ("flash", WhiteBalance::Flash),
    ("cloudy", WhiteBalance::Cloudy),
    ("shade", WhiteBalance::Shade),
    ("tungsten", WhiteBalance::Incandescent),
];

/// Each word for a profile.
const PROFILES: [(&str, Profile); 4] = [
    ("constrained-baseline", Profile::ConstrainedBaseline),
    ("baseline", Profile::Baseline),
    ("main", Profile::Main),
    ("high", Profile::High),
];

/// The keys, for every sentence that refuses one.
pub const KEYS: &str = "exposure, awb, rotation, hflip, vflip or profile";

impl FromStr for Settings {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut settings = Self::default();
        for pair in text.split(',').map(str::trim) {
            let (key, value) = match pair.split_once('=') {
                Some((key, value)) => (key.trim(), Some(value.trim())),
                None => (pair, None),
            };
            match key {
                "exposure" => settings.exposure = Some(value_of(key, value, EXPOSURE, exposure)?),
                "awb" | "white-balance" => {
                    let words = format!("one of {}", words(&WHITE_BALANCES));
                    settings.white_balance = Some(value_of(key, value, &words, white_balance)?);
                }
                "rotation" => settings.rotation = Some(value_of(key, value, ROTATION, rotation)?),
                "hflip" => settings.hflip = Some(value_of(key, value.or(Some("on")), FLIP, flip)?),
                "vflip" => settings.vflip = Some(value_of(key, value.or(Some("on")), FLIP, flip)?),
                "profile" => {
                    let words = format!("one of {}", words(&PROFILES));
                    settings.profile = value_of(key, value, &words, |text| find(&PROFILES, text))?;
                }
                "size" | "fps" | "bitrate" => {
                    return Err(format!("--camera {key}: has an option of its own, --{key}"));
                }
                "" => return Err(format!("--camera {text:?}: a key is missing; it is {KEYS}")),
                _ => return Err(format!("--camera {key}: there is no such key; it is {KEYS}")),
            }
        }
        Ok(settings)
    }
}

/// Reads the value of a key, or says what would be right.
fn value_of<T>(
    key: &str,
    value: Option<&str>,
    wanted: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<T, String> {
    match value {
        None | Some("") => Err(format!("--camera {key}: a value is missing; it is {wanted}")),
        Some(value) => read(value).ok_or_else(|| format!("--camera {key}={value}: {key} is {wanted}")),
    }
}

fn exposure(text: &str) -> Option<Exposure> {
    match text.strip_prefix("fixed:") {
        None if text == "auto" => Some(Exposure::Auto),
        None => time(text).map(Exposure::AtMost),
        Some(text) => time(text).map(Exposure::Fixed),
    }
}

/// A time with its unit: 5ms, 0.5ms, 800us.
fn time(text: &str) -> Option<Duration> {
    let unit = [("us", 1.0), ("ms", 1e3), ("s", 1e6)];
    let (number, unit) = unit.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?.trim(), unit)))?;
    // f64 would also read "inf", "nan", "1e9" and "-1".
    if !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let us = (number.parse::<f64>().ok()? * unit).round() as u64;
    EXPOSURE_US.contains(&us).then(|| Duration::from_micros(us))
}

fn rotation(text: &str) -> Option<Rotation> {
    Rotation::of_degrees(text.parse().ok()?)
}

fn flip(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "yes" | "1" => Some(true),
        "off" | "false" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// The white balance of that name.
pub(super) fn white_balance(text: &str) -> Option<WhiteBalance> {
    find(&WHITE_BALANCES, text)
}

/// The names of all white balances, for a sentence.
pub(super) fn white_balances() -> String {
    words(&WHITE_BALANCES)
}

fn find<T: Copy>(table: &[(&str, T)], text: &str) -> Option<T> {
    table.iter().find(|(word, _)| *word == text).map(|(_, value)| *value)
}

fn words<T>(table: &[(&str, T)]) -> String {
    table.iter().map(|(word, _)| *word).collect::<Vec<_>>().join(", ")
}

impl Rotation {
    /// The one of so many degrees clockwise.
    pub(super) fn of_degrees(degrees: u64) -> Option<Self> {
        [Self::None, Self::Right, Self::UpsideDown, Self::Left]
            .into_iter()
            .find(|rotation| u64::from(rotation.degrees()) == degrees)
    }
}

impl fmt::Display for WhiteBalance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, _) = WHITE_BALANCES.iter().find(|(_, value)| value == self).expect("the table has all of them");
        f.write_str(word)
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, _) = PROFILES.iter().find(|(_, value)| value == self).expect("the table has all of them");
        f.write_str(word)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Result<Settings, String> {
        text.parse()
    }

    #[test]
    fn every_key_reaches_its_field() {
        let all = typed("exposure=5ms, rotation=180,hflip,vflip=off,awb=daylight,profile=baseline").unwrap();
        let expected = Settings {
            profile: Profile::Baseline,
            exposure: Some(Exposure::AtMost(Duration::from_millis(5))),
            white_balance: Some(WhiteBalance::Daylight),
            rotation: Some(Rotation::UpsideDown),
            hflip: Some(true),
            vflip: Some(false),
        };
        assert_eq!(all, expected);
        assert_eq!(typed("vflip").unwrap(), Settings { vflip: Some(true), ..Settings::default() });
    }

    #[test]
    fn an_exposure_is_a_time_with_its_unit() {
        let of = |text: &str| typed(&format!("exposure={text}")).ok().and_then(|settings| settings.exposure);
        let us = Duration::from_micros;
        assert_eq!(of("auto"), Some(Exposure::Auto));
        assert_eq!(of("800us"), Some(Exposure::AtMost(us(800))));
        assert_eq!(of("0.5ms"), Some(Exposure::AtMost(us(500))));
        assert_eq!(of("fixed:8ms"), Some(Exposure::Fixed(us(8000))));
        assert_eq!(of("1s"), Some(Exposure::AtMost(us(1_000_000))));
        for wrong in ["5", "ms", "-5ms", "infs", "1e3us", "2s", "1us", "fixed:", "fixed:auto", "5 min", "..ms"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn every_word_that_is_shown_is_understood() {
        for (_, balance) in WHITE_BALANCES {
            assert_eq!(typed(&format!("awb={balance}")).unwrap().white_balance, Some(balance));
        }
        for (_, profile) in PROFILES {
            assert_eq!(typed(&format!("profile={profile}")).unwrap().profile, profile);
        }
        for degrees in [0, 90, 180, 270] {
            let rotation = typed(&format!("rotation={degrees}")).unwrap().rotation.unwrap();
            assert_eq!(rotation.degrees(), degrees);
        }
    }

    #[test]
    fn every_refusal_names_the_key_and_what_would_be_right() {
        for (text, start, hint) in [
            ("", "--camera \"\": a key is missing", KEYS),
            ("hflip,,vflip", "--camera \"hflip,,vflip\": a key is missing", KEYS),
            ("zoom=2", "--camera zoom: there is no such key", KEYS),
            ("exposure", "--camera exposure: a value is missing", "5ms"),
            ("exposure=", "--camera exposure: a value is missing", "5ms"),
            ("exposure=long", "--camera exposure=long: exposure is", "fixed:5ms"),
            ("awb=blue", "--camera awb=blue: awb is", "daylight"),
            ("rotation=45", "--camera rotation=45: rotation is", "180"),
            ("hflip=left", "--camera hflip=left: hflip is", "on or off"),
            ("profile=best", "--camera profile=best: profile is", "constrained-baseline"),
            ("bitrate=2M", "--camera bitrate:", "--bitrate"),
            ("fps=30", "--camera fps:", "--fps"),
        ] {
            let sentence = typed(text).unwrap_err();
            assert!(sentence.starts_with(start) && sentence.contains(hint), "{text}: {sentence}");
        }
    }
}
