//! Just enough of ITU-T H.264 to cut a byte stream into NAL units, tell what each is, and read who made the picture:
//! both video (access units) and link (packets) need it, so it is a leaf beside `frame`. Not a decoder.

use memchr::memmem;

/// NAL unit types that matter here (ITU-T H.264 table 7-1).
pub mod kind {
    /// Coded slice of a non-IDR picture.
    pub const SLICE: u8 = 1;
    /// Coded slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
    /// Filler data.
    pub const FILLER: u8 = 12;
}

/// One NAL unit of an Annex B stream, with its place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nal<'a> {
    /// From the NAL header byte to the last byte, without start code and trailing zeros. Never empty.
    pub bytes: &'a [u8],
    /// Where `bytes` begins in the stream; at least 3, since a start code precedes it.
    pub offset: usize,
}

impl Nal<'_> {
    /// nal_unit_type (clause 7.4.1).
    pub fn kind(&self) -> u8 {
        self.bytes[0] & 0x1f
    }

    /// A coded slice, data partitions (2 to 4) included.
    pub fn is_slice(&self) -> bool {
        matches!(self.kind(), 1..=5)
    }

    /// A slice that begins a new picture: first_mb_in_slice, an Exp-Golomb code, is 0, so its first bit is 1 (clause 7.3.3).
    pub fn begins_picture(&self) -> bool {
        self.is_slice() && self.bytes.get(1).is_some_and(|b| b & 0x80 != 0)
    }
}

/// The NAL units of `stream`. What precedes the first start code is skipped.
pub fn nals(stream: &[u8]) -> Nals<'_> {
    let next = memmem::find(stream, &[0, 0, 1]).map(|at| at + 3);
    Nals { stream, next }
}

/// Iterator of [`nals`].
#[derive(Debug, Clone)]
pub struct Nals<'a> {
    stream: &'a [u8],
    next: Option<usize>,
}

impl<'a> Iterator for Nals<'a> {
    type Item = Nal<'a>;

    fn next(&mut self) -> Option<Nal<'a>> {
        loop {
            let start = self.next?;
            let rest = &self.stream[start..];
            let code = memmem::find(rest, &[0, 0, 1]);
            self.next = code.map(|at| start + at + 3);
            let mut bytes = &rest[..code.unwrap_or(rest.len())];
            // trailing_zero_8bits, and the leading zero of a four-byte start code (annex B.1.1).
            while let [head @ .., 0] = bytes {
                bytes = head;
            }
            if !bytes.is_empty() {
                return Some(Nal { bytes, offset: start });
            }
        }
    }
}

/// What the first three bytes of a sequence parameter set say: profile_idc, constraint flags, level_idc. It is the
/// profile-level-id of RFC 6184 section 8.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProfileLevelId(pub u32);

impl ProfileLevelId {
    /// Constrained baseline, level 3.1: what every browser takes.
    pub const CONSTRAINED_BASELINE: Self = Self(0x42_e0_1f);

    /// From the bytes of an SPS NAL unit.
    pub fn of_sps(sps: &[u8]) -> Option<Self> {
        match *sps {
            [header, profile, constraints, level, ..] if header & 0x1f == kind::SPS => {
                Some(Self(u32::from_be_bytes([0, profile, constraints, level])))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_codes_of_three_and_four_bytes_and_trailing_zeros_are_cut_away() {
        let stream = [7, 7, 0, 0, 0, 1, 0x67, 1, 2, 0, 0, 1, 0x68, 3, 0, 0, 0, 0, 1, 0x65, 0x88, 0, 0];
        let found: Vec<_> = nals(&stream).map(|n| (n.kind(), n.bytes.to_vec(), n.offset)).collect();
        assert_eq!(
            found,
            [(kind::SPS, vec![0x67, 1, 2], 6), (kind::PPS, vec![0x68, 3], 12), (kind::IDR, vec![0x65, 0x88], 19)]
        );
    }

    #[test]
    fn nothing_comes_of_nothing() {
        for stream in [&[][..], &[0], &[0, 0, 1], &[0, 0, 0, 1], &[0, 0, 1, 0, 0, 1], &[1, 2, 3]] {
            assert_eq!(nals(stream).count(), 0, "{stream:?}");
        }
    }

    #[test]
    fn the_profile_is_read_from_the_parameter_set() {
        assert_eq!(ProfileLevelId::of_sps(&[0x67, 0x42, 0xc0, 0x1f, 9]), Some(ProfileLevelId(0x42c01f)));
        assert_eq!(ProfileLevelId::of_sps(&[0x68, 0x42, 0xc0, 0x1f]), None);
        assert_eq!(ProfileLevelId::of_sps(&[0x67, 0x42]), None);
    }
}
