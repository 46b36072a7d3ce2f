//! How many slices the pictures of a stream have, as far as it helps to tell a whole one from a part. Pure; `assembler`
//! keeps it.

/// How many slices pictures have; asked only of programs that write slice by slice.
#[derive(Debug, Default)]
pub(super) struct Slices {
    /// A slice that continues its picture has followed a guess.
    pub(super) one_by_one: bool,
    recent: [u32; 8],
    next: usize,
}

impl Slices {
    /// A picture with fewer is not whole.
    pub(super) fn wanted(&self) -> u32 {
        match self.one_by_one {
            true => self.recent.iter().copied().max().unwrap_or(1).max(1),
            false => 1,
        }
    }

    /// A picture had so many.
    pub(super) fn record(&mut self, slices: u32) {
        self.recent[self.next] = slices;
        self.next = (self.next + 1) % self.recent.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_slices_are_wanted_as_the_largest_of_the_last_eight_pictures_had() {
        let mut slices = Slices::default();
        slices.record(5);
        assert_eq!(slices.wanted(), 1, "nobody asked");
        slices.one_by_one = true;
        assert_eq!(slices.wanted(), 5);
        for _ in 0..7 {
            slices.record(3);
        }
        assert_eq!(slices.wanted(), 5);
        slices.record(3);
        assert_eq!(slices.wanted(), 3);
    }
}
