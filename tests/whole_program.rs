//! Promise: the program as it is shipped, started with a clip, shows the clip's pictures to a viewer over real sockets. By
//! default the program is this machine's; `WINDSHIELD_PROGRAM` names another, with its arguments, such as
//! `qemu-arm-static -cpu arm1176 target/arm-unknown-linux-musleabihf/release/windshield` (`tools/build-arm --smoke` does).
#![allow(clippy::unwrap_used)]

use std::env;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use str0m::change::SdpAnswer;
use str0m::media::{Direction, MediaKind};
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use windshield::link::Crypto;

/// Generous: an emulated Pi on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/road_320x240_30.h264");

/// The program, ended with the test.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn command() -> Command {
    let text = env::var("WINDSHIELD_PROGRAM").unwrap_or_else(|_| env!("CARGO_BIN_EXE_windshield").into());
    let mut words = text.split_whitespace();
    let mut command = Command::new(words.next().unwrap());
    command.args(words).stdin(Stdio::null()).env_remove("WINDSHIELD_TOKEN").env_remove("RUST_LOG");
    // Nothing of this machine's own is touched.
    command.env_remove("STATE_DIRECTORY").env_remove("XDG_STATE_HOME").env_remove("HOME");
    command
}

/// Starts it on ports the system chooses; where it says it can be reached.
fn start() -> (Program, SocketAddr) {
    start_with(&[])
}

/// The same, told more.
fn start_with(more: &[&str]) -> (Program, SocketAddr) {
    let arguments = ["--source", &format!("clip:{CLIP}"), "--http", "127.0.0.1:0", "--udp", "0"];
    let mut child =
        command().args(arguments).args(more).stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let program = Program(child);
    let address = lines.find_map(|line| {
        let line = line.unwrap();
        let rest = line.split("http://localhost:").nth(1)?;
        let port: String = rest.chars().take_while(char::is_ascii_digit).collect();
        Some(SocketAddr::from(([127, 0, 0, 1], port.parse().ok()?)))
    });
    // What else it says has to go somewhere, or it would wait for us.
    std::thread::spawn(move || lines.for_each(drop));
    (program, address.expect("its banner names an address on this machine"))
}

fn post(server: SocketAddr, offer: &str) -> String {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = offer.len();
    write!(
        stream,
        "POST /whep HTTP/1.0\r\nHost: {server}\r\nContent-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{offer}"
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.") && head.contains(" 201 "), "{head}");
    body.into()
}

/// The body behind a path.
fn get(server: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(server).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {server}\r\n\r\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let (head, body) = reply.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.") && head.contains(" 200 "), "{head}");
    body.into()
}

/// Watches until `count` pictures have come: each with whether it followed on the one before.
fn watch(server: SocketAddr, count: usize) -> Vec<(Vec<u8>, bool)> {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let local = socket.local_addr().unwrap();
    let begun = Instant::now();
    let crypto = Crypto::new(begun).unwrap();
    let mut rtc: Rtc = crypto.configure(RtcConfig::new()).clear_codecs().enable_h264(true).build(begun);
    rtc.add_local_candidate(Candidate::host(local, "udp").unwrap());
    let mut changes = rtc.sdp_api();
    changes.add_media(MediaKind::Video, Direction::RecvOnly, None, None, None);
    let (offer, pending) = changes.apply().unwrap();
    let answer = post(server, &offer.to_sdp_string());
    rtc.sdp_api().accept_answer(pending, SdpAnswer::from_sdp_string(&answer).unwrap()).unwrap();

    let (mut pictures, mut room) = (Vec::new(), [0; 2048]);
    while pictures.len() < count {
        let timeout = match rtc.poll_output().unwrap() {
            Output::Transmit(transmit) => {
                socket.send_to(&transmit.contents, transmit.destination).unwrap();
                continue;
            }
            Output::Event(Event::MediaData(data)) => {
                pictures.push((data.data.to_vec(), data.contiguous));
                continue;
            }
            Output::Event(_) => continue,
            Output::Timeout(at) => at,
        };
        assert!(begun.elapsed() < PATIENCE, "{} pictures of {count} came", pictures.len());
        let wait = timeout.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        socket.set_read_timeout(Some(wait.min(Duration::from_secs(1)))).unwrap();
        match socket.recv_from(&mut room) {
            Ok((size, source)) => {
                let receive = Receive {
                    proto: Protocol::Udp,
                    source,
                    destination: local,
                    contents: (&room[..size]).try_into().unwrap(),
                };
                rtc.handle_input(Input::Receive(Instant::now(), receive)).unwrap();
            }
            Err(_) => rtc.handle_input(Input::Timeout(Instant::now())).unwrap(),
        }
    }
    pictures
}

/// NAL units of Annex B, without start codes and the zeros before them.
fn nal_units(stream: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> =
        memchr::memmem::find_iter(stream, b"\0\0\x01").map(|at| at + 3).chain([stream.len() + 3]).collect();
    starts.windows(2).map(|pair| stream[pair[0]..pair[1] - 3].trim_ascii_zeros()).collect()
}

trait TrimZeros {
    fn trim_ascii_zeros(&self) -> &[u8];
}

impl TrimZeros for [u8] {
    fn trim_ascii_zeros(&self) -> &[u8] {
        let end = self.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
        &self[..end]
    }
}

#[test]
fn a_viewer_sees_the_clips_pictures() {
    let clip = std::fs::read(CLIP).unwrap();
    let known = nal_units(&clip);
    let (_program, server) = start();
    let pictures = watch(server, 40);
    assert!(pictures[1..].iter().all(|(_, contiguous)| *contiguous), "without a gap");
    for (number, (picture, _)) in pictures.iter().enumerate() {
        let units = nal_units(picture);
        assert!(units.iter().any(|unit| matches!(unit[0] & 31, 1 | 5)), "picture {number} has a slice");
        assert!(units.iter().all(|unit| known.contains(unit)), "picture {number} is not the clip's");
    }
    assert!(nal_units(&pictures[0].0).iter().any(|unit| unit[0] & 31 == 5), "begins with a keyframe");
}

#[test]
fn what_it_measured_of_a_watched_clip_can_be_asked_for() {
    let (_program, server) = start();
    assert!(get(server, "/metrics").contains("\nwindshield_stage_duration_seconds_count{stage=\"car\"} 0\n"));
    let pictures = watch(server, 40).len() as u64;
    let stats: serde_json::Value = serde_json::from_str(&get(server, "/stats")).unwrap();
    let stages = stats["stages"].as_array().unwrap();
    let car = stages.iter().find(|stage| stage["stage"] == "car").unwrap();
    assert!(car["since_start"]["count"].as_u64().unwrap() >= pictures, "{car}");
    assert!(car["since_start"]["p50_us"].as_u64().unwrap() > 0, "{car}");
    let metrics = get(server, "/metrics");
    let sent = metrics.lines().find_map(|line| line.strip_prefix("windshield_frames_sent_total ")).unwrap();
    assert!(sent.parse::<u64>().unwrap() >= pictures, "{sent}");
}

#[test]
fn the_way_of_the_last_frames_is_written_on_a_signal_and_at_the_end() {
    let path = env::temp_dir().join(format!("windshield-frames-{}.json", std::process::id()));
    let (mut program, server) = start_with(&["--trace", path.to_str().unwrap()]);
    watch(server, 20);
    let signal = |program: &Program, number| {
        // SAFETY: takes no pointers; the child is not waited for yet, so the number is its own.
        assert_eq!(unsafe { libc::kill(program.0.id() as libc::pid_t, number) }, 0);
    };
    let frames = || {
        let document: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
        let events = document["traceEvents"].as_array().unwrap().clone();
        events.iter().filter(|event| event["name"] == "frame" && event["ph"] == "b").count()
    };
    let begun = Instant::now();
    signal(&program, libc::SIGUSR1);
    while !path.exists() {
        assert!(begun.elapsed() < PATIENCE, "no file came");
        std::thread::yield_now();
    }
    let first = frames();
    assert!(first >= 20, "{first}");
    watch(server, 20);
    signal(&program, libc::SIGTERM);
    assert!(program.0.wait().unwrap().success());
    assert!(frames() >= first + 20);
    std::fs::remove_file(path).unwrap();

    // Without the option the signal does no harm.
    let (program, server) = start();
    signal(&program, libc::SIGUSR1);
    assert_eq!(watch(server, 2).len(), 2);
}

#[test]
#[ignore = "needs Debian's promtool, its path in PROMTOOL: tests/run --only metrics brings it"]
fn prometheus_finds_no_fault_with_its_metrics() {
    let (_program, server) = start();
    watch(server, 20);
    let promtool = env::var("PROMTOOL").unwrap_or_else(|_| "promtool".into());
    let check = |metrics: &str| {
        let mut child = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(metrics.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    let metrics = get(server, "/metrics");
    assert_eq!(check(&metrics), (true, String::new()), "{metrics}");
    assert!(!check(&metrics.replace("_sent_bytes_total", "_sent_bytes")).0, "it can find fault");
}

#[test]
fn it_says_what_it_is_and_how_to_use_it() {
    let output = command().arg("--version").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), windshield::help::VERSION);
    let output = command().arg("--help").output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), windshield::help::TEXT);
}
