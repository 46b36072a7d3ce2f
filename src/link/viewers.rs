//! All viewers: admits them, finds out whose a datagram is, hands each frame to everyone, and frees whoever is gone.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use str0m::Candidate;
use str0m::ice::StunMessage;
use str0m::net::{Protocol, Receive};

use super::Options;
use super::answer::{self, Fragment};
use super::crypto::Crypto;
use super::early::Early;
use super::keyframes::Keyframes;
use super::outlet::Outlet;
use super::packetize::Packetizer;
use super::viewer::{Happened, Viewer};
use crate::frame::{Frame, Obeyed, Order};
use crate::h264::{ProfileLevelId, kind, nals};
use crate::message::{Severity, ToPage, Topic};
use crate::random;
use crate::trace::{LinkStats, ViewerStats};

/// A viewer that sends nothing for this long is gone: its browser answers our checks at least once a second, and our page
/// beats at 1 Hz besides. str0m alone would notice after 14 to 24 s and keep sending.
pub const SILENCE: Duration = Duration::from_secs(5);

/// An offer that comes before the stream has told its profile waits this long for it.
const PROFILE_WAIT: Duration = Duration::from_secs(1);

/// What a refused viewer is told to wait, in seconds: a seat may be free then.
const RETRY_AFTER_S: u32 = 5;

/// An offer.
#[derive(Debug)]
pub struct Offer {
    /// SDP as posted.
    pub sdp: String,
    /// It was posted by our own page, so this viewer's messages count.
    pub own_page: bool,
    /// The address by which the viewer reached us, where its request tells: behind a forwarded port that is not one of
    /// this machine's own.
    pub host: Option<IpAddr>,
}

/// A PATCH.
#[derive(Debug)]
pub struct Patch {
    /// Which session.
    pub session: String,
    /// The If-Match header, unquoted; `*` for an ICE restart.
    pub if_match: Option<String>,
    /// The body, an SDP fragment.
    pub fragment: String,
}

/// The answer to a request.
#[derive(Debug)]
pub enum Answer {
    /// A viewer was admitted.
    Created {
        /// Names its resource.
        session: String,
        /// Names its ICE session.
        etag: String,
        /// The answer.
        sdp: String,
    },
    /// ICE was restarted.
    Restarted {
        /// Names the new ICE session.
        etag: String,
        /// Our new credentials and candidates.
        fragment: String,
    },
    /// Candidates were taken.
    Taken,
    /// The session is ended.
    Closed,
    /// No.
    Refused(Refused),
}

/// Why not.
#[derive(Debug, PartialEq, Eq)]
pub enum Refused {
    /// The offer cannot be read.
    BadOffer(String),
    /// The offer can be read but not served.
    Unprocessable(String),
    /// There is no such session.
    UnknownSession,
    /// A PATCH without If-Match.
    EtagMissing,
    /// A PATCH for an ICE session that is over.
    EtagMismatch,
    /// All seats are taken.
    Busy {
        /// Seconds after which asking again makes sense.
        retry_after_s: u32,
        /// What to tell the person.
        sentence: String,
    },
}

/// What comes out.
#[derive(Debug)]
pub enum Output {
    /// For the source.
    Order(Order),
    /// For whoever asked with this ticket.
    Answer(u64, Answer),
}

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
    pending: Vec<Pending>,
    early: Early,
    notices: Vec<(Topic, Severity, String)>,
    last_rtp_time: Option<u32>,
    outputs: VecDeque<Output>,
    happened: Vec<Happened>,
    stats: LinkStats,
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
            pending: Vec::new(),
            early: Early::default(),
            notices: Vec::new(),
            last_rtp_time: None,
            outputs: VecDeque::new(),
            happened: Vec::new(),
            stats: LinkStats::default(),
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
                let _ = viewer.drain(now, outlet, &mut self.happened);
            }
            for candidate in answer::candidates(&come, port) {
                viewer.rtc().add_local_candidate(candidate);
                let _ = viewer.drain(now, outlet, &mut self.happened);
            }
        }
        self.settle(now, outlet);
    }

    /// Somebody wants to watch. Answered by an [`Output::Answer`] with the same ticket, at the latest after a second.
    pub fn handle_offer(&mut self, now: Instant, ticket: u64, offer: Offer, outlet: &mut dyn Outlet) {
        if self.viewers.len() + self.pending.len() >= self.options.max_viewers {
            let sentence = format!("all {} seats are taken; try again in a few seconds", self.options.max_viewers);
            self.answer(ticket, Answer::Refused(Refused::Busy { retry_after_s: RETRY_AFTER_S, sentence }));
        } else if let Some(profile) = self.profile {
            self.admit(now, ticket, offer, profile, outlet);
        } else {
            self.pending.push(Pending { ticket, offer, until: now + PROFILE_WAIT });
        }
    }

    /// A viewer trickles candidates or restarts ICE.
    pub fn handle_patch(&mut self, now: Instant, ticket: u64, patch: Patch, outlet: &mut dyn Outlet) {
        let answer = match self.patch(now, &patch, outlet) {
            Ok(answer) => answer,
            Err(refused) => Answer::Refused(refused),
        };
        self.answer(ticket, answer);
        self.settle(now, outlet);
    }

    /// A viewer says goodbye.
    pub fn handle_close(&mut self, now: Instant, ticket: u64, session: &str, outlet: &mut dyn Outlet) {
        let answer = match self.viewers.iter_mut().find(|v| v.session == session) {
            Some(viewer) => {
                viewer.close(now, outlet);
                Answer::Closed
            }
            None => Answer::Refused(Refused::UnknownSession),
        };
        self.answer(ticket, answer);
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
        for viewer in &mut self.viewers {
            let waited = viewer.waits();
            viewer.send_frame(now, frame, rtp_time, payloads, outlet, &mut self.happened);
            if waited && !viewer.waits() && self.no_keyframes.is_some() {
                let withdrawn = ToPage::Notice { topic: Topic::Keyframe, severity: Severity::Info, text: "" };
                viewer.say(now, &withdrawn, outlet, &mut self.happened);
            }
        }
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
    }

    /// When [`Self::handle_timeout`] is due next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let viewers = self.viewers.iter().map(|v| v.poll_timeout().min(v.last_heard + SILENCE));
        let pending = self.pending.iter().map(|p| p.until);
        viewers.chain(pending).chain(self.keyframes.due()).min()
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
    pub fn set_notice(&mut self, now: Instant, topic: Topic, severity: Severity, text: &str, outlet: &mut dyn Outlet) {
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
        self.stats
    }

    /// Counters of each.
    pub fn viewer_stats(&self, now: Instant) -> Vec<ViewerStats> {
        self.viewers.iter().map(|v| v.stats(now)).collect()
    }

    /// The stream's profile, once known.
    pub fn profile(&self) -> Option<ProfileLevelId> {
        self.profile
    }

    fn answer(&mut self, ticket: u64, answer: Answer) {
        self.outputs.push_back(Output::Answer(ticket, answer));
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

    fn admit(&mut self, now: Instant, ticket: u64, offer: Offer, profile: ProfileLevelId, outlet: &mut dyn Outlet) {
        let answer = match self.negotiate(now, &offer, profile, outlet) {
            Ok((viewer, sdp)) => {
                log::info!(
                    "viewer {} joins ({} of {})",
                    &viewer.session[..8],
                    self.viewers.len() + 1,
                    self.options.max_viewers
                );
                let created = Answer::Created { session: viewer.session.clone(), etag: etag(&viewer), sdp };
                self.viewers.push(viewer);
                self.stats.viewers_admitted += 1;
                created
            }
            Err(refused) => Answer::Refused(refused),
        };
        self.answer(ticket, answer);
    }

    /// Answers with the stream's own profile; where that was not offered, as constrained baseline, with a warning: many
    /// decoders cope, and no picture at all is worse.
    fn negotiate(
        &mut self,
        now: Instant,
        offer: &Offer,
        profile: ProfileLevelId,
        outlet: &mut dyn Outlet,
    ) -> Result<(Viewer, String), Refused> {
        let fallback = ProfileLevelId::CONSTRAINED_BASELINE;
        for answered in [profile, fallback] {
            let parsed = answer::parse(&offer.sdp).map_err(Refused::BadOffer)?;
            let mut rtc = answer::engine(now, &self.crypto, answered);
            for candidate in answer::candidates(&self.addresses, self.options.port).chain(answer::reached_at(
                offer.host,
                &self.addresses,
                self.options.port,
            )) {
                rtc.add_local_candidate(candidate);
            }
            let sdp = rtc
                .sdp_api()
                .accept_offer(parsed)
                .map_err(|error| Refused::BadOffer(format!("the offer cannot be answered: {error}")))?
                .to_sdp_string();
            let mut viewer = Viewer::new(now, random::hex::<16>(), rtc, self.options.playout_delay);
            viewer.own_page = offer.own_page;
            if viewer.negotiated(offer.sdp.clone(), answer::video_mids(&sdp)) {
                if answered != profile {
                    let warning = format!(
                        "This browser does not offer the stream's H.264 profile ({:06x}); it may show nothing. \
                         Set the encoder to constrained baseline.",
                        profile.0
                    );
                    log::warn!("viewer {}: {warning}", &viewer.session[..8]);
                    viewer.warning = Some(warning);
                }
                let _ = viewer.drain(now, outlet, &mut self.happened);
                return Ok((viewer, sdp));
            }
        }
        Err(Refused::Unprocessable(
            "the offer has no video line that receives H.264 in packetization-mode 1; this program sends nothing else"
                .into(),
        ))
    }

    fn patch(&mut self, now: Instant, patch: &Patch, outlet: &mut dyn Outlet) -> Result<Answer, Refused> {
        let viewer = self.viewers.iter_mut().find(|v| v.session == patch.session).ok_or(Refused::UnknownSession)?;
        let fragment = Fragment::parse(&patch.fragment);
        let matches = match patch.if_match.as_deref() {
            None => return Err(Refused::EtagMissing),
            Some("*") => true,
            Some(tag) => tag == etag(viewer),
        };
        if !matches {
            return Err(Refused::EtagMismatch);
        }
        // Other credentials than those offered: a restart. The same, or none: more candidates.
        let known = Fragment::parse(&viewer.offer).ufrag;
        let restart = fragment.ufrag.zip(fragment.pwd).filter(|(ufrag, _)| known != Some(ufrag));
        let Some((ufrag, pwd)) = restart else {
            for candidate in fragment.usable() {
                viewer.rtc().add_remote_candidate(candidate);
                let _ = viewer.drain(now, outlet, &mut self.happened);
            }
            return Ok(Answer::Taken);
        };
        let usable: Vec<String> = fragment.usable().map(|c: Candidate| c.to_sdp_string()).collect();
        let usable: Vec<&str> = usable.iter().map(String::as_str).collect();
        let renewed = answer::with_credentials(&viewer.offer, ufrag, pwd, &usable);
        let parsed = answer::parse(&renewed).map_err(Refused::BadOffer)?;
        let answer = viewer
            .rtc()
            .sdp_api()
            .accept_offer(parsed)
            .map_err(|error| Refused::BadOffer(format!("ICE cannot be restarted: {error}")))?
            .to_sdp_string();
        viewer.negotiated(renewed, answer::video_mids(&answer));
        viewer.ice_generation += 1;
        let _ = viewer.drain(now, outlet, &mut self.happened);
        log::info!("viewer {} looks for a new path", &viewer.session[..8]);
        Ok(Answer::Restarted { etag: etag(viewer), fragment: answer::restart_fragment(&answer) })
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
        let input = str0m::Input::Receive(now, receive);
        let found = self.viewers.iter_mut().rev().find(|viewer| match ufrag {
            Some(ufrag) => viewer.ufrag == ufrag && viewer.accepts(&input),
            None => viewer.accepts(&input),
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
        self.viewers.retain(Viewer::is_alive);
        let gone = before - self.viewers.len();
        if gone > 0 {
            self.stats.viewers_gone += gone as u64;
            log::info!("{gone} viewer(s) gone, {} left", self.viewers.len());
        }
        if self.viewers.is_empty() {
            self.keyframes.forget();
        } else if self.keyframes.take_order(now) {
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

    /// Two sessions cannot live at one address and port: where a new one has proven itself (its check carried its
    /// credentials), the older is what a reloaded page left behind.
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

/// The entity tag of a viewer's ICE session.
fn etag(viewer: &Viewer) -> String {
    format!("{}-{}", &viewer.session[..8], viewer.ice_generation)
}
