//! From a viewer's offer to an engine and an answer: which profile is answered, which extensions, and what a PATCH means
//! (RFC 8840 fragments: more candidates, or new credentials = ICE restart). Pure: text in, text and an `Rtc` out.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use str0m::change::SdpOffer;
use str0m::config::DtlsVersion;
use str0m::rtp::{Extension, ExtensionMap};
use str0m::{Candidate, Rtc, RtcConfig};

use super::crypto::Crypto;
use crate::h264::ProfileLevelId;

/// Our own checks of a path are repeated at least this often, so that a living viewer answers something within the
/// silence that frees it.
const MAX_STUN_RTO: Duration = Duration::from_secs(1);

/// Statistics of round trip and loss for `/stats`.
const STATS_INTERVAL: Duration = Duration::from_secs(1);

/// Bytes of an ICE user name fragment at most. RFC 8839 section 5.4 allows 256, but str0m writes both names and a colon
/// into 128 bytes (its own has 16) and panics when they do not fit. Nobody's browser has more than 32.
const LONGEST_UFRAG: usize = 100;

/// Media sections at most: each that takes our stream costs a resend store of its own. A browser that watches has two.
const MOST_SECTIONS: usize = 32;

/// Payload types before the offer's own numbers replace them.
const PT: u8 = 96;
const PT_RTX: u8 = 97;

/// A new engine with the settings all viewers share. `profile` is what the stream is.
pub fn engine(now: Instant, crypto: &Crypto, profile: ProfileLevelId) -> Rtc {
    // What is not negotiated costs no bytes in each packet: only mid (BUNDLE needs it until the first report) and the
    // playout delay, none of the congestion-control extensions while no bandwidth estimate is made.
    let mut extensions = ExtensionMap::empty();
    extensions.set(4, Extension::RtpMid);
    extensions.set(14, Extension::PlayoutDelay);
    let mut config = crypto
        .configure(RtcConfig::new())
        .set_dtls_version(DtlsVersion::Auto)
        .set_extension_map(extensions)
        .set_stats_interval(Some(STATS_INTERVAL))
        .set_rtp_mode(true)
        .clear_codecs();
    config.set_max_stun_rto(MAX_STUN_RTO);
    config.codec_config().add_h264(PT.into(), Some(PT_RTX.into()), true, profile.0);
    config.build(now)
}

/// Host candidates of this machine, one for each address.
pub fn candidates(addresses: &[IpAddr], port: u16) -> impl Iterator<Item = Candidate> + '_ {
    addresses.iter().filter_map(move |&ip| match Candidate::host(SocketAddr::new(ip, port), "udp") {
        Ok(candidate) => Some(candidate),
        Err(error) => {
            log::debug!("{ip} is no candidate: {error}");
            None
        }
    })
}

/// The address by which a viewer reached our page, when it is none of `addresses`: loopback is offered as it is (only to
/// those who came that way), anything else is the outside of a forwarded port.
pub fn reached_at(host: Option<IpAddr>, addresses: &[IpAddr], port: u16) -> Option<Candidate> {
    let host = host.filter(|ip| !addresses.contains(ip) && !ip.is_unspecified() && !ip.is_multicast())?;
    if host.is_loopback() {
        return Candidate::host(SocketAddr::new(host, port), "udp").ok();
    }
    let base = addresses.iter().find(|a| a.is_ipv4() == host.is_ipv4())?;
    Candidate::server_reflexive(SocketAddr::new(host, port), SocketAddr::new(*base, port), "udp").ok()
}

/// Reads an offer. The error is a sentence.
pub fn parse(sdp: &str) -> Result<SdpOffer, String> {
    if sdp.trim().is_empty() {
        return Err("the offer is empty; POST the SDP of createOffer() as application/sdp".into());
    }
    bearable(sdp)?;
    SdpOffer::from_sdp_string(sdp).map_err(|error| format!("the offer is not SDP that can be read: {error}"))
}

/// Refuses what str0m's parser takes and its engine then panics at, or what is out of all proportion.
fn bearable(sdp: &str) -> Result<(), String> {
    let mut sections = 0;
    let mut mapped = [false; 256];
    for line in sdp.lines() {
        if line.starts_with("m=") {
            sections += 1;
            mapped.fill(false);
            if sections > MOST_SECTIONS {
                return Err(format!("the offer has more than {MOST_SECTIONS} media lines; one for video is enough"));
            }
        } else if let Some(ufrag) = line.strip_prefix("a=ice-ufrag:") {
            if ufrag.len() > LONGEST_UFRAG {
                let len = ufrag.len();
                return Err(format!("the offer's ice-ufrag has {len} bytes; at most {LONGEST_UFRAG} can be used"));
            }
        } else if let Some(map) = line.strip_prefix("a=rtpmap:")
            // As a number, as the engine sees it: 096 is 96.
            && let Some(pt) = map.split(' ').next().and_then(|pt| pt.parse::<u8>().ok())
            && std::mem::replace(&mut mapped[usize::from(pt)], true)
        {
            // A type that is its own retransmission would be claimed twice.
            return Err(format!(
                "the offer maps payload type {pt} twice in one media section; once is all it can mean"
            ));
        }
    }
    Ok(())
}

/// The body of a PATCH (RFC 8840 section 4): credentials and candidates.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Fragment<'a> {
    /// a=ice-ufrag
    pub ufrag: Option<&'a str>,
    /// a=ice-pwd
    pub pwd: Option<&'a str>,
    /// a=candidate lines, without `a=`
    pub candidates: Vec<&'a str>,
}

impl<'a> Fragment<'a> {
    /// Reads what is known and passes over the rest; more candidates than a browser has are ignored. The error is a
    /// sentence: a line that is no SDP (RFC 8866 section 5: one letter, `=`, a value).
    pub fn parse(text: &'a str) -> Result<Self, String> {
        const MOST: usize = 64;
        let mut fragment = Self::default();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            if !matches!(line.as_bytes(), [b'a'..=b'z', b'=', ..]) {
                let shown: String = line.chars().take(40).collect();
                return Err(format!("the fragment is no SDP: {shown:?} is not of the form x=..."));
            }
            if let Some(ufrag) = line.strip_prefix("a=ice-ufrag:") {
                fragment.ufrag = Some(ufrag);
            } else if let Some(pwd) = line.strip_prefix("a=ice-pwd:") {
                fragment.pwd = Some(pwd);
            } else if line.starts_with("a=candidate:") && fragment.candidates.len() < MOST {
                fragment.candidates.push(&line[2..]);
            }
        }
        Ok(fragment)
    }

    /// Those candidates that can be used: names ending in .local hide an address that is learned from the viewer's
    /// own checks (RFC 8839 mDNS candidates), and are passed over.
    pub fn usable(&self) -> impl Iterator<Item = Candidate> + '_ {
        self.candidates.iter().filter_map(|line| Candidate::from_sdp_string(line).ok())
    }
}

/// The original offer with other credentials and candidates: what an ICE restart would have offered (str0m restarts when
/// an offer comes with changed credentials).
pub fn with_credentials(offer: &str, ufrag: &str, pwd: &str, candidates: &[&str]) -> String {
    let mut out = String::with_capacity(offer.len() + 256);
    let mut media_lines = 0;
    for line in offer.lines() {
        if line.starts_with("a=candidate:") || line.starts_with("a=end-of-candidates") {
            continue;
        }
        let line = match line {
            l if l.starts_with("a=ice-ufrag:") => format!("a=ice-ufrag:{ufrag}"),
            l if l.starts_with("a=ice-pwd:") => format!("a=ice-pwd:{pwd}"),
            l => l.to_string(),
        };
        // Candidates go to the end of the first media section, which is where the second begins.
        if line.starts_with("m=") {
            media_lines += 1;
            if media_lines == 2 {
                push_candidates(&mut out, candidates);
            }
        }
        let _ = write!(out, "{line}\r\n");
    }
    if media_lines == 1 {
        push_candidates(&mut out, candidates);
    }
    out
}

fn push_candidates(out: &mut String, candidates: &[&str]) {
    for candidate in candidates {
        let _ = write!(out, "a={candidate}\r\n");
    }
}

/// The mids of an answer's accepted video lines: a refused one has port 0 (RFC 3264 section 6).
pub fn video_mids(answer: &str) -> impl Iterator<Item = &str> {
    let mut accepted = false;
    answer.lines().filter_map(move |line| {
        if line.starts_with("m=") {
            accepted = line.starts_with("m=video ") && !line.starts_with("m=video 0 ");
        }
        line.strip_prefix("a=mid:").filter(|_| accepted)
    })
}

/// The fragment that answers an ICE restart: our new credentials and candidates, taken from the full answer.
pub fn restart_fragment(answer: &str) -> String {
    let mut out = String::new();
    let mut in_first = false;
    for line in answer.lines() {
        let first_media = line.starts_with("m=") && !in_first;
        if line.starts_with("m=") && in_first {
            break;
        }
        in_first |= first_media;
        let wanted = ["a=ice-ufrag:", "a=ice-pwd:", "a=mid:", "a=candidate:", "a=end-of-candidates"];
        if first_media || wanted.iter().any(|w| line.starts_with(w)) {
            let _ = write!(out, "{line}\r\n");
        }
    }
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const OFFER: &str = "v=0\r\nm=video 9 X 96\r\na=ice-ufrag:old\r\na=ice-pwd:oldpwd\r\na=candidate:1 1 udp 1 1.2.3.4 5 typ host\r\nm=application 9 X y\r\na=ice-ufrag:old\r\na=ice-pwd:oldpwd\r\n";

    #[test]
    fn a_restart_keeps_the_offer_and_changes_who_asks() {
        let new = with_credentials(OFFER, "new", "newpwd", &["candidate:2 1 udp 1 5.6.7.8 9 typ host"]);
        assert_eq!(
            new,
            "v=0\r\nm=video 9 X 96\r\na=ice-ufrag:new\r\na=ice-pwd:newpwd\r\na=candidate:2 1 udp 1 5.6.7.8 9 typ host\r\nm=application 9 X y\r\na=ice-ufrag:new\r\na=ice-pwd:newpwd\r\n"
        );
    }

    #[test]
    fn a_fragment_with_nonsense_yields_what_sense_it_has() {
        let text = "a=ice-ufrag:u\r\na=ice-pwd:p\r\nm=x\r\na=candidate:1 1 udp 1 abc.local 5 typ host\r\na=candidate:1 1 udp 2113937151 10.0.0.1 5000 typ host\r\na=candidate:\r\n";
        let fragment = Fragment::parse(text).unwrap();
        assert_eq!((fragment.ufrag, fragment.pwd, fragment.candidates.len()), (Some("u"), Some("p"), 3));
        assert_eq!(fragment.usable().count(), 1);
    }

    #[test]
    fn what_the_engine_would_panic_at_is_refused_before_it_sees_it() {
        assert!(bearable("m=video\r\na=rtpmap:96 H264/90000\r\nm=video\r\na=rtpmap:96 H264/90000\r\n").is_ok());
        assert!(bearable("m=video\r\na=rtpmap:96 H264/90000\r\na=rtpmap:+096 rtx/90000\r\n").is_err());
        assert!(bearable(&format!("a=ice-ufrag:{}", "u".repeat(LONGEST_UFRAG))).is_ok());
        assert!(bearable(&format!("a=ice-ufrag:{}", "u".repeat(LONGEST_UFRAG + 1))).is_err());
        assert!(bearable(&"m=audio\n".repeat(MOST_SECTIONS)).is_ok());
        assert!(bearable(&"m=audio\n".repeat(MOST_SECTIONS + 1)).is_err());
    }

    #[test]
    fn the_answer_to_a_restart_is_the_first_section_alone() {
        let answer = "v=0\r\nm=video 9 X 96\r\na=mid:0\r\na=rtcp-mux\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=candidate:c\r\nm=application\r\na=ice-ufrag:u\r\n";
        assert_eq!(
            restart_fragment(answer),
            "m=video 9 X 96\r\na=mid:0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\na=candidate:c\r\n"
        );
    }
}
