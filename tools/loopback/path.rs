//! The network between car and viewer, one direction: loss, delay and jitter from a seed (str0m-netem), or nothing at all
//! between two sockets. Pure; `viewer` owns two.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m_netem::{Input, Netem, NetemConfig, Output, Probability, RandomLoss};

use super::knobs::Knobs;

/// A datagram under way.
#[derive(Debug, Clone)]
pub struct Datagram {
    /// Who sent it.
    pub source: SocketAddr,
    /// Where to.
    pub destination: SocketAddr,
    /// UDP payload.
    pub bytes: Vec<u8>,
}

impl AsRef<[u8]> for Datagram {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// One direction.
pub struct Path {
    net: Netem<Datagram>,
    lossy: NetemConfig,
}

impl Path {
    /// Without loss for now. `more` is added to the delay; each path needs a `number` of its own, or all would lose the
    /// same datagrams.
    pub fn new(knobs: &Knobs, more: Duration, number: u64) -> Self {
        let seed = knobs.seed.wrapping_mul(1_000).wrapping_add(number);
        let clean = NetemConfig::new().latency(knobs.delay + more).jitter(knobs.jitter).seed(seed);
        let lossy = if knobs.loss > 0.0 { clean.loss(RandomLoss::new(Probability::new(knobs.loss))) } else { clean };
        Self { net: Netem::new(clean), lossy }
    }

    /// From now on it loses.
    pub fn begin_losing(&mut self) {
        self.net.set_config(self.lossy);
    }

    /// Something is sent.
    pub fn put(&mut self, now: Instant, datagram: Datagram) {
        self.net.handle_input(Input::Packet(now, datagram));
    }

    /// When [`Self::take`] has something; none if nothing is under way.
    pub fn poll_timeout(&self) -> Option<Instant> {
        (!self.net.is_empty()).then(|| self.net.poll_timeout())
    }

    /// What has arrived by now, in this order.
    pub fn take(&mut self, now: Instant) -> Vec<Datagram> {
        let mut arrived = Vec::new();
        self.net.handle_input(Input::Timeout(now));
        while let Some(Output::Packet(datagram)) = self.net.poll_output() {
            arrived.push(datagram);
        }
        arrived
    }
}
