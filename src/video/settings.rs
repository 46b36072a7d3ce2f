//! What a person may ask of a camera: at start ([`Settings`]) and while it runs ([`Change`]). Values only; `None` leaves
//! a thing as the driver has it. The command line and `PATCH /camera` fill them, `camera` and `encoder` carry them out.

use std::time::Duration;

use crate::frame::Bitrate;

/// Asked for at start, beside size, frame rate and bit rate, which every source has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// Which tools of H.264 the encoder may use.
    pub profile: Profile,
    /// How long the sensor gathers light.
    pub exposure: Option<Exposure>,
    /// What counts as white.
    pub white_balance: Option<WhiteBalance>,
    /// How the camera is mounted.
    pub rotation: Option<Rotation>,
    /// Mirror left and right.
    pub hflip: Option<bool>,
    /// Mirror top and bottom.
    pub vflip: Option<bool>,
}

/// H.264 profiles (ITU-T H.264 annex A.2) that V4L2 encoders know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Profile {
    /// What every browser decodes, Firefox nothing else.
    #[default]
    ConstrainedBaseline,
    /// Adds tools that nobody uses.
    Baseline,
    /// CABAC: some percent smaller, more work.
    Main,
    /// 8x8 transform: smaller still; Chromium does not receive it by WebRTC.
    High,
}

/// How long the sensor may gather light for a picture: motion blurs, and half of it is delay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// As the driver likes, up to a frame interval.
    Auto,
    /// Automatic, but not longer than this.
    AtMost(Duration),
    /// Exactly this.
    Fixed(Duration),
}

/// What the camera takes for white (V4L2_CID_AUTO_N_PRESET_WHITE_BALANCE).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhiteBalance {
    /// It finds out.
    Auto,
    /// Light bulbs.
    Incandescent,
    /// Tubes.
    Fluorescent,
    /// Low sun.
    Horizon,
    /// The sun.
    Daylight,
    /// Its flash.
    Flash,
    /// Clouds.
    Cloudy,
    /// Shade.
    Shade,
}

/// Clockwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rotation {
    /// As it is.
    None,
    /// 90 degrees.
    Right,
    /// 180 degrees.
    UpsideDown,
    /// 270 degrees.
    Left,
}

impl Rotation {
    /// As drivers count.
    pub fn degrees(self) -> u16 {
        match self {
            Self::None => 0,
            Self::Right => 90,
            Self::UpsideDown => 180,
            Self::Left => 270,
        }
    }
}

/// What shall be otherwise from now on; `None` stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Change {
    /// See [`Settings::exposure`].
    pub exposure: Option<Exposure>,
    /// See [`Settings::white_balance`].
    pub white_balance: Option<WhiteBalance>,
    /// See [`Settings::rotation`].
    pub rotation: Option<Rotation>,
    /// See [`Settings::hflip`].
    pub hflip: Option<bool>,
    /// See [`Settings::vflip`].
    pub vflip: Option<bool>,
    /// Of the encoder.
    pub bitrate: Option<Bitrate>,
}

/// What became of one part of a [`Settings`] or a [`Change`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The field's name with hyphens: `exposure`, `white-balance`, `bitrate`.
    pub name: &'static str,
    /// What the driver made of it, e.g. "2000000 bit/s", or a sentence why it did not.
    pub result: Result<String, String>,
}

impl Settings {
    /// The settings as they are after `change`, so that a camera that comes back gets them again.
    pub fn apply(&mut self, change: &Change) {
        self.exposure = change.exposure.or(self.exposure);
        self.white_balance = change.white_balance.or(self.white_balance);
        self.rotation = change.rotation.or(self.rotation);
        self.hflip = change.hflip.or(self.hflip);
        self.vflip = change.vflip.or(self.vflip);
    }
}

impl Change {
    /// The parts of `self` that are set, each refused with `why`: for a source that has no camera.
    pub fn refused(&self, why: &str) -> Vec<Outcome> {
        let Self { exposure, white_balance, rotation, hflip, vflip, bitrate } = self;
        let set = [
            ("exposure", exposure.is_some()),
            ("white-balance", white_balance.is_some()),
            ("rotation", rotation.is_some()),
            ("hflip", hflip.is_some()),
            ("vflip", vflip.is_some()),
            ("bitrate", bitrate.is_some()),
        ];
        let refuse = |(name, _)| Outcome { name, result: Err(why.to_owned()) };
        set.into_iter().filter(|(_, set)| *set).map(refuse).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_changed_stays_changed_and_the_rest_as_it_was() {
        let mut settings = Settings { hflip: Some(true), vflip: Some(true), ..Settings::default() };
        settings.apply(&Change { hflip: Some(false), exposure: Some(Exposure::Auto), ..Change::default() });
        let after =
            Settings { hflip: Some(false), vflip: Some(true), exposure: Some(Exposure::Auto), ..Settings::default() };
        assert_eq!(settings, after);
    }

    #[test]
    fn a_source_without_a_camera_refuses_what_was_asked_and_nothing_else() {
        let change = Change { vflip: Some(true), bitrate: Some(Bitrate(1)), ..Change::default() };
        let names: Vec<_> = change.refused("no").into_iter().map(|outcome| outcome.name).collect();
        assert_eq!(names, ["vflip", "bitrate"]);
    }
}
