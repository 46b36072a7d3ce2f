//! windshield: drive a small car from a browser by what its camera sees, over Wi-Fi or 4G, with picture and steering
//! together under 100 ms. At 50 km/h, 100 ms are 1.4 m of road.
//!
//! This text is the architecture. The binary (`main.rs`) is a table of contents; everything else is here, so that tests,
//! benches and tools reach the parts.
//!
//! # Bird's eye
//!
//! One thread does everything that moves: it waits in [`run`], the only place that waits and reads the clock, and turns
//! what happened into calls of machines that know neither sockets nor time. H.264 comes in from a [`video`] source, is cut
//! into RTP payloads once, and is encrypted and sent to each viewer by [`link`]. Viewers find the car over HTTP in
//! [`signal`], whose threads hand complete requests over through one channel and a waker. Other threads exist only where a
//! library blocks (tiny_http, the demo's encoder); they hold nothing of the loop.
//!
//! # The way of a frame
//!
//! ```text
//! source readable (epoll) -> Source lends Frame {bytes in the source's buffer}        stamps: captured, dequeued
//!   -> Packetizer: Arc<[u8]> per RTP payload: THE ONE COPY OF OURS, shared by all viewers          packetized
//!   -> each Viewer: write_rtp for each payload, time moves, drain: RTP header, SRTP             protected
//!      (the engine's two copies)
//!   -> Outbox: one sendmmsg a viewer; runs of equal datagrams are one UDP_SEGMENT message, an iovec each      sent
//! buffer back to the source; stamps to the histograms, and in batches to the page
//! ```
//!
//! A frame of n payloads for N viewers costs n * (1 + N) allocations (an `Arc` a payload; the engine's output for each
//! viewer) and N system calls. If the socket would block in mid-frame, the rest of that frame is dropped, a keyframe is
//! ordered, and that viewer is sent nothing until it comes: half a picture is never shown, an old one never queued.
//!
//! # What it cost
//!
//! Each frame carries [`frame::Stamps`], integers on `CLOCK_MONOTONIC`, for each viewer: captured (the driver's stamp, as
//! true as it can be made), encoding, dequeued, packetized, protected, sent. They fill [`trace::Stages`] and go to the
//! page five times a second over the channel that repeats nothing. The page joins them with what the browser tells of each
//! shown frame by RTP timestamp, which is the capture time in 90 kHz, and with its own clock by the shortest round trip of
//! its heartbeats. `now` stands still within a turn, so the two or three stamps made inside one are read through
//! [`link::Outlet::clock`], which in tests is virtual.
//!
//! # The way back
//!
//! ```text
//! datagram -> Inbox (recvmmsg) -> Viewers: whose is it? a STUN request names its viewer by ufrag,
//!             anything else is offered to the newest viewer first -> Viewer -> its engine
//!   PLI, FIR, the page's watchdog, a new viewer, a cut frame -> Keyframes (merged, spaced) -> Order -> Source
//!   data channels -> message::FromPage (hello, heartbeat, keyframe wish); only from sessions of our own page
//! request  -> gate -> tiny_http -> channel -> run -> Viewers::handle_offer .. -> Output::Answer -> the same way back
//! ```
//!
//! # Code map
//!
//! | where | what | never |
//! |---|---|---|
//! | [`config`], [`help`] | what was typed -> what it means; every default with its reason | touches the world |
//! | [`banner`], [`host`] | what a person reads at start; what the banner wants to know of this machine | decides |
//! | [`doctor`] | what on this machine keeps the picture from being fast, with the fix | runs beside the loop |
//! | [`board`] | EDGE power and heat of a Raspberry Pi, told to pages when they change | decides |
//! | [`notify`] | EDGE tells systemd that we are ready and alive | waits |
//! | [`run`] | EDGE the loop: owns the slices and carries values between them | holds policy |
//! | [`video`] | pictures in: `camera`, `encoder`, `rpicam`, `clip`, `pipe`, `demo` behind the seam [`video::Source`]; `auto` chooses | sees a socket |
//! | [`link`] | packets out and in: `packetize`, `viewer`, `viewers`, `udp` | sees a device |
//! | [`signal`] | how viewer and car find each other: `gate` before `http`; `whep`, `camera`, `origin`, `page` | sees a frame |
//! | [`frame`], [`message`], [`h264`] | the words that slices share | do I/O |
//! | [`clock`], [`random`] | EDGE leaves: CLOCK_MONOTONIC as a number, names nobody can guess | are read by logic |
//! | [`trace`] | what it cost: counters, time in each stage, `/stats`, `/metrics`, a line in the log | allocates on the frame path |
//! | `static/` | the page: plain ES modules, the session knows no DOM | needs a build step |
//!
//! `h264` stands beside `frame` and not in `video`, because both video (where does a picture end?) and link (what is a
//! NAL unit?) read the stream. `signal` and `link` each have their own words for an offer and its answer, and `run`
//! translates: neither slice knows the other.
//!
//! # What stays true
//!
//! - Imports point one way: `main -> run -> {video, link, signal} -> {frame, message, h264, trace, clock, random}`. No slice
//!   imports another; `tests/house.rs` holds it.
//! - Only files that begin with `//! EDGE` touch sockets, files, threads, the clock or randomness. Everything else takes `now`
//!   as an argument, so whole days pass in a test in a moment, the same way each time.
//! - Machines have the same methods: `handle_*(now, ..)` takes something in, `poll_output` gives something out, `poll_timeout`
//!   says when to call `handle_timeout`.
//! - A lost camera, network or viewer is a state with a sentence, not an exit. Network input never panics: release builds
//!   abort on panic, and a car must not stop because somebody sent a strange packet.
//! - A turn of the loop goes in the order of harm: datagrams in, the picture, those who want to join.

pub mod banner;
pub mod board;
pub mod clock;
pub mod config;
pub mod doctor;
pub mod frame;
pub mod h264;
pub mod help;
pub mod host;
pub mod link;
pub mod message;
pub mod notify;
pub mod random;
pub mod run;
pub mod signal;
pub mod trace;
pub mod video;
