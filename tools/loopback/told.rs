//! What the car tells a page, read on the page's side: the other half of `windshield::message`, which only the page has
//! (`static/message.js`). Pure; `viewer` calls it.

use windshield::clock::Micros;
use windshield::frame::Stamps;

/// Bytes of a record in STAMPS.
const RECORD: usize = 32;

/// A time that is not known.
const NEVER: u32 = u32::MAX;

/// HELLO of a page: build id 0, which is nobody's. Only who has said it is told stamps.
pub const HELLO: [u8; 10] = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0];

/// The records of a STAMPS message; none if it is another one.
pub fn stamps(message: &[u8]) -> impl Iterator<Item = Stamps> {
    let records = message.strip_prefix(&[0x85, 1]).unwrap_or_default();
    records.as_chunks::<RECORD>().0.iter().map(record)
}

fn record(bytes: &[u8; RECORD]) -> Stamps {
    let four = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
    let captured = Micros(u64::from(four(4)) << 32 | u64::from(four(8)));
    let after = |at: usize| Some(four(at)).filter(|us| *us != NEVER).map(|us| Micros(captured.0 + u64::from(us)));
    Stamps {
        rtp_time: four(0),
        captured,
        encoding: after(12),
        dequeued: after(16).unwrap_or(captured),
        packetized: after(20).unwrap_or(captured),
        protected: after(24).unwrap_or(captured),
        sent: after(28),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use windshield::message::ToPage;

    #[test]
    fn what_the_car_writes_is_read_back() {
        let told = Stamps {
            rtp_time: 0x8000_0001,
            captured: Micros(1 << 40),
            encoding: None,
            dequeued: Micros((1 << 40) + 5),
            packetized: Micros((1 << 40) + 70_000),
            protected: Micros((1 << 40) + 70_001),
            sent: Some(Micros((1 << 40) + 70_300)),
        };
        let cut_short = Stamps { encoding: Some(Micros((1 << 40) + 2)), sent: None, ..told };
        let mut message = Vec::new();
        ToPage::Stamps { records: &[told, cut_short] }.write(&mut message);
        assert_eq!(stamps(&message).collect::<Vec<_>>(), [told, cut_short]);
        assert_eq!(stamps(&[0x81, 1, 0, 0, 0, 0, 0, 0, 0, 0]).count(), 0);
    }
}
