//! `PATCH /camera` changes the camera of a running program, and says what became of each setting; `--source rpicam`
//! runs rpicam-vid, and again with other options when something changes. The program is the real one. The camera is not:
//! a stand-in named rpicam-vid, first in `PATH`, writes down how it was called and streams a clip, for want of a Pi.

#![allow(clippy::unwrap_used)]

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(60);
const CLIP: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/road_160x120_10_one_keyframe.h264");

/// A folder of its own, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("windshield-camera-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Puts the stand-in there, under this name.
    fn install(&self, name: &str) {
        let calls = self.0.join("calls");
        let script = format!("#!/bin/sh\necho \"$@\" >> '{}'\ncat '{CLIP}'\nexec sleep 1000\n", calls.display());
        let program = self.0.join(name);
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
    }

    /// The command lines of the stand-in, as soon as there are so many.
    fn calls(&self, count: usize) -> Vec<String> {
        wait_for("the stand-in is called", || {
            let text = fs::read_to_string(self.0.join("calls")).unwrap_or_default();
            let calls: Vec<_> = text.lines().map(str::to_owned).collect();
            (calls.len() >= count).then_some(calls)
        })
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The program, running.
struct Car {
    child: Child,
    address: String,
    banner: String,
    /// Kept open: who prints into a closed pipe is ended.
    _stdout: BufReader<ChildStdout>,
}

impl Car {
    fn start(folder: &Path, args: &[&str]) -> Self {
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let mut child = Command::new(env!("CARGO_BIN_EXE_windshield"))
            .args(["--http", "127.0.0.1:0", "--udp", "0", "--log", "warn"])
            .args(args)
            .env("PATH", path)
            .env_remove("WINDSHIELD_TOKEN")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut banner = String::new();
        while !banner.contains("Ctrl-C") {
            assert!(stdout.read_line(&mut banner).unwrap() > 0, "it ended: {banner}");
        }
        let (_, url) = banner.split_once("http://").unwrap();
        let address = url.split_once('/').unwrap().0.replace("localhost", "127.0.0.1");
        Self { child, address, banner, _stdout: stdout }
    }

    /// One request; status and body.
    fn ask(&self, line: &str, fields: &str, body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        let host = if fields.contains("Host: ") { String::new() } else { format!("Host: {}\r\n", self.address) };
        let length = body.len();
        let head =
            format!("{line} HTTP/1.1\r\n{host}Connection: close\r\n{fields}Content-Length: {length}\r\n\r\n{body}");
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    fn patch(&self, body: &str) -> (u16, String) {
        self.ask("PATCH /camera", "Content-Type: application/json\r\n", body)
    }

    fn changed(&self, body: &str) -> Value {
        let (status, text) = self.patch(body);
        assert_eq!(status, 200, "{text}");
        serde_json::from_str(&text).unwrap()
    }

    fn stats(&self) -> Value {
        serde_json::from_str(&self.ask("GET /stats", "", "").1).unwrap()
    }
}

impl Drop for Car {
    fn drop(&mut self) {
        // SAFETY: no memory is passed; the child is ours and not yet buried.
        unsafe { libc::kill(self.child.id() as libc::pid_t, libc::SIGTERM) };
        self.child.wait().unwrap();
    }
}

fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what}");
        std::thread::yield_now();
    }
}

#[test]
fn rpicam_is_run_with_what_was_asked_for_and_again_when_it_is_changed() {
    let folder = Folder::new("rpicam");
    folder.install("rpicam-vid");
    let args = ["--source", "rpicam", "--size", "1280x720", "--fps", "25", "--bitrate", "3M", "--camera", "vflip"];
    let car = Car::start(&folder.0, &args);
    let first = folder.calls(1).remove(0);
    for words in ["--width 1280 --height 720", "--framerate 25", "--bitrate 3000000", "--vflip", "--inline --flush"] {
        assert!(first.contains(words), "{words}: {first}");
    }
    wait_for("pictures", || (car.stats()["source"]["frames"].as_u64()? >= 10).then_some(()));
    assert_eq!(car.stats()["source"]["name"], "rpicam-vid");

    let answer = car.changed("{\"bitrate\":1500000,\"exposure_us\":5000,\"rotation\":90}");
    assert_eq!(answer["settings"]["bitrate"], 1_500_000);
    assert_eq!((&answer["settings"]["exposure_us"], &answer["settings"]["vflip"]), (&json!(5000), &json!(true)));
    assert!(answer["settings"]["rotation"].is_null(), "{answer}");
    let outcome = |key: &str| answer["outcome"][key].as_str().unwrap_or_default().to_owned();
    assert!(outcome("bitrate").starts_with("applied") && outcome("exposure").starts_with("applied"), "{answer}");
    assert!(outcome("rotation").starts_with("cannot: rpicam-vid turns"), "{answer}");
    let second = folder.calls(2).remove(1);
    assert!(second.contains("--bitrate 1500000") && second.ends_with("--shutter 5000 --vflip -o -"), "{second}");
    wait_for("pictures again", || (car.stats()["source"]["frames"].as_u64()? >= 20).then_some(()));
    assert_eq!(car.stats()["source"]["restarts"], 1);
}

#[test]
fn its_older_name_will_do() {
    let folder = Folder::new("libcamera");
    folder.install("libcamera-vid");
    let empty_path = Command::new("sh").args(["-c", "command -v rpicam-vid"]).output().unwrap();
    if empty_path.status.success() {
        // The real one is installed here, and goes first.
        return;
    }
    let car = Car::start(&folder.0, &["--source", "rpicam"]);
    folder.calls(1);
    assert!(car.banner.contains("libcamera-vid"), "{}", car.banner);
}

#[test]
fn the_demo_obeys_its_bitrate_and_says_that_it_has_no_camera() {
    let folder = Folder::new("demo");
    let car = Car::start(&folder.0, &["--source", "demo", "--token", "s3cret"]);
    let with_token =
        |body| car.ask("PATCH /camera", "Content-Type: application/json\r\nAuthorization: Bearer s3cret\r\n", body);
    assert_eq!(car.patch("{\"bitrate\":500000}").0, 401);
    let (status, text) = with_token("{\"bitrate\":500000,\"hflip\":true}");
    assert_eq!(status, 200, "{text}");
    let answer: Value = serde_json::from_str(&text).unwrap();
    let expected = json!({ "bitrate": "applied: 500000 bit/s", "hflip": "cannot: the demo scene has no camera" });
    assert_eq!(answer["outcome"], expected);
    assert_eq!(car.stats()["source"]["bitrate"], 500_000);
    let (status, text) = car.ask("GET /camera", "", "");
    let now: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((status, &now["settings"]["bitrate"]), (200, &json!(500_000)));
    assert!(now.get("outcome").is_none() && now["source"].as_str().unwrap().contains("demo"), "{now}");
    for (body, expected, hint) in [
        ("{\"zoom\":2}", 422, "unknown field `zoom`"),
        ("{\"bitrate\":1}", 422, "50000 to 25000000"),
        ("{\"rotation\":45}", 422, "0, 90, 180 or 270"),
        ("hflip=true", 400, "no JSON"),
        ("", 400, "empty"),
    ] {
        let (status, sentence) = with_token(body);
        assert!(status == expected && sentence.contains(hint), "{body}: {status} {sentence}");
    }
}

#[test]
fn no_page_of_another_origin_may_change_the_camera_not_even_one_that_may_show_the_picture() {
    let folder = Folder::new("origin");
    let clip = format!("clip:{CLIP}");
    let car = Car::start(&folder.0, &["--source", &clip, "--allow-origin", "http://friend.example"]);
    let from = |origin: &str| {
        let fields = format!("Content-Type: application/json\r\nOrigin: {origin}\r\n");
        car.ask("PATCH /camera", &fields, "{\"hflip\":true}")
    };
    assert_eq!(from("http://evil.example").0, 403);
    assert_eq!(from("http://friend.example").0, 403);
    let (status, text) = from(&format!("http://{}", car.address));
    assert!(status == 200 && text.contains("cannot: a recorded clip has no camera"), "{status} {text}");
    assert_eq!(car.ask("POST /camera", "", "").0, 405);
    let posing = "Host: evil.example\r\nContent-Type: application/json\r\n";
    assert_eq!(car.ask("PATCH /camera", posing, "{\"hflip\":true}").0, 421, "a name that anybody could own");
}

#[test]
fn auto_says_in_the_banner_and_in_the_stats_what_it_took_and_why() {
    let folder = Folder::new("auto");
    let car = Car::start(&folder.0, &[]);
    let stats = car.stats();
    let (name, why) = (stats["source"]["name"].as_str().unwrap(), stats["source"]["why"].as_str().unwrap());
    assert!(car.banner.contains(why) && !why.is_empty(), "{why}: {}", car.banner);
    // What it is depends on this machine, and why on what it is.
    if name == "demo" {
        assert!(why.contains("no camera was found") || why.contains("/dev/video"), "{why}");
    } else {
        assert!(why.contains("/dev/video"), "{why}");
    }
}
