//! The words video and link share: a frame on its way, when it was where, and the orders that go back to the source.
//! A leaf: values only, no I/O.

use std::fmt;

use crate::clock::Micros;

/// One access unit (one picture with what precedes it), lent for the length of a closure. The bytes may lie in a
/// driver's buffer: whoever keeps them copies them.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// Annex B byte stream (ITU-T H.264 annex B): every NAL unit behind a start code, parameter sets before an IDR.
    pub bytes: &'a [u8],
    /// Holds an IDR picture, so a viewer can begin here.
    pub keyframe: bool,
    /// When the picture was taken; where the source cannot know, when its first byte arrived.
    pub captured: Micros,
    /// When the encoder was given the picture; none where one device takes and encodes it, or a program does.
    pub encoding: Option<Micros>,
    /// When this process had the whole frame in hand.
    pub dequeued: Micros,
}

/// When one frame was where, on its way to one viewer. Points on the car's `CLOCK_MONOTONIC`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamps {
    /// The frame's name on the wire: its RTP timestamp (90 kHz, modulo 2^32).
    pub rtp_time: u32,
    /// See [`Frame::captured`].
    pub captured: Micros,
    /// See [`Frame::encoding`].
    pub encoding: Option<Micros>,
    /// See [`Frame::dequeued`].
    pub dequeued: Micros,
    /// Its RTP payloads were made.
    pub packetized: Micros,
    /// Its last packet for this viewer was encrypted (SRTP).
    pub protected: Micros,
    /// The kernel took its last datagram for this viewer; none if it did not take them all.
    pub sent: Option<Micros>,
}

impl fmt::Debug for Frame<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Frame")
            .field("bytes", &self.bytes.len())
            .field("keyframe", &self.keyframe)
            .field("captured", &self.captured)
            .finish()
    }
}

/// Bits per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bitrate(pub u32);

/// What the link asks of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The next frame shall be an IDR with its parameter sets.
    Keyframe,
    /// Encode to this rate from now on.
    Bitrate(Bitrate),
    /// Frames per second from now on.
    FrameRate(u32),
}

/// A source's answer to an [`Order`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obeyed {
    /// Done, or on its way.
    Yes,
    /// This source has no such thing; the reason is half a sentence for a person, e.g. "a recorded clip has keyframes where it has them".
    Cannot(&'static str),
}
