//! A raw H.264 stream cut into pictures, for the measuring tools: access units with what precedes them, and a fingerprint by
//! which the same picture is known again on the far side. Not the cutter of the product (`video::access_unit`), so that
//! the baselines owe it nothing. Pure but for [`Pictures::read`], which reads a file.

use std::ops::Range;

use windshield::h264::{Nal, ProfileLevelId, kind, nals};

/// One picture: where it lies in the stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// From its first start code to the next picture's.
    pub range: Range<usize>,
    /// Holds an IDR slice.
    pub keyframe: bool,
}

/// A clip in memory.
#[derive(Debug, Default)]
pub struct Pictures {
    /// The whole stream, Annex B.
    pub stream: Vec<u8>,
    /// Its pictures in order.
    pub pictures: Vec<Picture>,
}

impl Pictures {
    /// Reads a clip.
    ///
    /// # Errors
    /// A sentence: the file cannot be read, or does not begin with a keyframe.
    pub fn read(path: &str) -> Result<Self, String> {
        let stream = std::fs::read(path).map_err(|e| format!("cannot read the clip {path}: {e}"))?;
        let pictures = cut(&stream);
        match pictures.first() {
            Some(first) if first.keyframe => Ok(Self { stream, pictures }),
            _ => Err(format!("{path} is no raw H.264 that begins with a keyframe; make one with: make_clip {path}")),
        }
    }

    /// Picture `n`, round and round.
    pub fn nth(&self, n: u64) -> (usize, &[u8], bool) {
        let index = (n % self.pictures.len() as u64) as usize;
        let picture = &self.pictures[index];
        (index, &self.stream[picture.range.clone()], picture.keyframe)
    }
}

/// The pictures in `stream`. A picture ends before the first NAL unit behind its slices that can only belong to the next.
pub fn cut(stream: &[u8]) -> Vec<Picture> {
    let mut pictures = Vec::new();
    let (mut start, mut sliced, mut keyframe) = (None, false, false);
    for nal in nals(stream) {
        let at = code_start(stream, &nal);
        let heads = matches!(nal.kind(), kind::AUD | kind::SPS | kind::PPS | kind::SEI) || nal.begins_picture();
        if sliced && heads {
            pictures.push(Picture { range: start.unwrap_or(0)..at, keyframe });
            (start, sliced, keyframe) = (None, false, false);
        }
        start = start.or(Some(at));
        sliced |= nal.is_slice();
        keyframe |= nal.kind() == kind::IDR;
    }
    if let Some(start) = start.filter(|_| sliced) {
        pictures.push(Picture { range: start..stream.len(), keyframe });
    }
    pictures
}

/// Where the start code before `nal` begins: three bytes before it, or four where a zero precedes them.
fn code_start(stream: &[u8], nal: &Nal<'_>) -> usize {
    let code = nal.offset - 3;
    if code > 0 && stream[code - 1] == 0 { code - 1 } else { code }
}

/// Profile and level of the stream, if its parameters are in `unit`.
pub fn profile(unit: &[u8]) -> Option<ProfileLevelId> {
    nals(unit).find(|n| n.kind() == kind::SPS).and_then(|n| ProfileLevelId::of_sps(n.bytes))
}

/// Tells a picture from every other: FNV-1a (64 bits) over its last NAL unit, which no sender changes, drops or joins.
pub fn fingerprint(unit: &[u8]) -> u64 {
    let last = nals(unit).last().map_or(&[][..], |n| n.bytes);
    last.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
