//! One viewer: its engine, what was negotiated, whether a picture can be sent to it, and its data channels. Knows nothing
//! of other viewers; `viewers` owns it, feeds it and reads what happened.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use str0m::media::{KeyframeRequestKind, MediaTime, Mid, Pt};
use str0m::net::{Receive, Transmit};
use str0m::rtp::{ExtensionValues, RtpWrite};
use str0m::{Event, IceConnectionState, Input, Output, Rtc};

use super::PlayoutDelay;
use super::channels::Channels;
use super::keyframes::Why;
use super::outlet::{Outlet, Sent};
use super::packetize::Payload;
use super::wishes::Wishes;
use crate::clock::Micros;
use crate::frame::{Frame, Stamps};
use crate::message::{FromPage, ToPage};
use crate::trace::{self, ViewerStats};

/// Packets kept for retransmission: one second at 2 Mbit/s and then some. Older ones come too late to be shown.
const RESEND_PACKETS: usize = 512;
const RESEND_AGE: Duration = Duration::from_millis(500);

/// No cap on the share of retransmissions: the default (15 %) empties the queue of resends just when loss is worst.
const RESEND_RATIO_CAP: Option<f32> = None;

/// What became of feeding a viewer, for `viewers`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Happened {
    /// It needs a keyframe.
    Wish(Why),
    /// Its page said hello (see [`Viewer::hello`]): it wants to be told what others know.
    Hello,
    /// It sent a message that means nothing.
    Unknown,
    /// It is reached at this address from now on.
    Path(SocketAddr),
}

/// Whether pictures can be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Picture {
    /// ICE or DTLS is under way.
    Connecting,
    /// Nothing until the next keyframe: just joined, or something was not sent.
    Waiting,
    /// Every frame goes out.
    Live,
}

/// What was negotiated for the picture.
#[derive(Debug, Clone, Copy)]
struct Video {
    mid: Mid,
    pt: Pt,
}

/// One viewer and its engine.
pub(super) struct Viewer {
    /// Names its WHEP resource; whoever knows it may end the session.
    pub session: String,
    /// Counts ICE sessions: the ETag.
    pub ice_generation: u32,
    /// What it offered, for an ICE restart.
    pub offer: String,
    /// Our half of the user name in its checks (RFC 8445 section 7.2.2).
    pub ufrag: String,
    /// Its offer came from our own page, so its messages count.
    pub own_page: bool,
    /// When its last datagram came.
    pub last_heard: Instant,
    /// Where it is reached: the path that answered our checks.
    pub remote: Option<SocketAddr>,
    /// A sentence about this viewer alone, to be said once its page listens.
    pub warning: Option<String>,
    /// The frame just sent was the first after a wait.
    pub began: bool,
    /// Its page's build id, until it was greeted.
    pub hello: Option<u64>,
    /// When the datagram at work was taken up, exactly; `now` of the turn may be a little before it.
    heard: Micros,
    rtc: Rtc,
    since: Instant,
    video: Option<Video>,
    /// RTP sequence number, extended. Begins below 2^16 or the receiver's rollover count would be wrong (RFC 3711 section 3.3.1).
    next_seq: u64,
    picture: Picture,
    ice: IceConnectionState,
    channels: Channels,
    wishes: Wishes,
    timeout: Instant,
    playout_delay: Option<PlayoutDelay>,
    out: Vec<Transmit>,
    stats: ViewerStats,
}

impl Viewer {
    /// A viewer whose engine has not seen the offer yet.
    pub(super) fn new(now: Instant, session: String, rtc: Rtc, playout_delay: Option<PlayoutDelay>) -> Self {
        // The session id is random; part of it serves as the unpredictable first sequence number (RFC 3550 section 5.1).
        let first_seq = u16::from_str_radix(session.get(..4).unwrap_or_default(), 16).unwrap_or(1);
        let stats =
            ViewerStats { session: session.chars().take(8).collect(), state: "connecting", ..ViewerStats::default() };
        Self {
            session,
            ice_generation: 1,
            offer: String::new(),
            ufrag: String::new(),
            own_page: false,
            last_heard: now,
            remote: None,
            warning: None,
            began: false,
            hello: None,
            heard: Micros::of(now),
            rtc,
            since: now,
            video: None,
            next_seq: first_seq.into(),
            picture: Picture::Connecting,
            ice: IceConnectionState::New,
            channels: Channels::default(),
            wishes: Wishes::default(),
            timeout: now,
            playout_delay,
            out: Vec::new(),
            stats,
        }
    }

    /// The engine, for negotiation. Whoever changes it calls [`Self::drain`] next.
    pub(super) fn rtc(&mut self) -> &mut Rtc {
        &mut self.rtc
    }

    /// An offer was accepted: remembers it, our side's new name, and the first of the media lines `mids` that takes our
    /// stream. False if none does.
    pub(super) fn negotiated<'m>(&mut self, offer: String, mids: impl Iterator<Item = &'m str>) -> bool {
        self.offer = offer;
        self.ufrag = self.rtc.direct_api().local_ice_credentials().ufrag;
        self.video = mids.map(Mid::from).find_map(|mid| self.video_line(mid));
        if let Some(video) = self.video
            && let Some(stream) = self.rtc.direct_api().stream_tx_by_mid(video.mid, None)
        {
            stream.set_rtx_cache(RESEND_PACKETS, RESEND_AGE, RESEND_RATIO_CAP);
        }
        self.video.is_some()
    }

    /// Whether a datagram is this viewer's.
    pub(super) fn accepts(&self, input: &Input<'_>) -> bool {
        self.rtc.accepts(input)
    }

    /// Still of use. Once false, drop it.
    pub(super) fn is_alive(&self) -> bool {
        self.rtc.is_alive()
    }

    /// The DTLS handshake is done.
    pub(super) fn is_secured(&self) -> bool {
        self.picture != Picture::Connecting
    }

    /// Whether it has no picture because it waits for a keyframe.
    pub(super) fn waits(&self) -> bool {
        self.picture == Picture::Waiting
    }

    /// When [`Self::handle_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Instant {
        [self.wishes.due(), self.channels.due()].into_iter().flatten().fold(self.timeout, Instant::min)
    }

    /// Time passes.
    pub(super) fn handle_timeout(&mut self, now: Instant, outlet: &mut dyn Outlet, happened: &mut Vec<Happened>) {
        if self.timeout <= now {
            self.feed(Input::Timeout(now));
            self.drain(now, outlet, happened);
        }
        if self.wishes.handle_timeout(now) {
            happened.push(Happened::Wish(Why::Lost));
        }
        self.tell_stamps(now, false, outlet, happened);
    }

    /// Tells its page the stamps that are due; with them goes the answer to a heartbeat, if one is owed.
    pub(super) fn tell_stamps(
        &mut self,
        now: Instant,
        after_frame: bool,
        outlet: &mut dyn Outlet,
        happened: &mut Vec<Happened>,
    ) {
        if self.channels.tell_stamps(now, after_frame, &mut self.rtc) {
            self.send_written(now, outlet, happened);
        }
        self.answer_heartbeat(now, outlet, happened);
    }

    /// A datagram that was found to be this viewer's.
    pub(super) fn handle_datagram(
        &mut self,
        now: Instant,
        receive: Receive<'_>,
        outlet: &mut dyn Outlet,
        happened: &mut Vec<Happened>,
    ) {
        self.last_heard = now;
        self.heard = outlet.clock();
        self.feed(Input::Receive(now, receive));
        self.drain(now, outlet, happened);
    }

    /// Sends a frame, whole or not at all as far as it is in our hand. `stamps` are those all viewers share; gives them
    /// back with this viewer's own, none if it was sent nothing. [`Self::tell_stamps`] comes after everybody's frame.
    pub(super) fn send_frame(
        &mut self,
        now: Instant,
        frame: &Frame<'_>,
        mut stamps: Stamps,
        payloads: &[Payload],
        outlet: &mut dyn Outlet,
        happened: &mut Vec<Happened>,
    ) -> Option<Stamps> {
        let video = self.video?;
        match self.picture {
            Picture::Connecting => return None,
            Picture::Waiting if !frame.keyframe => {
                self.stats.sent.frames_dropped += 1;
                return None;
            }
            Picture::Waiting | Picture::Live => self.picture = Picture::Live,
        }
        let captured = now - Micros::of(now).since(frame.captured);
        let mut extensions = ExtensionValues::default();
        if let Some(PlayoutDelay { min_ms, max_ms }) = self.playout_delay {
            extensions.play_delay_min = Some(MediaTime::from_hundredths(u64::from(min_ms) / 10));
            extensions.play_delay_max = Some(MediaTime::from_hundredths(u64::from(max_ms) / 10));
        }
        let mut api = self.rtc.direct_api();
        let stream = api.stream_tx_by_mid(video.mid, None)?;
        for payload in payloads {
            let packet =
                RtpWrite::new(video.pt, self.next_seq.into(), stamps.rtp_time, captured, payload.bytes.clone());
            stream.write_rtp(packet.marker(payload.marker).ext_vals(extensions.clone()).nackable(true));
            self.next_seq += 1;
            self.stats.sent.packets += 1;
            self.stats.sent.bytes += payload.bytes.len() as u64;
        }
        // What was written is sent when time moves, so it moves here and not in the next turn.
        self.feed(Input::Timeout(now));
        self.pump(now, happened);
        stamps.protected = outlet.clock();
        if let Sent::Blocked { .. } = self.flush(outlet) {
            // The rest of this frame is lost, and what refers to it would be wrong: nothing more until a keyframe.
            self.stats.sent.frames_dropped += 1;
            self.picture = Picture::Waiting;
            happened.push(Happened::Wish(Why::Lost));
        } else {
            stamps.sent = Some(outlet.clock());
            self.stats.sent.frames += 1;
            if frame.keyframe {
                self.stats.sent.keyframes += 1;
                self.wishes.keyframe_sent(now);
            }
        }
        self.channels.frame_sent(now, stamps);
        Some(stamps)
    }

    /// Tells its page something, if it is ours and listens.
    pub(super) fn say(
        &mut self,
        now: Instant,
        what: &ToPage<'_>,
        outlet: &mut dyn Outlet,
        happened: &mut Vec<Happened>,
    ) {
        if self.own_page && self.channels.write(what, &mut self.rtc) {
            self.send_written(now, outlet, happened);
        }
    }

    /// What was written into the engine is sent when time moves.
    fn send_written(&mut self, now: Instant, outlet: &mut dyn Outlet, happened: &mut Vec<Happened>) {
        self.feed(Input::Timeout(now));
        self.drain(now, outlet, happened);
    }

    /// Says goodbye (RTCP BYE, DTLS close_notify). Dead afterwards.
    pub(super) fn close(&mut self, now: Instant, outlet: &mut dyn Outlet) {
        if let Err(error) = self.rtc.close() {
            log::debug!("viewer {}: close: {error}", self.stats.session);
        }
        self.feed(Input::Timeout(now));
        self.drain(now, outlet, &mut Vec::new());
        self.rtc.disconnect();
    }

    /// Its shortened name as a number, which is cheaper to keep with each frame.
    pub(super) fn number(&self) -> u32 {
        u32::from_str_radix(&self.stats.session, 16).unwrap_or_default()
    }

    /// What it was sent so far.
    pub(super) fn sent(&self) -> trace::Sent {
        self.stats.sent
    }

    /// Counters, and where it stands.
    pub(super) fn stats(&self, now: Instant) -> ViewerStats {
        ViewerStats {
            remote: self.remote.map(|a| a.to_string()),
            state: match self.picture {
                Picture::Connecting if self.ice.is_connected() => "securing",
                Picture::Connecting => "connecting",
                Picture::Waiting => "waiting",
                Picture::Live => "live",
            },
            age_s: now.saturating_duration_since(self.since).as_secs_f64(),
            own_page: self.own_page,
            ..self.stats.clone()
        }
    }

    fn feed(&mut self, input: Input<'_>) {
        // What comes from outside may be wrong in any way; the engine refuses it and goes on.
        if let Err(error) = self.rtc.handle_input(input) {
            log::debug!("viewer {}: {error}", self.stats.session);
        }
    }

    /// Everything the engine has to say, until it only waits. The datagrams leave in one batch.
    pub(super) fn drain(&mut self, now: Instant, outlet: &mut dyn Outlet, happened: &mut Vec<Happened>) {
        self.pump(now, happened);
        let _ = self.flush(outlet);
        self.answer_heartbeat(now, outlet, happened);
    }

    /// Takes out of the engine what it has to say.
    fn pump(&mut self, now: Instant, happened: &mut Vec<Happened>) {
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => {
                    self.timeout = at;
                    break;
                }
                Ok(Output::Transmit(transmit)) => {
                    // Checks go wherever a path might be, and claims of a source prove nothing. All else (DTLS, SRTP:
                    // first byte 20 and up, RFC 7983 section 7) goes only where a check of ours was answered.
                    let proven = transmit.contents.first().is_some_and(|first| *first >= 20);
                    if proven && self.remote != Some(transmit.destination) {
                        self.remote = Some(transmit.destination);
                        happened.push(Happened::Path(transmit.destination));
                    }
                    self.out.push(transmit);
                }
                Ok(Output::Event(event)) => self.handle_event(now, event, happened),
                Err(error) => {
                    log::warn!("viewer {} is given up: {error}", self.stats.session);
                    self.rtc.disconnect();
                    break;
                }
            }
        }
    }

    /// Sends what was taken out.
    fn flush(&mut self, outlet: &mut dyn Outlet) -> Sent {
        let sent = if self.out.is_empty() { Sent::All } else { outlet.send(&self.out) };
        self.out.clear();
        sent
    }

    /// An answer owed is a change of its own, so it waits until the engine is drained.
    fn answer_heartbeat(&mut self, now: Instant, outlet: &mut dyn Outlet, happened: &mut Vec<Happened>) {
        if self.channels.answer_heartbeat(|| outlet.clock(), &mut self.rtc) {
            self.send_written(now, outlet, happened);
        }
    }

    fn handle_event(&mut self, now: Instant, event: Event, happened: &mut Vec<Happened>) {
        match event {
            Event::IceConnectionStateChange(state) => self.ice = state,
            Event::Connected if self.picture == Picture::Connecting => {
                self.picture = Picture::Waiting;
                happened.push(Happened::Wish(Why::Joined));
            }
            Event::KeyframeRequest(request) => {
                match request.kind {
                    KeyframeRequestKind::Pli => self.stats.sent.plis += 1,
                    KeyframeRequestKind::Fir => self.stats.sent.firs += 1,
                }
                self.wish(now, happened);
            }
            Event::ChannelOpen(id, label) => self.channels.opened(id, &label),
            Event::ChannelClose(id) => self.channels.closed(id),
            Event::ChannelData(data) if self.own_page => match self.channels.heard(self.heard, &data.data) {
                Some(FromPage::Hello { build }) => {
                    self.hello = Some(build);
                    happened.push(Happened::Hello);
                }
                Some(FromPage::Heartbeat { .. }) => {}
                Some(FromPage::KeyframeWish) => self.wish(now, happened),
                None => happened.push(Happened::Unknown),
            },
            Event::ChannelData(_) => happened.push(Happened::Unknown),
            Event::PeerStats(stats) => {
                self.stats.rtt_ms = stats
                    .rtt
                    .or(stats.selected_candidate_pair.and_then(|p| p.current_round_trip_time))
                    .map(|rtt| rtt.as_secs_f64() * 1e3);
                self.stats.loss = stats.egress_loss_fraction.or(self.stats.loss);
            }
            Event::MediaEgressStats(stats) => {
                self.stats.sent.nacks = stats.nacks;
                self.stats.loss = stats.loss.or(self.stats.loss);
            }
            _ => {}
        }
    }

    fn wish(&mut self, now: Instant, happened: &mut Vec<Happened>) {
        if self.wishes.wish(now) {
            happened.push(Happened::Wish(Why::Lost));
        }
    }

    /// The payload type both sides agreed on, if they did and the viewer wants to receive.
    fn video_line(&self, mid: Mid) -> Option<Video> {
        let media = self.rtc.media(mid).filter(|m| m.direction().is_sending() && !m.disabled())?;
        let param = self.rtc.codec_config().find(|p| media.remote_pts().contains(&p.pt()))?;
        Some(Video { mid, pt: param.pt() })
    }
}
