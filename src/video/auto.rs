//! `--source auto`: which of the machine's sources to take, and why, as a pure decision over what the device nodes say
//! of themselves. A camera that delivers H.264 comes first, then a raw camera with an encoder beside it, then
//! `rpicam-vid`, then the demo. Stacks are told apart by the driver's name. Asked once, at start; `nodes` lists.

use std::path::{Path, PathBuf};

use super::Choice;
use super::v4l2::a_few;

/// Four characters that name a pixel format (kernel documentation, "Image Formats").
pub type FourCc = [u8; 4];

const H264: FourCc = *b"H264";

/// Capability bits of `VIDIOC_QUERYCAP` (videodev2.h), of the node and not of the whole device.
const CAPTURE: u32 = 0x0000_0001 | 0x0000_1000;
const M2M: u32 = 0x0000_8000 | 0x0000_4000;
const STREAMING: u32 = 0x0400_0000;
/// The formats it lists are those of the hardware, not of the sensor on it: the pipeline must be set up from outside,
/// by libcamera.
const IO_MC: u32 = 0x2000_0000;

/// What the encoder of a Pi takes and a camera may give, the cheapest first: 12 bits a pixel before 16.
const RAW: [FourCc; 8] = [*b"YU12", *b"NV12", *b"YV12", *b"NV21", *b"YUYV", *b"UYVY", *b"YVYU", *b"VYUY"];

/// A `/dev/video` node, as it describes itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name in the file system.
    pub path: PathBuf,
    /// Which driver.
    pub driver: String,
    /// What the driver calls the device.
    pub card: String,
    /// `device_caps` of `VIDIOC_QUERYCAP`.
    pub caps: u32,
    /// What can be read from it: the formats of its capture queue.
    pub gives: Vec<FourCc>,
    /// What can be written to it: the formats of its output queue; empty for a camera.
    pub takes: Vec<FourCc>,
    /// Why it could not be asked; the rest is empty then.
    pub refused: Option<Refused>,
}

/// Why a node could not be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// This user may not open it.
    Forbidden,
    /// Anything else, in the kernel's words.
    Other(String),
}

impl Node {
    fn is_m2m(&self) -> bool {
        self.caps & M2M != 0
    }

    /// Something that makes pictures by itself, and not one end of a device that processes those of others.
    fn is_camera(&self) -> bool {
        let processes = matches!(self.driver.as_str(), "bcm2835-isp" | "pispbe" | "bcm2835-codec");
        self.caps & CAPTURE != 0 && self.caps & STREAMING != 0 && !self.is_m2m() && !processes
    }

    fn is_encoder(&self) -> bool {
        self.is_m2m() && self.gives.contains(&H264) && self.takes.iter().any(|format| RAW.contains(format))
    }

    /// The sensor's bare interface, which only libcamera knows how to use.
    fn is_for_libcamera(&self) -> bool {
        self.is_camera() && matches!(self.driver.as_str(), "unicam" | "rp1-cfe")
    }

    /// The first format that this camera gives and that encoder takes.
    fn common_with(&self, encoder: &Self) -> Option<FourCc> {
        let ready = self.caps & IO_MC == 0;
        RAW.into_iter().find(|format| ready && self.gives.contains(format) && encoder.takes.contains(format))
    }

    /// What a person knows the driver by.
    fn stack(&self) -> &'static str {
        match self.driver.as_str() {
            "bm2835 mmal" => "the Pi's legacy camera stack",
            "unicam" | "rp1-cfe" => "the Pi's libcamera stack",
            "uvcvideo" => "a USB camera",
            "v4l2 loopback" => "a loopback device that another program feeds",
            _ => "a camera",
        }
    }
}

/// The program that stands between us and libcamera, where it is installed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rpicam {
    /// `rpicam-vid`, or `libcamera-vid` as it was called before 2024, can be run.
    Installed,
    /// Neither is in `PATH`.
    Missing,
}

/// What to take, and why: half a sentence for the banner, the log and `/stats`.
pub fn decide(nodes: &[Node], rpicam: Rpicam) -> (Choice, String) {
    let cameras = || nodes.iter().filter(|node| node.is_camera());
    if let Some(camera) = cameras().find(|node| node.gives.contains(&H264)) {
        let why = format!("{} delivers H.264 itself: {}", name(camera), camera.stack());
        return (Choice::Camera(camera.path.clone()), why);
    }
    let encoders = || nodes.iter().filter(|node| node.is_encoder());
    for camera in cameras() {
        if let Some((encoder, format)) = encoders().find_map(|one| Some((one, camera.common_with(one)?))) {
            let why = format!(
                "{} gives {} and no H.264, {} encodes it",
                name(camera),
                String::from_utf8_lossy(&format),
                name(encoder)
            );
            return (Choice::Encoder(camera.path.clone(), encoder.path.clone()), why);
        }
    }
    let sensor = nodes.iter().find(|node| node.is_for_libcamera());
    match (sensor, rpicam) {
        (Some(sensor), Rpicam::Installed) => {
            (Choice::Rpicam, format!("{} is of {}, which rpicam-vid speaks to", name(sensor), sensor.stack()))
        }
        (Some(sensor), Rpicam::Missing) => (
            Choice::Demo,
            format!(
                "{} is of {}, and rpicam-vid is not installed: sudo apt install rpicam-apps",
                name(sensor),
                sensor.stack()
            ),
        ),
        (None, _) => {
            let refused = nodes.iter().find_map(|node| Some((node, node.refused.as_ref()?)));
            (Choice::Demo, nothing_found(cameras().next(), encoders().next(), refused, rpicam))
        }
    }
}

/// Why no camera is taken.
fn nothing_found(
    camera: Option<&Node>,
    encoder: Option<&Node>,
    refused: Option<(&Node, &Refused)>,
    rpicam: Rpicam,
) -> String {
    match (camera, encoder, refused) {
        (Some(camera), ..) if camera.gives.is_empty() => {
            format!("{} gives nothing yet; start the program that feeds it, then windshield again", name(camera))
        }
        (Some(camera), None, _) => {
            format!("{} gives {} but no H.264, and no encoder was found", name(camera), list(&camera.gives))
        }
        (Some(camera), Some(encoder), _) => {
            format!("{} gives {}, which {} does not take", name(camera), list(&camera.gives), name(encoder))
        }
        (None, _, Some((node, Refused::Forbidden))) => {
            let path = node.path.display();
            format!("{path} may not be opened by this user; try: sudo usermod -aG video $USER, and log in again")
        }
        (None, _, Some((node, Refused::Other(why)))) => format!("{} cannot be asked: {why}", node.path.display()),
        (None, _, None) if rpicam == Rpicam::Installed => {
            "no camera was found, not by rpicam-vid's driver either; plug it in and start windshield again".to_owned()
        }
        (None, _, None) => "no camera was found; plug it in and start windshield again".to_owned(),
    }
}

fn name(node: &Node) -> String {
    format!("{} ({})", Path::new(&node.path).display(), node.driver)
}

fn list(formats: &[FourCc]) -> String {
    let names: Vec<_> = formats.iter().map(|format| String::from_utf8_lossy(format)).collect();
    a_few(&names)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
