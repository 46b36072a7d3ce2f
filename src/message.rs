//! The byte layouts of the data channels, for page and car (`static/message.js` is the other half). A leaf that
//! slices may share. The page opens two channels: `fast` (unordered, no retransmission: what is late is worthless)
//! and `events` (reliable, ordered). Every message begins with a type and a version byte; what is not known is
//! counted and ignored, so that either side may be newer. Integers are big-endian (network order).
//!
//! ```text
//! page -> car
//!   HELLO      01 01  build id (8)                           events, once, on opening
//!   HEARTBEAT  02 01  page clock, us (8)                     fast, 1 Hz; the car answers at once
//!   KEYFRAME   03 01                                         events, when no picture was shown for 200 ms
//! car -> page
//!   HELLO      81 01  build id (8)                           events, once, answers HELLO
//!   ECHO       82 02  page clock, us (8)  car clock at receipt, us (8)  at the answer, us (8)      fast, answers HEARTBEAT
//!   NOTICE     84 01  topic (1)  severity (1)  UTF-8 text    events; the newest of a topic replaces the older, an empty text withdraws it
//!     topics: 1 source, 2 link to this viewer, 3 keyframe, 4 board (power and heat)
//!   STAMPS     85 01  1 to 16 records of 32 bytes, oldest first                         fast, some 5 a second after HELLO
//!     a record: RTP timestamp (4)  captured, car clock, us (8)  then, as us after captured (4 each): encoding, dequeued,
//!     packetized, protected, sent; ffffffff for what is not known (encoding) or never was (sent: the frame was cut short)
//! ```

use crate::clock::Micros;
use crate::frame::Stamps;

/// Label of the unordered, unreliable channel.
pub const FAST: &str = "fast";
/// Label of the reliable channel.
pub const EVENTS: &str = "events";

const VERSION: u8 = 1;
/// ECHO has carried two stamps of the car since its second version.
const ECHO_VERSION: u8 = 2;

/// Records in one STAMPS at most: half a second at 30 frames a second, half a datagram.
pub const STAMPS_MOST: usize = 16;

/// A time that is not known, in a record of STAMPS.
const NEVER: u32 = u32::MAX;

/// What a page says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FromPage {
    /// Which build of the page this is.
    Hello {
        /// See [`ToPage::Hello`].
        build: u64,
    },
    /// Sign of life; wants [`ToPage::Echo`].
    Heartbeat {
        /// The page's clock in microseconds, given back unread.
        sent: u64,
    },
    /// No picture was shown for a while.
    KeyframeWish,
}

/// What the car says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ToPage<'a> {
    /// Which build of the page this program carries.
    Hello {
        /// A hash of the embedded page and the version.
        build: u64,
    },
    /// Answer to a heartbeat.
    Echo {
        /// The heartbeat's own number.
        sent: u64,
        /// The car's `CLOCK_MONOTONIC` when it took the heartbeat up.
        received: Micros,
        /// The same clock when this was written.
        answered: Micros,
    },
    /// When the frames that went to this page were where.
    Stamps {
        /// Oldest first, at most [`STAMPS_MOST`].
        records: &'a [Stamps],
    },
    /// A sentence for the person who watches.
    Notice {
        /// What it is about.
        topic: Topic,
        /// How bad it is.
        severity: Severity,
        /// The sentence; empty when there is nothing to say any more.
        text: &'a str,
    },
}

/// What a notice is about; a page shows the newest sentence of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Topic {
    /// Where pictures come from.
    Source = 1,
    /// How they are sent to this viewer.
    Link = 2,
    /// Why this viewer has to wait for its first picture, or for the next.
    Keyframe = 3,
    /// Power and heat of the car's computer.
    Board = 4,
}

/// How bad a notice is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Severity {
    /// Good to know.
    Info = 0,
    /// Quality is lost.
    Warning = 1,
    /// No picture.
    Fault = 2,
}

impl FromPage {
    /// Reads a message; `None` for anything unknown, too short or too long.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[kind, VERSION], body) = bytes.split_first_chunk::<2>()? else { return None };
        match kind {
            0x01 => Some(Self::Hello { build: u64::from_be_bytes(body.try_into().ok()?) }),
            0x02 => Some(Self::Heartbeat { sent: u64::from_be_bytes(body.try_into().ok()?) }),
            0x03 if body.is_empty() => Some(Self::KeyframeWish),
            _ => None,
        }
    }
}

impl ToPage<'_> {
    /// Writes the message over whatever `out` held.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.clear();
        match *self {
            Self::Hello { build } => {
                out.extend([0x81, VERSION]);
                out.extend(build.to_be_bytes());
            }
            Self::Echo { sent, received, answered } => {
                out.extend([0x82, ECHO_VERSION]);
                for clock in [sent, received.0, answered.0] {
                    out.extend(clock.to_be_bytes());
                }
            }
            Self::Stamps { records } => {
                out.extend([0x85, VERSION]);
                for stamps in &records[..records.len().min(STAMPS_MOST)] {
                    write_record(stamps, out);
                }
            }
            Self::Notice { topic, severity, text } => {
                out.extend([0x84, VERSION, topic as u8, severity as u8]);
                out.extend(text.as_bytes());
            }
        }
    }
}

fn write_record(stamps: &Stamps, out: &mut Vec<u8>) {
    let Stamps { rtp_time, captured, encoding, dequeued, packetized, protected, sent } = *stamps;
    out.extend(rtp_time.to_be_bytes());
    out.extend(captured.0.to_be_bytes());
    for at in [encoding, Some(dequeued), Some(packetized), Some(protected), sent] {
        // A driver's clock may be a little ahead of ours: nothing is before the picture was taken.
        let after = at.map_or(NEVER, |at| u32::try_from(at.since(captured).as_micros()).unwrap_or(NEVER));
        out.extend(after.to_be_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_refused_without_a_panic() {
        for bytes in
            [&[][..], &[1], &[2, 1], &[2, 1, 0, 0], &[3, 1, 0], &[3, 2], &[0x7f, 1], &[1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
        {
            assert_eq!(FromPage::parse(bytes), None, "{bytes:?}");
        }
    }

    #[test]
    fn a_heartbeat_comes_back_with_both_clocks() {
        let parsed = FromPage::parse(&[2, 1, 0, 0, 0, 0, 0, 0, 1, 2]);
        assert_eq!(parsed, Some(FromPage::Heartbeat { sent: 258 }));
        let mut out = vec![9; 40];
        ToPage::Echo { sent: 258, received: Micros(3), answered: Micros(4) }.write(&mut out);
        assert_eq!(out, [0x82, 2, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4]);
    }

    #[test]
    fn a_record_tells_what_is_known_and_what_never_was() {
        let stamps = Stamps {
            rtp_time: 0x0102_0304,
            captured: Micros(1_000),
            encoding: None,
            dequeued: Micros(900),
            packetized: Micros(1_256),
            protected: Micros(1_000 + (1 << 32)),
            sent: None,
        };
        let mut out = Vec::new();
        ToPage::Stamps { records: &[stamps; 2] }.write(&mut out);
        assert_eq!(out.len(), 2 + 2 * 32);
        assert_eq!(out[..14], [0x85, 1, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 3, 0xe8]);
        assert_eq!(out[14..22], [0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0]);
        assert_eq!(out[22..34], [0, 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    }
}
