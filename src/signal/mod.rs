//! How a viewer and the car find each other: the page, WHEP, `/camera`, `/stats` and `/metrics` over HTTP. `gate` owns the public socket
//! and lets only whole, well-framed requests through to `http` (tiny_http in threads of its own); what they mean is
//! decided by `whep`, `camera`, `origin` and `page`, which are pure. `run.rs` takes requests and gives replies through
//! [`Signal`]; neither call waits. Never sees a frame.

mod answer;
mod camera;
mod gate;
mod http;
mod origin;
mod page;
mod priority;
mod secret;
mod whep;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;

pub use page::BUILD_ID;

/// What the program was told about signaling. No `Debug`: it holds a secret.
#[derive(Clone)]
pub struct Options {
    /// Public TCP address. `[::]:8080` means every address of both families; where IPv6 is off, `0.0.0.0:8080`.
    pub listen: SocketAddr,
    /// The Bearer token (RFC 6750) that `/whep` asks for; `None` lets everybody in.
    pub token: Option<String>,
    /// Origins besides our own whose pages may use `/whep`, as `http://name:port`; `*` stands for every origin.
    pub allow_origin: Vec<String>,
    /// Serves the page from this folder and not from the program, while developing.
    pub static_dir: Option<PathBuf>,
}

/// Names a request until it is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ticket(pub u64);

/// What a client wants. Answer it within 10 s, or the client hears 503.
#[derive(Debug)]
pub enum Request {
    /// POST /whep
    Offer {
        /// The body: UTF-8, not empty, at most 64 kB, otherwise unchecked.
        sdp: String,
        /// Who sent it; an IPv4 peer of the dual-stack socket is given as IPv4.
        peer: SocketAddr,
        /// Whether our own page sent it (same origin, and the header that only our page can send). A foreign page
        /// cannot claim this; a program on the network that is no browser can.
        own_page: bool,
        /// The address by which it reached us, if its Host field holds one.
        host: Option<IpAddr>,
    },
    /// PATCH /whep/SESSION: a trickle or ICE restart fragment (RFC 8840).
    Patch {
        /// The last part of the session's URL, as sent; letters, digits, `-` and `_`.
        session: String,
        /// `*`, or the entity-tag without its quotes; a weak or a listed tag comes as sent and so matches nothing.
        if_match: Option<String>,
        /// The body: UTF-8, at most 64 kB, otherwise unchecked.
        fragment: String,
    },
    /// DELETE /whep/SESSION
    Close {
        /// The last part of the session's URL, as sent.
        session: String,
    },
    /// GET /stats
    Stats,
    /// GET /metrics
    Metrics,
    /// GET /camera: how the camera is set.
    Camera,
    /// PATCH /camera
    ChangeCamera {
        /// The body: UTF-8, not empty, at most 64 kB, said to be JSON, otherwise unchecked.
        change: String,
    },
}

/// What the client is told.
#[derive(Debug)]
pub enum Reply {
    /// 201: a session was made.
    Created {
        /// The unguessable last part of its URL; letters, digits, `-` and `_`.
        session: String,
        /// The entity-tag of its ICE session, without quotes.
        etag: String,
        /// The answer.
        sdp: String,
    },
    /// 200: ICE was restarted.
    Restarted {
        /// The entity-tag of the new ICE session, without quotes.
        etag: String,
        /// The new credentials and candidates (application/trickle-ice-sdpfrag).
        fragment: String,
    },
    /// 204: the candidates were taken.
    Taken,
    /// 200: the session was closed.
    Closed,
    /// 200 application/json
    Json(String),
    /// 200 text/plain; version=0.0.4: Prometheus' text format
    Metrics(String),
    /// An error, with a sentence as text/plain.
    Refused(Refusal),
}

/// Why not.
#[derive(Debug)]
pub enum Refusal {
    /// 400: not a usable offer or fragment, or no JSON; a sentence for the person.
    BadOffer(String),
    /// 422: well-formed SDP that cannot be served, for instance without H.264, or JSON that says what no camera can;
    /// a sentence for the person.
    Unprocessable(String),
    /// 404
    UnknownSession,
    /// 428: a PATCH must name the ICE session it is for.
    EtagMissing,
    /// 412: the PATCH is for another ICE session than the present one.
    EtagMismatch,
    /// 503 with Retry-After.
    Busy {
        /// Seconds after which another try makes sense.
        retry_after_s: u32,
        /// A sentence for the person.
        sentence: String,
    },
}

/// The signaling side, as the loop sees it. Dropping it closes the listener and ends the threads.
pub struct Signal {
    requests: mpsc::Receiver<(Ticket, Request)>,
    replies: mpsc::Sender<(Ticket, Reply)>,
    local: SocketAddr,
    _gate: gate::Handle,
    _server: http::Handle,
}

impl Signal {
    /// Binds and starts the threads; `waker` is woken whenever [`Signal::next`] has something new.
    ///
    /// # Errors
    /// A sentence: which address could not be had, why, and what to do.
    pub fn start(options: Options, waker: Arc<mio::Waker>) -> io::Result<Self> {
        let listener = gate::Listener::bind(options.listen)?;
        let local = listener.local_addr();
        let (to_loop, requests) = mpsc::channel();
        let (replies, from_loop) = mpsc::channel();
        let entrance = Arc::new(gate::Entrance::random()?);
        let server = http::start(options, Arc::clone(&entrance), to_loop, from_loop, waker)?;
        let gate = gate::start(listener, entrance)?;
        Ok(Self { requests, replies, local, _gate: gate, _server: server })
    }

    /// The address that was bound: the port, where 0 was asked for, and 0.0.0.0 where IPv6 is off.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The next request, without waiting.
    #[allow(clippy::should_implement_trait, reason = "None means not now; an iterator's None would mean never again")]
    pub fn next(&mut self) -> Option<(Ticket, Request)> {
        self.requests.try_recv().ok()
    }

    /// Answers; never waits. Unknown tickets (answered before, or given up after 10 s) are ignored.
    pub fn reply(&mut self, ticket: Ticket, reply: Reply) {
        // An error means that the responder has ended, which it does only with this value or with the process.
        let _ = self.replies.send((ticket, reply));
    }
}
