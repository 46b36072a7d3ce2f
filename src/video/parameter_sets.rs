//! The sequence and picture parameter sets a stream has shown so far, ready to be put before an IDR picture that comes
//! without them: a viewer who joins there could not decode it otherwise. Pure; the clip and the pipe each keep one.

use std::sync::Arc;

use crate::h264::{Nal, kind};

/// Larger sets than this exist only in garbage; real ones have 10 to 60 bytes.
const LARGEST: usize = 4096;

/// As many of each kind are kept; encoders use one, rarely two or three. Bounds the memory that garbage can take.
const MOST: usize = 16;

/// The newest set of each id.
#[derive(Debug, Default)]
pub(super) struct ParameterSets {
    sps: Vec<(u32, Box<[u8]>)>,
    pps: Vec<(u32, Box<[u8]>)>,
    /// All of them behind start codes; made once after a change, shared by the frames that need it.
    joined: Option<Arc<[u8]>>,
}

impl ParameterSets {
    /// Keeps `nal` if it is a parameter set; a set of the same id is replaced (clause 7.4.1.2.1).
    pub(super) fn remember(&mut self, nal: &Nal<'_>) {
        // seq_parameter_set_id follows profile, constraints and level; pic_parameter_set_id comes first (clause 7.3.2).
        let (sets, id_at) = match nal.kind() {
            kind::SPS => (&mut self.sps, 4),
            kind::PPS => (&mut self.pps, 1),
            _ => return,
        };
        if nal.bytes.len() > LARGEST {
            return;
        }
        let Some(id) = nal.bytes.get(id_at..).and_then(exp_golomb) else { return };
        match sets.iter_mut().find(|(known, _)| *known == id) {
            Some((_, bytes)) if **bytes == *nal.bytes => return,
            Some((_, bytes)) => *bytes = nal.bytes.into(),
            None => {
                if sets.len() == MOST {
                    sets.remove(0);
                }
                sets.push((id, nal.bytes.into()));
            }
        }
        self.joined = None;
    }

    /// Every set known, SPS first, each behind a four-byte start code. None while one of the two kinds is missing.
    pub(super) fn joined(&mut self) -> Option<Arc<[u8]>> {
        if self.sps.is_empty() || self.pps.is_empty() {
            return None;
        }
        let joined = self.joined.get_or_insert_with(|| {
            let sets = self.sps.iter().chain(&self.pps);
            sets.flat_map(|(_, bytes)| [0, 0, 0, 1].into_iter().chain(bytes.iter().copied())).collect()
        });
        Some(Arc::clone(joined))
    }
}

/// The Exp-Golomb code ue(v) at the first bit of `bytes` (clause 9.1), up to 16 bits of prefix: ids end at 255.
fn exp_golomb(bytes: &[u8]) -> Option<u32> {
    let mut word = [0; 8];
    let there = bytes.len().min(8);
    word[..there].copy_from_slice(&bytes[..there]);
    let word = u64::from_be_bytes(word);
    let zeros = word.leading_zeros();
    if zeros > 16 || (2 * zeros + 1) as usize > 8 * there {
        return None;
    }
    let code = (word << zeros) >> (63 - zeros);
    Some(code as u32 - 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn nal(bytes: &[u8]) -> Nal<'_> {
        Nal { bytes, offset: 3 }
    }

    #[test]
    fn both_kinds_are_needed_and_come_out_sps_first() {
        let mut sets = ParameterSets::default();
        sets.remember(&nal(&[0x68, 0xce, 1]));
        assert_eq!(sets.joined(), None);
        sets.remember(&nal(&[0x67, 0x42, 0xc0, 0x1f, 0x80, 7]));
        assert_eq!(
            sets.joined().unwrap()[..],
            [0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0x80, 7, 0, 0, 0, 1, 0x68, 0xce, 1]
        );
    }

    #[test]
    fn a_set_of_the_same_id_replaces_and_another_id_is_kept_beside_it() {
        let mut sets = ParameterSets::default();
        sets.remember(&nal(&[0x67, 0x42, 0xc0, 0x1f, 0x80]));
        sets.remember(&nal(&[0x68, 0x80, 1])); // id 0
        sets.remember(&nal(&[0x68, 0x40, 2])); // id 1
        sets.remember(&nal(&[0x68, 0x80, 3])); // id 0 again
        let joined = sets.joined().unwrap();
        assert_eq!(joined[9..], [0, 0, 0, 1, 0x68, 0x80, 3, 0, 0, 0, 1, 0x68, 0x40, 2]);
    }

    #[test]
    fn garbage_takes_bounded_memory() {
        let mut sets = ParameterSets::default();
        for n in 0..=255_u8 {
            sets.remember(&nal(&[0x68, 0, n | 1, n, 0xff]));
            sets.remember(&nal(&[0x68, n]));
            sets.remember(&nal(&[0x67, n]));
        }
        sets.remember(&nal(&[0x68; LARGEST + 1]));
        assert!(sets.pps.len() <= MOST && sets.sps.is_empty());
    }

    #[test]
    fn ids_are_read_as_exp_golomb_codes() {
        for (bytes, id) in
            [(&[0x80][..], 0), (&[0x40], 1), (&[0x60], 2), (&[0x20], 3), (&[0b0000_0000, 0b1000_0000, 0], 255)]
        {
            assert_eq!(exp_golomb(bytes), Some(id), "{bytes:?}");
        }
        for bytes in [&[][..], &[0], &[0, 0, 0, 1], &[0x01]] {
            assert_eq!(exp_golomb(bytes), None, "{bytes:?}");
        }
    }
}
