//! An allocator whose work does not depend on the heap's history: a list of free pieces for each power of two. glibc's
//! searches, now longer, now shorter, and moved the count of a frame for five viewers by 0.5 % from run to run. How many
//! allocations a frame makes, and of which sizes, `tests/allocations.rs` holds exactly.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::{Mutex, PoisonError};

/// Smallest piece, as a power of two: 16 bytes.
const LEAST: u32 = 4;
/// Classes from there on; the last has pieces of 16 MiB.
const CLASSES: usize = 21;

/// Free pieces of one size; the first word of each names the next.
struct Free([*mut u8; CLASSES]);

// SAFETY: the pointers are this allocator's own memory, which belongs to no thread.
unsafe impl Send for Free {}

pub struct Heap(Mutex<Free>);

impl Heap {
    pub const fn new() -> Self {
        Self(Mutex::new(Free([ptr::null_mut(); CLASSES])))
    }

    /// Class and layout of a piece for `layout`; none where the system has to serve it.
    fn class(layout: Layout) -> Option<(usize, Layout)> {
        let size = layout.size().max(layout.align()).next_power_of_two().max(1 << LEAST);
        let class = (size.trailing_zeros() - LEAST) as usize;
        let piece = Layout::from_size_align(size, size.min(4_096)).ok().filter(|_| layout.align() <= 4_096)?;
        (class < CLASSES).then_some((class, piece))
    }
}

// SAFETY: a piece is at least as large and as aligned as was asked for, and is in nobody's hand when it is given out:
// it comes from the system or from the list, into which only `dealloc` puts it.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let Some((class, piece)) = Self::class(layout) else {
            // SAFETY: the caller's promise.
            return unsafe { System.alloc(layout) };
        };
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let first = free.0[class];
        if first.is_null() {
            // SAFETY: the size is not zero.
            return unsafe { System.alloc(piece) };
        }
        // SAFETY: a free piece holds 16 bytes or more, and `dealloc` wrote its successor there.
        free.0[class] = unsafe { first.cast::<*mut u8>().read() };
        first
    }

    unsafe fn dealloc(&self, piece: *mut u8, layout: Layout) {
        let Some((class, _)) = Self::class(layout) else {
            // SAFETY: the caller's promise; `alloc` went the same way for the same layout.
            return unsafe { System.dealloc(piece, layout) };
        };
        let mut free = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: the piece is ours again, 16 bytes or more, aligned to as much.
        unsafe { piece.cast::<*mut u8>().write(free.0[class]) };
        free.0[class] = piece;
    }
}
