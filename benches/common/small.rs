//! The short bodies: NAL scan, the page's messages, the histograms.

use windshield::clock::Micros;
use windshield::frame::{Frame, Stamps};
use windshield::h264::nals;
use windshield::message::{FromPage, STAMPS_MOST, ToPage};
use windshield::trace::Stages;

/// Stage `scan`: bytes in the NAL units of an access unit.
pub fn scan(unit: &[u8]) -> usize {
    nals(unit).map(|nal| nal.bytes.len()).sum()
}

/// What a page says: a heartbeat.
pub const HEARTBEAT: [u8; 10] = [2, 1, 0, 0, 0, 0, 1, 2, 3, 4];

/// Stage `command`, the way in.
pub fn parse(bytes: &[u8]) -> Option<FromPage> {
    FromPage::parse(bytes)
}

/// Stage `command`, the way out: a full batch of stamps.
pub fn write(records: &[Stamps; STAMPS_MOST], out: &mut Vec<u8>) -> usize {
    ToPage::Stamps { records }.write(out);
    out.len()
}

/// Stamps of a frame that went the usual way: 12 ms in camera and encoder, 0.2 ms in here.
pub fn stamps(number: u32) -> Stamps {
    let captured = Micros(1_000_000 + u64::from(number) * 33_333);
    let after = |us| Micros(captured.0 + us);
    Stamps {
        rtp_time: number * 3_000,
        captured,
        encoding: Some(after(4_000)),
        dequeued: after(12_000),
        packetized: after(12_010),
        protected: after(12_080),
        sent: Some(after(12_150 + u64::from(number % 64))),
    }
}

/// Stage `record`: a frame for one viewer.
pub fn record(stages: &mut Stages, stamps: &Stamps) {
    let Stamps { captured, encoding, dequeued, packetized, .. } = *stamps;
    stages.frame(&Frame { bytes: &[], keyframe: false, captured, encoding, dequeued }, packetized);
    stages.viewer(stamps);
}
