//! The command line of `rpicam-vid` for the shortest delay, made of what was asked for. Pure. Options as of
//! rpicam-apps 1.4 and libcamera-apps 1.1 (core/options.cpp, core/video_options.hpp, encoder/h264_encoder.cpp).

use crate::frame::Bitrate;
use crate::video::settings::{Exposure, Outcome, Profile, Rotation, Settings, WhiteBalance};
use crate::video::{Options, Size};

/// Macroblocks a second of level 4 (ITU-T H.264 table A-1); rpicam-vid knows 4, 4.1 and 4.2 only.
const LEVEL_4: u32 = 245_760;

/// What the child is run with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// `rpicam-vid` or `libcamera-vid`.
    pub(super) program: &'static str,
    /// Pixels, before any rotation.
    pub(super) size: Size,
    /// Frames per second.
    pub(super) fps: u32,
    /// Of the encoder.
    pub(super) bitrate: Bitrate,
    /// Of camera and encoder.
    pub(super) settings: Settings,
}

impl Plan {
    pub(super) fn new(program: &'static str, options: &Options) -> Self {
        let Options { size, fps, bitrate, camera, .. } = options;
        Self { program, size: *size, fps: *fps, bitrate: *bitrate, settings: camera.clone() }
    }

    /// Frames from one keyframe to the next: a pipe carries no wish for one, so a second is the longest that somebody
    /// who joins or has lost a frame waits.
    pub(super) fn intra(&self) -> u32 {
        self.fps
    }

    /// For `sh -c`. Every word is a number or one of ours: nothing needs quotes.
    pub(super) fn command(&self) -> String {
        let Self { program, size, fps, bitrate, settings } = self;
        let intra = self.intra();
        let level = if blocks(*size) * fps > LEVEL_4 { "4.2" } else { "4" };
        let profile = match settings.profile {
            // The encoder's baseline uses none of the tools that make the difference.
            Profile::ConstrainedBaseline | Profile::Baseline => "baseline",
            Profile::Main => "main",
            Profile::High => "high",
        };
        // exec: the program is then the leader of its group, and its end ours to see.
        let mut command = format!(
            "exec {program} -t 0 -n --codec h264 --profile {profile} --level {level} --inline --flush \
             --denoise cdn_off --width {} --height {} --framerate {fps} --bitrate {} --intra {intra}",
            size.width, size.height, bitrate.0
        );
        let mut add = |words: &str| {
            command.push(' ');
            command.push_str(words);
        };
        match settings.exposure {
            // "sport" prefers short exposures; there is no upper bound that could be named.
            Some(Exposure::AtMost(time) | Exposure::Fixed(time)) => add(&format!("--shutter {}", time.as_micros())),
            Some(Exposure::Auto) | None => {}
        }
        if let Some(awb) = settings.white_balance.and_then(awb) {
            add(&format!("--awb {awb}"));
        }
        if settings.rotation == Some(Rotation::UpsideDown) {
            add("--rotation 180");
        }
        if settings.hflip == Some(true) {
            add("--hflip");
        }
        if settings.vflip == Some(true) {
            add("--vflip");
        }
        add("-o -");
        command
    }

    /// What of `settings` the program has no option for, or another one than was asked.
    pub(super) fn misfits(settings: &Settings) -> Vec<Outcome> {
        let mut misfits = Vec::new();
        let mut cannot = |name, why: &str| misfits.push(Outcome { name, result: Err(why.to_owned()) });
        if matches!(settings.rotation, Some(Rotation::Right | Rotation::Left)) {
            cannot("rotation", "rpicam-vid turns a picture by 0 or 180 degrees only");
        }
        if settings.white_balance.is_some_and(|balance| awb(balance).is_none()) {
            cannot("white-balance", "rpicam-vid knows auto, incandescent, fluorescent, daylight and cloudy only");
        }
        misfits
    }
}

/// Its word for it.
fn awb(balance: WhiteBalance) -> Option<&'static str> {
    match balance {
        WhiteBalance::Auto => Some("auto"),
        WhiteBalance::Incandescent => Some("incandescent"),
        WhiteBalance::Fluorescent => Some("fluorescent"),
        WhiteBalance::Daylight => Some("daylight"),
        WhiteBalance::Cloudy => Some("cloudy"),
        WhiteBalance::Horizon | WhiteBalance::Flash | WhiteBalance::Shade => None,
    }
}

/// Macroblocks of a picture.
fn blocks(size: Size) -> u32 {
    size.width.div_ceil(16) * size.height.div_ceil(16)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn plan(camera: &str) -> Plan {
        let settings = if camera.is_empty() { Settings::default() } else { camera.parse().unwrap() };
        let size = Size { width: 640, height: 480 };
        Plan { program: "rpicam-vid", size, fps: 30, bitrate: Bitrate(2_000_000), settings }
    }

    #[test]
    fn nothing_asked_is_the_shortest_delay() {
        let expected = "exec rpicam-vid -t 0 -n --codec h264 --profile baseline --level 4 --inline --flush --denoise \
                        cdn_off --width 640 --height 480 --framerate 30 --bitrate 2000000 --intra 30 -o -";
        assert_eq!(plan("").command(), expected);
    }

    #[test]
    fn what_is_asked_of_the_camera_becomes_its_options() {
        let camera = "exposure=5ms,awb=daylight,rotation=180,hflip,vflip,profile=high";
        let command = plan(camera).command();
        let tail = "--intra 30 --shutter 5000 --awb daylight --rotation 180 --hflip --vflip -o -";
        assert!(command.ends_with(tail) && command.contains("--profile high"), "{command}");
        let command = plan("exposure=auto,awb=auto,rotation=0,hflip=off").command();
        assert!(command.ends_with("--intra 30 --awb auto -o -"), "{command}");
        assert!(plan("awb=tungsten").command().contains("--awb incandescent"));
    }

    #[test]
    fn a_picture_beyond_level_4_gets_a_higher_one() {
        let size = Size { width: 1920, height: 1080 };
        assert!(Plan { size, ..plan("") }.command().contains("--level 4 "));
        assert!(Plan { size, fps: 50, ..plan("") }.command().contains("--level 4.2 "));
    }

    #[test]
    fn what_it_has_no_option_for_is_left_out_and_told() {
        let plan = plan("rotation=90,awb=shade,hflip");
        assert!(plan.command().ends_with("--intra 30 --hflip -o -"), "{}", plan.command());
        let misfits: Vec<_> = Plan::misfits(&plan.settings).into_iter().map(|outcome| outcome.name).collect();
        assert_eq!(misfits, ["rotation", "white-balance"]);
    }
}
