//! Machines as they are, and what `auto` makes of each. Drivers, cards, capabilities and formats are those that the
//! kernel's drivers (rpi-6.1 and rpi-6.6, uvcvideo) report.

use super::*;

const CAMERA: u32 = 0x0520_0001;
const CODEC: u32 = 0x0420_4000;
const METADATA: u32 = 0x04a0_0000;

fn node(path: &str, driver: &str, card: &str, caps: u32, gives: &[&str], takes: &[&str]) -> Node {
    let formats = |names: &[&str]| names.iter().map(|name| name.as_bytes().try_into().unwrap()).collect();
    Node {
        path: path.into(),
        driver: driver.into(),
        card: card.into(),
        caps,
        gives: formats(gives),
        takes: formats(takes),
        refused: None,
    }
}

/// The VideoCore's codecs and image processor, which every Pi up to the 4 has, with a camera or without.
fn videocore() -> Vec<Node> {
    let raw = ["YU12", "YV12", "NV12", "NV21", "RGBP", "RGB3", "BGR3", "YUYV", "YVYU", "UYVY", "VYUY"];
    let codec = |path, card, gives: &[&str], takes: &[&str]| node(path, "bcm2835-codec", card, CODEC, gives, takes);
    vec![
        codec("/dev/video10", "bcm2835-codec-decode", &raw, &["H264", "MJPG"]),
        codec("/dev/video11", "bcm2835-codec-encode", &["H264"], &raw),
        codec("/dev/video12", "bcm2835-codec-isp", &raw, &raw),
        node("/dev/video13", "bcm2835-isp", "bcm2835-isp", 0x0420_0002, &[], &["pRAA", "YU12"]),
        node("/dev/video14", "bcm2835-isp", "bcm2835-isp", 0x0420_0001, &raw, &[]),
        node("/dev/video15", "bcm2835-isp", "bcm2835-isp", 0x0420_0001, &raw, &[]),
        node("/dev/video16", "bcm2835-isp", "bcm2835-isp", METADATA, &[], &[]),
        codec("/dev/video31", "bcm2835-codec-encode_image", &["JPEG"], &raw),
    ]
}

fn legacy() -> Node {
    let gives = ["YU12", "YUYV", "RGB3", "JPEG", "H264", "MJPG", "YVYU", "VYUY", "UYVY", "NV12", "BGR3", "YV12"];
    node("/dev/video0", "bm2835 mmal", "mmal service 16.1", 0x0520_0005, &gives, &[])
}

/// Driven by libcamera: it lists what the interface can carry, YUYV as well, whatever sensor is there.
fn unicam(caps: u32) -> Node {
    node("/dev/video0", "unicam", "unicam", caps, &["YUYV", "UYVY", "pBAA", "BG10", "RGB3"], &[])
}

fn usb(path: &str, gives: &[&str]) -> Node {
    node(path, "uvcvideo", "HD Pro Webcam C920", 0x0420_0001, gives, &[])
}

fn with(mut first: Vec<Node>, rest: Vec<Node>) -> Vec<Node> {
    first.extend(rest);
    first
}

#[test]
fn each_machine_gets_the_best_it_has_and_the_reason() {
    use Rpicam::{Installed, Missing};
    let camera = |path: &str| Choice::Camera(path.into());
    let encoder = |path: &str| Choice::Encoder(path.into(), "/dev/video11".into());
    let metadata = node("/dev/video1", "uvcvideo", "HD Pro Webcam C920", METADATA, &[], &[]);
    for (machine, nodes, rpicam, choice, words) in [
        ("nothing", vec![], Missing, Choice::Demo, "no camera was found; plug it in"),
        ("nothing but the program", vec![], Installed, Choice::Demo, "not by rpicam-vid's driver either"),
        ("Pi, legacy stack", with(vec![legacy()], videocore()), Missing, camera("/dev/video0"), "legacy camera stack"),
        ("Pi, legacy, with rpicam", with(vec![legacy()], videocore()), Installed, camera("/dev/video0"), "bm2835 mmal"),
        (
            "Pi, libcamera stack",
            with(vec![unicam(0x2520_0001)], videocore()),
            Installed,
            Choice::Rpicam,
            "/dev/video0 (unicam) is of the Pi's libcamera stack, which rpicam-vid speaks to",
        ),
        (
            "Pi, libcamera stack, Lite image",
            with(vec![unicam(0x2520_0001)], videocore()),
            Missing,
            Choice::Demo,
            "sudo apt install rpicam-apps",
        ),
        ("Pi, camera cable loose", videocore(), Missing, Choice::Demo, "no camera was found"),
        ("Pi, camera cable loose, with rpicam", videocore(), Installed, Choice::Demo, "no camera was found"),
        (
            "Pi, HDMI bridge, driven by its own node",
            with(vec![unicam(CAMERA)], videocore()),
            Installed,
            encoder("/dev/video0"),
            "/dev/video0 (unicam) gives YUYV and no H.264, /dev/video11 (bcm2835-codec) encodes it",
        ),
        (
            "Pi 5",
            vec![
                node("/dev/video0", "rp1-cfe", "rp1-cfe", 0x2520_0001, &["YUYV", "pBAA"], &[]),
                node("/dev/video20", "pispbe", "pispbe", 0x2420_1000, &["YU12"], &[]),
            ],
            Installed,
            Choice::Rpicam,
            "(rp1-cfe)",
        ),
        (
            "PC, USB camera with H.264",
            vec![usb("/dev/video0", &["YUYV", "MJPG"]), metadata.clone(), usb("/dev/video2", &["MJPG", "H264"])],
            Missing,
            camera("/dev/video2"),
            "/dev/video2 (uvcvideo) delivers H.264 itself: a USB camera",
        ),
        (
            "PC, USB camera without H.264",
            vec![usb("/dev/video0", &["YUYV", "MJPG"]), metadata.clone()],
            Missing,
            Choice::Demo,
            "/dev/video0 (uvcvideo) gives YUYV, MJPG but no H.264, and no encoder was found",
        ),
        (
            "Pi, USB camera",
            with(vec![usb("/dev/video0", &["YUYV", "MJPG"]), metadata], videocore()),
            Missing,
            encoder("/dev/video0"),
            "encodes it",
        ),
        (
            "Pi, USB camera that compresses only",
            with(vec![usb("/dev/video0", &["MJPG"])], videocore()),
            Missing,
            Choice::Demo,
            "/dev/video0 (uvcvideo) gives MJPG, which /dev/video11 (bcm2835-codec) does not take",
        ),
        (
            "somebody who is not in the group video",
            vec![Node { path: "/dev/video0".into(), refused: Some(Refused::Forbidden), ..Node::default() }],
            Missing,
            Choice::Demo,
            "sudo usermod -aG video $USER",
        ),
        (
            "a device that another program has for itself",
            vec![Node {
                path: "/dev/video0".into(),
                refused: Some(Refused::Other("Device or resource busy".into())),
                ..Node::default()
            }],
            Missing,
            Choice::Demo,
            "/dev/video0 cannot be asked: Device or resource busy",
        ),
        (
            "a loopback device without a feeder",
            vec![node("/dev/video0", "v4l2 loopback", "Dummy", 0x0520_0002, &[], &["H264"])],
            Missing,
            Choice::Demo,
            "no camera was found",
        ),
        (
            "a loopback device that says it is a camera, without a feeder",
            vec![node("/dev/video0", "v4l2 loopback", "Dummy", 0x0520_0003, &[], &["H264"])],
            Missing,
            Choice::Demo,
            "/dev/video0 (v4l2 loopback) gives nothing yet; start the program that feeds it",
        ),
        (
            "the kernel's test camera",
            vec![node("/dev/video0", "vivid", "vivid", 0x0520_0001, &["YUYV"; 70], &[])],
            Missing,
            Choice::Demo,
            "gives YUYV, YUYV, YUYV, YUYV, YUYV and 65 more but no H.264",
        ),
        (
            "a loopback device that is fed",
            vec![node("/dev/video7", "v4l2 loopback", "Dummy", 0x0520_0001, &["H264"], &[])],
            Missing,
            camera("/dev/video7"),
            "a loopback device",
        ),
    ] {
        let (decided, why) = decide(&nodes, rpicam);
        assert_eq!(decided, choice, "{machine}: {why}");
        assert!(why.contains(words), "{machine}: {why}");
    }
}

#[test]
fn a_usb_camera_with_h264_beside_a_sensor_is_taken_and_the_lower_number_first() {
    let nodes =
        with(vec![unicam(0x2520_0001), usb("/dev/video2", &["H264"]), usb("/dev/video4", &["H264"])], videocore());
    assert_eq!(decide(&nodes, Rpicam::Installed).0, Choice::Camera("/dev/video2".into()));
}

#[test]
fn strange_names_make_no_strange_sentences() {
    let nodes = [Node { caps: CAMERA, gives: vec![[0xff; 4]; 9], ..Node::default() }];
    let (choice, why) = decide(&nodes, Rpicam::Missing);
    assert!(choice == Choice::Demo && why.len() < 200, "{why}");
}
