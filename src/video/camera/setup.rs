//! EDGE: a person's wishes, written into a device's controls one by one: each is probed, set, read back, and told. The
//! same for cameras and for encoders, which share the controls of the codec.

use std::time::Duration;

use v4l::v4l_sys as sys;

use super::super::settings::{Change, Exposure, Outcome, Profile, Rotation, Settings, WhiteBalance};
use super::super::v4l2::controls::Control;
use super::super::v4l2::node::Node;
use super::keyframes::Way;
use super::level::level;
use crate::frame::Bitrate;

/// A short period, in frames: two keyframes a second at 30 frames a second, so that the wait is bearable and the picture
/// does not fall apart at the same bit rate.
const SHORT_PERIOD: i64 = 15;

/// Units of V4L2_CID_EXPOSURE_ABSOLUTE.
const EXPOSURE_UNIT: Duration = Duration::from_micros(100);

/// A control that holds how many frames lie between keyframes, and what stands for "no more of them".
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::video) struct Period {
    control: Control,
    long: i64,
}

/// What a codec can be told while it runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Codec {
    force: Option<Control>,
    period: Option<Period>,
    bitrate: Option<Control>,
}

impl Codec {
    /// Probes and sets the codec's controls. What the driver made of them is added to `told`.
    pub(in crate::video) fn prepare(
        node: &Node,
        profile: Profile,
        bitrate: Bitrate,
        (width, height, fps): (u32, u32, u32),
        told: &mut Vec<String>,
    ) -> Self {
        let force = node.control(sys::V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME);
        let set = |id: u32, value: i64| {
            let control = node.control(id).filter(|control| node.has_entry(control, value))?;
            let made = node.set(&control, value).map_err(|error| log::debug!("{}: {error}", control.name)).ok()?;
            Some(made)
        };
        set(
            sys::V4L2_CID_MPEG_VIDEO_BITRATE_MODE,
            sys::v4l2_mpeg_video_bitrate_mode_V4L2_MPEG_VIDEO_BITRATE_MODE_CBR.into(),
        );
        let rate = node.control(sys::V4L2_CID_MPEG_VIDEO_BITRATE);
        match rate.as_ref().map(|control| node.set(control, bitrate.0.into())) {
            Some(Ok(made)) => told.push(format!("{made} bit/s")),
            Some(Err(error)) => told.push(format!("no bit rate ({error})")),
            None => told.push("its own bit rate".to_owned()),
        }
        let entry = profile_entry(profile);
        // Some know only the plain one; without its extra tools, which no encoder uses, it is the constrained one.
        let baseline = sys::v4l2_mpeg_video_h264_profile_V4L2_MPEG_VIDEO_H264_PROFILE_BASELINE.into();
        let made = set(sys::V4L2_CID_MPEG_VIDEO_H264_PROFILE, entry)
            .or_else(|| set(sys::V4L2_CID_MPEG_VIDEO_H264_PROFILE, baseline));
        told.push(made.map_or("its own profile".to_owned(), |made| profile_name(made).to_owned()));
        let lowest = level(width, height, fps, bitrate);
        let made = (0..=lowest.entry).rev().find_map(|entry| set(sys::V4L2_CID_MPEG_VIDEO_H264_LEVEL, entry));
        told.push(match made {
            Some(made) if made == lowest.entry => format!("level {}", lowest.name),
            Some(made) => format!("level number {made} instead of {}", lowest.name),
            None => "its own level".to_owned(),
        });
        set(sys::V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER, 1);
        set(
            sys::V4L2_CID_MPEG_VIDEO_HEADER_MODE,
            sys::v4l2_mpeg_video_header_mode_V4L2_MPEG_VIDEO_HEADER_MODE_JOINED_WITH_1ST_FRAME.into(),
        );
        set(sys::V4L2_CID_MPEG_VIDEO_B_FRAMES, 0);
        let period = Period::find(node);
        match &period {
            Some(period) => match node.set(&period.control, period.long) {
                Ok(0) => told.push("no keyframes but on demand".to_owned()),
                Ok(made) => told.push(format!("a keyframe every {made} frames")),
                Err(error) => told.push(format!("keyframes as it likes ({error})")),
            },
            None => told.push("keyframes as it likes".to_owned()),
        }
        Self { force, period, bitrate: rate }
    }

    /// The ways to a keyframe that this device has; starting it again is always one.
    pub(in crate::video) fn ways(&self) -> Vec<Way> {
        let mut ways = vec![Way::Restart];
        ways.extend(self.force.as_ref().map(|_| Way::Force));
        ways.extend(self.period.as_ref().map(|_| Way::Period));
        ways
    }

    pub(in crate::video) fn force(&self, node: &Node) {
        if let Some(Err(error)) = self.force.as_ref().map(|control| node.set(control, 1)) {
            log::debug!("forcing a keyframe: {error}");
        }
    }

    pub(in crate::video) fn set_period(&self, node: &Node, short: bool) {
        let Some(period) = &self.period else { return };
        if let Err(error) = node.set(&period.control, if short { SHORT_PERIOD } else { period.long }) {
            log::debug!("setting the I-frame period: {error}");
        }
    }

    /// Sets the bit rate of the running encoder; returns what it is now.
    pub(in crate::video) fn set_bitrate(&self, node: &Node, bitrate: Bitrate) -> Result<Bitrate, String> {
        let control = self.bitrate.as_ref().ok_or("this device has no control for its bit rate")?;
        let made = node.set(control, bitrate.0.into()).map_err(|error| format!("the driver refuses it: {error}"))?;
        Ok(Bitrate(made.try_into().unwrap_or(bitrate.0)))
    }

    /// The bit rate can be set while it runs.
    pub(in crate::video) fn has_bitrate(&self) -> bool {
        self.bitrate.is_some()
    }
}

impl Period {
    fn find(node: &Node) -> Option<Self> {
        // 0 is "never again" for the former on VideoCore; the latter counts to its end.
        let control = node.control(sys::V4L2_CID_MPEG_VIDEO_H264_I_PERIOD);
        if let Some(control) = control.filter(|control| control.most > SHORT_PERIOD) {
            let long = if control.least <= 0 { 0 } else { control.most };
            return Some(Self { control, long });
        }
        let control = node.control(sys::V4L2_CID_MPEG_VIDEO_GOP_SIZE)?;
        (control.most > SHORT_PERIOD).then_some(Self { long: control.most, control })
    }
}

/// Sets what a person asked of the camera itself at start.
pub(in crate::video) fn apply_settings(node: &Node, settings: &Settings) -> Vec<Outcome> {
    let Settings { profile: _, exposure, white_balance, rotation, hflip, vflip } = *settings;
    apply(node, &Change { exposure, white_balance, rotation, hflip, vflip, bitrate: None })
}

/// Changes the camera itself; the bit rate is the codec's affair.
pub(in crate::video) fn apply(node: &Node, change: &Change) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let mut tell = |name, result| outcomes.push(Outcome { name, result });
    if let Some(exposure) = change.exposure {
        tell("exposure", set_exposure(node, exposure));
    }
    if let Some(white_balance) = change.white_balance {
        tell("white-balance", set_white_balance(node, white_balance));
    }
    if let Some(rotation) = change.rotation {
        tell("rotation", set_rotation(node, rotation));
    }
    for (name, id, flip) in [("hflip", sys::V4L2_CID_HFLIP, change.hflip), ("vflip", sys::V4L2_CID_VFLIP, change.vflip)]
    {
        if let Some(flip) = flip {
            let made = set(node, id, flip.into());
            tell(name, made.map(|made| if made == 0 { "off".to_owned() } else { "on".to_owned() }));
        }
    }
    outcomes
}

fn set(node: &Node, id: u32, value: i64) -> Result<i64, String> {
    let control = node.control(id).ok_or("this camera has no such control")?;
    if !node.has_entry(&control, value) {
        return Err(format!("the camera's control \"{}\" has no such entry", control.name));
    }
    node.set(&control, value).map_err(|error| format!("the driver refuses it: {error}"))
}

fn set_exposure(node: &Node, exposure: Exposure) -> Result<String, String> {
    const AUTO: i64 = sys::v4l2_exposure_auto_type_V4L2_EXPOSURE_AUTO as i64;
    const MANUAL: i64 = sys::v4l2_exposure_auto_type_V4L2_EXPOSURE_MANUAL as i64;
    const APERTURE_PRIORITY: i64 = sys::v4l2_exposure_auto_type_V4L2_EXPOSURE_APERTURE_PRIORITY as i64;
    let automatic = || {
        // UVC cameras call it aperture priority.
        set(node, sys::V4L2_CID_EXPOSURE_AUTO, AUTO)
            .or_else(|error| set(node, sys::V4L2_CID_EXPOSURE_AUTO, APERTURE_PRIORITY).map_err(|_| error))
    };
    let scene = |scene: u32| set(node, sys::V4L2_CID_SCENE_MODE, scene.into());
    match exposure {
        Exposure::Auto => {
            let _ = scene(sys::v4l2_scene_mode_V4L2_SCENE_MODE_NONE);
            automatic().map(|_| "automatic".to_owned())
        }
        Exposure::AtMost(longest) => {
            // V4L2 has no bound for automatic exposure. What comes near: never longer than a frame, and the scene mode
            // that prefers gain to time.
            let _ = automatic();
            let frame = set(node, sys::V4L2_CID_EXPOSURE_AUTO_PRIORITY, 0);
            let sports = scene(sys::v4l2_scene_mode_V4L2_SCENE_MODE_SPORTS);
            let ms = longest.as_secs_f64() * 1e3;
            match (sports, frame) {
                (Ok(_), _) => Ok(format!("automatic in sports mode, which is short (V4L2 cannot bound it to {ms} ms)")),
                (Err(_), Ok(_)) => Ok(format!("automatic within a frame (V4L2 cannot bound it to {ms} ms)")),
                (Err(error), Err(_)) => Err(format!("{error}; give a fixed time instead")),
            }
        }
        Exposure::Fixed(time) => {
            let units = (time.as_micros() / EXPOSURE_UNIT.as_micros()).max(1);
            set(node, sys::V4L2_CID_EXPOSURE_AUTO, MANUAL)?;
            let made = set(node, sys::V4L2_CID_EXPOSURE_ABSOLUTE, i64::try_from(units).unwrap_or(i64::MAX))?;
            Ok(format!("{} ms", made as f64 / 10.0))
        }
    }
}

fn set_white_balance(node: &Node, balance: WhiteBalance) -> Result<String, String> {
    use sys as s;
    let (entry, name) = match balance {
        WhiteBalance::Auto => (s::v4l2_auto_n_preset_white_balance_V4L2_WHITE_BALANCE_AUTO, "automatic"),
        WhiteBalance::Incandescent => {
            (s::v4l2_auto_n_preset_white_balance_V4L2_WHITE_BALANCE_INCANDESCENT, "incandescent")
        }
        WhiteBalance::Fluorescent => {
            (s::v4l2_auto_n_preset_white_balance_V4L2_WHITE_BALANCE_FLUORESCENT, "fluorescent")
        }
        WhiteBalance::Horizon => (s::v4l2_auto_n_preset_white_balance_V4L2_WHITE_BALANCE_HORIZON, "horizon"),
        WhiteBalance::Daylight => (s::v4l2_auto_n_preset_white_balance_V4L2_WHITE_BALANCE_DAYLIGHT, "daylight"),
        WhiteBalance::Flash => (s::v4l2_auto_n_preset_white_balance_V4L2_WHITE_BALANCE_FLASH, "flash"),
        WhiteBalance::Cloudy => (s::v4l2_auto_n_preset_white_balance_V4L2_WHITE_BALANCE_CLOUDY, "cloudy"),
        WhiteBalance::Shade => (s::v4l2_auto_n_preset_white_balance_V4L2_WHITE_BALANCE_SHADE, "shade"),
    };
    let preset = set(node, sys::V4L2_CID_AUTO_N_PRESET_WHITE_BALANCE, entry.into());
    let made = match balance {
        WhiteBalance::Auto => preset.or_else(|_| set(node, sys::V4L2_CID_AUTO_WHITE_BALANCE, 1)),
        _ => preset,
    };
    made.map(|_| name.to_owned())
}

/// Cameras that cannot rotate can mirror both ways, which is half a turn.
fn set_rotation(node: &Node, rotation: Rotation) -> Result<String, String> {
    let degrees = rotation.degrees();
    let turned = set(node, sys::V4L2_CID_ROTATE, degrees.into());
    match (turned, rotation) {
        (Ok(made), _) => Ok(format!("{made} degrees")),
        (Err(_), Rotation::None | Rotation::UpsideDown) if node.control(sys::V4L2_CID_HFLIP).is_some() => {
            let flip = i64::from(rotation == Rotation::UpsideDown);
            set(node, sys::V4L2_CID_HFLIP, flip)?;
            set(node, sys::V4L2_CID_VFLIP, flip)?;
            Ok(format!("{degrees} degrees by both flips"))
        }
        (Err(error), _) => Err(error),
    }
}

fn profile_entry(profile: Profile) -> i64 {
    i64::from(match profile {
        Profile::ConstrainedBaseline => {
            sys::v4l2_mpeg_video_h264_profile_V4L2_MPEG_VIDEO_H264_PROFILE_CONSTRAINED_BASELINE
        }
        Profile::Baseline => sys::v4l2_mpeg_video_h264_profile_V4L2_MPEG_VIDEO_H264_PROFILE_BASELINE,
        Profile::Main => sys::v4l2_mpeg_video_h264_profile_V4L2_MPEG_VIDEO_H264_PROFILE_MAIN,
        Profile::High => sys::v4l2_mpeg_video_h264_profile_V4L2_MPEG_VIDEO_H264_PROFILE_HIGH,
    })
}

fn profile_name(entry: i64) -> &'static str {
    const NAMES: [&str; 5] = ["baseline", "constrained baseline", "main", "extended", "high"];
    usize::try_from(entry).ok().and_then(|entry| NAMES.get(entry)).copied().unwrap_or("a profile of its own")
}
