//! Where viewers are admitted, shown another way, and seen off: offers, PATCHes and goodbyes. The part of [`Viewers`] that
//! negotiates; the rest of it sends.

use std::time::{Duration, Instant};

use str0m::Candidate;

use super::{Pending, Viewers};
use crate::h264::ProfileLevelId;
use crate::link::answer::{self, Fragment};
use crate::link::outlet::Outlet;
use crate::link::request::{Answer, Offer, Output, Patch, Refused};
use crate::link::viewer::Viewer;
use crate::random;

/// An offer that comes before the stream has told its profile waits this long for it.
const PROFILE_WAIT: Duration = Duration::from_secs(1);

/// What a refused viewer is told to wait, in seconds: a seat may be free then.
const RETRY_AFTER_S: u32 = 5;

impl Viewers {
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

    fn answer(&mut self, ticket: u64, answer: Answer) {
        self.outputs.push_back(Output::Answer(ticket, answer));
    }

    pub(super) fn admit(
        &mut self,
        now: Instant,
        ticket: u64,
        offer: Offer,
        profile: ProfileLevelId,
        outlet: &mut dyn Outlet,
    ) {
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
                viewer.drain(now, outlet, &mut self.happened);
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
        let fragment = Fragment::parse(&patch.fragment).map_err(Refused::BadOffer)?;
        let matches = match patch.if_match.as_deref() {
            None => return Err(Refused::EtagMissing),
            Some("*") => true,
            Some(tag) => tag == etag(viewer),
        };
        if !matches {
            return Err(Refused::EtagMismatch);
        }
        // Other credentials than those offered: a restart. The same, or none: more candidates.
        let known = Fragment::parse(&viewer.offer).ok().and_then(|offered| offered.ufrag);
        let restart = fragment.ufrag.zip(fragment.pwd).filter(|(ufrag, _)| known != Some(ufrag));
        let Some((ufrag, pwd)) = restart else {
            for candidate in fragment.usable() {
                viewer.rtc().add_remote_candidate(candidate);
                viewer.drain(now, outlet, &mut self.happened);
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
        viewer.drain(now, outlet, &mut self.happened);
        log::info!("viewer {} looks for a new path", &viewer.session[..8]);
        Ok(Answer::Restarted { etag: etag(viewer), fragment: answer::restart_fragment(&answer) })
    }
}

/// The entity tag of a viewer's ICE session.
fn etag(viewer: &Viewer) -> String {
    format!("{}-{}", &viewer.session[..8], viewer.ice_generation)
}
