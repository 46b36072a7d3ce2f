//! `--source pipe:-` takes a stream from standard input, says when it has ended and the program goes on; what is no
//! stream is refused with what to do. Standard input belongs to a whole process, so each case runs this program again.

#![allow(clippy::unwrap_used)]

use std::fs::File;
use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token, Waker};
use windshield::frame::Bitrate;
use windshield::video::settings::Settings;
use windshield::video::{Choice, Options, Size, Source, Wakeup};

const DEADLINE: Duration = Duration::from_secs(60);

/// Runs in the process of its own: opens standard input and reports what becomes of it.
#[test]
#[ignore = "run by the others, with a standard input of their making"]
fn report_on_standard_input() {
    let mut poll = Poll::new().unwrap();
    let waker = Arc::new(Waker::new(poll.registry(), Token(1)).unwrap());
    let size = Size { width: 640, height: 480 };
    let camera = Settings::default();
    let options = Options { choice: Choice::Stdin, size, fps: 30, bitrate: Bitrate(1_000_000), camera };
    let wakeup = Wakeup { registry: poll.registry(), token: Token(0), waker };
    let mut source = match Source::open(&options, wakeup, Instant::now()) {
        Ok(source) => source,
        Err(sentence) => return println!("REPORT refused: {sentence}"),
    };
    let mut events = Events::with_capacity(4);
    let mut lengths = Vec::new();
    let start = Instant::now();
    while source.stats().state != "ended" && start.elapsed() < DEADLINE {
        let wait = source.poll_timeout().map_or(DEADLINE, |at| at.saturating_duration_since(Instant::now()));
        poll.poll(&mut events, Some(if source.more() { Duration::ZERO } else { wait })).unwrap();
        let now = Instant::now();
        if !events.is_empty() || source.more() {
            source.handle_ready(now);
        }
        source.handle_timeout(now);
        while source.lend(now, &mut |frame| lengths.push((frame.bytes.len(), frame.keyframe))) {}
    }
    println!("REPORT frames {lengths:?}: {:?}", source.notice());
    source.close();
}

/// The report of a process that has `stdin`.
fn report(stdin: Stdio, feed: &[&[u8]]) -> String {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["report_on_standard_input", "--exact", "--ignored", "--nocapture"])
        .stdin(stdin)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    if let Some(mut pipe) = child.stdin.take() {
        for piece in feed {
            pipe.write_all(piece).unwrap();
        }
    }
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let report =
        text.lines().find_map(|line| line.split_once("REPORT ")).unwrap_or_else(|| panic!("no report: {text}"));
    report.1.to_owned()
}

/// A keyframe of 26 bytes and another picture of 14, made by hand.
const KEY: &[u8] = b"\0\0\0\x01\x67\x42\xc0\x1f\x8c\0\0\0\x01\x68\xce\x3c\0\0\x01\x65\x88abcde";
const OTHER: &[u8] = b"\0\0\x01\x41\x88abcdefghi";

#[test]
fn a_stream_from_standard_input_is_shown_and_its_end_is_a_state() {
    let report = report(Stdio::piped(), &[KEY, OTHER, KEY, &OTHER[..7], &OTHER[7..]]);
    assert!(report.starts_with("frames [(26, true), (14, false), (26, true), (14, false)]"), "{report}");
    assert!(report.contains("Fault") && report.contains("standard input has ended"), "{report}");
}

#[test]
fn an_empty_stream_ends_with_the_sentence_as_well() {
    let report = report(Stdio::piped(), &[]);
    assert!(report.starts_with("frames []") && report.contains("has ended"), "{report}");
}

#[test]
fn what_is_no_stream_is_refused_with_what_to_do() {
    let file = report(Stdio::from(File::open(std::env::current_exe().unwrap()).unwrap()), &[]);
    assert!(file.starts_with("refused") && file.contains("--source clip:FILE.h264"), "{file}");
    let null = report(Stdio::null(), &[]);
    assert!(null.starts_with("refused") && null.contains("| windshield --source pipe:-"), "{null}");
}
