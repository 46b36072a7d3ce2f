//! The stamps of the last frames, for `--trace`: fixed memory, taken at the start and only if asked for. Filled by the
//! link, copied out by `run` when somebody wants them.

use crate::frame::Stamps;

/// Records kept, one for each frame and viewer: 136 s at 30 frames a second to one viewer, 17 s to eight. 350 kB.
const ROOM: usize = 4_096;

/// A frame on its way to a viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record {
    /// Tells viewers apart: the shortened session of `/stats`, read as a hexadecimal number.
    pub viewer: u32,
    /// When it was where.
    pub stamps: Stamps,
}

/// The last records.
#[derive(Debug)]
pub struct Ring {
    records: Vec<Record>,
    /// Where the next one goes: the oldest, once all room is taken.
    next: usize,
}

impl Default for Ring {
    fn default() -> Self {
        Self { records: Vec::with_capacity(ROOM), next: 0 }
    }
}

impl Ring {
    /// One more; the oldest makes room.
    pub fn push(&mut self, record: Record) {
        match self.records.get_mut(self.next) {
            Some(oldest) => *oldest = record,
            None => self.records.push(record),
        }
        self.next = (self.next + 1) % ROOM;
    }

    /// A copy of all, oldest first.
    pub fn records(&self) -> Vec<Record> {
        let (newer, older) = self.records.split_at(self.next.min(self.records.len()));
        [older, newer].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_are_kept_in_their_order_and_memory_does_not_grow() {
        let mut ring = Ring::default();
        let record = |viewer| Record { viewer, stamps: Stamps::default() };
        assert!(ring.records().is_empty());
        (0..3).for_each(|n| ring.push(record(n)));
        assert_eq!(ring.records(), [record(0), record(1), record(2)]);
        (3..ROOM as u32 + 5).for_each(|n| ring.push(record(n)));
        let viewers: Vec<u32> = ring.records().iter().map(|r| r.viewer).collect();
        assert_eq!(viewers, (5..ROOM as u32 + 5).collect::<Vec<_>>());
        assert_eq!(ring.records.capacity(), ROOM);
    }
}
