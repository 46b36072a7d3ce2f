//! `/camera` as pure functions: GET tells how the camera is set, PATCH sets it while it runs (RFC 5789, with a JSON
//! merge patch, RFC 7396, as the body). What the keys mean is the video slice's matter: here is who may ask, and in
//! which form. Called by `http`.

use super::Request;
use super::answer::Answer;
use super::origin::Sender;
use super::whep::{Asked, Outcome, bearer, text};

/// The one address.
pub(super) const PATH: &str = "/camera";
const METHODS: &str = "GET, HEAD, OPTIONS, PATCH";
/// A merge patch, under its own name and under the one that everybody's client sends by itself.
const TYPES: [&str; 2] = ["application/merge-patch+json", "application/json"];
const ACCEPT_PATCH: &str = "application/merge-patch+json, application/json";

/// Takes a request for [`PATH`]. No page of another origin is told anything (the answers carry no CORS fields), and
/// none may change anything: `--allow-origin` lets pages show the picture, not turn it upside down.
pub(super) fn handle(asked: &Asked<'_>, sender: Sender, token: Option<&str>) -> Outcome {
    match asked.method {
        "OPTIONS" => Outcome::Answer(Answer::empty(200).with("Allow", METHODS).with("Accept-Patch", ACCEPT_PATCH)),
        // As open as /stats.
        "GET" | "HEAD" => Outcome::Ask(Request::Camera),
        "PATCH" => match permit(asked, sender, token).and_then(|()| change(asked)) {
            Ok(change) => Outcome::Ask(Request::ChangeCamera { change }),
            Err(answer) => Outcome::Answer(answer),
        },
        _ => Outcome::Answer(Answer::method_not_allowed(METHODS)),
    }
}

fn permit(asked: &Asked<'_>, sender: Sender, token: Option<&str>) -> Result<(), Answer> {
    match sender {
        Sender::Program | Sender::SameOrigin => bearer(asked, token),
        Sender::Allowed | Sender::Anyone | Sender::Foreign => {
            let origin = asked.origin.unwrap_or_default();
            let sentence = format!("Pages of {origin} may not change the camera; this server's own page may.");
            Err(Answer::sentence(403, &sentence))
        }
    }
}

fn change(asked: &Asked<'_>) -> Result<String, Answer> {
    text(asked, &TYPES).map_err(|answer| answer.with("Accept-Patch", ACCEPT_PATCH))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn asked(method: &str) -> Asked<'_> {
        Asked {
            method,
            path: PATH,
            host: "car.local:8080",
            origin: None,
            content_type: Some("application/json"),
            if_match: None,
            authorization: None,
            page: false,
            peer: SocketAddr::from(([10, 0, 0, 1], 5000)),
            body: b"{\"hflip\":true}",
        }
    }

    fn status(asked: &Asked<'_>, sender: Sender, token: Option<&str>) -> u16 {
        match handle(asked, sender, token) {
            Outcome::Answer(answer) => answer.status,
            Outcome::Ask(_) => 0,
        }
    }

    #[test]
    fn only_programs_and_our_own_page_may_change_the_camera() {
        for (sender, expected) in [
            (Sender::Program, 0),
            (Sender::SameOrigin, 0),
            (Sender::Allowed, 403),
            (Sender::Anyone, 403),
            (Sender::Foreign, 403),
        ] {
            assert_eq!(status(&asked("PATCH"), sender, None), expected, "{sender:?}");
            assert_eq!(status(&asked("GET"), sender, None), 0, "reading harms nobody; its answer has no CORS fields");
        }
    }

    #[test]
    fn a_token_is_asked_of_whoever_changes_the_camera() {
        let with = |method, authorization| {
            status(&Asked { authorization, ..asked(method) }, Sender::SameOrigin, Some("s3cret"))
        };
        assert_eq!((with("PATCH", None), with("PATCH", Some("Bearer wrong"))), (401, 401));
        assert_eq!((with("PATCH", Some("Bearer s3cret")), with("GET", None)), (0, 0));
    }

    #[test]
    fn the_body_is_handed_over_as_it_came_whichever_name_its_json_has() {
        for content_type in ["application/json; charset=utf-8", "application/merge-patch+json", "Application/JSON"] {
            let asked = Asked { content_type: Some(content_type), ..asked("PATCH") };
            match handle(&asked, Sender::Program, None) {
                Outcome::Ask(Request::ChangeCamera { change }) => assert_eq!(change, "{\"hflip\":true}"),
                other => panic!("{content_type}: {other:?}"),
            }
        }
        let patch = |content_type, body| status(&Asked { content_type, body, ..asked("PATCH") }, Sender::Program, None);
        assert_eq!(patch(Some("text/plain"), b"{}"), 415);
        assert_eq!(patch(None, b"{}"), 415);
        assert_eq!(patch(Some("application/json"), b""), 400);
        assert_eq!(patch(Some("application/json"), b"\xff"), 400);
    }

    #[test]
    fn other_methods_are_told_the_right_ones() {
        for method in ["POST", "PUT", "DELETE", "TRACE"] {
            match handle(&asked(method), Sender::Program, None) {
                Outcome::Answer(answer) => assert_eq!((answer.status, answer.header("allow")), (405, Some(METHODS))),
                other => panic!("{method}: {other:?}"),
            }
        }
        match handle(&asked("OPTIONS"), Sender::Foreign, Some("s3cret")) {
            Outcome::Answer(answer) => assert_eq!(answer.header("accept-patch"), Some(ACCEPT_PATCH)),
            other => panic!("{other:?}"),
        }
    }
}
