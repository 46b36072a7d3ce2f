//! What a viewer asks of the link and what it is told: the words of WHEP without HTTP. `run` translates them to and from
//! `signal`, since the two slices do not know each other.

use std::net::IpAddr;

use crate::frame::Order;

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
    /// The time that stages were measured over is over: see [`crate::trace::Stages::last_window`].
    WindowEnded,
}
