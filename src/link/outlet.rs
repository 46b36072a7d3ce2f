//! Where datagrams leave. A leaf: the seam between what makes datagrams (`viewer.rs`, `viewers.rs`) and what carries
//! them, which is the socket (`udp.rs`) in the program and a simulated network in tests.

use str0m::net::Transmit;

use crate::clock::Micros;

/// Takes datagrams away, never waits.
pub trait Outlet {
    /// Sends `batch` in this order. Datagrams that neighbour each other with one source, one destination and one
    /// length (the last may be shorter) can leave together, so hand a frame over whole, viewer by viewer. All are taken
    /// for UDP, the only kind of candidate we offer.
    fn send(&mut self, batch: &[Transmit]) -> Sent;

    /// The time at this very moment, for stamps: within a turn `now` stands still, and stages of a frame last
    /// microseconds. A simulated network has its own.
    fn clock(&self) -> Micros;
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Sent {
    /// Nothing is left to do. Datagrams that were refused for a reason of their own (an address that went, no route)
    /// are among them: counted, and worth no second try.
    All,
    /// The socket would block: a viewer's frame cannot be completed now.
    Blocked {
        /// How many datagrams from the start of the batch are settled; the rest were not sent.
        accepted: usize,
    },
}
