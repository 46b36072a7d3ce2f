//! What a person writes after `--source` and `--size`, read into values; every refusal is a sentence that says what
//! would be right. Pure: whether the file or the program exists is found out by whoever opens it.

use std::path::PathBuf;
use std::str::FromStr;

/// What `--source` named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The best this machine has.
    Auto,
    /// The drawn scene.
    Demo,
    /// A raw H.264 file, paced and looped.
    Clip(PathBuf),
    /// Raw H.264 on standard input.
    Stdin,
    /// A command for `sh -c` whose output is raw H.264.
    Command(String),
    /// A V4L2 device that delivers H.264.
    Camera(PathBuf),
    /// A V4L2 device that delivers raw pictures, and the V4L2 encoder that makes H.264 of them.
    Encoder(PathBuf, PathBuf),
}

/// What a `--source` may be, for every sentence that refuses one.
const SOURCES: &str = "auto, demo, v4l2:/dev/videoN, encoder:/dev/videoN,/dev/videoM, clip:FILE.h264, \
                       pipe:- (standard input) or pipe:COMMAND";

impl FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            None if text == "auto" => Ok(Self::Auto),
            None if text == "demo" => Ok(Self::Demo),
            Some(("clip", "")) => Err("--source clip: names no file; write clip:FILE.h264".into()),
            Some(("clip", path)) => Ok(Self::Clip(path.into())),
            Some(("pipe", "-")) => Ok(Self::Stdin),
            Some(("pipe", command)) if command.trim().is_empty() => {
                Err("--source pipe: names no command; write pipe:- for standard input or \
                 pipe:COMMAND, e.g. \"pipe:rpicam-vid -t 0 -n --codec h264 --profile baseline --inline --flush -o -\""
                    .into())
            }
            Some(("pipe", command)) => Ok(Self::Command(command.into())),
            Some(("v4l2", "")) => Err("--source v4l2: names no device; write v4l2:/dev/video0".into()),
            Some(("v4l2", path)) => Ok(Self::Camera(path.into())),
            Some(("encoder", paths)) => match paths.split_once(',') {
                Some((raw, encoder)) if !raw.is_empty() && !encoder.is_empty() && !encoder.contains(',') => {
                    Ok(Self::Encoder(raw.into(), encoder.into()))
                }
                _ => Err(format!(
                    "--source {text} wants two devices, the camera and the encoder; \
                     write encoder:/dev/video0,/dev/video11"
                )),
            },
            _ if text.starts_with("/dev/video") => {
                Err(format!("--source {text} is no source; for a camera that delivers H.264 write v4l2:{text}"))
            }
            // A forgotten "clip:" is the likeliest slip.
            _ if text.ends_with(".h264") || text.ends_with(".264") => {
                Err(format!("--source {text} is no source; for a file write clip:{text}"))
            }
            _ => Err(format!("--source {text} is no source; it is one of {SOURCES}")),
        }
    }
}

/// Width and height of the picture in pixels: even, 16 to 4096.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Size {
    /// One macroblock; nothing smaller can be encoded.
    const LEAST: u32 = 16;
    /// Level 5.2 ends here, and no camera of this trade is wider.
    const MOST: u32 = 4096;
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers =
            text.split_once(['x', 'X']).and_then(|(w, h)| Some((w.parse::<u32>().ok()?, h.parse::<u32>().ok()?)));
        let Some((width, height)) = numbers else {
            return Err(format!("--size {text} is no size; write WIDTHxHEIGHT in pixels, e.g. 640x480"));
        };
        if [width, height].iter().any(|n| !(Self::LEAST..=Self::MOST).contains(n)) {
            return Err(format!(
                "--size {text} is out of range; width and height are {} to {} pixels, e.g. 640x480",
                Self::LEAST,
                Self::MOST
            ));
        }
        if width % 2 == 1 || height % 2 == 1 {
            let (even_width, even_height) = (width & !1, height & !1);
            return Err(format!(
                "--size {text} is odd; H.264 with 4:2:0 colour wants even width and height, \
                 e.g. {even_width}x{even_height}"
            ));
        }
        Ok(Self { width, height })
    }
}

impl std::fmt::Display for Size {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_of_source_is_understood() {
        let of = |text: &str| text.parse::<Choice>().unwrap();
        assert_eq!(of("auto"), Choice::Auto);
        assert_eq!(of("demo"), Choice::Demo);
        assert_eq!(of("clip:/a:b.h264"), Choice::Clip("/a:b.h264".into()));
        assert_eq!(of("pipe:-"), Choice::Stdin);
        assert_eq!(of("pipe:cat x | y: z"), Choice::Command("cat x | y: z".into()));
        assert_eq!(of("v4l2:/dev/video0"), Choice::Camera("/dev/video0".into()));
        let encoder = Choice::Encoder("/dev/video0".into(), "/dev/video11".into());
        assert_eq!(of("encoder:/dev/video0,/dev/video11"), encoder);
    }

    #[test]
    fn a_source_that_is_none_is_refused_with_what_would_be_right() {
        for (text, hint) in [
            ("", "clip:FILE"),
            ("camera", "auto, demo"),
            ("clip:", "clip:FILE"),
            ("pipe:", "pipe:-"),
            ("pipe:  ", "pipe:-"),
            ("a.h264", "clip:a.h264"),
            ("Demo", "demo"),
            ("demo:x", "demo"),
            ("v4l2:", "v4l2:/dev/video0"),
            ("/dev/video0", "v4l2:/dev/video0"),
            ("encoder:/dev/video0", "encoder:/dev/video0,/dev/video11"),
            ("encoder:,/dev/video11", "encoder:/dev/video0,/dev/video11"),
            ("encoder:a,b,c", "encoder:/dev/video0,/dev/video11"),
        ] {
            let sentence = text.parse::<Choice>().unwrap_err();
            assert!(sentence.contains(hint), "{text}: {sentence}");
        }
    }

    #[test]
    fn a_size_is_even_and_within_what_encoders_take() {
        assert_eq!("640x480".parse(), Ok(Size { width: 640, height: 480 }));
        assert_eq!("16x4096".parse(), Ok(Size { width: 16, height: 4096 }));
        for (text, hint) in [
            ("641x480", "640x480"),
            ("640x481", "640x480"),
            ("640", "WIDTHxHEIGHT"),
            ("-640x480", "WIDTHxHEIGHT"),
            ("640x480x2", "WIDTHxHEIGHT"),
            ("14x480", "16 to 4096"),
            ("640x4098", "16 to 4096"),
            ("0x0", "16 to 4096"),
            ("99999999999x2", "WIDTHxHEIGHT"),
        ] {
            let sentence = text.parse::<Size>().unwrap_err();
            assert!(sentence.contains(hint), "{text}: {sentence}");
        }
    }
}
