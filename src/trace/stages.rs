//! How long frames were in each stage of their way through the car, as histograms: since the start, and over the last
//! full window. Filled by the link, read for `/stats`, `/metrics` and the log. Recording is integer arithmetic on memory
//! that was taken at the start; so is going on to the next window.

use std::mem;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::clock::Micros;
use crate::frame::{Frame, Stamps};

/// A stage longer than this is counted as this: whatever lasts a minute is no latency any more.
const LONGEST_US: u64 = 60_000_000;

/// Two digits: a hundredth of a value, 10 kB a histogram, 180 kB for all.
const DIGITS: u8 = 2;

/// Long enough for a p99 of 300 frames, short enough that a person sees what he has just changed.
pub const WINDOW: Duration = Duration::from_secs(10);

/// What a summary tells, in the order that [`Percentiles`] has it.
const QUANTILES: [f64; 4] = [0.5, 0.9, 0.99, 0.999];

/// A part of a frame's way. Each begins where the one before ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// From the driver's stamp to the encoder; to [`Frame::dequeued`] where one device takes and encodes.
    Camera,
    /// In the encoder; not measured where one device takes and encodes.
    Encode,
    /// From this process having the frame to its RTP payloads, once for all viewers.
    Packetize,
    /// Headers and SRTP of all its packets, for one viewer; the viewers before it are among it.
    Protect,
    /// The system call, for one viewer.
    Send,
    /// The whole of it: from the driver's stamp until the kernel has the last datagram.
    Car,
}

impl Stage {
    /// In the order of a frame's way, the whole at last.
    pub const ALL: [Self; 6] = [Self::Camera, Self::Encode, Self::Packetize, Self::Protect, Self::Send, Self::Car];

    /// As it is called in `/stats`, `/metrics`, benches and on the page.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Camera => "camera",
            Self::Encode => "encode",
            Self::Packetize => "packetize",
            Self::Protect => "protect",
            Self::Send => "send",
            Self::Car => "car",
        }
    }
}

/// Durations of one stage.
#[derive(Debug, Clone)]
pub struct Durations {
    histogram: Histogram<u32>,
    sum_us: u64,
}

impl Default for Durations {
    fn default() -> Self {
        let histogram = Histogram::new_with_max(LONGEST_US, DIGITS);
        Self { histogram: histogram.expect("bounds and digits that hdrhistogram takes"), sum_us: 0 }
    }
}

impl Durations {
    /// How many frames, or frames times viewers.
    pub fn count(&self) -> u64 {
        self.histogram.len()
    }

    /// All of them together in microseconds, to the microsecond.
    pub fn sum_us(&self) -> u64 {
        self.sum_us
    }

    /// How many lasted up to each of `edges_us`, ascending. A count belongs to its edge as nearly as the histogram tells
    /// values apart, to a hundredth.
    pub fn up_to<const N: usize>(&self, edges_us: [u64; N]) -> [u64; N] {
        let (mut from, mut so_far) = (0, 0);
        edges_us.map(|edge| {
            so_far += self.histogram.count_between(from, edge);
            from = self.histogram.next_non_equivalent(edge);
            so_far
        })
    }

    /// The few numbers a person reads.
    pub fn percentiles(&self) -> Percentiles {
        let mut values = self.histogram.value_at_quantiles(QUANTILES);
        let mut next = || values.next().unwrap_or_default();
        let (p50_us, p90_us, p99_us, p99_9_us) = (next(), next(), next(), next());
        Percentiles { count: self.count(), p50_us, p90_us, p99_us, p99_9_us, max_us: self.histogram.max() }
    }

    fn record(&mut self, us: u64) {
        let us = us.min(LONGEST_US);
        self.histogram.saturating_record(us);
        self.sum_us += us;
    }

    fn clear(&mut self) {
        // Nothing to clear is the usual case of `encode`; the counts are 10 kB.
        if self.count() > 0 {
            self.histogram.reset();
            self.sum_us = 0;
        }
    }
}

/// A distribution in microseconds, as true as two digits are; zeros where nothing was counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Percentiles {
    /// Of how many.
    pub count: u64,
    /// Half were no longer than this.
    pub p50_us: u64,
    /// 90 of 100.
    pub p90_us: u64,
    /// 99 of 100.
    pub p99_us: u64,
    /// 999 of 1000.
    pub p99_9_us: u64,
    /// The longest.
    pub max_us: u64,
}

/// One stage in `/stats`.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct StageStats {
    /// See [`Stage::name`].
    pub stage: &'static str,
    /// Of all frames that somebody watched.
    pub since_start: Percentiles,
    /// The last [`WINDOW`] that is over; all zeros when nobody watched then.
    pub last_10_s: Percentiles,
}

/// All stages over one time.
type Set = [Durations; Stage::ALL.len()];

/// What was measured of each [`Stage`].
#[derive(Debug, Clone, Default)]
pub struct Stages {
    since_start: Set,
    /// The window that is running.
    running: Set,
    /// The last that is over.
    full: Set,
    /// When the running one is over; none while there is nothing to measure.
    ends: Option<Instant>,
}

impl Stages {
    /// Somebody watches: windows run from now on.
    pub fn watched(&mut self, now: Instant) {
        self.ends.get_or_insert_with(|| now + WINDOW);
    }

    /// What all viewers share of a frame.
    pub fn frame(&mut self, frame: &Frame<'_>, packetized: Micros) {
        let encoding = frame.encoding.unwrap_or(frame.dequeued);
        self.record(Stage::Camera, frame.captured, encoding);
        if frame.encoding.is_some() {
            self.record(Stage::Encode, encoding, frame.dequeued);
        }
        self.record(Stage::Packetize, frame.dequeued, packetized);
    }

    /// What is one viewer's; a frame that was cut short has no end and counts nowhere.
    pub fn viewer(&mut self, stamps: &Stamps) {
        let Some(sent) = stamps.sent else { return };
        self.record(Stage::Protect, stamps.packetized, stamps.protected);
        self.record(Stage::Send, stamps.protected, sent);
        self.record(Stage::Car, stamps.captured, sent);
    }

    /// Goes on to the next window if this one is over; true then. When nobody watches and nothing is left to forget,
    /// windows stop, so that an unwatched car sleeps.
    pub fn handle_timeout(&mut self, now: Instant, watched: bool) -> bool {
        let Some(ended) = self.ends.filter(|ends| *ends <= now) else { return false };
        mem::swap(&mut self.full, &mut self.running);
        self.running.iter_mut().for_each(Durations::clear);
        let idle = !watched && self.full.iter().all(|durations| durations.count() == 0);
        // Windows follow each other without a gap, unless the loop stood still for longer than one.
        self.ends = (!idle).then(|| if ended + WINDOW > now { ended + WINDOW } else { now + WINDOW });
        true
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.ends
    }

    /// A stage since the start.
    pub fn since_start(&self, stage: Stage) -> &Durations {
        &self.since_start[stage as usize]
    }

    /// A stage over the last full window.
    pub fn last_window(&self, stage: Stage) -> &Durations {
        &self.full[stage as usize]
    }

    /// All stages for `/stats`.
    pub fn stats(&self) -> Vec<StageStats> {
        let stats = |stage: Stage| StageStats {
            stage: stage.name(),
            since_start: self.since_start(stage).percentiles(),
            last_10_s: self.last_window(stage).percentiles(),
        };
        Stage::ALL.map(stats).to_vec()
    }

    fn record(&mut self, stage: Stage, from: Micros, to: Micros) {
        let us = to.since(from).as_micros() as u64;
        self.since_start[stage as usize].record(us);
        self.running[stage as usize].record(us);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn sent_in(us: u64) -> Stamps {
        Stamps { sent: Some(Micros(us)), ..Stamps::default() }
    }

    fn windows(stages: &Stages) -> (u64, u64) {
        (stages.since_start(Stage::Car).count(), stages.last_window(Stage::Car).count())
    }

    #[test]
    fn a_window_is_told_of_when_it_is_over_and_forgotten_after_the_next() {
        let (mut stages, start) = (Stages::default(), Instant::now());
        assert_eq!(stages.poll_timeout(), None, "nobody watches: nothing is due");
        stages.watched(start);
        (1..=100).for_each(|n| stages.viewer(&sent_in(n * 100)));
        assert_eq!(windows(&stages), (100, 0));
        assert!(!stages.handle_timeout(start + WINDOW - Duration::from_millis(1), true));
        assert!(stages.handle_timeout(start + WINDOW, true));
        assert_eq!(windows(&stages), (100, 100));
        let told = stages.last_window(Stage::Car).percentiles();
        assert_eq!((told.count, told.p50_us.div_ceil(100), told.max_us.div_ceil(100)), (100, 51, 101));
        stages.viewer(&sent_in(7));
        assert_eq!(windows(&stages), (101, 100), "the running one is not mixed in");
        assert!(stages.handle_timeout(start + 2 * WINDOW, true));
        assert_eq!(windows(&stages), (101, 1));
        assert_eq!(stages.poll_timeout(), Some(start + 3 * WINDOW));
    }

    #[test]
    fn when_nobody_watches_any_more_the_last_frames_are_forgotten_and_nothing_is_due() {
        let (mut stages, start) = (Stages::default(), Instant::now());
        stages.watched(start);
        stages.viewer(&sent_in(5));
        assert!(stages.handle_timeout(start + WINDOW, false) && windows(&stages) == (1, 1));
        assert!(stages.handle_timeout(start + 2 * WINDOW, false) && windows(&stages) == (1, 0));
        assert_eq!(stages.poll_timeout(), None);
        assert!(!stages.handle_timeout(start + 99 * WINDOW, false));
        // A loop that stood still does not catch up window by window.
        stages.watched(start);
        assert!(stages.handle_timeout(start + 5 * WINDOW, true));
        assert_eq!(stages.poll_timeout(), Some(start + 6 * WINDOW));
    }

    #[test]
    fn counts_up_to_an_edge_add_up_and_the_sum_is_exact() {
        let mut durations = Durations::default();
        for us in [0, 99, 100, 101, 5_000, 30_000, 70_000_000] {
            durations.record(us);
        }
        assert_eq!(durations.up_to([100, 1_000, 5_000, 100_000, 100_000_000]), [3, 4, 5, 6, 7]);
        assert_eq!((durations.count(), durations.sum_us()), (7, 35_300 + LONGEST_US));
    }
}
