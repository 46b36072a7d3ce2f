//! Whole machines: a good Pi, a bad one, a modern one, a PC; and what turns one finding on.

use super::facts::*;
use super::*;
use crate::doctor::probe::RoundTrips;

const GOOD_CONFIG: &str = "dtparam=audio=on\ncamera_auto_detect=0\n[cm4]\notg_mode=1\n[all]\nstart_x=1\ngpu_mem=128\n";
const FRESH_CONFIG: &str =
    "# Automatically load overlays for detected cameras\ncamera_auto_detect=1\n[pi4]\narm_boost=1\n[all]\n";

fn legacy_camera() -> Node {
    Node {
        path: "/dev/video0".into(),
        driver: "bm2835 mmal".into(),
        card: "mmal service 16.1".into(),
        capabilities: Some(Ok(Capabilities {
            captures: true,
            h264: true,
            bitrate: true,
            repeat_headers: true,
            profile: true,
            ..Capabilities::default()
        })),
    }
}

fn good_pi() -> Facts {
    Facts {
        model: Some("Raspberry Pi Zero W Rev 1.1".into()),
        kernel: "6.6.51+rpt-rpi-v6".into(),
        boot_config: Some(BootConfig { path: "/boot/firmware/config.txt".into(), text: GOOD_CONFIG.into() }),
        nodes: vec![legacy_camera()],
        wifi: vec![Wifi {
            name: "wlan0".into(),
            power_save: Some(false),
            link: Some(Link { rate_mbit: Some(65.0), signal_dbm: Some(-48), frequency_mhz: Some(2437) }),
        }],
        iw: Tool::There,
        country: Some("DE".into()),
        governor: Some("ondemand".into()),
        throttled: Some(0),
        memory: Some((200 * 1024, 380 * 1024)),
        port: 8080,
        tcp: Port::Ours,
        udp: Port::Ours,
        ..Facts::default()
    }
}

fn text(facts: &Facts) -> String {
    report(&examine(facts))
}

/// The finding whose sentence holds these words.
fn finding(facts: &Facts, words: &str) -> Finding {
    let findings = examine(facts);
    let found = findings.iter().find(|finding| finding.sentence.contains(words)).cloned();
    found.unwrap_or_else(|| panic!("nobody says {words:?}:\n{}", report(&findings)))
}

#[test]
fn a_good_pi_has_nothing_to_mend() {
    let findings = examine(&good_pi());
    let bad: Vec<&Finding> = findings.iter().filter(|finding| finding.level != Level::Ok).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    assert!(findings.iter().all(|finding| finding.fix.is_empty()));
    assert!(text(&good_pi()).ends_with("\n11 ok, 0 to look at, 0 at fault\n"), "{}", text(&good_pi()));
    let camera = finding(&good_pi(), "legacy stack").sentence;
    assert!(camera.contains("gives H.264") && camera.ends_with("; not: keyframe on demand"), "{camera}");
}

#[test]
fn a_pc_is_no_fault() {
    let pc = Facts { kernel: "6.1.0-28-amd64".into(), port: 8080, ..Facts::default() };
    let findings = examine(&pc);
    assert!(!has_fault(&findings), "{}", report(&findings));
    assert_eq!(finding(&pc, "there is none").level, Level::Warning);
    // Nothing at all is known: still no panic.
    assert!(!has_fault(&examine(&Facts::default())));
}

#[test]
fn a_fresh_pi_is_told_the_exact_lines() {
    let fresh = Facts {
        nodes: Vec::new(),
        boot_config: Some(BootConfig { path: "/boot/firmware/config.txt".into(), text: FRESH_CONFIG.into() }),
        ..good_pi()
    };
    let camera = finding(&fresh, "there is none");
    assert_eq!(camera.level, Level::Fault);
    assert_eq!(
        camera.fix[..4],
        [
            "in /boot/firmware/config.txt change camera_auto_detect=1 to camera_auto_detect=0",
            "in /boot/firmware/config.txt, at the end under [all], add start_x=1",
            "in /boot/firmware/config.txt, at the end under [all], add gpu_mem=128",
            "then: sudo reboot",
        ]
    );
    assert!(camera.fix[4].contains("22 pins"));
    // The lines are right: only the cable is left.
    let cable = finding(&Facts { nodes: Vec::new(), ..good_pi() }, "there is none");
    assert_eq!(cable.fix.len(), 1);
}

#[test]
fn lines_of_config_txt_count_only_where_they_do() {
    let fix = |config: &str| {
        let boot_config = Some(BootConfig { path: "c".into(), text: config.into() });
        finding(&Facts { nodes: Vec::new(), boot_config, ..good_pi() }, "there is none").fix.join("\n")
    };
    assert!(fix("[pi4]\nstart_x=1\ngpu_mem=128\n").contains("add start_x=1"), "another board's");
    assert!(!fix("[pi0]\nstart_x=1\ngpu_mem=256\n").contains("start_x"), "this board's");
    assert!(fix("start_x=1\ngpu_mem=64\n").contains("change gpu_mem=64 to gpu_mem=128"));
    assert!(fix("#start_x=1\ngpu_mem=128\n").contains("add start_x=1"), "commented out");
    assert!(fix("start_x=1\ngpu_mem=128\ndtoverlay=imx219,cam0\n").contains("delete dtoverlay=imx219,cam0"));
    assert!(!fix("start_x=0\nstart_x=1\ngpu_mem=128\n").contains("start_x"), "the last one counts");
}

#[test]
fn the_modern_stack_is_told_apart_by_its_driver() {
    let receiver = Node {
        path: "/dev/video0".into(),
        driver: "unicam".into(),
        card: "unicam".into(),
        capabilities: Some(Ok(Capabilities { captures: true, ..Capabilities::default() })),
    };
    let encoder = Node {
        path: "/dev/video11".into(),
        driver: "bcm2835-codec".into(),
        card: "bcm2835-codec-encode".into(),
        capabilities: Some(Ok(Capabilities { converts: true, h264: true, ..Capabilities::default() })),
    };
    let mut modern = Facts {
        nodes: vec![receiver, encoder],
        boot_config: Some(BootConfig { path: "config.txt".into(), text: FRESH_CONFIG.into() }),
        ..good_pi()
    };
    let camera = finding(&modern, "the modern stack");
    assert_eq!(camera.level, Level::Fault);
    assert!(camera.fix[0].contains("camera_auto_detect=0"), "{camera:?}");
    assert!(camera.fix.last().unwrap().contains("rpicam-apps"));
    assert_eq!(finding(&modern, "bcm2835-codec-encode").level, Level::Ok);

    modern.rpicam = Some("rpicam-vid".into());
    assert_eq!(finding(&modern, "the modern stack").level, Level::Warning);
    // Where the kernel has no legacy stack no line of config.txt helps.
    modern.kernel = "6.18.20+rpt-rpi-v6".into();
    assert_eq!(finding(&modern, "the modern stack").fix.len(), 1);
    assert!(finding(&modern, "the modern stack").fix[0].contains("perf/on-pi.md"));
}

#[test]
fn usb_cameras_are_judged_by_what_comes_out() {
    let camera = |captures, h264| Facts {
        nodes: vec![Node {
            path: "/dev/video2".into(),
            driver: "uvcvideo".into(),
            card: "HD Webcam".into(),
            capabilities: Some(Ok(Capabilities { captures, h264, ..Capabilities::default() })),
        }],
        ..good_pi()
    };
    assert_eq!(finding(&camera(true, true), "HD Webcam").level, Level::Ok);
    let raw = finding(&camera(true, false), "HD Webcam");
    assert!(raw.level == Level::Warning && raw.sentence.contains("gives no H.264"));
    // The second node of such a camera gives metadata: no camera at all.
    assert_eq!(finding(&camera(false, false), "there is none").level, Level::Fault);
}

#[test]
fn a_device_that_cannot_be_asked_is_still_named() {
    let mut node = legacy_camera();
    node.capabilities = Some(Err("it may not be opened; run doctor as root: sudo windshield doctor".into()));
    let camera = finding(&Facts { nodes: vec![node], ..good_pi() }, "legacy stack");
    assert!(camera.level == Level::Warning && camera.sentence.contains("sudo windshield doctor"));
}

/// Makes one thing different on a good Pi.
type Change = fn(&mut Facts);

/// One thing that is different from a good Pi, what is said about it, how bad it is, a word of the fix.
const SYMPTOMS: &[(Change, &str, Level, &str)] = &[
    (|f| f.wifi[0].power_save = Some(true), "power save of wlan0 is on", Level::Fault, "set power_save off"),
    (|f| f.wifi[0].power_save = None, "power save of wlan0 could not be", Level::Warning, ""),
    (|f| f.wifi[0].link = None, "not connected", Level::Warning, "nmtui"),
    (|f| (f.wifi[0].link, f.radio_blocked) = (None, true), "radio is switched off", Level::Fault, "do_wifi_country"),
    (
        |f| f.wifi[0].link = Some(Link { rate_mbit: Some(6.5), ..Link::default() }),
        "6.5 Mbit/s",
        Level::Warning,
        "nearer",
    ),
    (|f| f.wifi[0].link = Some(Link { signal_dbm: Some(-78), ..Link::default() }), "-78 dBm", Level::Warning, "nearer"),
    (|f| (f.wifi[0].link, f.iw) = (None, Tool::Missing), "rate and signal", Level::Warning, "apt install iw"),
    (|f| f.country = Some("00".into()), "no country is set", Level::Warning, "do_wifi_country"),
    (|f| f.country = None, "the country of the radio", Level::Warning, ""),
    (|f| f.kernel = "6.18.39+rpt-rpi-v6".into(), "100 ms", Level::Warning, "hold"),
    (|f| f.kernel = "6.12.20+rpt-rpi-v6".into(), "broken", Level::Warning, "full-upgrade"),
    (|f| f.kernel = "unknown".into(), "cannot be read", Level::Warning, ""),
    (|f| f.governor = Some("powersave".into()), "lowest clock", Level::Warning, "ondemand"),
    (|f| f.throttled = Some(0x5_0005), "now: undervoltage, throttled", Level::Fault, "5.1 V"),
    (|f| f.throttled = Some(0x5_0000), "since the start: undervoltage", Level::Warning, "5.1 V"),
    (|f| f.throttled = Some(0x8), "now: too warm", Level::Warning, "cool"),
    (|f| f.throttled = None, "voltage and heat could not", Level::Warning, "vcgencmd"),
    (|f| f.memory = Some((40 * 1024, 380 * 1024)), "40 of 380 MiB", Level::Warning, "Lite"),
    (|f| f.memory = Some((9 * 1024, 380 * 1024)), "9 of 380 MiB", Level::Fault, "Lite"),
    (|f| f.tcp = Port::Taken, "TCP 8080 is taken", Level::Fault, "ss -tlnp"),
    (|f| f.udp = Port::Taken, "UDP 8080 is taken", Level::Fault, "ss -ulnp"),
    (|f| f.tcp = Port::Free, "TCP 8080 is free", Level::Ok, ""),
    (|f| f.tcp = Port::Unknown("why".into()), "could not be found out: why", Level::Warning, ""),
    (|f| f.peer = Some((PEER, Ping::Impossible)), "ping does not run", Level::Warning, "iputils-ping"),
    (|f| f.peer = Some((PEER, QUICK)), "10.0.0.2 answers: 6.0 ms", Level::Ok, ""),
    (|f| f.peer = Some((PEER, SLOW)), "10.0.0.2 answers: 80.0 ms", Level::Warning, "wi-fi"),
    (|f| f.peer = Some((PEER, Ping::Silent)), "nor does a router", Level::Fault, "one network"),
    (
        |f| (f.peer, f.router) = (Some((PEER, Ping::Silent)), Some((PEER, QUICK))),
        "client isolation",
        Level::Fault,
        "hotspot",
    ),
    (|f| f.round_trips = Some(Err("no datagram can be sent".into())), "no datagram can", Level::Fault, ""),
    (|f| f.round_trips = Some(Ok(RoundTrips::new(90, &[]))), "none of 90", Level::Fault, "--echo"),
    (|f| f.round_trips = Some(Ok(RoundTrips::new(90, &[4.0; 90]))), "half within 4.0 ms", Level::Ok, ""),
    (|f| f.round_trips = Some(Ok(RoundTrips::new(90, &[4.0; 80]))), "11 % lost", Level::Warning, "wi-fi"),
    (|f| f.round_trips = Some(Ok(RoundTrips::new(90, &[110.0; 90]))), "within 110.0 ms", Level::Warning, "wi-fi"),
];
const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));
const QUICK: Ping = Ping::Answered { lost_percent: 0, mean_ms: 6.0, max_ms: 9.0 };
const SLOW: Ping = Ping::Answered { lost_percent: 0, mean_ms: 80.0, max_ms: 900.0 };

#[test]
fn each_symptom_has_its_sentence_its_weight_and_its_fix() {
    for (change, words, level, fix) in SYMPTOMS {
        let mut facts = good_pi();
        change(&mut facts);
        let finding = finding(&facts, words);
        assert_eq!(finding.level, *level, "{finding:?}");
        assert!(finding.fix.join("\n").contains(fix), "{finding:?}");
        assert_eq!(has_fault(&examine(&facts)), *level == Level::Fault, "{}", text(&facts));
    }
}

#[test]
fn kernels_of_other_machines_are_not_blamed() {
    let pc = Facts { kernel: "6.18.39".into(), ..Facts::default() };
    assert_eq!(finding(&pc, "6.18.39").level, Level::Ok);
    for (release, wanted) in [
        ("6.6.51+rpt-rpi-v6", Some((6, 6, 51))),
        ("6.12-rc1", Some((6, 12, 0))),
        ("6.18", Some((6, 18, 0))),
        ("", None),
        ("six", None),
        ("99999999999.1.1", None),
    ] {
        assert_eq!(board::version(release), wanted, "{release}");
    }
}

#[test]
fn the_report_puts_each_fix_under_its_finding() {
    let mut facts = good_pi();
    facts.wifi[0].power_save = Some(true);
    let text = text(&facts);
    let mut lines = text.lines().skip_while(|line| !line.starts_with("FAULT"));
    assert!(lines.next().unwrap().starts_with("FAULT    wi-fi     power save of wlan0 is on"));
    assert!(lines.next().unwrap().trim_start().starts_with("fix: now: sudo iw dev wlan0 set power_save off"));
    assert!(text.ends_with("\n10 ok, 0 to look at, 1 at fault\n"), "{text}");
}
