//! The line that goes into the log after each window while somebody watches: one glance at rate, latency and loss. Pure;
//! `run` hands over the counters as they are and prints what comes back.

use std::fmt::Write;

use super::{Sent, Stage, Stages, Stats, WINDOW};

/// A stage whose slowest hundredth takes less than this is not worth a place in the line, in microseconds.
const WORTH_A_WORD_US: u64 = 100;

/// What was counted when the last line was written.
#[derive(Debug, Default)]
pub struct Digest {
    sent: Sent,
    bytes_out: u64,
    lost_by_source: u64,
}

impl Digest {
    /// A window is over: the line about it, none when nobody watches.
    pub fn line(&mut self, stats: &Stats, stages: &Stages) -> Option<String> {
        let (sent, bytes_out, lost_by_source) = (stats.link.sent, stats.link.bytes_out, stats.source.dropped);
        let before = std::mem::replace(self, Self { sent, bytes_out, lost_by_source });
        let viewers = stats.viewers.len();
        if viewers == 0 {
            return None;
        }
        let frames = stages.last_window(Stage::Packetize).count();
        let dropped = sent.frames_dropped.saturating_sub(before.sent.frames_dropped);
        // A source that was opened anew counts anew.
        let lost = lost_by_source.saturating_sub(before.lost_by_source);
        let megabits = bytes_out.saturating_sub(before.bytes_out) as f64 * 8.0 / 1e6;
        let seconds = WINDOW.as_secs_f64();
        let mut line =
            format!("{viewers} viewer(s), {:.1} frames/s, {:.2} Mbit/s", frames as f64 / seconds, megabits / seconds);
        say_stages(stages, &mut line);
        let _ = write!(line, "; dropped {dropped}, by the source {lost}");
        let worst = |of: fn(&super::ViewerStats) -> Option<f64>| stats.viewers.iter().filter_map(of).reduce(f64::max);
        if let Some(loss) = worst(|v| v.loss.map(f64::from)) {
            let _ = write!(line, "; loss {:.1} %", loss * 100.0);
        }
        if let Some(rtt) = worst(|v| v.rtt_ms) {
            let _ = write!(line, "; RTT {rtt:.0} ms");
        }
        Some(line)
    }
}

/// `; captured to sent 3.1/5.2/9.0 ms (p50/p90/p99 of 300): camera .., encode ..`
fn say_stages(stages: &Stages, line: &mut String) {
    let of = |stage| {
        let p = stages.last_window(stage).percentiles();
        let ms = |us: u64| us as f64 / 1e3;
        (p, format!("{:.1}/{:.1}/{:.1}", ms(p.p50_us), ms(p.p90_us), ms(p.p99_us)))
    };
    let (car, text) = of(Stage::Car);
    if car.count == 0 {
        line.push_str("; no frame was sent");
        return;
    }
    let _ = write!(line, "; captured to sent {text} ms (p50/p90/p99 of {})", car.count);
    let mut mark = ": ";
    for stage in Stage::ALL.into_iter().filter(|stage| *stage != Stage::Car) {
        let (p, text) = of(stage);
        if p.p99_us >= WORTH_A_WORD_US {
            let _ = write!(line, "{mark}{} {text}", stage.name());
            mark = ", ";
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::clock::Micros;
    use crate::frame::{Frame, Stamps};
    use crate::trace::ViewerStats;
    use crate::trace::tests::stats;

    #[test]
    fn the_line_tells_the_window_and_not_the_whole_life() {
        let (mut stages, start) = (Stages::default(), Instant::now());
        stages.watched(start);
        for _ in 0..300 {
            let (captured, dequeued) = (Micros(1_000), Micros(9_000));
            let frame = Frame { bytes: &[], keyframe: false, captured, encoding: Some(Micros(3_000)), dequeued };
            stages.frame(&frame, Micros(9_010));
            stages.viewer(&Stamps {
                captured,
                packetized: Micros(9_010),
                protected: Micros(9_050),
                sent: Some(Micros(11_000)),
                ..Stamps::default()
            });
        }
        stages.handle_timeout(start + WINDOW, true);
        let mut now = stats();
        let mut digest = Digest::default();
        (now.link.bytes_out, now.link.sent.frames_dropped) = (9_000_000, 7);
        assert_eq!(digest.line(&now, &stages), None, "nobody watches");
        now.viewers = vec![
            ViewerStats { loss: Some(0.012), rtt_ms: Some(4.0), ..ViewerStats::default() },
            ViewerStats { rtt_ms: Some(23.4), ..ViewerStats::default() },
        ];
        (now.link.bytes_out, now.link.sent.frames_dropped, now.source.dropped) = (11_600_000, 9, 1);
        assert_eq!(
            digest.line(&now, &stages).unwrap(),
            "2 viewer(s), 30.0 frames/s, 2.08 Mbit/s; captured to sent 10.0/10.0/10.0 ms (p50/p90/p99 of 300): \
             camera 2.0/2.0/2.0, encode 6.0/6.0/6.0, send 2.0/2.0/2.0; dropped 2, by the source 1; loss 1.2 %; RTT 23 ms"
        );
        stages.handle_timeout(start + 2 * WINDOW, true);
        let frozen = digest.line(&now, &stages).unwrap();
        assert!(
            frozen.starts_with("2 viewer(s), 0.0 frames/s, 0.00 Mbit/s; no frame was sent; dropped 0,"),
            "{frozen}"
        );
    }
}
