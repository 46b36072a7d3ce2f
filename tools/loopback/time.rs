//! EDGE: the clock of a run: the machine's, or a virtual one that stands still but for what is waited for and what is
//! slowed on purpose, so that each stage costs exactly what was injected. Everything in the tool asks here.

use std::cell::Cell;
use std::time::{Duration, Instant};

use windshield::clock::Micros;

/// See the file.
#[derive(Debug)]
pub enum Clock {
    /// CLOCK_MONOTONIC.
    Real,
    /// Moves when it is told to.
    Virtual(Cell<Instant>),
}

impl Clock {
    /// One that moves when it is told to.
    pub fn virtual_from_now() -> Self {
        Self::Virtual(Cell::new(Instant::now()))
    }

    /// Whether its figures are the machine's.
    pub fn is_real(&self) -> bool {
        matches!(self, Self::Real)
    }

    /// This moment.
    pub fn now(&self) -> Instant {
        match self {
            Self::Real => Instant::now(),
            Self::Virtual(at) => at.get(),
        }
    }

    /// This moment as stamps have it.
    pub fn micros(&self) -> Micros {
        match self {
            Self::Real => Micros::now(),
            Self::Virtual(at) => Micros::of(at.get()),
        }
    }

    /// Is busy for so long: what `--slow` does.
    pub fn spend(&self, time: Duration) {
        if time.is_zero() {
            return;
        }
        match self {
            Self::Real => std::thread::sleep(time),
            Self::Virtual(at) => at.set(at.get() + time),
        }
    }

    /// Virtual time goes on to `until`, if that is later.
    pub fn jump(&self, until: Instant) {
        if let Self::Virtual(at) = self {
            at.set(at.get().max(until));
        }
    }
}
