//! A program on its way out: its output has ended, or it is to be replaced, and nothing of it may stay behind. It is
//! looked at now and then and told more and more plainly. `pipe` calls it; processes belong to `group`.

use std::process::ExitStatus;
use std::time::{Duration, Instant};

use super::group::{Group, Signal};

/// A shell whose output has ended is about to exit by itself; then a program has a second to tidy up, then none.
const TO_EXIT: Duration = Duration::from_millis(100);
const TO_LEAVE: Duration = Duration::from_secs(1);
const TO_DIE: Duration = Duration::from_millis(200);

/// Between two looks at a group that is ending. Signals of child processes are not ours to catch.
const LOOK: Duration = Duration::from_millis(20);

/// A group of processes that is ending.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) group: Group,
    started: Instant,
    pub(super) step: Step,
    until: Instant,
    look: Instant,
    pub(super) next: Next,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    Exit,
    Leave,
    Die,
}

/// What follows when a program has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// It ended by itself: pause, then another attempt.
    Pause,
    /// We ended it, to start its successor at once.
    Successor,
}

/// How it went.
#[derive(Debug)]
pub(super) struct Gone {
    /// Of the shell; None if it was not to be seen.
    pub(super) status: Option<ExitStatus>,
    /// It did not go by itself.
    pub(super) by_us: bool,
    /// When it was started.
    pub(super) started: Instant,
    pub(super) next: Next,
}

impl Leaving {
    /// Its output has ended, and so will it.
    pub(super) fn by_itself(group: Group, started: Instant, now: Instant) -> Self {
        Self { group, started, step: Step::Exit, until: now + TO_EXIT, look: now, next: Next::Pause }
    }

    /// It is told to leave, for another one.
    pub(super) fn for_successor(mut group: Group, started: Instant, now: Instant) -> Self {
        group.signal(Signal::Leave);
        Self { group, started, step: Step::Leave, until: now + TO_LEAVE, look: now + LOOK, next: Next::Successor }
    }

    /// When [`handle_timeout`](Self::handle_timeout) wants to be called.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.look
    }

    /// Looks whether it is gone, and tells it to go if it has had its time.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> Option<Gone> {
        self.look = now + LOOK;
        let gone = self.group.is_gone();
        if !gone && now < self.until {
            return None;
        }
        let next = match self.step {
            _ if gone => None,
            Step::Exit => Some((Step::Leave, Signal::Leave, TO_LEAVE)),
            Step::Leave => Some((Step::Die, Signal::Die, TO_DIE)),
            // Dead, but not buried by whoever should, or hanging in a driver: no reason to wait longer.
            Step::Die => None,
        };
        match next {
            Some((next, signal, patience)) => {
                self.group.signal(signal);
                (self.step, self.until) = (next, now + patience);
                None
            }
            None => {
                let (status, by_us) = (self.group.status(), self.step != Step::Exit);
                Some(Gone { status, by_us, started: self.started, next: self.next })
            }
        }
    }
}
