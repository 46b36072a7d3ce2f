//! Packets out and in. Never sees a device. [`Viewers`] is a machine without I/O: datagrams, frames, requests and time go
//! in; datagrams leave through an [`Outlet`], and [`Output`]s (orders to the source, answers to requests) are polled.
//!
//! ```text
//! frame -> packetize (once) -> each viewer: write, protect, drain -> outlet: as few system calls as the kernel allows
//! datagram -> viewers: whose is it? STUN by ufrag, the rest by address, newest first -> viewer -> wishes, messages
//! ```

mod answer;
mod channels;
mod control;
pub mod crypto;
mod early;
pub mod gather;
mod inbox;
mod keyframes;
mod outbox;
pub mod outlet;
pub mod packetize;
mod refusal;
mod report;
mod request;
mod room;
mod segments;
mod sockaddr;
pub mod udp;
mod viewer;
mod viewers;
mod wishes;

pub use crypto::Crypto;
pub use inbox::{Datagram, Inbox, InboxCounters};
pub use outbox::{Outbox, OutboxCounters};
pub use outlet::{Outlet, Sent};
pub use request::{Answer, Offer, Output, Patch, Refused};
pub use viewers::{SILENCE, Viewers};

/// Bounds of the browser's jitter buffer, in milliseconds (the playout-delay header extension of WebRTC).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlayoutDelay {
    /// Never show a frame sooner after its capture than this.
    pub min_ms: u16,
    /// Never let the buffer grow beyond this.
    pub max_ms: u16,
}

/// What the link is told at start.
#[derive(Debug, Clone)]
pub struct Options {
    /// Our UDP port, as candidates name it.
    pub port: u16,
    /// Sent with each packet if given.
    pub playout_delay: Option<PlayoutDelay>,
    /// How many viewers there may be.
    pub max_viewers: usize,
    /// Build id of the embedded page, told to each page.
    pub build: u64,
}
