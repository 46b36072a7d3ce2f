//! What the viewers counted, for people and for machines. Pure.

use serde::Serialize;

use crate::watcher::Counts;

/// The report.
#[derive(Debug, Serialize)]
pub struct Report {
    seconds: f64,
    viewers: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Line {
    frames: u64,
    packets: u64,
    bytes: u64,
    gaps: u64,
    first_frame_ms: f64,
}

impl Report {
    /// Of `seconds` of watching.
    pub fn new(seconds: f64, counts: Vec<Counts>) -> Self {
        let line = |Counts { frames, packets, bytes, gaps, first_frame }: Counts| Line {
            frames,
            packets,
            bytes,
            gaps,
            first_frame_ms: first_frame.as_secs_f64() * 1e3,
        };
        Self { seconds, viewers: counts.into_iter().map(line).collect() }
    }

    /// For machines.
    pub fn json(&self) -> String {
        serde_json::to_string(self).expect("numbers and lists of them are JSON")
    }

    /// For people.
    pub fn table(&self) -> String {
        let mut out = format!("{:.1} s\nviewer   frames  packets      kB   gaps  first frame (ms)", self.seconds);
        for (n, Line { frames, packets, bytes, gaps, first_frame_ms }) in self.viewers.iter().enumerate() {
            let kilobytes = bytes / 1000;
            out += &format!("\n{n:>6} {frames:>8} {packets:>8} {kilobytes:>7} {gaps:>6} {first_frame_ms:>17.1}");
        }
        out
    }
}
