//! What it cost: counters, the documents behind `/stats` and `/metrics`, and the line in the log. A leaf that every
//! slice may fill. Never allocates on the frame path: a slice counts in plain integers and copies them out when asked.

mod digest;
mod events;
mod file;
mod metrics;
mod ring;
mod stages;

use serde::Serialize;

pub use digest::Digest;
pub use file::TraceFile;
pub use metrics::metrics;
pub use ring::{Record, Ring};
pub use stages::{Durations, Percentiles, Stage, StageStats, Stages, WINDOW};

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
    /// How long frames were in each stage of their way through the car.
    pub stages: Vec<StageStats>,
    /// Power and heat; none where nothing tells of them.
    pub board: Option<BoardStats>,
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
    /// What was sent to viewers, those who are gone among them.
    #[serde(flatten)]
    pub sent: Sent,
}

/// What was sent to one viewer, or to all there ever were.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Sent {
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
}

impl Sent {
    /// Both together.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            frames: self.frames + other.frames,
            keyframes: self.keyframes + other.keyframes,
            frames_dropped: self.frames_dropped + other.frames_dropped,
            packets: self.packets + other.packets,
            bytes: self.bytes + other.bytes,
            nacks: self.nacks + other.nacks,
            plis: self.plis + other.plis,
            firs: self.firs + other.firs,
        }
    }
}

/// Power and heat of the board at this moment; each none where nothing tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct BoardStats {
    /// The supply is, or within two seconds was, below 4.63 V.
    pub undervoltage: Option<bool>,
    /// The firmware slows the processor down for want of voltage or for heat.
    pub throttled: Option<bool>,
    /// The firmware holds the processor's clock below its maximum.
    pub clock_capped: Option<bool>,
    /// The chip is at its temperature limit.
    pub too_warm: Option<bool>,
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
    /// What was sent to it.
    #[serde(flatten)]
    pub sent: Sent,
    /// Round trip in milliseconds.
    pub rtt_ms: Option<f64>,
    /// Fraction lost, 0 to 1, as the viewer reports it.
    pub loss: Option<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A car that has just started.
    pub(super) fn stats() -> Stats {
        Stats {
            version: "0.0.0",
            build: "0123456789abcdef".into(),
            uptime_s: 1.5,
            source: SourceStats::default(),
            link: LinkStats::default(),
            stages: Vec::new(),
            board: None,
            viewers: Vec::new(),
        }
    }
}
