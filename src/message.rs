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
//!   ECHO       82 01  page clock, us (8)  car clock, us (8)  fast, answers HEARTBEAT
//!   NOTICE     84 01  topic (1)  severity (1)  UTF-8 text    events; the newest of a topic replaces the older, an empty text withdraws it
//! ```

/// Label of the unordered, unreliable channel.
pub const FAST: &str = "fast";
/// Label of the reliable channel.
pub const EVENTS: &str = "events";

const VERSION: u8 = 1;

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
        /// The car's `CLOCK_MONOTONIC` in microseconds.
        car: u64,
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
            Self::Echo { sent, car } => {
                out.extend([0x82, VERSION]);
                out.extend(sent.to_be_bytes());
                out.extend(car.to_be_bytes());
            }
            Self::Notice { topic, severity, text } => {
                out.extend([0x84, VERSION, topic as u8, severity as u8]);
                out.extend(text.as_bytes());
            }
        }
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
        ToPage::Echo { sent: 258, car: 3 }.write(&mut out);
        assert_eq!(out, [0x82, 1, 0, 0, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 3]);
    }
}
