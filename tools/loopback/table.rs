//! The figures: a histogram for each stage, and its row of percentiles with the count beside them. Pure.

use hdrhistogram::Histogram;
use serde::Serialize;
use windshield::clock::Micros;
use windshield::frame::Stamps;
use windshield::trace::Stage;

/// From the kernel's acceptance to the last datagram's arrival.
pub const NETWORK: &str = "network";
/// From there to the whole frame.
pub const RECEIVE: &str = "receive";
/// See `--help`.
pub const TOTAL: &str = "total";
/// See [`super::floor`].
pub const FLOOR: &str = "floor";

/// Longer is counted as this.
const LONGEST_US: u64 = 600_000_000;

/// Digits of a value.
const DIGITS: u8 = 3;

/// So many values must lie beyond a percentile, or it is a guess: p90 takes 100 values, p99 1,000, p99.9 10,000.
const BEYOND: f64 = 10.0;

/// Histograms by stage, in the order of a frame's way.
#[derive(Debug)]
pub struct Table(Vec<(&'static str, Histogram<u64>)>);

/// Microseconds.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Row {
    /// See `--help`.
    pub stage: &'static str,
    /// How many values.
    pub count: u64,
    /// Median.
    pub p50: u64,
    /// 90 of 100 are no longer.
    pub p90: u64,
    /// 99 of 100 are no longer.
    pub p99: u64,
    /// 999 of 1,000 are no longer.
    pub p99_9: u64,
    /// None is longer.
    pub max: u64,
}

impl Default for Table {
    fn default() -> Self {
        let ours = Stage::ALL.map(Stage::name);
        let stages = ours.into_iter().chain([NETWORK, RECEIVE, TOTAL, FLOOR]);
        let empty = || Histogram::new_with_max(LONGEST_US, DIGITS).expect("bounds and digits that hdrhistogram takes");
        Self(stages.map(|stage| (stage, empty())).collect())
    }
}

impl Table {
    /// A value.
    pub fn record(&mut self, stage: &str, us: u64) {
        if let Some((_, histogram)) = self.0.iter_mut().find(|(name, _)| *name == stage) {
            histogram.saturating_record(us);
        }
    }

    /// A frame's whole way to one viewer. Its last datagram arrived no sooner than it was sent: with segmentation the
    /// kernel stamps within the send call.
    pub fn way(&mut self, stamps: &Stamps, arrived: Micros, whole: Micros) {
        let Some(sent) = stamps.sent else { return };
        let arrived = arrived.max(sent);
        let encoding = stamps.encoding.unwrap_or(stamps.dequeued);
        let mut span = |stage: &str, from: Micros, to: Micros| self.record(stage, to.since(from).as_micros() as u64);
        span(Stage::Camera.name(), stamps.captured, encoding);
        if stamps.encoding.is_some() {
            span(Stage::Encode.name(), encoding, stamps.dequeued);
        }
        span(Stage::Packetize.name(), stamps.dequeued, stamps.packetized);
        span(Stage::Protect.name(), stamps.packetized, stamps.protected);
        span(Stage::Send.name(), stamps.protected, sent);
        span(Stage::Car.name(), stamps.captured, sent);
        span(NETWORK, sent, arrived);
        span(RECEIVE, arrived, whole);
    }

    /// Stages by name.
    pub fn stages(&self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|(stage, _)| *stage)
    }

    /// Values of a stage; none for a name that is none.
    pub fn histogram(&self, stage: &str) -> Option<&Histogram<u64>> {
        self.0.iter().find(|(name, _)| *name == stage).map(|(_, histogram)| histogram)
    }

    /// Stages that have values.
    pub fn rows(&self) -> impl Iterator<Item = Row> {
        self.0.iter().filter(|(_, h)| !h.is_empty()).map(|(stage, h)| Row {
            stage,
            count: h.len(),
            p50: h.value_at_quantile(0.5),
            p90: h.value_at_quantile(0.9),
            p99: h.value_at_quantile(0.99),
            p99_9: h.value_at_quantile(0.999),
            max: h.max(),
        })
    }
}

/// So many values a percentile (0 to 100) needs to be more than a guess.
pub fn needed(percentile: f64) -> u64 {
    // Binary fractions: 100 - 99.9 is a little more than a tenth.
    (BEYOND / (1.0 - percentile / 100.0) - 1e-6).ceil() as u64
}

impl Row {
    /// For people: a percentile of too few values bears a mark.
    pub fn line(&self) -> String {
        let Self { stage, count, p50, p90, p99, p99_9, max } = *self;
        let mut line = format!("{stage:<10} {count:>8}");
        for (percentile, value) in [(50.0, p50), (90.0, p90), (99.0, p99), (99.9, p99_9)] {
            let mark = if count < needed(percentile) { '?' } else { ' ' };
            line += &format!(" {value:>9}{mark}");
        }
        format!("{line} {max:>9}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_need_ten_values_beyond_them() {
        assert_eq!([50.0, 90.0, 99.0, 99.9].map(needed), [20, 100, 1_000, 10_000]);
    }

    #[test]
    fn the_stages_of_a_way_add_up_to_it() {
        let mut table = Table::default();
        let stamps = Stamps {
            captured: Micros(100),
            dequeued: Micros(110),
            packetized: Micros(130),
            protected: Micros(160),
            sent: Some(Micros(200)),
            ..Stamps::default()
        };
        // Stamped before the call came back.
        table.way(&stamps, Micros(190), Micros(260));
        let max = |stage: &str| table.histogram(stage).map(|h| h.max());
        assert_eq!([NETWORK, RECEIVE, "car", "send"].map(max), [0, 60, 100, 40].map(Some));
        let parts = ["camera", "encode", "packetize", "protect", "send", NETWORK, RECEIVE];
        assert_eq!(parts.iter().filter_map(|stage| max(stage)).sum::<u64>(), 160);
    }
}
