//! The camera of a Pi whose stack is libcamera: `rpicam-vid` as a child whose output is a [`Pipe`]. It takes no orders
//! while it runs, so a change is a restart, announced, and not too often; here is when. The command line is made in
//! `command`, all that concerns the child and its stream is the pipe's work.

mod command;

use std::io;
use std::time::{Duration, Instant};

use self::command::Plan;
use super::pipe::Pipe;
use super::settings::{Change, Outcome, Settings};
use super::{Options, Wakeup};
use crate::frame::{Bitrate, Frame, Obeyed, Order};
use crate::message::Severity;
use crate::trace::SourceStats;

/// A person who tries settings out must see each; the camera takes one or two seconds to come up.
const FOR_A_PERSON: Duration = Duration::from_secs(3);
/// The link may think about the rate every second, and each restart costs the picture for one or two.
const FOR_THE_LINK: Duration = Duration::from_secs(30);
/// A rate that is off by less than this share (one part in ..) is not worth a restart to the link.
const SLACK: u32 = 5;

/// Its names, the newer first: it was called `libcamera-vid` up to Raspberry Pi OS 11.
pub const PROGRAMS: [&str; 2] = ["rpicam-vid", "libcamera-vid"];

/// The child, and what it shall be started with next.
#[derive(Debug)]
pub struct Rpicam {
    pipe: Pipe,
    /// What runs.
    plan: Plan,
    /// What shall run, and from when on.
    next: Option<(Plan, Instant)>,
    /// The last restart that was ours, or the start.
    started: Instant,
    why: String,
}

impl Rpicam {
    /// Starts `program`, one of [`PROGRAMS`]. That it is missing, ends or sees no camera is a state.
    ///
    /// # Errors
    /// Only if the loop's registry cannot be duplicated.
    pub fn open(program: &'static str, options: &Options, wakeup: &Wakeup<'_>, now: Instant) -> io::Result<Self> {
        let plan = Plan::new(program, options);
        for Outcome { name, result } in Plan::misfits(&plan.settings) {
            log::warn!("--camera {name}: {}", result.err().unwrap_or_default());
        }
        let pipe = Pipe::rpicam(plan.command(), wakeup, now)?;
        Ok(Self { pipe, plan, next: None, started: now, why: "asked for by --source rpicam".to_owned() })
    }

    /// Says why this source and not another, if nobody asked for it by name.
    #[must_use]
    pub fn because(self, why: impl Into<String>) -> Self {
        Self { why: why.into(), ..self }
    }

    /// See [`Source::handle_ready`](super::Source::handle_ready).
    pub fn handle_ready(&mut self, now: Instant) {
        self.pipe.handle_ready(now);
    }

    /// See [`Source::handle_timeout`](super::Source::handle_timeout).
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Some((plan, _)) = self.next.take_if(|(_, at)| *at <= now) {
            log::info!("rpicam-vid takes no orders while it runs: ending it, to start it with other settings");
            self.pipe.run_instead(plan.command(), now);
            (self.plan, self.started) = (plan, now);
        }
        self.pipe.handle_timeout(now);
    }

    /// See [`Source::poll_timeout`](super::Source::poll_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.next.as_ref().map(|(_, at)| *at), self.pipe.poll_timeout()].into_iter().flatten().min()
    }

    /// See [`Source::lend`](super::Source::lend).
    pub fn lend(&mut self, now: Instant, take: &mut dyn FnMut(Frame<'_>)) -> bool {
        self.pipe.lend(now, take)
    }

    /// See [`Source::more`](super::Source::more).
    pub fn more(&self) -> bool {
        self.pipe.more()
    }

    /// See [`Source::order`](super::Source::order).
    pub fn order(&mut self, now: Instant, order: Order) -> Obeyed {
        let mut plan = self.wanted().clone();
        match order {
            Order::Keyframe => {
                return Obeyed::Cannot("rpicam-vid cannot be told to make a keyframe: it makes one every second");
            }
            Order::Bitrate(rate) if rate.0.abs_diff(plan.bitrate.0) < plan.bitrate.0 / SLACK => return Obeyed::Yes,
            Order::Bitrate(rate) => plan.bitrate = rate,
            Order::FrameRate(fps) => plan.fps = fps.max(1),
        }
        self.arrange(plan, FOR_THE_LINK, now);
        Obeyed::Yes
    }

    /// See [`Source::change`](super::Source::change).
    pub fn change(&mut self, now: Instant, change: &Change) -> Vec<Outcome> {
        let mut plan = self.wanted().clone();
        let mut asked = Settings::default();
        asked.apply(change);
        let misfits = Plan::misfits(&asked);
        let mut outcomes = change.refused("");
        for outcome in &mut outcomes {
            let misfit = misfits.iter().find(|misfit| misfit.name == outcome.name);
            outcome.result = match misfit {
                Some(misfit) => misfit.result.clone(),
                None => Ok("rpicam-vid is started again for it".to_owned()),
            };
        }
        plan.settings.apply(&change.without_refused(&outcomes));
        plan.bitrate = change.bitrate.unwrap_or(plan.bitrate);
        self.arrange(plan, FOR_A_PERSON, now);
        outcomes
    }

    /// How the camera is set, or will be after the next start.
    pub fn settings(&self) -> &Settings {
        &self.wanted().settings
    }

    /// See [`Source::notice`](super::Source::notice).
    pub fn notice(&self) -> Option<(Severity, &str)> {
        self.pipe.notice()
    }

    /// See [`Source::stats`](super::Source::stats).
    pub fn stats(&self) -> SourceStats {
        SourceStats {
            name: "rpicam-vid".to_owned(),
            why: self.why.clone(),
            bitrate: Some(self.wanted().bitrate.0),
            ..self.pipe.stats()
        }
    }

    /// See [`Source::describe`](super::Source::describe).
    pub fn describe(&self) -> String {
        let Plan { program, size, fps, bitrate: Bitrate(rate), .. } = &self.plan;
        let why = &self.why;
        format!("the camera by {program}, {size} at {fps} fps, {rate} bit/s, a keyframe every second ({why})")
    }

    /// See [`Source::close`](super::Source::close).
    pub fn close(&mut self) {
        self.next = None;
        self.pipe.close();
    }

    fn wanted(&self) -> &Plan {
        self.next.as_ref().map_or(&self.plan, |(plan, _)| plan)
    }

    /// A restart with `plan`, not within `pause` after the last one; one that is arranged already takes it along.
    fn arrange(&mut self, plan: Plan, pause: Duration, now: Instant) {
        let at = (self.started + pause).max(now);
        let at = self.next.as_ref().map_or(at, |(_, arranged)| at.min(*arranged));
        self.next = (plan != self.plan).then_some((plan, at));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
