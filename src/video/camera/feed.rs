//! The machine between a device's buffers and the frames that `run` is lent: what comes in goes through `stamps` and
//! `units`, faults through `health`, wishes through `keyframes`. It decides; a [`Device`] does. The same for a camera that
//! delivers H.264 and for one with an encoder behind it.

use std::io;
use std::time::{Duration, Instant};

use mio::{Registry, Token};

use super::super::settings::{Change, Outcome, Settings};
use super::super::{Options, Wakeup};
use super::device::Device;
use super::health::{self, Fault, Health};
use super::keyframes::{self, Keyframes, Way};
use super::sequence::Sequence;
use super::setup;
use super::stamps::Stamps;
use super::trouble::Trouble;
use super::units::Units;
use crate::clock::Micros;
use crate::frame::{Bitrate, Frame, Obeyed, Order};
use crate::message::Severity;
use crate::trace::SourceStats;

/// Buffers taken in one turn of the loop: more than a ring has, so that only a device that lies is cut short.
const BATCH: usize = 16;

/// Frames come, and for so long none could be shown.
const PATIENCE: Duration = Duration::from_secs(3);

/// A device and what is known of it.
#[derive(Debug)]
pub struct Feed<D: Device> {
    place: D::Place,
    options: Options,
    why: String,
    registry: Registry,
    token: Token,
    device: Option<D>,
    health: Health,
    keyframes: Keyframes,
    units: Units,
    stamps: Stamps,
    sequence: Sequence,
    /// Buffers that go back to the driver in a moment; kept for its memory.
    back: Vec<u32>,
    more: bool,
    /// What the drivers made of the options, last time.
    told: String,
    trouble: Trouble,
    notice: Option<(Severity, String)>,
    last_shown: Instant,
    bitrate: Option<Bitrate>,
    frames: u64,
    keys: u64,
    bytes: u64,
}

impl<D: Device> Feed<D> {
    /// Opens what is there; what is not is a state, and is opened when it comes.
    ///
    /// # Errors
    /// Only if the loop's registry cannot be duplicated.
    pub(in crate::video) fn new(
        place: D::Place,
        options: &Options,
        wakeup: &Wakeup<'_>,
        now: Instant,
    ) -> io::Result<Self> {
        let mut feed = Self {
            why: format!("asked for by --source {}", D::source(&place)),
            place,
            options: options.clone(),
            registry: wakeup.registry.try_clone()?,
            token: wakeup.token,
            device: None,
            health: Health::new(now),
            keyframes: Keyframes::default(),
            units: Units::new(),
            stamps: Stamps::default(),
            sequence: Sequence::default(),
            back: Vec::new(),
            more: false,
            told: String::new(),
            trouble: Trouble::None,
            notice: None,
            last_shown: now,
            bitrate: None,
            frames: 0,
            keys: 0,
            bytes: 0,
        };
        feed.handle_timeout(now);
        Ok(feed)
    }

    /// Says why this source and not another, if nobody asked for it by name.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why = why.into();
        self
    }

    /// See [`Source::handle_ready`](super::super::Source::handle_ready).
    pub fn handle_ready(&mut self, now: Instant) {
        self.take_in(now);
        self.judge(now);
    }

    /// See [`Source::handle_timeout`](super::super::Source::handle_timeout).
    pub fn handle_timeout(&mut self, now: Instant) {
        let due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if self.health.is_running() && due(self.poll_timeout()) {
            // What lies there unread is no silence.
            self.take_in(now);
        }
        self.units.handle_timeout(now, &mut self.back);
        self.give_back(now);
        if self.health.is_running() && due(self.keyframes.poll_timeout()) {
            let act = self.keyframes.handle_timeout(now);
            self.act(now, act);
        }
        if let Some(act) = self.health.handle_timeout(now) {
            self.mend(now, act);
        }
        self.judge(now);
    }

    /// See [`Source::poll_timeout`](super::super::Source::poll_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        let keyframes = if self.health.is_running() { self.keyframes.poll_timeout() } else { None };
        [Some(self.health.poll_timeout()), self.units.poll_timeout(), keyframes].into_iter().flatten().min()
    }

    /// See [`Source::lend`](super::super::Source::lend).
    pub fn lend(&mut self, now: Instant, take: &mut dyn FnMut(Frame<'_>)) -> bool {
        let Some(device) = &self.device else { return false };
        let (frames, keys, bytes) = (&mut self.frames, &mut self.keys, &mut self.bytes);
        let mut counted = |frame: Frame<'_>| {
            *frames += 1;
            *keys += u64::from(frame.keyframe);
            *bytes += frame.bytes.len() as u64;
            take(frame);
        };
        let lent = self.units.lend(device.memory(), &mut counted, &mut self.back);
        self.give_back(now);
        if lent {
            self.last_shown = now;
            self.judge(now);
        }
        lent
    }

    /// See [`Source::more`](super::super::Source::more).
    pub fn more(&self) -> bool {
        self.more
    }

    /// See [`Source::order`](super::super::Source::order).
    pub fn order(&mut self, now: Instant, order: Order) -> Obeyed {
        match order {
            // Every stream begins with one.
            Order::Keyframe if !self.health.is_running() => Obeyed::Yes,
            Order::Keyframe if self.keyframes.way().is_none() => {
                Obeyed::Cannot("this camera has no way to be told, and makes keyframes when it will")
            }
            Order::Keyframe => {
                let act = self.keyframes.wish(now);
                self.act(now, act);
                Obeyed::Yes
            }
            Order::Bitrate(bitrate) => match self.set_bitrate(bitrate) {
                Ok(_) => Obeyed::Yes,
                Err(error) => {
                    log::debug!("bit rate: {error}");
                    Obeyed::Cannot("this camera's bit rate cannot be set")
                }
            },
            Order::FrameRate(_) => Obeyed::Cannot("a camera's frame rate stands when it starts"),
        }
    }

    /// See [`Source::change`](super::super::Source::change). What is set stays set when the camera comes back.
    pub fn change(&mut self, _now: Instant, change: &Change) -> Vec<Outcome> {
        let mut outcomes = match &self.device {
            Some(device) => {
                let outcomes = setup::apply(device.camera(), change);
                self.options.camera.apply(&change.without_refused(&outcomes));
                outcomes
            }
            None => {
                self.options.camera.apply(change);
                let later = || Err("the camera is not there; it gets this when it comes back".to_owned());
                let part = Change { bitrate: None, ..change.clone() };
                part.refused("").into_iter().map(|outcome| Outcome { result: later(), ..outcome }).collect()
            }
        };
        if let Some(bitrate) = change.bitrate {
            let result = self.set_bitrate(bitrate).map(|made| format!("{} bit/s", made.0));
            outcomes.push(Outcome { name: "bitrate", result });
        }
        outcomes
    }

    /// See [`Source::settings`](super::super::Source::settings).
    pub fn settings(&self) -> &Settings {
        &self.options.camera
    }

    /// See [`Source::notice`](super::super::Source::notice).
    pub fn notice(&self) -> Option<(Severity, &str)> {
        self.notice.as_ref().map(|(severity, sentence)| (*severity, sentence.as_str()))
    }

    /// See [`Source::stats`](super::super::Source::stats).
    pub fn stats(&self) -> SourceStats {
        SourceStats {
            name: D::NAME.to_owned(),
            why: self.why.clone(),
            state: if self.health.is_running() && self.health.fault().is_none() { "running" } else { "waiting" },
            sentence: self.notice().map_or_else(String::new, |(_, sentence)| sentence.to_owned()),
            frames: self.frames,
            keyframes: self.keys,
            bytes: self.bytes,
            dropped: self.units.tally().dropped,
            restarts: self.health.restarts(),
            bitrate: self.bitrate.map(|bitrate| bitrate.0),
            keyframes_on_demand: self.keyframes.way().is_some(),
            ..SourceStats::default()
        }
    }

    /// See [`Source::describe`](super::super::Source::describe).
    pub fn describe(&self) -> String {
        match (self.notice(), self.told.as_str()) {
            (None, told) if !told.is_empty() => format!("{}: {told} ({})", D::source(&self.place), self.why),
            (Some((_, sentence)), _) => format!("{}: {sentence} ({})", D::source(&self.place), self.why),
            (None, _) => format!("{} ({})", D::source(&self.place), self.why),
        }
    }

    /// See [`Source::close`](super::super::Source::close).
    pub fn close(&mut self) {
        self.drop_device();
    }

    /// Takes what the driver has ready.
    fn take_in(&mut self, now: Instant) {
        self.more = false;
        let mut taken = 0;
        while let Some(device) = &mut self.device {
            if !self.health.is_running() {
                return;
            }
            let filled = match device.dequeue(Micros::of(now)) {
                Ok(Some(filled)) => filled,
                Ok(None) => break,
                Err(fault) => return self.fail(now, fault),
            };
            taken += 1;
            self.health.frame(now);
            let missing = self.sequence.missing_before(filled.sequence);
            if missing > 0 {
                self.units.lost(missing, &mut self.back);
            }
            let captured = self.stamps.map(filled.clock, filled.stamp, Micros::of(now));
            let before = self.units.tally().keyframes;
            self.units.take(now, captured, filled, device.memory(), &mut self.back);
            if self.units.tally().keyframes > before {
                let act = self.keyframes.came(now);
                self.act(now, act);
            } else if self.units.needs_keyframe() {
                let act = self.keyframes.need(now);
                self.act(now, act);
            }
            self.give_back(now);
            if taken >= BATCH {
                self.more = true;
                break;
            }
        }
        match &mut self.device {
            Some(device) if taken == 0 => {
                if let Err(fault) = device.check() {
                    self.fail(now, fault);
                }
            }
            _ => {
                self.units.skip_to_newest_keyframe(&mut self.back);
                self.give_back(now);
            }
        }
    }

    /// What was read, or is of no use, goes back to the driver.
    fn give_back(&mut self, now: Instant) {
        let mut back = std::mem::take(&mut self.back);
        let result = match &mut self.device {
            Some(device) if self.health.is_running() => back.drain(..).try_for_each(|index| device.give_back(index)),
            _ => Ok(()),
        };
        back.clear();
        self.back = back;
        if let Err(fault) = result {
            self.fail(now, fault);
        }
    }

    fn act(&mut self, now: Instant, act: Option<keyframes::Act>) {
        let (Some(act), Some(device)) = (act, &mut self.device) else { return };
        let (codec, node) = device.codec();
        match act {
            keyframes::Act::Force => codec.force(node),
            keyframes::Act::ShortPeriod => codec.set_period(node, true),
            keyframes::Act::LongPeriod => codec.set_period(node, false),
            keyframes::Act::Restart => {
                log::info!("starting the camera's stream again for a keyframe");
                let result = device.restart();
                self.begun(now, result);
            }
        }
    }

    /// Does what `health` has decided.
    fn mend(&mut self, now: Instant, act: health::Act) {
        let result = match (act, &mut self.device) {
            (health::Act::Start, Some(device)) => device.start(),
            (health::Act::Restart, Some(device)) => device.restart(),
            _ => {
                self.drop_device();
                self.reopen()
            }
        };
        self.begun(now, result);
    }

    fn reopen(&mut self) -> Result<(), Fault> {
        let mut told = Vec::new();
        let mut device = D::open(&self.place, &self.options, &self.registry, self.token, &mut told)?;
        let (codec, _) = device.codec();
        let ways = codec.ways();
        self.bitrate = codec.has_bitrate().then_some(self.options.bitrate);
        let best = ways.iter().copied().min().unwrap_or(Way::Restart);
        told.push(best.describe().to_owned());
        self.keyframes = Keyframes::new(ways);
        let told = told.join(", ");
        if told != self.told {
            log::info!("{}: {told}", D::source(&self.place));
            self.told = told;
        }
        let started = device.start();
        self.device = Some(device);
        started
    }

    /// A stream was started, or not.
    fn begun(&mut self, now: Instant, result: Result<(), Fault>) {
        self.units.restart();
        self.sequence.restart();
        self.stamps.restart();
        self.back.clear();
        match result {
            Ok(()) => {
                self.health.started(now);
                self.keyframes.restarted(now);
                self.last_shown = now;
                // The edge may have been before anybody watched.
                self.more = true;
            }
            Err(fault) => self.fail(now, fault),
        }
    }

    fn fail(&mut self, now: Instant, fault: Fault) {
        // With these two the device stays open: it is told to start once more.
        if !matches!(fault, Fault::Refused(_) | Fault::Broken(_)) {
            self.drop_device();
        }
        self.units.restart();
        self.health.failed(now, fault);
        self.judge(now);
    }

    fn drop_device(&mut self) {
        self.units.restart();
        self.back.clear();
        self.more = false;
        self.device = None;
    }

    fn set_bitrate(&mut self, bitrate: Bitrate) -> Result<Bitrate, String> {
        self.options.bitrate = bitrate;
        let device = self.device.as_ref().ok_or("the camera is not there; it gets this when it comes back")?;
        let (codec, node) = device.codec();
        let made = codec.set_bitrate(node, bitrate)?;
        self.bitrate = Some(made);
        Ok(made)
    }

    /// Finds out what a person should know.
    fn judge(&mut self, now: Instant) {
        let trouble = match self.health.fault() {
            Some(fault) => Trouble::Fault(fault.clone()),
            None if !self.units.needs_keyframe() || now < self.last_shown + PATIENCE => Trouble::None,
            None if self.units.tally().bare_keyframes > 0 => Trouble::BareKeyframes,
            None => Trouble::NoKeyframes,
        };
        if trouble == self.trouble {
            return;
        }
        let path = D::main(&self.place).display().to_string();
        self.notice = trouble.sentence(&path).map(|sentence| (Severity::Fault, sentence));
        match &self.notice {
            Some((_, sentence)) => log::warn!("{sentence}"),
            None => log::info!("the camera {path} is well again"),
        }
        self.trouble = trouble;
    }
}
