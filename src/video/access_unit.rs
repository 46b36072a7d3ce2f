//! Where one access unit ends and the next begins (ITU-T H.264 clause 7.4.1.2.3), and the cutting of a stream that is
//! wholly in hand. Pure. The clip cuts with it once; for a stream that is still arriving see `assembler`.

use std::ops::Range;
use std::sync::Arc;

use super::parameter_sets::ParameterSets;
use crate::h264::{self, Nal, kind};

/// What is known of the access unit in the making, NAL unit by NAL unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outline {
    /// Coded slices so far.
    pub(super) slices: u32,
    /// The slice with the first macroblock is among them.
    pub(super) begun: bool,
    /// That slice belongs to an IDR picture.
    pub(super) keyframe: bool,
    delimited: bool,
    sps: bool,
    pps: bool,
    /// Where parameter sets may be put in: behind the delimiter, which must stay first, before everything else.
    /// Bytes from the start of the unit.
    pub(super) gap: usize,
    /// NAL units of any kind.
    nals: u32,
}

impl Outline {
    /// Nothing was added yet.
    pub(super) fn is_empty(&self) -> bool {
        self.nals == 0
    }

    /// `nal` is the first of another access unit. Needs the NAL header and the byte behind it, no more.
    /// Field pictures begin at macroblock 0 as well and are access units of their own; arbitrary slice order is not in
    /// use by any encoder of this trade.
    pub(super) fn ended_by(&self, nal: &Nal<'_>) -> bool {
        self.slices > 0 && starts_unit(nal)
    }

    /// Adds `nal`, whose start code begins `at` bytes into the unit.
    pub(super) fn add(&mut self, nal: &Nal<'_>, at: usize) {
        match nal.kind() {
            kind::SPS => self.sps = true,
            kind::PPS => self.pps = true,
            _ => {}
        }
        if nal.is_slice() {
            self.slices += 1;
            self.begun |= nal.begins_picture();
            // An IDR picture whose first slice is missing is no place to begin.
            self.keyframe |= nal.kind() == kind::IDR && nal.begins_picture();
        }
        // Only a delimiter that came first keeps its place before them.
        if self.nals == 1 && self.delimited {
            self.gap = at;
        }
        self.delimited |= nal.kind() == kind::AUD;
        self.nals += 1;
    }

    /// The rest of a picture whose first part is gone: its slices count on, but it is no picture any more.
    pub(super) fn remainder(&self) -> Self {
        Self { slices: self.slices, nals: 1, ..Self::default() }
    }

    /// A keyframe that a viewer could not begin with, since it lacks parameter sets.
    pub(super) fn bare_keyframe(&self) -> bool {
        self.keyframe && !(self.sps && self.pps)
    }
}

/// NAL units that, after the last slice of a picture, begin the next access unit: delimiter, parameter sets, SEI, the
/// reserved ones of 14 to 18, and a slice with macroblock 0. Everything else (filler, end of sequence) stays behind its
/// picture.
pub(super) fn starts_unit(nal: &Nal<'_>) -> bool {
    matches!(nal.kind(), kind::SEI | kind::SPS | kind::PPS | kind::AUD | 14..=18) || nal.begins_picture()
}

/// Parameter sets that a frame lacks, and where in its bytes they belong.
#[derive(Debug, Clone)]
pub(super) struct Missing {
    pub(super) sets: Arc<[u8]>,
    pub(super) gap: usize,
}

impl Missing {
    /// The frame as it should have been, copied into `scratch`.
    pub(super) fn put_into<'a>(&self, bytes: &[u8], scratch: &'a mut Vec<u8>) -> &'a [u8] {
        let gap = self.gap.min(bytes.len());
        scratch.clear();
        scratch.extend_from_slice(&bytes[..gap]);
        scratch.extend_from_slice(&self.sets);
        scratch.extend_from_slice(&bytes[gap..]);
        scratch
    }
}

/// One access unit of a stream that is in memory.
#[derive(Debug, Clone)]
pub(super) struct Unit {
    /// Where it lies, from its first start code on.
    pub(super) range: Range<usize>,
    /// A viewer can begin here.
    pub(super) keyframe: bool,
    pub(super) missing: Option<Missing>,
}

/// A stream, cut.
#[derive(Debug, Default)]
pub(super) struct Cut {
    /// Every access unit from the first usable keyframe on, in order.
    pub(super) units: Vec<Unit>,
    /// Pictures left out: before the first keyframe that can be decoded, or without their first slice.
    pub(super) skipped: usize,
    /// NAL units that can be H.264 at all.
    pub(super) nals: usize,
    /// IDR pictures, decodable or not.
    pub(super) keyframes: usize,
}

/// Cuts `stream` from end to end. What is no NAL unit of H.264 is passed over; a stream that breaks off inside a NAL
/// unit ends with what there is of it.
pub(super) fn cut(stream: &[u8]) -> Cut {
    let mut cut = Cut::default();
    let mut sets = ParameterSets::default();
    let mut outline = Outline::default();
    let (mut start, mut end) = (0, 0);
    for nal in h264::nals(stream).filter(is_plausible) {
        cut.nals += 1;
        let code = code_start(stream, nal.offset);
        if outline.ended_by(&nal) {
            cut.close(std::mem::take(&mut outline), start..end, &mut sets);
        }
        if outline.is_empty() {
            start = code;
        }
        sets.remember(&nal);
        outline.add(&nal, code - start);
        end = nal.offset + nal.bytes.len();
    }
    cut.close(outline, start..end, &mut sets);
    cut
}

impl Cut {
    fn close(&mut self, outline: Outline, range: Range<usize>, sets: &mut ParameterSets) {
        if outline.slices == 0 {
            return; // Parameter sets at the very end belong to no picture.
        }
        self.keyframes += usize::from(outline.keyframe);
        let missing = match outline.bare_keyframe() {
            false => None,
            true => sets.joined().map(|sets| Missing { sets, gap: outline.gap }),
        };
        let decodable = outline.begun && (!outline.bare_keyframe() || missing.is_some());
        let from_the_start = outline.keyframe || !self.units.is_empty();
        match decodable && from_the_start {
            true => self.units.push(Unit { range, keyframe: outline.keyframe, missing }),
            false => self.skipped += 1,
        }
    }
}

/// forbidden_zero_bit is 0 and the type is not 0, and a slice has a header: anything else is no H.264 (table 7-1).
pub(super) fn is_plausible(nal: &Nal<'_>) -> bool {
    nal.bytes[0] & 0x80 == 0 && nal.kind() != 0 && (!nal.is_slice() || nal.bytes.len() > 1)
}

/// Where the start code of the NAL unit at `offset` begins: four bytes if there is a zero to spare, else three.
pub(super) fn code_start(stream: &[u8], offset: usize) -> usize {
    match stream.get(offset.wrapping_sub(4)) {
        Some(0) => offset - 4,
        _ => offset - 3,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(super) mod tests {
    use super::*;

    /// NAL units made by hand: header, then for slices a bit that says whether macroblock 0 comes, then filling.
    pub(crate) const SPS: &[u8] = &[0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0x8c];
    pub(crate) const PPS: &[u8] = &[0, 0, 0, 1, 0x68, 0xce, 0x3c];
    pub(crate) const AUD: &[u8] = &[0, 0, 0, 1, 0x09, 0xf0];
    pub(crate) const SEI: &[u8] = &[0, 0, 1, 0x06, 0x05, 0x01, 0x80];

    /// A slice of `length` bytes behind a three-byte start code; `first` has macroblock 0.
    pub(crate) fn slice(header: u8, first: bool, length: usize) -> Vec<u8> {
        let mut nal = vec![0, 0, 1, header, if first { 0x88 } else { 0x42 }];
        nal.extend((0..length.saturating_sub(2)).map(|n| (n % 251 + 1) as u8));
        nal
    }

    pub(crate) fn idr(length: usize) -> Vec<u8> {
        slice(0x65, true, length)
    }

    pub(crate) fn p(length: usize) -> Vec<u8> {
        slice(0x41, true, length)
    }

    fn bytes(stream: &[u8]) -> Vec<(Vec<u8>, bool)> {
        let mut scratch = Vec::new();
        let lend = |u: &Unit| match &u.missing {
            None => stream[u.range.clone()].to_vec(),
            Some(missing) => missing.put_into(&stream[u.range.clone()], &mut scratch).to_vec(),
        };
        let cut = cut(stream);
        let keys: Vec<_> = cut.units.iter().map(|u| u.keyframe).collect();
        cut.units.iter().map(lend).zip(keys).collect()
    }

    #[test]
    fn a_stream_falls_apart_into_its_pictures() {
        let first = [AUD, SPS, PPS, SEI, &idr(9), &slice(0x65, false, 7)].concat();
        let second = [AUD, &p(5), &slice(0x41, false, 3), &[0, 0, 1, 12, 0xff, 0x80]].concat();
        let third = p(4);
        let found = bytes(&[first.clone(), second.clone(), third.clone()].concat());
        assert_eq!(found, [(first, true), (second, false), (third, false)]);
    }

    #[test]
    fn a_keyframe_without_parameter_sets_gets_them_behind_its_delimiter() {
        let stream = [SPS, PPS, &idr(4), &p(3), AUD, &idr(5)].concat();
        let found = bytes(&stream);
        assert_eq!(found[2], ([AUD, SPS, PPS, &idr(5)].concat(), true));
        let no_delimiter = [SPS, PPS, &idr(4), &idr(5)].concat();
        assert_eq!(bytes(&no_delimiter)[1], ([SPS, PPS, &idr(5)].concat(), true));
    }

    #[test]
    fn what_comes_before_the_first_decodable_keyframe_is_left_out() {
        let stream = [&p(3)[..], &idr(3), &p(3), SPS, PPS, &idr(4), &p(5)].concat();
        let cut = cut(&stream);
        assert_eq!((cut.units.len(), cut.skipped, cut.keyframes), (2, 3, 2));
        assert!(cut.units[0].keyframe);
    }

    #[test]
    fn a_keyframe_that_lost_its_first_slice_is_none() {
        let stream = [SPS, PPS, &idr(4), SPS, PPS, &slice(0x65, false, 4), &p(3)].concat();
        let cut = cut(&stream);
        assert_eq!((cut.units.len(), cut.skipped), (2, 1));
    }

    #[test]
    fn a_stream_that_breaks_off_anywhere_is_cut_without_a_panic() {
        let stream = [AUD, SPS, PPS, SEI, &idr(9), AUD, &p(5), &p(4)].concat();
        let whole = bytes(&stream);
        for length in 0..stream.len() {
            let cut = cut(&stream[..length]);
            assert!(cut.units.len() <= whole.len());
            assert!(cut.units.iter().all(|u| u.range.end <= length && !u.range.is_empty()), "{length}");
        }
    }

    #[test]
    fn what_is_no_h264_has_no_pictures() {
        let noise: Vec<u8> = (0..100_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let transport_stream = [0x47, 0, 0, 0, 1, 0xe0, 0, 0, 0, 0, 1, 0, 9].repeat(50);
        for stream in [&noise[..], &transport_stream, &[0; 5000], &[]] {
            assert!(cut(stream).units.is_empty());
        }
    }
}
