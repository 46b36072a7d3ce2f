//! All viewers: finds out whose a datagram is, hands each frame to everyone, and frees whoever is gone. How one comes in
//! is in [`reception`].

mod reception;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use str0m::ice::StunMessage;
use str0m::net::{Protocol, Receive};

use super::Options;
use super::answer;
use super::crypto::Crypto;
use super::early::Early;
use super::keyframes::Keyframes;
use super::outlet::Outlet;
use super::packetize::Packetizer;
use super::request::{Offer, Output};
use super::viewer::{Happened, Viewer};
use crate::frame::{Frame, Obeyed, Order, Stamps};
use crate::h264::{ProfileLevelId, kind, nals};
use crate::message::{Severity, ToPage, Topic};
use crate::trace::{LinkStats, Record, Ring, Sent, Stages, ViewerStats};

/// A viewer that sends nothing for this long is gone: its browser answers our checks at least once a second, and our page
/// beats at 1 Hz besides. str0m alone would notice after 14 to 24 s and keep sending.
pub const SILENCE: Duration = Duration::from_secs(5);

/// An offer that waits for the stream's profile.
#[derive(Debug)]
struct Pending {
    ticket: u64,
    offer: Offer,
    until: Instant,
}

/// All viewers.
pub struct Viewers {
    options: Options,
    crypto: Crypto,
    addresses: Vec<IpAddr>,
    profile: Option<ProfileLevelId>,
    packetizer: Packetizer,
    keyframes: Keyframes,
    /// Why the source makes no keyframes to order, once it has said so.
    no_keyframes: Option<&'static str>,
    viewers: Vec<Viewer>,
    /// Who is sent a frame first: whoever found the socket full last time, so that what waits for one viewer does not cost
    /// always the same other.
    first: usize,
    pending: Vec<Pending>,
    early: Early,
    notices: Vec<(Topic, Severity, String)>,
    last_rtp_time: Option<u32>,
    outputs: VecDeque<Output>,
    happened: Vec<Happened>,
    stats: LinkStats,
    /// What was sent to viewers who are gone.
    sent_before: Sent,
    stages: Stages,
    /// The stamps of the last frames, if somebody may want them.
    ring: Option<Ring>,
}

impl Viewers {
    /// Nobody yet.
    pub fn new(options: Options, crypto: Crypto) -> Self {
        Self {
            options,
            crypto,
            addresses: Vec::new(),
            profile: None,
            packetizer: Packetizer::default(),
            keyframes: Keyframes::default(),
            no_keyframes: None,
            viewers: Vec::new(),
            first: 0,
            pending: Vec::new(),
            early: Early::default(),
            notices: Vec::new(),
            last_rtp_time: None,
            outputs: VecDeque::new(),
            happened: Vec::new(),
            stats: LinkStats::default(),
            sent_before: Sent::default(),
            stages: Stages::default(),
            ring: None,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.viewers.len()
    }

    /// Nobody watches.
    pub fn is_empty(&self) -> bool {
        self.viewers.is_empty()
    }

    /// This machine's addresses as they are now. Those that are gone are taken from every viewer, so that its pictures
    /// go another way; new ones are offered to every path check.
    pub fn set_addresses(&mut self, now: Instant, addresses: Vec<IpAddr>, outlet: &mut dyn Outlet) {
        if addresses == self.addresses {
            return;
        }
        let before = std::mem::replace(&mut self.addresses, addresses);
        let (gone, come): (Vec<IpAddr>, Vec<IpAddr>) = (
            before.iter().copied().filter(|a| !self.addresses.contains(a)).collect(),
            self.addresses.iter().copied().filter(|a| !before.contains(a)).collect(),
        );
        if !before.is_empty() {
            log::info!("addresses of this machine changed: gone {gone:?}, new {come:?}");
        }
        let port = self.options.port;
        for viewer in &mut self.viewers {
            for candidate in answer::candidates(&gone, port) {
                viewer.rtc().direct_api().invalidate_candidate(&candidate);
                viewer.drain(now, outlet, &mut self.happened);
            }
            for candidate in answer::candidates(&come, port) {
                viewer.rtc().add_local_candidate(candidate);
                viewer.drain(now, outlet, &mut self.happened);
            }
        }
        self.settle(now, outlet);
    }

    /// A datagram came in.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
        outlet: &mut dyn Outlet,
    ) {
        if self.route(now, source, destination, bytes, outlet) {
            // This may have made its sender known: what came too early from there is tried again.
            if !self.early.is_empty() {
                for held in self.early.take(now, source) {
                    if !self.route(now, held.source, held.destination, &held.bytes, outlet) {
                        self.early.put_back(held);
                    }
                }
            }
        } else if self.viewers.is_empty() || !self.early.hold(now, source, destination, bytes) {
            self.stats.datagrams_in_unknown += 1;
        }
        self.settle(now, outlet);
    }

    /// A frame for everyone.
    pub fn handle_frame(&mut self, now: Instant, frame: &Frame<'_>, outlet: &mut dyn Outlet) {
        if frame.keyframe {
            self.keyframes.passed(now);
            self.learn_profile(now, frame.bytes, outlet);
        }
        if self.viewers.is_empty() {
            return;
        }
        // Two frames must not share a timestamp, or a receiver takes them for one; nor may time go back.
        let mut rtp_time = frame.captured.rtp_90khz();
        if let Some(last) = self.last_rtp_time
            && rtp_time.wrapping_sub(last).wrapping_sub(1) >= u32::MAX / 2
        {
            rtp_time = last.wrapping_add(1);
        }
        self.last_rtp_time = Some(rtp_time);
        let payloads = self.packetizer.packetize(frame.bytes);
        if payloads.is_empty() {
            return;
        }
        let packetized = outlet.clock();
        let stamps = Stamps {
            rtp_time,
            captured: frame.captured,
            encoding: frame.encoding,
            dequeued: frame.dequeued,
            packetized,
            ..Stamps::default()
        };
        let mut sent = false;
        let first = self.first.min(self.viewers.len());
        let (before, from_first) = self.viewers.split_at_mut(first);
        let mut cut = None;
        for (at, viewer) in from_first.iter_mut().chain(before).enumerate() {
            let waited = viewer.waits();
            if let Some(stamps) = viewer.send_frame(now, frame, stamps, payloads, outlet, &mut self.happened) {
                if !std::mem::replace(&mut sent, true) {
                    self.stages.frame(frame, packetized);
                }
                self.stages.viewer(&stamps);
                if let Some(ring) = &mut self.ring {
                    ring.push(Record { viewer: viewer.number(), stamps });
                }
                if stamps.sent.is_none() {
                    cut.get_or_insert(at);
                }
            }
            viewer.began = waited && !viewer.waits();
        }
        if let Some(cut) = cut {
            self.first = (first + cut) % self.viewers.len();
        }
        self.say_after_frame(now, outlet);
        self.settle(now, outlet);
    }

    /// Time passes.
    pub fn handle_timeout(&mut self, now: Instant, outlet: &mut dyn Outlet) {
        for viewer in &mut self.viewers {
            viewer.handle_timeout(now, outlet, &mut self.happened);
            if now >= viewer.last_heard + SILENCE && viewer.is_alive() {
                log::info!("viewer {} is silent for {} s and freed", &viewer.session[..8], SILENCE.as_secs());
                viewer.close(now, outlet);
            }
        }
        while let Some(at) = self.pending.iter().position(|p| p.until <= now) {
            let Pending { ticket, offer, .. } = self.pending.remove(at);
            self.admit(now, ticket, offer, ProfileLevelId::CONSTRAINED_BASELINE, outlet);
        }
        self.settle(now, outlet);
        if self.stages.handle_timeout(now, !self.viewers.is_empty()) {
            self.outputs.push_back(Output::WindowEnded);
        }
    }

    /// When [`Self::handle_timeout`] is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let viewers = self.viewers.iter().map(|v| v.poll_timeout().min(v.last_heard + SILENCE));
        let pending = self.pending.iter().map(|p| p.until);
        viewers.chain(pending).chain(self.keyframes.due()).chain(self.stages.poll_timeout()).min()
    }

    /// What is to be done elsewhere, oldest first.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What the source said to an order.
    pub fn order_answered(&mut self, now: Instant, order: Order, obeyed: Obeyed, outlet: &mut dyn Outlet) {
        if order != Order::Keyframe {
            return;
        }
        self.no_keyframes = match obeyed {
            Obeyed::Yes => None,
            Obeyed::Cannot(why) => Some(why),
        };
        if let Some(why) = self.no_keyframes {
            // Asking again changes nothing until somebody else wishes.
            self.keyframes.forget();
            for viewer in self.viewers.iter_mut().filter(|v| v.waits()) {
                say_why_it_waits(viewer, now, why, outlet, &mut self.happened);
            }
            self.settle(now, outlet);
        }
    }

    /// A sentence for everyone who watches, now and later, until another of its topic replaces it; empty withdraws it.
    /// Said again it costs nothing, so that the caller need not remember.
    pub fn set_notice(&mut self, now: Instant, topic: Topic, severity: Severity, text: &str, outlet: &mut dyn Outlet) {
        let before = self.notices.iter().find(|(t, _, _)| *t == topic);
        if before.map_or(text.is_empty(), |(_, s, t)| (*s, t.as_str()) == (severity, text)) {
            return;
        }
        self.notices.retain(|(t, _, _)| *t != topic);
        if !text.is_empty() {
            self.notices.push((topic, severity, text.to_string()));
        }
        for viewer in &mut self.viewers {
            viewer.say(now, &ToPage::Notice { topic, severity, text }, outlet, &mut self.happened);
        }
        self.settle(now, outlet);
    }

    /// Says goodbye to everyone.
    pub fn close_all(&mut self, now: Instant, outlet: &mut dyn Outlet) {
        for viewer in &mut self.viewers {
            viewer.close(now, outlet);
        }
        self.settle(now, outlet);
    }

    /// Counters of all together; those of the socket are the caller's to add.
    pub fn link_stats(&self) -> LinkStats {
        let sent = self.viewers.iter().fold(self.sent_before, |sum, viewer| sum.plus(viewer.sent()));
        LinkStats { sent, ..self.stats }
    }

    /// How long frames were in each stage; [`Output::WindowEnded`] says when it is worth a look.
    pub fn stages(&self) -> &Stages {
        &self.stages
    }

    /// Keeps the stamps of the last frames from now on.
    pub fn keep_stamps(&mut self) {
        self.ring.get_or_insert_default();
    }

    /// A copy of the stamps that are kept, oldest first.
    pub fn kept_stamps(&self) -> Vec<Record> {
        self.ring.as_ref().map(Ring::records).unwrap_or_default()
    }

    /// Counters of each.
    pub fn viewer_stats(&self, now: Instant) -> Vec<ViewerStats> {
        self.viewers.iter().map(|v| v.stats(now)).collect()
    }

    /// The stream's profile, once known.
    pub fn profile(&self) -> Option<ProfileLevelId> {
        self.profile
    }

    /// What is about the picture goes after everybody's picture.
    fn say_after_frame(&mut self, now: Instant, outlet: &mut dyn Outlet) {
        for viewer in &mut self.viewers {
            viewer.tell_stamps(now, true, outlet, &mut self.happened);
            if std::mem::take(&mut viewer.began) && self.no_keyframes.is_some() {
                let withdrawn = ToPage::Notice { topic: Topic::Keyframe, severity: Severity::Info, text: "" };
                viewer.say(now, &withdrawn, outlet, &mut self.happened);
            }
        }
    }

    fn learn_profile(&mut self, now: Instant, frame: &[u8], outlet: &mut dyn Outlet) {
        let sps = nals(frame).find(|n| n.kind() == kind::SPS);
        let Some(profile) = sps.and_then(|n| ProfileLevelId::of_sps(n.bytes)) else { return };
        if let Some(before) = self.profile.replace(profile).filter(|p| *p != profile) {
            log::warn!("the stream changed its profile from {:06x} to {:06x}", before.0, profile.0);
        }
        for Pending { ticket, offer, .. } in std::mem::take(&mut self.pending) {
            self.admit(now, ticket, offer, profile, outlet);
        }
    }

    /// Finds the viewer a datagram is for and hands it over; false if there is none. A binding request names its viewer
    /// by ufrag; anything else is asked of the newest viewer first, since a reloaded page may reuse its port.
    fn route(
        &mut self,
        now: Instant,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
        outlet: &mut dyn Outlet,
    ) -> bool {
        let Ok(receive) = Receive::new(Protocol::Udp, source, destination, bytes) else { return false };
        let ufrag = (bytes[0] < 2).then(|| StunMessage::parse(bytes).ok()).flatten();
        let ufrag = ufrag.as_ref().and_then(StunMessage::split_username).map(|(ours, _)| ours);
        // A DTLS handshake record in the clear whose message is ClientHello (RFC 9147 sections 4 and 5.2).
        let client_hello = matches!(bytes, [22, _, _, 0, 0, ..]) && bytes.get(13) == Some(&1);
        let input = str0m::Input::Receive(now, receive);
        let found = self.viewers.iter_mut().rev().find(|viewer| match ufrag {
            Some(ufrag) => viewer.ufrag == ufrag && viewer.accepts(&input),
            // A browser that begins anew at this address may begin before our check has found it: no business of the
            // session it left behind.
            None => !(client_hello && viewer.is_secured()) && viewer.accepts(&input),
        });
        let (Some(viewer), str0m::Input::Receive(_, receive)) = (found, input) else { return false };
        viewer.handle_datagram(now, receive, outlet, &mut self.happened);
        true
    }

    /// Acts on what happened in viewers, frees the dead, and passes a merged wish on.
    fn settle(&mut self, now: Instant, outlet: &mut dyn Outlet) {
        while !self.happened.is_empty() {
            let mut happened = std::mem::take(&mut self.happened);
            for what in happened.drain(..) {
                match what {
                    Happened::Wish(why) => {
                        self.stats.keyframe_wishes += 1;
                        self.keyframes.wish(now, why);
                    }
                    Happened::Unknown => self.stats.messages_unknown += 1,
                    Happened::Hello => self.greet(now, outlet),
                    Happened::Path(source) => self.free_predecessors(now, source, outlet),
                }
            }
            if self.happened.is_empty() {
                // Nothing new: keep the memory for the next time.
                self.happened = happened;
                break;
            }
        }
        let before = self.viewers.len();
        self.viewers.retain(|viewer| {
            if !viewer.is_alive() {
                self.sent_before = self.sent_before.plus(viewer.sent());
            }
            viewer.is_alive()
        });
        let gone = before - self.viewers.len();
        if gone > 0 {
            self.stats.viewers_gone += gone as u64;
            log::info!("{gone} viewer(s) gone, {} left", self.viewers.len());
        }
        if self.viewers.is_empty() {
            self.keyframes.forget();
            return;
        }
        self.stages.watched(now);
        if self.keyframes.take_order(now) {
            self.stats.keyframe_orders += 1;
            self.outputs.push_back(Output::Order(Order::Keyframe));
        }
    }

    /// Tells a page that has just said hello what the others know already.
    fn greet(&mut self, now: Instant, outlet: &mut dyn Outlet) {
        for viewer in &mut self.viewers {
            let Some(build) = viewer.hello.take() else { continue };
            if build != self.options.build {
                log::info!("viewer {} runs the page of another build ({build:016x})", &viewer.session[..8]);
            }
            viewer.say(now, &ToPage::Hello { build: self.options.build }, outlet, &mut self.happened);
            for (topic, severity, text) in &self.notices {
                viewer.say(
                    now,
                    &ToPage::Notice { topic: *topic, severity: *severity, text },
                    outlet,
                    &mut self.happened,
                );
            }
            if let Some(text) = viewer.warning.take() {
                let notice = ToPage::Notice { topic: Topic::Link, severity: Severity::Warning, text: &text };
                viewer.say(now, &notice, outlet, &mut self.happened);
            }
            if let Some(why) = self.no_keyframes.filter(|_| viewer.waits()) {
                say_why_it_waits(viewer, now, why, outlet, &mut self.happened);
            }
        }
    }

    /// Two sessions cannot live at one address and port: where a new one has proven itself (it answered our check from
    /// there), the older is what a reloaded page left behind.
    fn free_predecessors(&mut self, now: Instant, source: SocketAddr, outlet: &mut dyn Outlet) {
        let mut newest_seen = false;
        for viewer in self.viewers.iter_mut().rev().filter(|v| v.remote == Some(source)) {
            if newest_seen {
                viewer.close(now, outlet);
            }
            newest_seen = true;
        }
    }
}

fn say_why_it_waits(
    viewer: &mut Viewer,
    now: Instant,
    why: &str,
    outlet: &mut dyn Outlet,
    happened: &mut Vec<Happened>,
) {
    let text = format!("Waiting for the next keyframe: {why}.");
    viewer.say(
        now,
        &ToPage::Notice { topic: Topic::Keyframe, severity: Severity::Info, text: &text },
        outlet,
        happened,
    );
}
