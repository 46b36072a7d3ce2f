//! WHEP (draft-ietf-wish-whep-02) as pure functions: an HTTP request becomes a [`Request`] for the loop or an answer,
//! and a [`Reply`] becomes an answer. Knows no sockets and no SDP. Where the draft is silent, RFC 9725 (WHIP) and
//! RFC 9110 count. Called by `http`.

use std::net::SocketAddr;

use super::answer::Answer;
use super::origin::{Origins, Sender, reached_at};
use super::secret;
use super::{Refusal, Reply, Request};

/// The endpoint; sessions live below it.
const ENDPOINT: &str = "/whep";
const SDP: &str = "application/sdp";
const FRAGMENT: &str = "application/trickle-ice-sdpfrag";
/// Seconds a browser may keep the answer to a preflight; a restart may change it, so it is short.
const PREFLIGHT_LIVES: &str = "600";
/// Longer names of sessions than this are not ours.
const SESSION_MAX: usize = 64;

/// An HTTP request, as far as it matters here.
#[derive(Debug, Clone)]
pub(super) struct Asked<'a> {
    pub(super) method: &'a str,
    /// Without the query.
    pub(super) path: &'a str,
    pub(super) host: &'a str,
    pub(super) origin: Option<&'a str>,
    pub(super) content_type: Option<&'a str>,
    pub(super) if_match: Option<&'a str>,
    pub(super) authorization: Option<&'a str>,
    /// The field that only our own page sends: a page of another origin would need our leave (CORS).
    pub(super) page: bool,
    pub(super) peer: SocketAddr,
    pub(super) body: &'a [u8],
}

/// What comes of a request.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is answered.
    Answer(Answer),
    /// The loop decides.
    Ask(Request),
}

/// Whether this path is for [`handle`].
pub(super) fn is_for_us(path: &str) -> bool {
    path == ENDPOINT || path.strip_prefix(ENDPOINT).is_some_and(|rest| rest.starts_with('/'))
}

/// Takes a request for the endpoint or a session. Its answer still needs [`cors`].
pub(super) fn handle(asked: &Asked<'_>, sender: Sender, token: Option<&str>) -> Outcome {
    let session = asked.path.strip_prefix(ENDPOINT).and_then(|rest| rest.strip_prefix('/'));
    let allow = match session {
        None => "GET, HEAD, OPTIONS, POST",
        Some(_) => "DELETE, GET, HEAD, OPTIONS, PATCH",
    };
    match (asked.method, session) {
        // A preflight carries no credentials, so it is answered to everyone.
        ("OPTIONS", None) => Outcome::Answer(Answer::empty(200).with("Allow", allow).with("Accept-Post", SDP)),
        ("OPTIONS", Some(_)) => Outcome::Answer(Answer::empty(200).with("Allow", allow).with("Accept-Patch", FRAGMENT)),
        // "MUST return a 2XX successful response with no content when a GET request is received", endpoint and sessions.
        ("GET" | "HEAD", _) => Outcome::Answer(Answer::empty(204)),
        ("POST", None) | ("PATCH" | "DELETE", Some(_)) => match permit(asked, sender, token) {
            Ok(()) => change(asked, sender, session),
            Err(answer) => Outcome::Answer(answer),
        },
        _ => Outcome::Answer(Answer::method_not_allowed(allow)),
    }
}

/// Whether the sender may change anything.
fn permit(asked: &Asked<'_>, sender: Sender, token: Option<&str>) -> Result<(), Answer> {
    if sender == Sender::Foreign {
        let origin = asked.origin.unwrap_or_default();
        let sentence = format!("Pages of {origin} may not use this server. To allow it: --allow-origin {origin}");
        return Err(Answer::sentence(403, &sentence));
    }
    bearer(asked, token)
}

/// Whether the request shows the token, where there is one.
pub(super) fn bearer(asked: &Asked<'_>, token: Option<&str>) -> Result<(), Answer> {
    let Some(token) = token else { return Ok(()) };
    // RFC 6750 section 2.1; the scheme's case does not matter (RFC 9110 section 11.1).
    let given = asked
        .authorization
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("Bearer"))
        .map(|(_, given)| given.trim());
    match given {
        Some(given) if secret::equal(given, token) => Ok(()),
        Some(_) => Err(Answer::sentence(401, "The token is wrong.")
            .with("WWW-Authenticate", "Bearer realm=\"windshield\", error=\"invalid_token\"")),
        None => Err(Answer::sentence(401, "This server asks for a token (Authorization: Bearer ...).")
            .with("WWW-Authenticate", "Bearer realm=\"windshield\"")),
    }
}

/// POST, PATCH and DELETE by somebody who may.
fn change(asked: &Asked<'_>, sender: Sender, session: Option<&str>) -> Outcome {
    let Some(session) = session else {
        return match text(asked, &[SDP]) {
            Ok(sdp) => {
                let own_page = sender == Sender::SameOrigin && asked.page;
                let host = reached_at(asked.host, asked.peer.ip());
                Outcome::Ask(Request::Offer { sdp, peer: asked.peer, own_page, host })
            }
            Err(answer) => Outcome::Answer(answer.with("Accept-Post", SDP)),
        };
    };
    let ours = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    if session.is_empty() || session.len() > SESSION_MAX || !session.bytes().all(ours) {
        return Outcome::Answer(self::answer(Reply::Refused(Refusal::UnknownSession)));
    }
    let session = session.to_owned();
    // "WHEP sessions MUST ignore any entity-tag value" of a DELETE.
    if asked.method == "DELETE" {
        return Outcome::Ask(Request::Close { session });
    }
    match text(asked, &[FRAGMENT]) {
        Ok(fragment) => Outcome::Ask(Request::Patch { session, if_match: asked.if_match.map(entity_tag), fragment }),
        Err(answer) => Outcome::Answer(answer.with("Accept-Patch", FRAGMENT)),
    }
}

/// The body, if it is of one of these types and text.
pub(super) fn text(asked: &Asked<'_>, types: &[&str]) -> Result<String, Answer> {
    let media_type = asked.content_type.map(|value| value.split(';').next().unwrap_or_default().trim());
    let wanted = types.join(" or ");
    if !media_type.is_some_and(|given| types.iter().any(|wanted| given.eq_ignore_ascii_case(wanted))) {
        let given = asked.content_type.unwrap_or("none");
        return Err(Answer::sentence(415, &format!("The Content-Type must be {wanted}; it is {given}.")));
    }
    match std::str::from_utf8(asked.body) {
        Ok("") => Err(Answer::sentence(400, &format!("The body is empty; it must be {wanted}."))),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(Answer::sentence(400, "The body is not UTF-8 text.")),
    }
}

/// An If-Match value as the loop compares it: `"abc"` without its quotes; `*` and all else as sent. A weak tag or a
/// list keeps its quotes, and so matches nothing (RFC 9110 section 13.1.1: strong comparison).
fn entity_tag(value: &str) -> String {
    let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).filter(|bare| !bare.contains('"'));
    bare.unwrap_or(value).to_owned()
}

/// The answer to what the loop says. Still needs [`cors`].
pub(super) fn answer(reply: Reply) -> Answer {
    match reply {
        Reply::Created { session, etag, sdp } => Answer::of(201, SDP, sdp)
            .with("Location", format!("{ENDPOINT}/{session}"))
            .with("ETag", format!("\"{etag}\""))
            .with("Accept-Patch", FRAGMENT),
        Reply::Restarted { etag, fragment } => Answer::of(200, FRAGMENT, fragment).with("ETag", format!("\"{etag}\"")),
        // "MUST NOT include an ETag header in the response."
        Reply::Taken => Answer::empty(204),
        Reply::Closed => Answer::empty(200),
        Reply::Json(json) => Answer::of(200, "application/json", json),
        // As Prometheus' documentation names it, "Exposition formats".
        Reply::Metrics(text) => Answer::of(200, "text/plain; version=0.0.4; charset=utf-8", text),
        Reply::Refused(refusal) => refused(refusal),
    }
}

fn refused(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::BadOffer(sentence) => Answer::sentence(400, &sentence),
        Refusal::Unprocessable(sentence) => Answer::sentence(422, &sentence),
        Refusal::UnknownSession => {
            Answer::sentence(404, "There is no such session; it has ended. Send a new offer to /whep.")
        }
        Refusal::EtagMissing => {
            Answer::sentence(428, "A PATCH needs If-Match: the ETag of the session's last answer, or * to restart ICE.")
        }
        Refusal::EtagMismatch => Answer::sentence(
            412,
            "This PATCH is for an earlier ICE session; take the ETag of the last answer, or * to restart ICE.",
        ),
        Refusal::Busy { retry_after_s, sentence } => {
            Answer::sentence(503, &sentence).with("Retry-After", retry_after_s.to_string())
        }
    }
}

/// The fields by which a browser lets the sender's page read the answer (Fetch standard, CORS protocol); a foreign
/// page gets none, and so sees nothing but a failure.
pub(super) fn cors(asked: &Asked<'_>, origins: &Origins) -> Vec<(&'static str, String)> {
    let allowed = match (origins.sender(asked.host, asked.origin), asked.origin) {
        (Sender::SameOrigin | Sender::Allowed, Some(origin)) => origin.to_owned(),
        (Sender::Anyone, _) => "*".to_owned(),
        // What is answered depends on Origin, also where it is missing.
        _ => return vec![("Vary", "Origin".to_owned())],
    };
    let mut fields = vec![
        ("Vary", "Origin".to_owned()),
        ("Access-Control-Allow-Origin", allowed),
        ("Access-Control-Expose-Headers", "Location, ETag, Link, Retry-After, Accept-Patch, Accept-Post".to_owned()),
    ];
    if asked.method == "OPTIONS" {
        fields.push(("Access-Control-Allow-Methods", "DELETE, GET, OPTIONS, PATCH, POST".to_owned()));
        fields.push(("Access-Control-Allow-Headers", "Authorization, Content-Type, If-Match".to_owned()));
        fields.push(("Access-Control-Max-Age", PREFLIGHT_LIVES.to_owned()));
    }
    fields
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn asked<'a>(method: &'a str, path: &'a str) -> Asked<'a> {
        Asked {
            method,
            path,
            host: "car.local:8080",
            origin: None,
            content_type: match method {
                "POST" => Some(SDP),
                "PATCH" => Some(FRAGMENT),
                _ => None,
            },
            if_match: None,
            authorization: None,
            page: false,
            peer: SocketAddr::from(([10, 0, 0, 1], 5000)),
            body: b"v=0\r\n",
        }
    }

    fn status(asked: &Asked<'_>, sender: Sender, token: Option<&str>) -> u16 {
        match handle(asked, sender, token) {
            Outcome::Answer(answer) => answer.status,
            Outcome::Ask(_) => 0,
        }
    }

    #[test]
    fn each_address_takes_its_own_methods() {
        for (path, allow, taken) in [
            ("/whep", "GET, HEAD, OPTIONS, POST", ["POST", "POST"]),
            ("/whep/s1", "DELETE, GET, HEAD, OPTIONS, PATCH", ["PATCH", "DELETE"]),
        ] {
            for method in ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"] {
                let asked = asked(method, path);
                let status = status(&asked, Sender::Program, None);
                let expected = match method {
                    "GET" | "HEAD" => 204,
                    "OPTIONS" => 200,
                    _ if taken.contains(&method) => 0,
                    _ => 405,
                };
                assert_eq!(status, expected, "{method} {path}");
                if let Outcome::Answer(answer) = handle(&asked, Sender::Program, None)
                    && status != 204
                {
                    assert_eq!(answer.header("allow"), Some(allow), "{method} {path}");
                }
            }
        }
        assert!(is_for_us("/whep") && is_for_us("/whep/x") && is_for_us("/whep/"));
        assert!(!is_for_us("/whepx") && !is_for_us("/") && !is_for_us("/app.js"));
    }

    #[test]
    fn only_our_own_page_counts_as_ours() {
        let own = |sender, page| match handle(&Asked { page, ..asked("POST", "/whep") }, sender, None) {
            Outcome::Ask(Request::Offer { own_page, .. }) => Some(own_page),
            _ => None,
        };
        assert_eq!(own(Sender::SameOrigin, true), Some(true));
        assert_eq!(own(Sender::SameOrigin, false), Some(false));
        for sender in [Sender::Program, Sender::Allowed, Sender::Anyone] {
            assert_eq!(own(sender, true), Some(false), "{sender:?}");
        }
        assert_eq!(own(Sender::Foreign, true), None);
    }

    #[test]
    fn a_token_is_asked_of_whoever_changes_something() {
        let with = |method, path, authorization| {
            status(&Asked { authorization, ..asked(method, path) }, Sender::Program, Some("s3cret"))
        };
        for (method, path) in [("POST", "/whep"), ("PATCH", "/whep/s1"), ("DELETE", "/whep/s1")] {
            assert_eq!(with(method, path, Some("Bearer s3cret")), 0, "{method}");
            assert_eq!(with(method, path, Some("bearer s3cret")), 0, "{method}");
            for wrong in [None, Some("Bearer"), Some("Bearer "), Some("Bearer s3cre"), Some("Bearer s3cret5")] {
                assert_eq!(with(method, path, wrong), 401, "{method} {wrong:?}");
            }
            assert_eq!(with(method, path, Some("Basic s3cret")), 401);
        }
        assert_eq!(with("OPTIONS", "/whep", None), 200, "a preflight carries no token");
    }

    #[test]
    fn the_wrong_type_no_body_and_no_text_are_refused() {
        let post =
            |content_type, body| status(&Asked { content_type, body, ..asked("POST", "/whep") }, Sender::Program, None);
        assert_eq!(post(Some("Application/SDP; charset=utf-8"), b"v=0"), 0);
        assert_eq!(post(Some("application/sdpx"), b"v=0"), 415);
        assert_eq!(post(Some("application/json"), b"v=0"), 415);
        assert_eq!(post(None, b"v=0"), 415);
        assert_eq!(post(Some(SDP), b""), 400);
        assert_eq!(post(Some(SDP), b"v=\xff"), 400);
        assert_eq!(
            status(&Asked { content_type: Some(SDP), ..asked("PATCH", "/whep/s1") }, Sender::Program, None),
            415
        );
    }

    #[test]
    fn names_that_no_session_can_have_are_unknown() {
        let long = format!("/whep/{}", "a".repeat(65));
        for path in ["/whep/", "/whep/a/b", "/whep/a%2fb", "/whep/..", "/whep/a\"", &long] {
            assert_eq!(status(&asked("DELETE", path), Sender::Program, None), 404, "{path}");
        }
    }

    #[test]
    fn an_entity_tag_loses_its_quotes_and_only_a_strong_one() {
        for (sent, given) in [
            ("\"abc\"", "abc"),
            ("*", "*"),
            ("abc", "abc"),
            ("W/\"abc\"", "W/\"abc\""),
            ("\"a\", \"b\"", "\"a\", \"b\""),
        ] {
            let asked = Asked { if_match: Some(sent), ..asked("PATCH", "/whep/s1") };
            match handle(&asked, Sender::Program, None) {
                Outcome::Ask(Request::Patch { if_match, .. }) => assert_eq!(if_match.as_deref(), Some(given)),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn a_page_reads_the_answer_only_where_its_origin_may() {
        let origins = Origins::new("car", &["http://player.example".to_owned()]);
        let allowed = |origin| {
            let fields = cors(&Asked { origin, ..asked("OPTIONS", "/whep") }, &origins);
            assert!(fields.contains(&("Vary", "Origin".to_owned())));
            fields.iter().find(|(name, _)| *name == "Access-Control-Allow-Origin").map(|(_, value)| value.clone())
        };
        assert_eq!(allowed(Some("http://player.example")).as_deref(), Some("http://player.example"));
        assert_eq!(allowed(Some("http://car.local:8080")).as_deref(), Some("http://car.local:8080"));
        assert_eq!(allowed(Some("http://evil.example")), None);
        assert_eq!(allowed(None), None);
        assert_eq!(status(&asked("POST", "/whep"), Sender::Foreign, None), 403);
    }
}
