//! A V4L2 camera that delivers raw pictures, and a V4L2 encoder behind it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::settings::{Change, Outcome};
use super::{Options, Wakeup};
use crate::frame::{Frame, Obeyed, Order};
use crate::message::Severity;
use crate::trace::SourceStats;

/// The two devices and what is known of them.
#[derive(Debug)]
pub struct Encoder {
    raw: PathBuf,
    encoder: PathBuf,
}

impl Encoder {
    /// Opens what is there; what is not is a state.
    ///
    /// # Errors
    /// Only if the loop's registry cannot be duplicated.
    pub fn open(raw: &Path, encoder: &Path, options: &Options, wakeup: &Wakeup<'_>, now: Instant) -> io::Result<Self> {
        let _ = (options, wakeup, now);
        Ok(Self { raw: raw.to_owned(), encoder: encoder.to_owned() })
    }

    /// See [`Source::handle_ready`](super::Source::handle_ready).
    pub fn handle_ready(&mut self, _now: Instant) {}

    /// See [`Source::handle_timeout`](super::Source::handle_timeout).
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// See [`Source::poll_timeout`](super::Source::poll_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    /// See [`Source::lend`](super::Source::lend).
    pub fn lend(&mut self, _now: Instant, _take: &mut dyn FnMut(Frame<'_>)) -> bool {
        false
    }

    /// See [`Source::more`](super::Source::more).
    pub fn more(&self) -> bool {
        false
    }

    /// See [`Source::order`](super::Source::order).
    pub fn order(&mut self, _now: Instant, _order: Order) -> Obeyed {
        Obeyed::Cannot("cameras are not supported yet")
    }

    /// See [`Source::change`](super::Source::change).
    pub fn change(&mut self, _now: Instant, change: &Change) -> Vec<Outcome> {
        change.refused("cameras are not supported yet")
    }

    /// See [`Source::notice`](super::Source::notice).
    pub fn notice(&self) -> Option<(Severity, &str)> {
        Some((Severity::Fault, "cameras are not supported yet"))
    }

    /// See [`Source::stats`](super::Source::stats).
    pub fn stats(&self) -> SourceStats {
        SourceStats { name: "encoder".to_owned(), state: "waiting", ..SourceStats::default() }
    }

    /// See [`Source::describe`](super::Source::describe).
    pub fn describe(&self) -> String {
        format!("{} and {}", self.raw.display(), self.encoder.display())
    }

    /// See [`Source::close`](super::Source::close).
    pub fn close(&mut self) {}
}
