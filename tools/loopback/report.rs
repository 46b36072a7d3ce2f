//! EDGE: reads the machine's load. The figures as text for people and JSON for machines, with what they were measured on:
//! wall-clock figures without it are worth nothing.

use serde_json::{Value, json};

use super::budget::Verdict;
use super::knobs::{Knobs, Wire};
use super::world::Measured;

/// For people.
pub fn text(knobs: &Knobs, measured: &Measured) -> String {
    let Measured { table, fates, source } = measured;
    let viewers = if knobs.viewers == 1 { "1 viewer".to_owned() } else { format!("{} viewers", knobs.viewers) };
    let mut out =
        format!("{source}, {} a second, to {viewers} for {} s, {}\n", knobs.fps, seconds(knobs), carried(knobs));
    out += &format!("{}\n\n", machine(knobs));
    let heads = ["p50", "p90", "p99", "p99.9"].map(|head| format!("{head:>10}")).concat();
    out += &format!("{:<10} {:>8}{heads}  {:>9}  (us)\n", "stage", "count", "max");
    let rows: Vec<_> = table.rows().collect();
    for row in &rows {
        out += &format!("{}\n", row.line());
    }
    if rows.iter().any(|row| row.line().contains('?')) {
        out += "?  fewer than 10 values lie beyond this percentile: no more than a hint\n";
    }
    out += &format!(
        "\nframes due {}, shown {}, lost and replaced by a newer one {}, never shown {}\n",
        fates.due, fates.shown, fates.replaced, fates.never
    );
    out
}

/// For machines.
pub fn json(knobs: &Knobs, measured: &Measured, verdicts: Option<&[Verdict]>) -> String {
    let Measured { table, fates, source } = measured;
    let (load, processors) = load();
    let document = json!({
        "program": env!("CARGO_PKG_VERSION"),
        "build": build(),
        "load": load,
        "processors": processors,
        "source": source,
        "knobs": {
            "viewers": knobs.viewers,
            "fps": knobs.fps,
            "frame_size": if knobs.clip.is_some() { Value::Null } else { json!(knobs.frame_size) },
            "clip": knobs.clip,
            "duration_s": knobs.duration.as_secs_f64(),
            "wire": if knobs.wire == Wire::Udp { "udp" } else { "memory" },
            "virtual": knobs.virtual_time,
            "loss": knobs.loss,
            "delay_ms": knobs.delay.as_secs_f64() * 1e3,
            "jitter_ms": knobs.jitter.as_secs_f64() * 1e3,
            "seed": knobs.seed,
        },
        "unit": "us",
        "stages": table.rows().collect::<Vec<_>>(),
        "frames": fates,
        "budget": verdicts,
    });
    format!("{document:#}\n")
}

fn seconds(knobs: &Knobs) -> f64 {
    knobs.duration.as_secs_f64()
}

fn carried(knobs: &Knobs) -> String {
    let mut words = vec![match (knobs.wire, knobs.virtual_time) {
        (Wire::Udp, _) => "by UDP on loopback".to_owned(),
        (Wire::Memory, false) => "in memory".to_owned(),
        (Wire::Memory, true) => "in memory, in virtual time".to_owned(),
    }];
    let ms = |time: std::time::Duration| time.as_secs_f64() * 1e3;
    if knobs.loss > 0.0 {
        words.push(format!("{:.1} % lost", f64::from(knobs.loss) * 100.0));
    }
    if !knobs.delay.is_zero() {
        words.push(format!("{} +- {} ms each way", ms(knobs.delay), ms(knobs.jitter)));
    }
    let slow = &knobs.slow;
    let stages = [
        ("camera", slow.camera),
        ("packetize", slow.packetize),
        ("protect", slow.protect),
        ("send", slow.send),
        ("network", slow.network),
        ("receive", slow.receive),
    ];
    words.extend(stages.iter().filter(|(_, by)| !by.is_zero()).map(|(s, by)| format!("{s} slowed by {} ms", ms(*by))));
    words.join(", ")
}

fn machine(knobs: &Knobs) -> String {
    let (load, processors) = load();
    let load = load.map_or("unknown".to_owned(), |load| format!("{load:.2}"));
    let mut words = format!("{} build; load average {load} on {processors} processors", build());
    if !knobs.virtual_time && build() == "debug" {
        words += "; these are not the figures of the program as it ships: cargo run --release --example loopback";
    }
    words
}

fn build() -> &'static str {
    if cfg!(debug_assertions) { "debug" } else { "release" }
}

/// Of the last minute, and on how many processors.
fn load() -> (Option<f64>, usize) {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = text.split(' ').next().and_then(|first| first.parse().ok());
    (load, std::thread::available_parallelism().map_or(1, usize::from))
}
