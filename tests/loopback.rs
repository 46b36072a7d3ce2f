//! Promise: the instrument finds what is slow, in the stage where it is, and a budget that is broken fails and names the
//! line. The tool `tools/loopback` itself, whole and with its exit code, in virtual time: each stage costs what was
//! injected and nothing else, so nothing here depends on the machine.
#![allow(clippy::unwrap_used)]

#[path = "../tools/loopback/mod.rs"]
mod loopback;

use std::fs;
use std::path::PathBuf;

use loopback::Done;
use serde_json::Value;

/// What stages may be off: the 3 ms.
const OFF_US: u64 = 3_000;

fn run(line: &str) -> Done {
    loopback::run(line.split_whitespace().map(Into::into))
}

/// A run in virtual time; the document it prints.
fn figures(line: &str) -> Value {
    let done = run(&format!("--virtual --json - {line}"));
    assert_eq!(done.code, 0, "{line}: {}", done.err);
    serde_json::from_str(&done.out).unwrap()
}

/// A figure of a stage, microseconds.
fn us(figures: &Value, stage: &str, figure: &str) -> u64 {
    let row = figures["stages"].as_array().unwrap().iter().find(|row| row["stage"] == stage);
    row.unwrap_or_else(|| panic!("{stage} is in {figures}"))[figure].as_u64().unwrap()
}

/// A budget in a file of its own.
struct Budget(PathBuf);

impl Budget {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("windshield-{name}-{}.toml", std::process::id()));
        fs::write(&path, text).unwrap();
        Self(path)
    }

    fn judges(&self, line: &str) -> Done {
        run(&format!("--virtual --fps 10 --duration 11 --budget {} {line}", self.0.display()))
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

const STAGES: [&str; 6] = ["camera", "packetize", "protect", "send", "network", "receive"];

#[test]
fn a_delay_in_any_stage_is_found_there_and_nowhere_else() {
    for slowed in STAGES {
        let ms = if slowed == "network" { 20 } else { 30 };
        let figures = figures(&format!("--fps 10 --duration 3 --slow {slowed}={ms}"));
        for stage in STAGES {
            let injected = if stage == slowed { ms * 1_000 } else { 0 };
            for figure in ["p50", "max"] {
                let found = us(&figures, stage, figure);
                assert!(
                    found.abs_diff(injected) <= OFF_US,
                    "{slowed} slowed by {ms} ms: {stage} {figure} is {found} us"
                );
            }
        }
        assert!(us(&figures, "total", "max").abs_diff(ms * 1_000) <= OFF_US);
        assert_eq!(us(&figures, "total", "count"), 30);
    }
}

#[test]
fn thirty_ms_in_the_sender_and_twenty_in_the_network_are_told_apart() {
    let figures = figures("--fps 10 --duration 3 --slow send=30 --delay 20");
    for (stage, ms) in [("send", 30), ("car", 30), ("network", 20), ("receive", 0), ("total", 50)] {
        let found = us(&figures, stage, "p50");
        assert!(found.abs_diff(ms * 1_000) <= OFF_US, "{stage}: {found} us, injected {ms} ms");
    }
}

#[test]
fn latency_counts_from_when_a_frame_was_due_even_if_the_loop_is_late() {
    // 50 ms of work for a frame every 33 ms: each frame waits 17 ms longer than the one before.
    let figures = figures("--fps 30 --duration 2 --slow send=50");
    assert!(us(&figures, "camera", "max") > 500_000, "frames wait for the loop: {figures}");
    assert!(us(&figures, "send", "max").abs_diff(50_000) <= OFF_US, "and sending takes what it takes: {figures}");
    assert!(us(&figures, "total", "max") > 550_000);
    let due = figures["frames"]["due"].as_u64().unwrap();
    assert_eq!(due, 60, "no frame is left out because others were slow");
}

#[test]
fn what_is_lost_counts_until_the_next_picture() {
    let clean = figures("--duration 10 --delay 10");
    let lossy = figures("--duration 10 --delay 10 --loss 20 --seed 3");
    for document in [&clean, &lossy] {
        assert_eq!(document["frames"]["due"], 300);
        assert_eq!(us(document, "total", "count"), 300, "every frame counts");
    }
    assert!(us(&clean, "total", "max") < 13_000);
    assert!(us(&lossy, "total", "p99") > 30_000, "a resend takes a round trip at least: {lossy}");
    let dead = figures("--duration 2 --loss 100");
    assert_eq!(dead["frames"], serde_json::json!({ "due": 60, "shown": 0, "replaced": 0, "never": 60 }));
    assert!(us(&dead, "total", "p50") > 3_000_000, "what never comes takes until the end of the run: {dead}");
}

#[test]
fn each_viewer_has_a_line_of_its_own() {
    let figures = figures("--viewers 3 --fps 10 --duration 2 --slow send=5");
    assert_eq!(us(&figures, "send", "count"), 3 * 20);
    assert!(us(&figures, "send", "max").abs_diff(5_000) <= OFF_US);
    // The third waits for the two before it.
    assert!(us(&figures, "protect", "max").abs_diff(10_000) <= OFF_US);
    assert!(us(&figures, "car", "max").abs_diff(15_000) <= OFF_US);
}

const LIMITS: &str = "[run]\nviewers = 1\n\
    [[limit]]\nstage = \"send\"\npercentile = 90\nus = 10000\n\
    [[limit]]\nstage = \"protect\"\npercentile = 50\nus = 10000\n\
    [[limit]]\nstage = \"total\"\npercentile = 90\nus = 40000\n";

#[test]
fn a_budget_that_holds_passes() {
    let done = Budget::new("holds", LIMITS).judges("");
    assert_eq!(done.code, 0, "{}", done.err);
    assert_eq!(done.out.matches("within budget").count(), 3, "{}", done.out);
}

#[test]
fn a_stage_slowed_on_purpose_breaks_the_budget_and_is_named() {
    let budget = Budget::new("breaks", LIMITS);
    let done = budget.judges("--slow send=30");
    assert_eq!(done.code, 1);
    let broken: Vec<_> = done.err.lines().collect();
    assert_eq!(broken.len(), 1, "{broken:?}");
    assert!(broken[0].starts_with("OVER BUDGET: send p90: 300"), "{broken:?}");
    assert!(broken[0].ends_with("us of 110 values, limit 10000 us"), "{broken:?}");
    let done = budget.judges("--slow protect=30 --slow send=11");
    assert_eq!(done.code, 1);
    for stage in ["send", "protect", "total"] {
        assert!(done.err.contains(&format!("OVER BUDGET: {stage} p")), "{}", done.err);
    }
}

#[test]
fn a_budget_does_not_judge_what_it_cannot() {
    let tail = Budget::new("tail", "[[limit]]\nstage = \"total\"\npercentile = 99\nus = 99000\n");
    let floors = Budget::new("floors", "[[limit]]\nstage = \"send\"\npercentile = 50\nfloors = 3.0\n");
    let viewers = Budget::new("viewers", LIMITS);
    for (budget, line, why) in [
        (&tail, "", "total p99: p99 needs 1000 values, and total has 110; measure longer (--duration)"),
        (&floors, "", "send p50: there is no floor in virtual time"),
        (&viewers, "--viewers 2", "send p90: this budget is for --viewers 1, and this run had 2"),
    ] {
        let done = budget.judges(line);
        assert_eq!(done.code, 2, "{}", done.err);
        assert!(done.err.contains(&format!("budget not judged: {why}")), "{}", done.err);
    }
}

#[test]
fn a_budget_that_makes_no_sense_is_refused_before_anything_is_measured() {
    for (text, why) in [
        ("", "missing field `limit`"),
        ("limit = []", "it has no [[limit]]"),
        ("[[limit]]\nstage = \"wheel\"\npercentile = 50\nus = 1\n", "the limit of wheel: is none of camera, "),
        ("[[limit]]\nstage = \"send\"\npercentile = 50\n", "needs either us (microseconds) or floors"),
        ("[[limit]]\nstage = \"send\"\npercentile = 0.5\nus = 1\n", "percentile 0.5 is not between 1 and 99.99"),
        ("[[limit]]\nstage = \"send\"\npercentile = 50\nms = 1\n", "unknown field `ms`"),
        ("[run]\nwire = \"rope\"\n[[limit]]\nstage = \"send\"\npercentile = 50\nus = 1\n", "run.wire is rope"),
    ] {
        let done = Budget::new("nonsense", text).judges("--fps 240 --duration 3600");
        assert_eq!(done.code, 2);
        assert!(done.err.contains(why), "{text}: {}", done.err);
    }
}

#[test]
fn the_budget_in_the_repository_can_be_read() {
    let done = run("--virtual --duration 1 --budget perf/budget.toml");
    assert!(done.err.contains("this budget is for --wire udp"), "{}", done.err);
    assert_eq!(done.code, 2);
}

#[test]
fn help_is_no_error_and_a_wrong_word_is_one_sentence() {
    let help = run("--help");
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    for knob in [
        "clip",
        "frame-size",
        "bitrate",
        "fps",
        "viewers",
        "duration",
        "wire",
        "virtual",
        "loss",
        "delay",
        "jitter",
        "seed",
        "slow",
        "json",
        "budget",
    ] {
        assert!(help.out.contains(&format!("--{knob}")), "{knob}");
    }
    let wrong = run("--viewers none");
    assert_eq!((wrong.code, wrong.out.as_str()), (2, ""));
    assert_eq!(wrong.err, "loopback: --viewers none: not a number from 1 to 50\n");
}
