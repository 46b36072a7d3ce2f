//! Raw H.264 from a program that we run, or from standard input. Here is what happens when it ends, stays silent or
//! sends something else: states with a sentence, never an error. Cutting the bytes is the `assembler`'s work, reading
//! them `input`'s, processes belong to `group`, and the sentences to `trouble`.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::Wakeup;
use super::assembler::Assembler;
use super::backoff::Backoff;
use super::group::Group;
use super::input::{Brought, Input};
use super::leaving::{Gone, Leaving, Next};
use super::trouble::{Subject, Trouble, how_it_ended};
use crate::frame::{Frame, Obeyed, Order};
use crate::message::Severity;
use crate::trace::SourceStats;

/// So much is read in one turn of the loop, so that a flood keeps nobody waiting: a few milliseconds on a Pi Zero.
const BATCH: usize = 256 << 10;

/// No picture for so long needs an explanation.
const PATIENCE: Duration = Duration::from_secs(5);

/// A person must be able to read a notice about a moment.
const SHOWN: Duration = Duration::from_secs(5);

/// So many bytes without a single NAL unit are no H.264, nor is anything with fewer than one in four times as many: in
/// noise, a start code appears about every 16 MiB.
const FOREIGN: u64 = 64 << 10;

/// A stream that comes by itself, and whoever sends it.
#[derive(Debug)]
pub struct Pipe {
    origin: Origin,
    state: State,
    assembler: Assembler,
    backoff: Backoff,
    registry: Registry,
    token: Token,
    more: bool,
    trouble: Trouble,
    notice: Option<(Severity, String)>,
    last_bytes: Instant,
    last_frame: Instant,
    flood: Option<Instant>,
    floods: u64,
    mistakes: u64,
    frames: u64,
    /// How many there were when this stream began.
    frames_before: u64,
    keyframes: u64,
    bytes: u64,
    starts: u64,
}

#[derive(Debug)]
enum Origin {
    Stdin,
    /// For `sh -c`; `who` it is said to be in sentences.
    Command {
        command: String,
        who: Subject,
    },
}

#[derive(Debug)]
enum State {
    Running {
        input: Input,
        group: Option<Group>,
        started: Instant,
    },
    /// Its output has ended; the rest of it must.
    Leaving(Leaving),
    /// Before the next attempt.
    Waiting {
        until: Instant,
    },
    /// Nothing more will come.
    Ended,
}

impl Pipe {
    /// Reads standard input.
    ///
    /// # Errors
    /// A sentence: standard input is a terminal, a file or closed.
    pub fn stdin(wakeup: &Wakeup<'_>, now: Instant) -> io::Result<Self> {
        let input = Input::stdin(wakeup.registry, wakeup.token)?;
        let mut pipe = Self::new(Origin::Stdin, wakeup, now)?;
        pipe.state = State::Running { input, group: None, started: now };
        Ok(pipe)
    }

    /// Runs `command` by `sh -c`, and again whenever it ends.
    ///
    /// # Errors
    /// Only if the loop's registry cannot be duplicated: that a command cannot be run is a state.
    pub fn command(command: &str, wakeup: &Wakeup<'_>, now: Instant) -> io::Result<Self> {
        Self::run(Origin::Command { command: command.to_owned(), who: Subject::Program }, wakeup, now)
    }

    /// The same for `rpicam-vid`, whose command line is ours and which sentences call by its name.
    ///
    /// # Errors
    /// As of [`command`](Self::command).
    pub(super) fn rpicam(command: String, wakeup: &Wakeup<'_>, now: Instant) -> io::Result<Self> {
        Self::run(Origin::Command { command, who: Subject::Rpicam }, wakeup, now)
    }

    fn run(origin: Origin, wakeup: &Wakeup<'_>, now: Instant) -> io::Result<Self> {
        let mut pipe = Self::new(origin, wakeup, now)?;
        pipe.start(now);
        Ok(pipe)
    }

    /// Ends the program and starts another one in its place, as soon as the old one is gone: it may hold a device.
    pub(super) fn run_instead(&mut self, successor: String, now: Instant) {
        let Origin::Command { command, .. } = &mut self.origin else { return };
        *command = successor;
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Running { input, group: Some(group), started } => {
                input.close(&self.registry);
                self.more = false;
                self.state = State::Leaving(Leaving::for_successor(group, started, now));
                self.say(Trouble::Replaced);
            }
            State::Leaving(mut leaving) => {
                leaving.next = Next::Successor;
                self.state = State::Leaving(leaving);
            }
            // The next attempt will be with the new command; or there will be none.
            other => self.state = other,
        }
    }

    fn new(origin: Origin, wakeup: &Wakeup<'_>, now: Instant) -> io::Result<Self> {
        Ok(Self {
            origin,
            state: State::Ended,
            assembler: Assembler::new(),
            backoff: Backoff::new(),
            registry: wakeup.registry.try_clone()?,
            token: wakeup.token,
            more: false,
            trouble: Trouble::None,
            notice: None,
            last_bytes: now,
            last_frame: now,
            flood: None,
            floods: 0,
            mistakes: 0,
            frames: 0,
            frames_before: 0,
            keyframes: 0,
            bytes: 0,
            starts: 0,
        })
    }

    /// See [`Source::handle_ready`](super::Source::handle_ready).
    pub fn handle_ready(&mut self, now: Instant) {
        self.take_in(now);
        self.judge(now);
    }

    /// See [`Source::handle_timeout`](super::Source::handle_timeout).
    pub fn handle_timeout(&mut self, now: Instant) {
        match &self.state {
            State::Running { .. } if self.assembler.poll_timeout().is_some_and(|due| due <= now) => {
                // What lies in the pipe unread is no silence.
                self.take_in(now);
                self.assembler.handle_timeout(now);
            }
            State::Leaving(leaving) if leaving.poll_timeout() <= now => self.see_off(now),
            State::Waiting { until } if *until <= now => self.start(now),
            _ => {}
        }
        self.judge(now);
    }

    /// See [`Source::poll_timeout`](super::Source::poll_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let next = match &self.state {
            State::Running { .. } => {
                let patience = (!self.trouble.is_about_silence()).then(|| self.last_frame + PATIENCE);
                [self.assembler.poll_timeout(), patience].into_iter().flatten().min()
            }
            State::Leaving(leaving) => Some(leaving.poll_timeout()),
            State::Waiting { until } => Some(*until),
            State::Ended => None,
        };
        [next, self.flood].into_iter().flatten().min()
    }

    /// See [`Source::lend`](super::Source::lend).
    pub fn lend(&mut self, now: Instant, take: &mut dyn FnMut(Frame<'_>)) -> bool {
        let (frames, keyframes, bytes) = (&mut self.frames, &mut self.keyframes, &mut self.bytes);
        let lent = self.assembler.lend(&mut |frame| {
            *frames += 1;
            *keyframes += u64::from(frame.keyframe);
            *bytes += frame.bytes.len() as u64;
            take(frame);
        });
        if lent {
            self.last_frame = now;
            if self.trouble != Trouble::None {
                self.judge(now);
            }
        }
        lent
    }

    /// See [`Source::more`](super::Source::more).
    pub fn more(&self) -> bool {
        self.more
    }

    /// See [`Source::order`](super::Source::order): a pipe runs one way only.
    pub fn order(&mut self, _now: Instant, order: Order) -> Obeyed {
        Obeyed::Cannot(match order {
            Order::Keyframe => "a pipe carries no orders: its program makes keyframes when it will",
            Order::Bitrate(_) => "a pipe carries no orders: its program chooses the bit rate",
            Order::FrameRate(_) => "a pipe carries no orders: its program chooses the frame rate",
        })
    }

    /// See [`Source::notice`](super::Source::notice).
    pub fn notice(&self) -> Option<(Severity, &str)> {
        self.notice.as_ref().map(|(severity, sentence)| (*severity, sentence.as_str()))
    }

    /// See [`Source::stats`](super::Source::stats).
    pub fn stats(&self) -> SourceStats {
        SourceStats {
            name: "pipe".to_owned(),
            why: match &self.origin {
                Origin::Stdin => "asked for by --source pipe:-".to_owned(),
                Origin::Command { command, .. } => format!("asked for by --source pipe:{command}"),
            },
            state: match self.state {
                State::Running { .. } if self.frames > self.frames_before => "running",
                State::Running { .. } | State::Leaving(_) | State::Waiting { .. } => "waiting",
                State::Ended => "ended",
            },
            sentence: self.notice().map_or_else(String::new, |(_, sentence)| sentence.to_owned()),
            frames: self.frames,
            keyframes: self.keyframes,
            bytes: self.bytes,
            dropped: self.assembler.tally().dropped,
            restarts: self.starts.saturating_sub(1),
            ..SourceStats::default()
        }
    }

    /// See [`Source::describe`](super::Source::describe).
    pub fn describe(&self) -> String {
        match &self.origin {
            Origin::Stdin => "H.264 from standard input, as it comes".to_owned(),
            Origin::Command { command, .. } => format!("H.264 from a program, as it comes: {command}"),
        }
    }

    /// See [`Source::close`](super::Source::close).
    pub fn close(&mut self) {
        match std::mem::replace(&mut self.state, State::Ended) {
            State::Running { input, group, .. } => {
                input.close(&self.registry);
                if let Some(mut group) = group {
                    group.end();
                }
            }
            State::Leaving(mut leaving) => leaving.group.end(),
            State::Waiting { .. } | State::Ended => {}
        }
        self.more = false;
    }

    fn take_in(&mut self, now: Instant) {
        self.more = false;
        let mut taken = 0;
        while let State::Running { input, .. } = &mut self.state {
            match input.read(self.assembler.room()) {
                Brought::Bytes(count) => {
                    self.assembler.filled(now, count);
                    taken += count;
                    if taken >= BATCH {
                        self.more = true;
                        break;
                    }
                }
                Brought::Last(count, fill) => {
                    self.assembler.filled(now, count);
                    self.assembler.dry(now, fill);
                    taken += count;
                    break;
                }
                Brought::End => {
                    self.assembler.finish(now);
                    self.part(now);
                }
            }
        }
        if taken > 0 {
            self.last_bytes = now;
        }
    }

    /// The stream has ended.
    fn part(&mut self, now: Instant) {
        let State::Running { input, group, started } = std::mem::replace(&mut self.state, State::Ended) else { return };
        input.close(&self.registry);
        if let Some(group) = group {
            self.state = State::Leaving(Leaving::by_itself(group, started, now));
            self.see_off(now);
        }
    }

    /// Sees to it that nothing is left of a program whose output has ended, and then arranges the next attempt.
    fn see_off(&mut self, now: Instant) {
        let State::Leaving(leaving) = &mut self.state else { return };
        match leaving.handle_timeout(now) {
            None => {}
            Some(Gone { next: Next::Successor, .. }) => self.start(now),
            Some(Gone { status, by_us, started, .. }) => {
                let ended = how_it_ended(self.who(), status, by_us);
                self.wait(ended, started, now);
            }
        }
    }

    /// An attempt that began at `started` is over.
    fn wait(&mut self, ended: String, started: Instant, now: Instant) {
        let wait = self.backoff.ended(started, now);
        self.state = State::Waiting { until: now + wait };
        self.trouble = Trouble::None;
        self.say(Trouble::Waiting { ended, wait });
    }

    fn start(&mut self, now: Instant) {
        let Origin::Command { command, who } = &self.origin else { return };
        self.starts += 1;
        self.assembler.restart();
        (self.last_bytes, self.last_frame, self.frames_before) = (now, now, self.frames);
        let started = Group::spawn(command).and_then(|(group, output)| {
            let input = Input::new(OwnedFd::from(output), &self.registry, self.token)?;
            Ok((input, group))
        });
        match started {
            Ok((input, group)) => {
                log::info!("started {who} (process {}): {command}", group.id());
                self.state = State::Running { input, group: Some(group), started: now };
            }
            Err(error) => self.wait(format!("cannot run {who} by sh -c: {error}"), now, now),
        }
    }

    /// Finds out what a person should know.
    fn judge(&mut self, now: Instant) {
        let tally = self.assembler.tally();
        if tally.mistakes > self.mistakes {
            self.mistakes = tally.mistakes;
            log::debug!("a picture was sent before its end ({} so far): it is written in pieces", tally.mistakes);
        }
        if tally.floods > self.floods {
            (self.floods, self.flood) = (tally.floods, Some(now + SHOWN));
        }
        if self.flood.is_some_and(|until| until <= now) {
            self.flood = None;
        }
        let trouble = match self.state {
            // Said when it began.
            State::Waiting { .. } => return,
            State::Leaving(_) => return,
            State::Ended => Trouble::Ended,
            State::Running { .. } if self.is_foreign() => Trouble::Foreign,
            State::Running { .. } if now >= self.last_frame + PATIENCE => match tally {
                _ if now >= self.last_bytes + PATIENCE => Trouble::Silent,
                _ if self.assembler.nals() == 0 => Trouble::Foreign,
                tally if tally.bare_keyframes > 0 => Trouble::BareKeyframes,
                _ => Trouble::NoKeyframes,
            },
            State::Running { .. } if self.starts > 1 && self.frames == self.frames_before => Trouble::StartedAgain,
            State::Running { .. } if self.flood.is_some() => Trouble::Flood,
            State::Running { .. } if self.assembler.is_late() => Trouble::Late,
            State::Running { .. } => Trouble::None,
        };
        self.say(trouble);
    }

    fn who(&self) -> Subject {
        match self.origin {
            Origin::Stdin => Subject::Stdin,
            Origin::Command { who, .. } => who,
        }
    }

    fn is_foreign(&self) -> bool {
        let (received, nals) = (self.assembler.received(), self.assembler.nals());
        received >= FOREIGN && nals * 4 * FOREIGN < received
    }

    fn say(&mut self, trouble: Trouble) {
        if trouble == self.trouble {
            return;
        }
        let subject = self.who();
        self.notice = trouble.sentence(subject);
        match &self.notice {
            Some((Severity::Info, sentence)) => log::info!("{sentence}"),
            Some((_, sentence)) => log::warn!("{sentence}"),
            None => log::info!("{subject} sends pictures as it should"),
        }
        self.trouble = trouble;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
