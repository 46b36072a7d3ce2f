//! One viewer of the engine baseline: a str0m engine in frame mode, the way its examples use it, with the settings that
//! windshield negotiates (extensions, DTLS, H.264 alone, playout delay 0-0), so that only the way of sending differs.

use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;
use std::time::{Duration, Instant};

use str0m::change::SdpOffer;
use str0m::config::DtlsVersion;
use str0m::media::{Frequency, MediaTime, Mid, Pt};
use str0m::rtp::{Extension, ExtensionMap};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use windshield::h264::ProfileLevelId;
use windshield::link::Crypto;

/// One who watches.
pub struct Peer {
    /// Its engine.
    pub rtc: Rtc,
    /// When the engine wants to be called.
    pub timeout: Instant,
    /// When it was last heard.
    pub heard: Instant,
    connected: bool,
    video: Option<(Mid, Pt)>,
    live: bool,
}

impl Peer {
    /// Accepts an offer.
    ///
    /// # Errors
    /// A sentence.
    pub fn accept(
        now: Instant,
        sdp: &str,
        crypto: &Crypto,
        profile: ProfileLevelId,
        local: SocketAddr,
    ) -> Result<(Self, String), String> {
        let mut extensions = ExtensionMap::empty();
        extensions.set(4, Extension::RtpMid);
        extensions.set(14, Extension::PlayoutDelay);
        let mut config = crypto
            .configure(RtcConfig::new())
            .set_dtls_version(DtlsVersion::Auto)
            .set_extension_map(extensions)
            .set_stats_interval(Some(Duration::from_secs(1)))
            .clear_codecs();
        config.codec_config().add_h264(96.into(), Some(97.into()), true, profile.0);
        let mut rtc = config.build(now);
        rtc.add_local_candidate(Candidate::host(local, "udp").map_err(|e| e.to_string())?);
        let offer = SdpOffer::from_sdp_string(sdp).map_err(|e| e.to_string())?;
        let answer = rtc.sdp_api().accept_offer(offer).map_err(|e| e.to_string())?;
        let peer = Self { rtc, timeout: now, heard: now, connected: false, video: None, live: false };
        Ok((peer, answer.to_sdp_string()))
    }

    /// Sends a picture the engine's own way.
    pub fn write(&mut self, now: Instant, unit: &Arc<[u8]>, keyframe: bool, ticks: u64, socket: &UdpSocket) {
        if !self.connected || !(keyframe || self.live) {
            return;
        }
        let Some((mid, pt)) = self.video else { return };
        let Some(writer) = self.rtc.writer(mid) else { return };
        self.live = true;
        let zero = MediaTime::from_hundredths(0);
        let time = MediaTime::new(ticks, Frequency::NINETY_KHZ);
        if let Err(error) = writer.playout_delay(zero, zero).write(pt, now, time, Arc::clone(unit)) {
            eprintln!("a picture was refused: {error}");
        }
        self.turn(Input::Timeout(now), socket);
    }

    /// Feeds the engine and sends what it has to say, a call for each datagram.
    pub fn turn(&mut self, input: Input<'_>, socket: &UdpSocket) {
        if self.rtc.handle_input(input).is_err() {
            self.rtc.disconnect();
        }
        loop {
            match self.rtc.poll_output() {
                Ok(Output::Timeout(at)) => return self.timeout = at,
                // What the socket does not take is lost, as on any network.
                Ok(Output::Transmit(t)) => drop(socket.send_to(&t.contents, t.destination)),
                Ok(Output::Event(Event::Connected)) => self.connected = true,
                Ok(Output::Event(Event::MediaAdded(media))) => {
                    let pts = self.rtc.media(media.mid).map(|m| m.remote_pts().to_vec()).unwrap_or_default();
                    let param = self.rtc.codec_config().find(|p| pts.contains(&p.pt()));
                    self.video = param.map(|p| (media.mid, p.pt())).or(self.video);
                }
                Ok(Output::Event(_)) => {}
                Err(_) => return self.rtc.disconnect(),
            }
        }
    }
}
