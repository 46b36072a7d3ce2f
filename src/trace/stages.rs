//! How long frames were in each stage of their way through the car, as histograms. Filled by the link, read for
//! `/stats`, `/metrics` and the log. Recording is integer arithmetic on memory that was taken at the start.

use hdrhistogram::Histogram;

use crate::clock::Micros;
use crate::frame::{Frame, Stamps};

/// A stage longer than this is counted as this: whatever lasts a minute is no latency any more.
const LONGEST_US: u64 = 60_000_000;

/// Two digits: a hundredth of a value, 11 kB a histogram.
const DIGITS: u8 = 2;

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

/// A histogram of microseconds for each [`Stage`].
#[derive(Debug, Clone)]
pub struct Stages {
    histograms: [Histogram<u32>; Stage::ALL.len()],
}

impl Default for Stages {
    fn default() -> Self {
        let empty = || Histogram::new_with_max(LONGEST_US, DIGITS).expect("bounds and digits that hdrhistogram takes");
        Self { histograms: std::array::from_fn(|_| empty()) }
    }
}

impl Stages {
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

    /// Microseconds of a stage.
    pub fn histogram(&self, stage: Stage) -> &Histogram<u32> {
        &self.histograms[stage as usize]
    }

    fn record(&mut self, stage: Stage, from: Micros, to: Micros) {
        self.histograms[stage as usize].saturating_record(to.since(from).as_micros() as u64);
    }
}
