//! What doctor knows of a machine: plain values, each absent where the machine has no such thing. Filled by `gather`,
//! judged by `board`, `camera` and `network`, and made up in tests.

use std::net::IpAddr;

use super::probe::RoundTrips;

/// A machine, as far as it matters here.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// Board name from the device tree; none on a PC.
    pub model: Option<String>,
    /// Kernel release, such as `6.6.51+rpt-rpi-v6`.
    pub kernel: String,
    /// The firmware's configuration, if there is one.
    pub boot_config: Option<BootConfig>,
    /// Every `/dev/videoN`.
    pub nodes: Vec<Node>,
    /// `rpicam-vid` or, as it was called before, `libcamera-vid`.
    pub rpicam: Option<String>,
    /// Every Wi-Fi interface.
    pub wifi: Vec<Wifi>,
    /// Whether the program `iw` could be asked.
    pub iw: Tool,
    /// Regulatory domain of the radio: two letters, `00` where none is set.
    pub country: Option<String>,
    /// True if the radio is switched off by software (rfkill).
    pub radio_blocked: bool,
    /// How the first core's clock is chosen.
    pub governor: Option<String>,
    /// Bits of the Pi's firmware: see [`crate::board::Throttled`].
    pub throttled: Option<u32>,
    /// Memory that can be had without swapping, and all of it; KiB.
    pub memory: Option<(u64, u64)>,
    /// The port asked about, and who has it.
    pub port: u16,
    /// TCP side of it.
    pub tcp: Port,
    /// UDP side of it.
    pub udp: Port,
    /// The peer that was named, and what became of pings to it.
    pub peer: Option<(IpAddr, Ping)>,
    /// The router of the default route, asked when the peer does not answer.
    pub router: Option<(IpAddr, Ping)>,
    /// Round trips of datagrams to the address named, or why there are none.
    pub round_trips: Option<Result<RoundTrips, String>>,
}

/// `config.txt` of the Pi's firmware.
#[derive(Debug, Clone, Default)]
pub struct BootConfig {
    /// Where it lies: `/boot/firmware` since Debian 12, `/boot` before.
    pub path: String,
    /// All of it.
    pub text: String,
}

/// One video device.
#[derive(Debug, Clone, Default)]
pub struct Node {
    /// `/dev/video0`
    pub path: String,
    /// V4L2's driver name, else the kernel's (from sysfs); empty if neither is known.
    pub driver: String,
    /// V4L2's card name, else the name from sysfs.
    pub card: String,
    /// What it told when it was opened; an error as a sentence if it could not be.
    pub capabilities: Option<Result<Capabilities, String>>,
}

/// What a video device answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// Gives pictures; a codec or a metadata node does not.
    pub captures: bool,
    /// Takes pictures and gives them back changed: codecs, scalers.
    pub converts: bool,
    /// Offers H.264 among its capture formats.
    pub h264: bool,
    /// Has `V4L2_CID_MPEG_VIDEO_FORCE_KEY_FRAME`.
    pub force_keyframe: bool,
    /// Has `V4L2_CID_MPEG_VIDEO_BITRATE`.
    pub bitrate: bool,
    /// Has `V4L2_CID_MPEG_VIDEO_REPEAT_SEQ_HEADER`.
    pub repeat_headers: bool,
    /// Has `V4L2_CID_MPEG_VIDEO_H264_PROFILE`.
    pub profile: bool,
}

/// One Wi-Fi interface.
#[derive(Debug, Clone, Default)]
pub struct Wifi {
    /// `wlan0`
    pub name: String,
    /// None: could not be found out.
    pub power_save: Option<bool>,
    /// The link as `iw` tells it; none: not connected or not known.
    pub link: Option<Link>,
}

/// A Wi-Fi connection.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Link {
    /// Rate of the last frames sent, Mbit/s.
    pub rate_mbit: Option<f64>,
    /// dBm; nearer to zero is stronger.
    pub signal_dbm: Option<i32>,
    /// Channel's middle, MHz.
    pub frequency_mhz: Option<u32>,
}

/// Whether a program that doctor asks is there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tool {
    /// Not installed, or it did not run.
    #[default]
    Missing,
    /// It answered.
    There,
}

/// Who has a port.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Port {
    /// Nobody.
    #[default]
    Free,
    /// A running windshield.
    Ours,
    /// Somebody else.
    Taken,
    /// It could not even be tried; the system's words.
    Unknown(String),
}

/// What became of a few pings.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Ping {
    /// There is no program `ping`, or it may not run.
    Impossible,
    /// None came back.
    Silent,
    /// Some came back.
    Answered {
        /// Percent that did not come back.
        lost_percent: u32,
        /// Mean round trip in milliseconds.
        mean_ms: f64,
        /// The longest, in milliseconds.
        max_ms: f64,
    },
}
