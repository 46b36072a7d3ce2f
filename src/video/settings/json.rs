//! The JSON of `/camera`: a merge patch (RFC 7396) read into a [`Change`], and how the camera is set now with what
//! became of a change. Pure; `run` carries the text between the signaling side and the source.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer, Serialize};

use super::typed::{EXPOSURE_US, white_balance, white_balances};
use super::{Change, Exposure, Outcome, Rotation, Settings, WhiteBalance};
use crate::frame::Bitrate;

/// Bits per second, as `--bitrate` has it: below, a picture of any size falls apart; above, the VideoCore gives up.
const BITRATE: RangeInclusive<u64> = 50_000..=25_000_000;

/// Why a patch was not read; a sentence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotRead {
    /// It is no JSON.
    NoJson(String),
    /// It asks for what no camera has, or for values that cannot be.
    Impossible(String),
}

impl fmt::Display for NotRead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::NoJson(sentence) | Self::Impossible(sentence)) = self;
        f.write_str(sentence)
    }
}

/// The patch as it is written. The outer `Option`: is the key there; the inner one: `null`, which takes a setting back.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Patch {
    #[serde(deserialize_with = "present")]
    exposure_us: Option<Option<u64>>,
    #[serde(deserialize_with = "present")]
    exposure_fixed_us: Option<Option<u64>>,
    #[serde(deserialize_with = "present")]
    white_balance: Option<Option<String>>,
    #[serde(deserialize_with = "present")]
    rotation: Option<Option<u64>>,
    #[serde(deserialize_with = "present")]
    hflip: Option<Option<bool>>,
    #[serde(deserialize_with = "present")]
    vflip: Option<Option<bool>>,
    #[serde(deserialize_with = "present")]
    bitrate: Option<Option<u64>>,
}

/// Called only where the key is there: so `null` is told from nothing.
fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

impl Change {
    /// Reads a merge patch. `null` takes a setting back: exposure and white balance to automatic, rotation to 0, a flip
    /// to off.
    ///
    /// # Errors
    /// A sentence with the key and what would be right.
    pub fn from_json(text: &str) -> Result<Self, NotRead> {
        serde_json::from_str::<IgnoredAny>(text)
            .map_err(|error| NotRead::NoJson(format!("This is no JSON: {error}.")))?;
        // serde would take a list as the values of the keys in their order.
        if !text.trim_start().starts_with('{') {
            return Err(NotRead::Impossible("The camera is set by a JSON object, such as {\"hflip\":true}.".into()));
        }
        let patch: Patch = serde_json::from_str(text)
            .map_err(|error| NotRead::Impossible(format!("The camera cannot be set so: {error}.")))?;
        patch.meaning().map_err(NotRead::Impossible)
    }
}

impl Patch {
    fn meaning(self) -> Result<Change, String> {
        Ok(Change {
            exposure: self.exposure()?,
            white_balance: match self.white_balance {
                None => None,
                Some(None) => Some(WhiteBalance::Auto),
                Some(Some(word)) => Some(white_balance(&word).ok_or_else(|| {
                    format!("\"white_balance\": {word:?} is no white balance; it is one of {}.", white_balances())
                })?),
            },
            rotation: match self.rotation {
                None => None,
                Some(None) => Some(Rotation::None),
                Some(Some(degrees)) => Some(Rotation::of_degrees(degrees).ok_or_else(|| {
                    format!("\"rotation\": {degrees} is no rotation; it is 0, 90, 180 or 270 degrees clockwise.")
                })?),
            },
            hflip: self.hflip.map(Option::unwrap_or_default),
            vflip: self.vflip.map(Option::unwrap_or_default),
            bitrate: match self.bitrate {
                None => None,
                Some(None) => return Err("\"bitrate\": there is no stream without one; give bits per second.".into()),
                Some(Some(rate)) => Some(Bitrate(within("bitrate", rate, &BITRATE, "bits per second")? as u32)),
            },
        })
    }

    fn exposure(&self) -> Result<Option<Exposure>, String> {
        let time = |key, us| within(key, us, &EXPOSURE_US, "microseconds").map(Duration::from_micros);
        match (self.exposure_us, self.exposure_fixed_us) {
            (None, None) => Ok(None),
            (Some(Some(us)), None | Some(None)) => Ok(Some(Exposure::AtMost(time("exposure_us", us)?))),
            (None | Some(None), Some(Some(us))) => Ok(Some(Exposure::Fixed(time("exposure_fixed_us", us)?))),
            (Some(None), _) | (_, Some(None)) => Ok(Some(Exposure::Auto)),
            (Some(Some(_)), Some(Some(_))) => Err("\"exposure_us\" (at most) and \"exposure_fixed_us\" (exactly) \
                                                   exclude each other; set one of them."
                .into()),
        }
    }
}

fn within(key: &str, value: u64, range: &RangeInclusive<u64>, unit: &str) -> Result<u64, String> {
    let (least, most) = (range.start(), range.end());
    let sentence = || format!("\"{key}\": {value} is out of range; it is {least} to {most} {unit}.");
    if range.contains(&value) { Ok(value) } else { Err(sentence()) }
}

/// The document that `/camera` answers with.
#[derive(Debug, Serialize)]
struct Document<'a> {
    source: &'a str,
    /// What a patch may hold, as it is now; `null` is as the driver has it.
    settings: Shown,
    /// Set at start, for good.
    profile: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    outcome: BTreeMap<&'a str, String>,
}

#[derive(Debug, Default, Serialize)]
struct Shown {
    exposure_us: Option<u64>,
    exposure_fixed_us: Option<u64>,
    white_balance: Option<String>,
    rotation: Option<u16>,
    hflip: Option<bool>,
    vflip: Option<bool>,
    bitrate: Option<u32>,
}

/// How the camera is set: `source` in words, `settings` where the source has a camera, the encoder's rate where it can
/// be told one; and per key of a change, "applied" with what the driver made of it, or "cannot" and the reason.
pub fn to_json(source: &str, settings: Option<&Settings>, bitrate: Option<Bitrate>, outcomes: &[Outcome]) -> String {
    let us = |time: Duration| u64::try_from(time.as_micros()).ok();
    let camera = settings.map_or_else(Shown::default, |settings| Shown {
        exposure_us: match settings.exposure {
            Some(Exposure::AtMost(time)) => us(time),
            _ => None,
        },
        exposure_fixed_us: match settings.exposure {
            Some(Exposure::Fixed(time)) => us(time),
            _ => None,
        },
        white_balance: settings.white_balance.map(|balance| balance.to_string()),
        rotation: settings.rotation.map(Rotation::degrees),
        hflip: settings.hflip,
        vflip: settings.vflip,
        bitrate: None,
    });
    let document = Document {
        source,
        settings: Shown { bitrate: bitrate.map(|rate| rate.0), ..camera },
        profile: settings.map(|settings| settings.profile.to_string()),
        outcome: outcomes.iter().map(told).collect(),
    };
    serde_json::to_string_pretty(&document).expect("strings, numbers and maps of them: nothing that JSON lacks")
}

/// A line of the outcome, under a key of the patch.
fn told(outcome: &Outcome) -> (&str, String) {
    let key = match outcome.name {
        "white-balance" => "white_balance",
        name => name,
    };
    (key, words(outcome))
}

fn words(outcome: &Outcome) -> String {
    match &outcome.result {
        Ok(made) if made.is_empty() => "applied".to_owned(),
        Ok(made) => format!("applied: {made}"),
        Err(why) => format!("cannot: {why}"),
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, words(self))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_a_patch_reaches_its_field() {
        let text = "{\"exposure_us\":5000,\"white_balance\":\"cloudy\",\"rotation\":180,\"hflip\":true,\
                    \"vflip\":false,\"bitrate\":1500000}";
        let expected = Change {
            exposure: Some(Exposure::AtMost(Duration::from_millis(5))),
            white_balance: Some(WhiteBalance::Cloudy),
            rotation: Some(Rotation::UpsideDown),
            hflip: Some(true),
            vflip: Some(false),
            bitrate: Some(Bitrate(1_500_000)),
        };
        assert_eq!(Change::from_json(text), Ok(expected));
        assert_eq!(Change::from_json("{}"), Ok(Change::default()));
        let fixed = Change { exposure: Some(Exposure::Fixed(Duration::from_millis(8))), ..Change::default() };
        assert_eq!(Change::from_json("{\"exposure_fixed_us\":8000}"), Ok(fixed));
    }

    #[test]
    fn null_takes_a_setting_back() {
        let text = "{\"exposure_us\":null,\"white_balance\":null,\"rotation\":null,\"hflip\":null,\"vflip\":null}";
        let expected = Change {
            exposure: Some(Exposure::Auto),
            white_balance: Some(WhiteBalance::Auto),
            rotation: Some(Rotation::None),
            hflip: Some(false),
            vflip: Some(false),
            bitrate: None,
        };
        assert_eq!(Change::from_json(text), Ok(expected));
    }

    #[test]
    fn what_no_camera_has_or_can_is_refused_with_what_would_be_right() {
        for (text, hint) in [
            ("{\"zoom\":2}", "unknown field `zoom`, expected one of `exposure_us`"),
            ("{\"hflip\":true,\"hflip\":false}", "duplicate field"),
            ("[]", "by a JSON object"),
            ("[5000]", "by a JSON object"),
            ("7", "by a JSON object"),
            ("{\"hflip\":1}", "expected a boolean"),
            ("{\"exposure_us\":-1}", "The camera cannot be set so"),
            ("{\"exposure_us\":2.5}", "The camera cannot be set so"),
            ("{\"exposure_us\":9}", "\"exposure_us\": 9 is out of range; it is 10 to 1000000 microseconds."),
            ("{\"exposure_fixed_us\":18446744073709551615}", "out of range"),
            ("{\"exposure_us\":500,\"exposure_fixed_us\":500}", "exclude each other"),
            ("{\"white_balance\":\"blue\"}", "daylight"),
            ("{\"rotation\":45}", "0, 90, 180 or 270"),
            ("{\"bitrate\":0}", "50000 to 25000000 bits per second"),
            ("{\"bitrate\":4294967297}", "out of range"),
            ("{\"bitrate\":null}", "give bits per second"),
        ] {
            match Change::from_json(text) {
                Err(NotRead::Impossible(sentence)) => assert!(sentence.contains(hint), "{text}: {sentence}"),
                other => panic!("{text}: {other:?}"),
            }
        }
        for text in ["", "hflip=true", "{\"hflip\":", "{} {}", &"[".repeat(10_000)] {
            assert!(matches!(Change::from_json(text), Err(NotRead::NoJson(_) | NotRead::Impossible(_))), "{text}");
        }
        assert!(matches!(Change::from_json("hflip=true"), Err(NotRead::NoJson(_))));
    }

    #[test]
    fn what_is_shown_can_be_sent_back_and_changes_nothing() {
        let settings = Settings {
            exposure: Some(Exposure::Fixed(Duration::from_micros(700))),
            white_balance: Some(WhiteBalance::Shade),
            rotation: Some(Rotation::Left),
            hflip: Some(true),
            vflip: Some(false),
            ..Settings::default()
        };
        let shown = to_json("a camera", Some(&settings), Some(Bitrate(2_000_000)), &[]);
        let document: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(document["profile"], "constrained-baseline");
        assert!(document.get("outcome").is_none());
        let change = Change::from_json(&document["settings"].to_string()).unwrap();
        assert_eq!(change.bitrate, Some(Bitrate(2_000_000)));
        let mut after = settings.clone();
        after.apply(&change);
        assert_eq!(after, settings);
    }

    #[test]
    fn each_key_of_a_change_is_told_what_became_of_it() {
        let outcomes = [
            Outcome { name: "bitrate", result: Ok("1500000 bit/s".into()) },
            Outcome { name: "hflip", result: Ok(String::new()) },
            Outcome { name: "white-balance", result: Err("the driver has no such control".into()) },
        ];
        let shown = to_json("a clip", None, None, &outcomes);
        let document: serde_json::Value = serde_json::from_str(&shown).unwrap();
        let expected = serde_json::json!({
            "bitrate": "applied: 1500000 bit/s",
            "hflip": "applied",
            "white_balance": "cannot: the driver has no such control",
        });
        assert_eq!((&document["outcome"], &document["source"]), (&expected, &"a clip".into()));
        assert!(document["settings"]["hflip"].is_null() && document["profile"].is_null());
    }
}
