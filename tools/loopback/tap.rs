//! EDGE: sends on the car's real UDP socket, or hands over to a queue in memory. The outlet that the link is given: passes
//! everything on, and between the link's own readings of the clock it is as slow as `--slow` says, which the product
//! itself can not be told.

use std::rc::Rc;
use std::time::Instant;

use str0m::net::Transmit;
use windshield::clock::Micros;
use windshield::link::{Outbox, Outlet, Sent};

use super::knobs::Slow;
use super::path::Datagram;
use super::time::Clock;

/// What carries.
pub enum Carrier {
    /// The socket.
    Udp(Box<Outbox>),
    /// What left, and when.
    Memory(Vec<(Instant, Datagram)>),
}

/// Which stage of a frame the link is in. It reads the clock at the end of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    /// No frame.
    Other,
    /// Until the first reading.
    Packetize,
    /// Until the next.
    Protect,
    /// Until that viewer's batch.
    Send,
    /// Until the next reading; then it is the next viewer's turn.
    Sent,
}

/// See the file.
pub struct Tap {
    /// Where it goes.
    pub carrier: Carrier,
    clock: Rc<Clock>,
    slow: Slow,
    doing: std::cell::Cell<Doing>,
}

impl Tap {
    /// Nothing was sent.
    pub fn new(carrier: Carrier, clock: Rc<Clock>, slow: Slow) -> Self {
        Self { carrier, clock, slow, doing: Doing::Other.into() }
    }

    /// The link is given a frame; `false`: it has come back.
    pub fn frame(&mut self, given: bool) {
        self.doing.set(if given { Doing::Packetize } else { Doing::Other });
    }
}

impl Outlet for Tap {
    fn send(&mut self, batch: &[Transmit]) -> Sent {
        if self.doing.get() == Doing::Send {
            self.clock.spend(self.slow.send);
            self.doing.set(Doing::Sent);
        }
        let sent = match &mut self.carrier {
            Carrier::Udp(outbox) => outbox.send(batch),
            Carrier::Memory(left) => {
                let now = self.clock.now();
                left.extend(batch.iter().map(|t| {
                    let bytes = t.contents.to_vec();
                    (now, Datagram { source: t.source, destination: t.destination, bytes })
                }));
                Sent::All
            }
        };
        if sent != Sent::All && self.doing.get() == Doing::Sent {
            // No reading follows: this viewer's frame was cut short.
            self.doing.set(Doing::Protect);
        }
        sent
    }

    fn clock(&self) -> Micros {
        let (costs, next) = match self.doing.get() {
            Doing::Packetize => (self.slow.packetize, Doing::Protect),
            Doing::Protect => (self.slow.protect, Doing::Send),
            Doing::Sent => (Default::default(), Doing::Protect),
            other => (Default::default(), other),
        };
        self.clock.spend(costs);
        self.doing.set(next);
        self.clock.micros()
    }
}
