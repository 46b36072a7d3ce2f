//! Cameras: which stack each node belongs to, whether H.264 comes out, and the exact lines of `config.txt` to change when
//! it is the wrong one. Pure; called by `examine`. The same lines stand in the README.

use super::board::{is_pi, version};
use super::facts::{BootConfig, Facts, Node};
use super::{Finding, Level};

/// What the legacy stack needs in `config.txt`. 128 MB of 512 for the GPU: with less the firmware refuses the camera.
pub const START_X: &str = "start_x=1";
/// See [`START_X`].
pub const GPU_MEM: &str = "gpu_mem=128";
/// Would hand the camera to libcamera at boot.
pub const AUTO_DETECT: &str = "camera_auto_detect=1";
/// The firmware's smallest share, in MB, with which `start_x` finds room for the camera.
const LEAST_GPU_MEM: u32 = 128;
/// The first kernel that is reported to come without `bcm2835-v4l2`.
const WITHOUT_LEGACY: (u32, u32) = (6, 18);

const CABLE: &str =
    "camera cable: the Zero's end is the narrow one (22 pins), contacts towards the board, latch closed";

/// What a node is to this program, told by V4L2's driver name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// `bcm2835-v4l2`: the Pi's camera with H.264 from the firmware.
    Legacy,
    /// The Pi's CSI receiver of the modern stack: raw, wants libcamera.
    Receiver,
    /// The Pi's encoder among its codecs.
    Encoder,
    /// Decoders, scalers, image processors.
    Helper,
    /// A USB camera.
    Usb,
    /// Anything else.
    Other,
}

fn kind(node: &Node) -> Kind {
    let converts = node.capabilities.as_ref().is_some_and(|answer| answer.as_ref().is_ok_and(|c| c.converts));
    match node.driver.as_str() {
        "bm2835 mmal" | "bcm2835-camera" | "bcm2835-v4l2" => Kind::Legacy,
        "unicam" | "bcm2835-unicam" | "rp1-cfe" => Kind::Receiver,
        "bcm2835-codec" if node.card.contains("encode") && !node.card.contains("image") => Kind::Encoder,
        driver if driver.starts_with("bcm2835-") || driver.starts_with("rpi") || driver == "pispbe" => Kind::Helper,
        "uvcvideo" => Kind::Usb,
        _ if converts => Kind::Helper,
        _ => Kind::Other,
    }
}

pub(super) fn examine(facts: &Facts) -> Vec<Finding> {
    let mut findings: Vec<Finding> = facts.nodes.iter().filter_map(|node| judge(facts, node)).collect();
    let encoder = facts.nodes.iter().find(|node| kind(node) == Kind::Encoder);
    if let Some(node) = encoder {
        findings.push(Finding::ok("encoder", format!("{}: {}", node.path, node.card)));
    }
    if !facts.nodes.iter().any(is_camera) {
        findings.push(none_at_all(facts));
    }
    findings
}

fn is_camera(node: &Node) -> bool {
    match kind(node) {
        Kind::Legacy | Kind::Receiver => true,
        Kind::Encoder | Kind::Helper => false,
        // A USB camera has a second node for metadata.
        Kind::Usb | Kind::Other => match &node.capabilities {
            Some(Ok(capabilities)) => capabilities.captures,
            _ => true,
        },
    }
}

fn judge(facts: &Facts, node: &Node) -> Option<Finding> {
    if !is_camera(node) {
        return None;
    }
    let about = format!("{}: {} (driver {})", node.path, node.card, named(&node.driver));
    let finding = match kind(node) {
        Kind::Legacy => Finding::ok("camera", format!("{about}, the legacy stack")),
        Kind::Receiver => {
            let rpicam = match &facts.rpicam {
                Some(program) => format!("{program} can serve, at the cost of most of a Zero W's processor"),
                None => "and rpicam-vid is not installed".into(),
            };
            let level = if facts.rpicam.is_some() { Level::Warning } else { Level::Fault };
            let mut fix = to_legacy(facts);
            if facts.rpicam.is_none() {
                fix.push("or: sudo apt install rpicam-apps-lite".into());
            }
            let sentence = format!("{about}, the modern stack: raw pictures only; {rpicam}");
            Finding { level, topic: "camera", sentence, fix }
        }
        _ => Finding::ok("camera", about),
    };
    Some(match &node.capabilities {
        None => finding,
        Some(Err(why)) => Finding {
            level: finding.level.max(Level::Warning),
            sentence: format!("{}; {why}", finding.sentence),
            ..finding
        },
        Some(Ok(answer)) if answer.h264 => {
            let controls = [
                (answer.force_keyframe, "keyframe on demand"),
                (answer.bitrate, "bitrate"),
                (answer.profile, "profile"),
                (answer.repeat_headers, "headers with each keyframe"),
            ];
            let list = |wanted: bool| {
                let names: Vec<&str> = controls.iter().filter(|(has, _)| *has == wanted).map(|(_, n)| *n).collect();
                names.join(", ")
            };
            let (has, lacks) = (list(true), list(false));
            let mut sentence = format!("{}; gives H.264; controls: {has}", finding.sentence);
            if !lacks.is_empty() {
                sentence.push_str(&format!("; not: {lacks}"));
            }
            // No level of its own: the program has a way round each.
            Finding { sentence, ..finding }
        }
        Some(Ok(_)) if kind(node) == Kind::Receiver => finding,
        Some(Ok(_)) => Finding {
            level: finding.level.max(Level::Warning),
            sentence: format!("{}; gives no H.264", finding.sentence),
            fix: vec!["it can serve only through an encoder: --source encoder:CAMERA,ENCODER".into()],
            ..finding
        },
    })
}

fn named(driver: &str) -> &str {
    if driver.is_empty() { "unknown" } else { driver }
}

fn none_at_all(facts: &Facts) -> Finding {
    if !is_pi(facts) {
        return Finding::warning("camera", "there is none; the demo needs none", &[]);
    }
    let mut fix = to_legacy(facts);
    // The lines are right and still no camera: then it is the hardware.
    fix.push(CABLE.into());
    Finding { fix, ..Finding::fault("camera", "there is none", &[]) }
}

/// What to change so that the legacy stack takes the camera; the way round where the kernel has no legacy stack.
fn to_legacy(facts: &Facts) -> Vec<String> {
    if version(&facts.kernel).is_some_and(|(major, minor, _)| (major, minor) >= WITHOUT_LEGACY) {
        let kernel = &facts.kernel;
        return vec![format!("kernel {kernel} is reported to have no legacy stack: see perf/on-pi.md, first section")];
    }
    let Some(config) = &facts.boot_config else { return Vec::new() };
    let mut fix = changes(config, facts.model.as_deref().unwrap_or_default());
    if !fix.is_empty() {
        fix.push("then: sudo reboot".into());
    }
    fix
}

/// The exact lines of `config.txt` that keep the legacy stack from working.
fn changes(config: &BootConfig, model: &str) -> Vec<String> {
    let path = &config.path;
    let lines = effective(&config.text, model);
    let value = |key: &str| {
        lines
            .iter()
            .rev()
            .find_map(|line| line.split_once('=').filter(|(name, _)| *name == key))
            .map(|(_, value)| value)
    };
    let mut fix = Vec::new();
    if value("camera_auto_detect") == Some("1") {
        fix.push(format!("in {path} change {AUTO_DETECT} to camera_auto_detect=0"));
    }
    for line in lines.iter().filter(|line| SENSORS.iter().any(|sensor| is_overlay(line, sensor))) {
        fix.push(format!("in {path} delete {line}"));
    }
    if value("start_x") != Some("1") {
        fix.push(format!("in {path}, at the end under [all], add {START_X}"));
    }
    match value("gpu_mem") {
        None => fix.push(format!("in {path}, at the end under [all], add {GPU_MEM}")),
        Some(megabytes) if megabytes.parse().is_ok_and(|megabytes: u32| megabytes >= LEAST_GPU_MEM) => {}
        Some(megabytes) => fix.push(format!("in {path} change gpu_mem={megabytes} to {GPU_MEM}")),
    }
    fix
}

/// Overlays that hand a camera to the modern stack.
const SENSORS: [&str; 6] = ["imx219", "ov5647", "imx477", "imx708", "imx296", "imx500"];

fn is_overlay(line: &str, sensor: &str) -> bool {
    line.strip_prefix("dtoverlay=").is_some_and(|rest| rest.split(',').next() == Some(sensor))
}

/// The lines of `config.txt` that count on this board: sections in brackets limit to models ("Conditional filters" in the
/// Raspberry Pi documentation). Filters that cannot be judged from here count as not matching.
fn effective<'a>(text: &'a str, model: &str) -> Vec<&'a str> {
    let mut counts = true;
    let mut lines = Vec::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()) {
        match line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            Some(filter) => {
                counts = match filter {
                    "all" => true,
                    "pi0" => model.contains("Zero"),
                    "pi0w" => model.contains("Zero W"),
                    "pi02" => model.contains("Zero 2"),
                    "pi3" | "pi3+" => model.contains("Pi 3"),
                    "pi4" => model.contains("Pi 4"),
                    _ => false,
                }
            }
            None if counts && !line.is_empty() => lines.push(line),
            None => {}
        }
    }
    lines
}
