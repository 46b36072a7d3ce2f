//! One viewer's wishes for a keyframe: spaced, and forgotten once satisfied. Merging those of all viewers is
//! `keyframes`' matter. Pure; `viewer` owns one each.

use std::time::{Duration, Instant};

/// A wish within this time of the last keyframe sent crossed it on the way and is satisfied already.
const CROSSED: Duration = Duration::from_millis(100);

/// One viewer's wishes count at most this often, so that nobody makes everyone's picture coarse.
const SPACING: Duration = Duration::from_millis(400);

/// What a viewer wished and was sent.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    wished: Option<Instant>,
    deferred: Option<Instant>,
    keyframe_sent: Option<Instant>,
}

impl Wishes {
    /// It wishes; true if that counts now. One that comes too soon counts later, see [`Self::due`].
    pub(super) fn wish(&mut self, now: Instant) -> bool {
        if self.keyframe_sent.is_some_and(|at| now < at + CROSSED) {
            return false;
        }
        match self.wished.map(|at| at + SPACING) {
            Some(next) if now < next => {
                self.deferred = Some(next);
                false
            }
            _ => {
                self.wished = Some(now);
                true
            }
        }
    }

    /// When a wish that came too soon counts; ask [`Self::handle_timeout`] then.
    pub(super) fn due(&self) -> Option<Instant> {
        self.deferred
    }

    /// Time passes; true if a wish counts now.
    pub(super) fn handle_timeout(&mut self, now: Instant) -> bool {
        self.deferred.take_if(|at| *at <= now).is_some() && self.wish(now)
    }

    /// It was sent a keyframe.
    pub(super) fn keyframe_sent(&mut self, now: Instant) {
        self.keyframe_sent = Some(now);
        self.deferred = None;
    }
}
