//! Where datagrams leave.
use str0m::net::Transmit;

/// The socket in the program, a simulated network in tests.
pub trait Outlet {
    /// Sends.
    fn send(&mut self, batch: &[Transmit]) -> Sent;
}

/// What became of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// All gone.
    All,
    /// Would block.
    Blocked {
        /// The first so many are gone.
        accepted: usize,
    },
}
