//! H.264 access units to RTP payloads (RFC 6184, packetization-mode 1): single NAL unit packets, STAP-A for parameter
//! sets, FU-A for what is too long. Made once a frame and shared by all viewers: the only copy of a payload byte in
//! our code is the one out of the source's buffer into the `Arc` that str0m keeps for retransmission.

use std::sync::Arc;

use crate::h264::{Nal, kind, nals};

/// Bytes of an RTP payload at most. A UDP payload may have 1,200 (what survives PPPoE, tunnels and IPv6 on every path);
/// RTP header 12, extension header 4, mid up to 17, playout delay 4, padding 3, SRTP tag 16 and the two bytes that RTX
/// puts in front (RFC 4588 section 4) leave 1,142.
pub const MAX_PAYLOAD: usize = 1_140;

const STAP_A: u8 = 24;
const FU_A: u8 = 28;

/// One RTP payload.
#[derive(Debug, Clone)]
pub struct Payload {
    /// What follows the RTP header.
    pub bytes: Arc<[u8]>,
    /// Last of its access unit (RFC 6184 section 5.1).
    pub marker: bool,
}

/// Turns access units into payloads; holds only the vector it reuses.
#[derive(Debug, Default)]
pub struct Packetizer {
    payloads: Vec<Payload>,
}

impl Packetizer {
    /// The payloads of one access unit (Annex B). Delimiters, SEI and filler are dropped: no decoder of a live picture
    /// needs them. Empty when nothing is left.
    pub fn packetize(&mut self, access_unit: &[u8]) -> &[Payload] {
        self.payloads.clear();
        let mut rest = nals(access_unit);
        while let Some(nal) = rest.next() {
            match nal.kind() {
                kind::SPS | kind::PPS => {
                    // Parameter sets that follow each other travel together.
                    let mut ahead = rest.clone();
                    let (mut sets, mut size) = (1, 1 + 2 + nal.bytes.len());
                    while let Some(next) = ahead.next().filter(|n| matches!(n.kind(), kind::SPS | kind::PPS)) {
                        if size + 2 + next.bytes.len() > MAX_PAYLOAD {
                            break;
                        }
                        (sets, size) = (sets + 1, size + 2 + next.bytes.len());
                    }
                    if sets == 1 {
                        self.push_nal(access_unit, nal);
                    } else {
                        let more = rest.clone().take(sets - 1);
                        self.push_stap(std::iter::once(nal).chain(more), size);
                        rest.by_ref().take(sets - 1).for_each(drop);
                    }
                }
                // 13..=23 are other extensions that baseline decoders skip; 0 and 24.. are not for the wire (table 1).
                1..=5 => self.push_nal(access_unit, nal),
                _ => {}
            }
        }
        if let Some(last) = self.payloads.last_mut() {
            last.marker = true;
        }
        &self.payloads
    }

    fn push_nal(&mut self, access_unit: &[u8], nal: Nal<'_>) {
        if nal.bytes.len() <= MAX_PAYLOAD {
            self.push(Arc::from(nal.bytes));
            return;
        }
        // FU-A (section 5.8): the NAL header is split over the two bytes in front of each fragment. Those two bytes
        // exist in the stream (a start code precedes every NAL), so a fragment is copied together with them, in one
        // go and one allocation, and they are written over in place.
        let header = nal.bytes[0];
        let (mut at, end) = (nal.offset + 1, nal.offset + nal.bytes.len());
        let mut start_bit = 0x80;
        while at < end {
            let size = (end - at).min(MAX_PAYLOAD - 2);
            let mut bytes: Arc<[u8]> = Arc::from(&access_unit[at - 2..at + size]);
            at += size;
            let end_bit = if at == end { 0x40 } else { 0 };
            let fragment = Arc::get_mut(&mut bytes).expect("nobody else has seen an Arc made four lines above");
            fragment[0] = (header & 0xe0) | FU_A;
            fragment[1] = start_bit | end_bit | (header & 0x1f);
            start_bit = 0;
            self.push(bytes);
        }
    }

    /// STAP-A (section 5.7.1) of `size` bytes: forbidden bit and highest importance of its parts, then each with its length.
    fn push_stap<'a>(&mut self, parts: impl Iterator<Item = Nal<'a>> + Clone, size: usize) {
        let mut bytes: Arc<[u8]> = std::iter::repeat_n(0, size).collect();
        let out = Arc::get_mut(&mut bytes).expect("nobody else has seen an Arc made one line above");
        let forbidden = parts.clone().fold(0, |f, n| f | (n.bytes[0] & 0x80));
        let importance = parts.clone().map(|n| n.bytes[0] & 0x60).max().unwrap_or(0);
        out[0] = forbidden | importance | STAP_A;
        let mut at = 1;
        for part in parts {
            let len = part.bytes.len();
            out[at..at + 2].copy_from_slice(&(len as u16).to_be_bytes());
            out[at + 2..at + 2 + len].copy_from_slice(part.bytes);
            at += 2 + len;
        }
        self.push(bytes);
    }

    fn push(&mut self, bytes: Arc<[u8]>) {
        self.payloads.push(Payload { bytes, marker: false });
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn annex_b(nals: &[&[u8]]) -> Vec<u8> {
        nals.iter().flat_map(|n| [&[0, 0, 0, 1][..], n].concat()).collect()
    }

    /// What a receiver makes of the payloads: the NAL units, put together again.
    fn reassemble(payloads: &[Payload]) -> Vec<Vec<u8>> {
        let mut out: Vec<Vec<u8>> = Vec::new();
        for p in payloads {
            let b = &p.bytes;
            match b[0] & 0x1f {
                STAP_A => {
                    let mut rest = &b[1..];
                    while let Some((len, tail)) = rest.split_first_chunk::<2>() {
                        let (nal, tail) = tail.split_at(u16::from_be_bytes(*len) as usize);
                        out.push(nal.to_vec());
                        rest = tail;
                    }
                }
                FU_A => {
                    if b[1] & 0x80 != 0 {
                        out.push(vec![(b[0] & 0xe0) | (b[1] & 0x1f)]);
                    }
                    out.last_mut().unwrap().extend(&b[2..]);
                }
                _ => out.push(b.to_vec()),
            }
        }
        out
    }

    fn slice(header: u8, len: usize) -> Vec<u8> {
        let mut nal = vec![header];
        nal.extend((0..len - 1).map(|i| (i % 251) as u8 | 1));
        nal
    }

    #[test]
    fn every_size_around_the_limit_comes_back_whole_and_none_is_too_long() {
        for len in [
            1,
            2,
            MAX_PAYLOAD - 1,
            MAX_PAYLOAD,
            MAX_PAYLOAD + 1,
            2 * (MAX_PAYLOAD - 2) + 1,
            2 * (MAX_PAYLOAD - 2) + 2,
            60_000,
        ] {
            let nal = slice(0x65, len);
            let mut packetizer = Packetizer::default();
            let payloads = packetizer.packetize(&annex_b(&[&nal])).to_vec();
            assert_eq!(reassemble(&payloads), [nal], "{len}");
            assert!(payloads.iter().all(|p| p.bytes.len() <= MAX_PAYLOAD));
            let markers: Vec<_> = payloads.iter().map(|p| p.marker).collect();
            assert_eq!(markers.iter().filter(|m| **m).count(), 1, "one marker");
            assert_eq!(markers.last(), Some(&true), "on the last packet");
            assert!(
                payloads.windows(2).all(|w| w[0].bytes.len() >= w[1].bytes.len()),
                "equal sizes but the last, for UDP_SEGMENT"
            );
        }
    }

    #[test]
    fn parameter_sets_travel_together_and_noise_stays_at_home() {
        let (sps, pps, idr) = (slice(0x67, 20), slice(0x68, 5), slice(0x65, 3000));
        let unit = annex_b(&[&[0x09, 0xf0], &slice(0x06, 30), &sps, &pps, &slice(0x0c, 50), &idr]);
        let mut packetizer = Packetizer::default();
        let payloads = packetizer.packetize(&unit);
        assert_eq!(payloads[0].bytes[0], 0x78, "STAP-A with the importance of its parts");
        assert_eq!(payloads.len(), 1 + 3);
        assert_eq!(reassemble(payloads), [sps, pps, idr]);
    }

    #[test]
    fn parameter_sets_too_long_to_travel_together_travel_alone() {
        let (sps, pps, pps2) = (slice(0x67, MAX_PAYLOAD - 10), slice(0x68, 50), slice(0x68, 60));
        let mut packetizer = Packetizer::default();
        let payloads = packetizer.packetize(&annex_b(&[&sps, &pps, &pps2]));
        assert_eq!(reassemble(payloads), [sps, pps, pps2]);
        assert!(payloads.iter().all(|p| p.bytes.len() <= MAX_PAYLOAD));
    }

    #[test]
    fn all_slices_of_a_picture_go_out_with_one_marker() {
        let slices: Vec<_> = (0..4).map(|i| slice(0x41, 900 + i)).collect();
        let refs: Vec<_> = slices.iter().map(Vec::as_slice).collect();
        let mut packetizer = Packetizer::default();
        let payloads = packetizer.packetize(&annex_b(&refs));
        assert_eq!(payloads.iter().map(|p| p.marker).collect::<Vec<_>>(), [false, false, false, true]);
    }

    #[test]
    fn garbage_makes_no_packets_and_no_panic() {
        let mut packetizer = Packetizer::default();
        for unit in [&[][..], &[1, 2, 3], &[0, 0, 1], &[0, 0, 1, 0], &[0, 0, 1, 0x1f, 1, 2]] {
            assert!(packetizer.packetize(unit).is_empty(), "{unit:?}");
        }
    }
}
