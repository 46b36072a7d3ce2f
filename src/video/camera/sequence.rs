//! Whether frames are missing, by how the driver counts them. Pure; `feed` asks before each frame.

/// Finds holes in a driver's count of frames (v4l2_buffer.sequence).
#[derive(Debug, Default)]
pub(in crate::video) struct Sequence {
    last: Option<u32>,
    /// It has counted one by one at least once: some drivers count fields, or not at all.
    by_one: bool,
}

impl Sequence {
    /// How many frames are missing before this one.
    pub(in crate::video) fn missing_before(&mut self, sequence: u32) -> u32 {
        let step = self.last.map(|last| sequence.wrapping_sub(last));
        self.last = Some(sequence);
        match step {
            Some(1) => {
                self.by_one = true;
                0
            }
            // Beyond that it has begun anew, or went back.
            Some(step @ 2..=0x00ff_ffff) if self.by_one => step - 1,
            _ => 0,
        }
    }

    /// The stream was started again: so is the count.
    pub(in crate::video) fn restart(&mut self) {
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_in_the_count_are_found() {
        let mut sequence = Sequence::default();
        let missing: Vec<_> = [7, 8, 9, 12, 13].map(|n| sequence.missing_before(n)).into();
        assert_eq!(missing, [0, 0, 0, 2, 0]);
        sequence.restart();
        assert_eq!(sequence.missing_before(0), 0);
        assert_eq!(sequence.missing_before(u32::MAX), 0, "backwards");
    }

    #[test]
    fn a_driver_that_counts_otherwise_or_not_at_all_misses_nothing() {
        for step in [0, 2, 30] {
            let mut sequence = Sequence::default();
            assert!((0..9_u32).all(|n| sequence.missing_before(n * step) == 0), "{step}");
        }
    }
}
