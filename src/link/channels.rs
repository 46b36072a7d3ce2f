//! One viewer's data channels: which are open, what its page has said and what it is owed. Writes into the engine and
//! sends nothing; `viewer` owns one each and lets time move after a write.

use std::time::Instant;

use str0m::Rtc;
use str0m::channel::ChannelId;

use super::report::Report;
use crate::clock::Micros;
use crate::frame::Stamps;
use crate::message::{self, FromPage, ToPage};

/// How much a viewer may have unsent on its channels; a page that does not read gets no more notices.
const BACKLOG: usize = 64 * 1024;

/// Both channels and what belongs on them.
#[derive(Debug, Default)]
pub(super) struct Channels {
    fast: Option<ChannelId>,
    events: Option<ChannelId>,
    /// The heartbeat that is to be answered, and when it came.
    heartbeat: Option<(u64, Micros)>,
    report: Report,
    /// Its page has said hello, so it knows what stamps are.
    wants_stamps: bool,
    scratch: Vec<u8>,
}

impl Channels {
    /// The viewer opened a channel.
    pub(super) fn opened(&mut self, id: ChannelId, label: &str) {
        match label {
            message::FAST => self.fast = Some(id),
            message::EVENTS => self.events = Some(id),
            _ => {}
        }
    }

    /// A channel is gone.
    pub(super) fn closed(&mut self, id: ChannelId) {
        self.fast.take_if(|c| *c == id);
        self.events.take_if(|c| *c == id);
    }

    /// Reads what its page says and remembers what it is owed for it; none if it means nothing.
    /// `at`: when it came.
    pub(super) fn heard(&mut self, at: Micros, bytes: &[u8]) -> Option<FromPage> {
        let said = FromPage::parse(bytes)?;
        match said {
            FromPage::Hello { .. } => self.wants_stamps = true,
            FromPage::Heartbeat { sent } => self.heartbeat = Some((sent, at)),
            FromPage::KeyframeWish => {}
        }
        Some(said)
    }

    /// A frame went out, or was cut short.
    pub(super) fn frame_sent(&mut self, now: Instant, stamps: Stamps) {
        if self.wants_stamps && self.fast.is_some() {
            self.report.add(now, stamps);
        }
    }

    /// When stamps are to be told though no frame comes.
    pub(super) fn due(&self) -> Option<Instant> {
        self.report.due()
    }

    /// Writes the stamps that are due (a frame was just sent if `after_frame`); true if something was written.
    pub(super) fn tell_stamps(&mut self, now: Instant, after_frame: bool, rtc: &mut Rtc) -> bool {
        let Some((records, count)) = self.report.take(now, after_frame) else { return false };
        self.write(&ToPage::Stamps { records: &records[..count] }, rtc)
    }

    /// Writes the answer to a heartbeat, if one is owed; true if something was written. `clock` is the time now.
    pub(super) fn answer_heartbeat(&mut self, clock: impl FnOnce() -> Micros, rtc: &mut Rtc) -> bool {
        let Some((sent, received)) = self.heartbeat.take() else { return false };
        self.write(&ToPage::Echo { sent, received, answered: clock() }, rtc)
    }

    /// Writes a message to the channel it belongs on, if that is open and read; true if it was written.
    pub(super) fn write(&mut self, what: &ToPage<'_>, rtc: &mut Rtc) -> bool {
        let fast = matches!(what, ToPage::Echo { .. } | ToPage::Stamps { .. });
        let channel = if fast { self.fast } else { self.events };
        let Some(mut channel) = channel.and_then(|id| rtc.channel(id)) else { return false };
        if channel.buffered_amount() > BACKLOG {
            return false;
        }
        what.write(&mut self.scratch);
        channel.write(true, &self.scratch).inspect_err(|error| log::debug!("data channel: {error}")).is_ok()
    }
}
