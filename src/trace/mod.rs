//! What it cost: counters and the document behind `/stats`. A leaf that every slice may fill. Never allocates on the
//! frame path: a slice counts in plain integers and copies them out when somebody asks.

mod stages;

use serde::Serialize;

pub use stages::{Stage, Stages};

/// The whole of `/stats`. Counters run from the start of the program (for a viewer: of its session).
#[derive(Debug, Clone, Serialize)]
pub struct Stats {
    /// Program version.
    pub version: &'static str,
    /// Build id of the embedded page, hexadecimal.
    pub build: String,
    /// Seconds since the start of the program.
    pub uptime_s: f64,
    /// Where pictures come from.
    pub source: SourceStats,
    /// All datagrams together.
    pub link: LinkStats,
    /// One entry for each viewer that is there now.
    pub viewers: Vec<ViewerStats>,
}

impl Stats {
    /// The document.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("numbers, strings and lists: nothing that JSON lacks")
    }
}

/// The source and its encoder.
#[derive(Debug, Clone, Default, Serialize)]
pub struct SourceStats {
    /// `camera`, `encoder`, `rpicam-vid`, `demo`, `clip`, `pipe`.
    pub name: String,
    /// Why this one, in words.
    pub why: String,
    /// `running`, `waiting` (between attempts, or nothing came yet), `ended`.
    pub state: &'static str,
    /// What a person should know; empty when all is well.
    pub sentence: String,
    /// Frames lent.
    pub frames: u64,
    /// Of those, keyframes.
    pub keyframes: u64,
    /// Bytes of those frames.
    pub bytes: u64,
    /// Frames or bytes-without-frame that were thrown away before anyone saw them.
    pub dropped: u64,
    /// How often the source had to be started again.
    pub restarts: u64,
    /// What the stream says of itself: `WIDTHxHEIGHT` is left to the decoder; this is the profile-level-id, hexadecimal, once an SPS was seen.
    pub profile_level_id: Option<String>,
    /// Bits per second the encoder was last told to make; none where it cannot be told.
    pub bitrate: Option<u32>,
    /// Whether a keyframe can be ordered.
    pub keyframes_on_demand: bool,
}

/// Datagrams of all viewers.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct LinkStats {
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Of those, the ones that belong to no viewer or are no STUN, DTLS, RTP or RTCP.
    pub datagrams_in_unknown: u64,
    /// Datagrams the kernel took.
    pub datagrams_out: u64,
    /// Bytes of those, UDP payload.
    pub bytes_out: u64,
    /// System calls that sent them.
    pub send_calls: u64,
    /// Times the socket would have blocked; the rest of that frame was dropped.
    pub blocked: u64,
    /// Datagrams the kernel refused for another reason.
    pub send_errors: u64,
    /// Times a viewer wished for a keyframe (PLI, FIR, page watchdog, joining).
    pub keyframe_wishes: u64,
    /// Orders to the source that came of it.
    pub keyframe_orders: u64,
    /// Messages on data channels that were not understood.
    pub messages_unknown: u64,
    /// Viewers admitted since the start.
    pub viewers_admitted: u64,
    /// Viewers gone since the start.
    pub viewers_gone: u64,
}

/// One viewer.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ViewerStats {
    /// The last part of its WHEP resource, shortened: enough to tell viewers apart, not enough to end a session.
    pub session: String,
    /// Its address, once known.
    pub remote: Option<String>,
    /// `connecting`, `securing`, `waiting` (for a keyframe), `live`.
    pub state: &'static str,
    /// Seconds since its offer.
    pub age_s: f64,
    /// Whether its offer came from our own page.
    pub own_page: bool,
    /// Frames sent.
    pub frames: u64,
    /// Of those, keyframes.
    pub keyframes: u64,
    /// Frames that were not sent, or not wholly: the socket was full, or the viewer waited for a keyframe.
    pub frames_dropped: u64,
    /// RTP payloads written.
    pub packets: u64,
    /// Bytes of those.
    pub bytes: u64,
    /// Packets the viewer asked for again.
    pub nacks: u64,
    /// Picture loss indications.
    pub plis: u64,
    /// Full intra requests.
    pub firs: u64,
    /// Round trip in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Fraction lost, 0 to 1, as the viewer reports it.
    pub loss: Option<f32>,
}
