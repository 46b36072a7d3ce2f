//! WHEP (draft-ietf-wish-whep-02) line by line over real sockets: what a player sends, what the loop is asked, what
//! the player hears. The loop is the test's own; quotations are the draft's.

#![allow(clippy::unwrap_used)]

mod signal_common;

use std::path::PathBuf;
use std::sync::mpsc;

use signal_common::{Answer, Car, OFFER, agree, options};
use windshield::signal::{BUILD_ID, Options, Refusal, Reply, Request};

const SDP: &str = "Content-Type: application/sdp\r\n";
const FRAGMENT: &str = "Content-Type: application/trickle-ice-sdpfrag\r\n";
const CANDIDATES: &str = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\n";

/// A car that gives one reply to everything.
fn replying(reply: fn(&Request) -> Reply) -> Car {
    Car::start(options(), move |request| Some(reply(&request)))
}

#[test]
fn an_offer_is_answered_with_201_location_etag_and_the_answer() {
    let car = replying(|request| match request {
        Request::Offer { sdp, own_page: false, .. } if sdp == OFFER => {
            Reply::Created { session: "f00-Ba_r".into(), etag: "xyzzy".into(), sdp: "v=0\r\nanswer\r\n".into() }
        }
        other => panic!("{other:?}"),
    });
    let answer = car.ask("POST /whep", SDP, OFFER);
    assert_eq!((answer.status, answer.text()), (201, "v=0\r\nanswer\r\n"));
    assert_eq!(answer.field("content-type"), Some("application/sdp"));
    assert_eq!(answer.field("location"), Some("/whep/f00-Ba_r"));
    assert_eq!(answer.field("etag"), Some("\"xyzzy\""), "a strong entity-tag");
    assert_eq!(answer.field("accept-patch"), Some("application/trickle-ice-sdpfrag"));
    assert_eq!(answer.field("content-length"), Some("13"));
    assert_eq!(answer.field("connection"), Some("close"));
    assert_eq!(answer.field("cache-control"), Some("no-store"));
}

#[test]
fn an_offer_of_the_wrong_type_or_that_is_no_sdp_gets_a_4xx_and_a_sentence() {
    let car = replying(|_| Reply::Refused(Refusal::BadOffer("The offer is not SDP.".into())));
    let answer = car.ask("POST /whep", SDP, "not SDP at all");
    assert_eq!((answer.status, answer.text()), (400, "The offer is not SDP.\n"));
    assert_eq!(answer.field("content-type"), Some("text/plain; charset=utf-8"));
    let answer = car.ask("POST /whep", "Content-Type: text/plain\r\n", OFFER);
    assert_eq!((answer.status, answer.field("accept-post")), (415, Some("application/sdp")));
    assert_eq!(car.ask("POST /whep", "", OFFER).status, 415);
    assert_eq!(car.ask("POST /whep", &format!("{SDP}Content-Length: 0\r\n"), "").status, 400);

    let car = replying(|_| Reply::Refused(Refusal::Unprocessable("The offer has no H.264.".into())));
    assert_eq!(car.ask("POST /whep", SDP, OFFER).status, 422);
}

#[test]
fn a_full_house_says_when_to_come_back() {
    let car = replying(|_| Reply::Refused(Refusal::Busy { retry_after_s: 5, sentence: "Four are watching.".into() }));
    let answer = car.ask("POST /whep", SDP, OFFER);
    assert_eq!((answer.status, answer.field("retry-after"), answer.text()), (503, Some("5"), "Four are watching.\n"));
}

#[test]
fn trickled_candidates_get_204_and_no_etag() {
    let (seen, witness) = mpsc::channel();
    let car = Car::start(options(), move |request| {
        seen.send(request).unwrap();
        Some(Reply::Taken)
    });
    let answer = car.ask("PATCH /whep/s1", &format!("{FRAGMENT}If-Match: \"xyzzy\"\r\n"), CANDIDATES);
    assert_eq!((answer.status, answer.body.len()), (204, 0), "without a body");
    assert_eq!((answer.field("etag"), answer.field("content-length")), (None, None));
    assert_eq!(car.ask("PATCH /whep/s1", FRAGMENT, CANDIDATES).status, 204);
    drop(car);
    let seen: Vec<Request> = witness.iter().collect();
    match &seen[..] {
        [Request::Patch { session, if_match, fragment }, Request::Patch { if_match: None, .. }] => {
            assert_eq!((session.as_str(), if_match.as_deref(), fragment.as_str()), ("s1", Some("xyzzy"), CANDIDATES));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_ice_restart_gets_200_the_new_credentials_and_a_new_etag() {
    let car = replying(|request| match request {
        Request::Patch { if_match: Some(tag), .. } if tag == "*" => {
            Reply::Restarted { etag: "abccd".into(), fragment: "a=ice-ufrag:289b\r\n".into() }
        }
        other => panic!("{other:?}"),
    });
    for star in ["*", "\"*\""] {
        let answer = car.ask("PATCH /whep/s1", &format!("{FRAGMENT}If-Match: {star}\r\n"), CANDIDATES);
        assert_eq!((answer.status, answer.text()), (200, "a=ice-ufrag:289b\r\n"));
        assert_eq!(answer.field("content-type"), Some("application/trickle-ice-sdpfrag"));
        assert_eq!(answer.field("etag"), Some("\"abccd\""));
    }
}

#[test]
fn a_patch_that_does_not_fit_gets_the_status_of_the_draft() {
    for (reply, expected) in [
        ((|_: &Request| Reply::Refused(Refusal::EtagMissing)) as fn(&Request) -> Reply, 428),
        (|_| Reply::Refused(Refusal::EtagMismatch), 412),
        (|_| Reply::Refused(Refusal::UnknownSession), 404),
        (|_| Reply::Refused(Refusal::Unprocessable("No.".into())), 422),
    ] {
        let car = replying(reply);
        let answer = car.ask("PATCH /whep/s1", &format!("{FRAGMENT}If-Match: \"old\"\r\n"), CANDIDATES);
        assert_eq!(answer.status, expected);
        assert!(answer.text().ends_with(".\n"), "{}", answer.text());
    }
    let car = replying(agree);
    let answer = car.ask("PATCH /whep/s1", SDP, CANDIDATES);
    assert_eq!((answer.status, answer.field("accept-patch")), (415, Some("application/trickle-ice-sdpfrag")));
    assert_eq!(car.ask("PATCH /whep/s1", &format!("{FRAGMENT}Content-Length: 0\r\n"), "").status, 400);
}

#[test]
fn delete_ends_the_session_whatever_its_etag() {
    let car = replying(|request| match request {
        Request::Close { session } if session == "s1" => Reply::Closed,
        Request::Close { .. } => Reply::Refused(Refusal::UnknownSession),
        other => panic!("{other:?}"),
    });
    assert_eq!(car.ask("DELETE /whep/s1", "If-Match: \"stale\"\r\n", "").status, 200);
    assert_eq!(car.ask("DELETE /whep/s2", "", "").status, 404);
}

#[test]
fn get_has_no_content_and_other_methods_are_not_allowed() {
    let car = replying(|request| panic!("{request:?}"));
    for path in ["/whep", "/whep/s1"] {
        for method in ["GET", "HEAD"] {
            let answer = car.ask(&format!("{method} {path}"), "", "");
            assert_eq!((answer.status, answer.body.len()), (204, 0), "2XX with no content: {method} {path}");
        }
    }
    for (line, allow) in [
        ("PUT /whep", "GET, HEAD, OPTIONS, POST"),
        ("PATCH /whep", "GET, HEAD, OPTIONS, POST"),
        ("DELETE /whep", "GET, HEAD, OPTIONS, POST"),
        ("POST /whep/s1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
        ("PUT /whep/s1", "DELETE, GET, HEAD, OPTIONS, PATCH"),
    ] {
        let answer = car.ask(line, SDP, OFFER);
        assert_eq!((answer.status, answer.field("allow")), (405, Some(allow)), "{line}");
    }
}

#[test]
fn a_preflight_is_answered_without_a_token_and_says_what_may_be_sent() {
    let options =
        Options { token: Some("s3cret".into()), allow_origin: vec!["http://player.example".into()], ..options() };
    let car = Car::agreeable(options);
    let preflight = |origin: &str| {
        let fields = format!(
            "Origin: {origin}\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n"
        );
        car.ask("OPTIONS /whep", &fields, "")
    };
    let answer = preflight("http://player.example");
    assert_eq!((answer.status, answer.field("accept-post")), (200, Some("application/sdp")));
    assert_eq!(answer.field("access-control-allow-origin"), Some("http://player.example"));
    assert_eq!(answer.field("access-control-allow-headers"), Some("Authorization, Content-Type, If-Match"));
    assert!(answer.field("access-control-allow-methods").unwrap().contains("PATCH"));
    assert_eq!(answer.field("vary"), Some("Origin"));
    let answer = preflight("http://evil.example");
    assert_eq!((answer.status, answer.field("access-control-allow-origin")), (200, None));

    let post = |fields: &str| car.ask("POST /whep", &format!("{SDP}Origin: http://player.example\r\n{fields}"), OFFER);
    let answer = post("Authorization: Bearer s3cret\r\n");
    assert_eq!(answer.status, 201);
    assert_eq!(answer.field("access-control-allow-origin"), Some("http://player.example"));
    let exposed = answer.field("access-control-expose-headers").unwrap();
    assert!(["Location", "ETag", "Link", "Retry-After"].iter().all(|name| exposed.contains(name)), "{exposed}");
    // The page must be able to read that the token is wrong.
    let answer = post("Authorization: Bearer wrong\r\n");
    assert_eq!((answer.status, answer.field("access-control-allow-origin")), (401, Some("http://player.example")));
    assert!(answer.field("www-authenticate").unwrap().starts_with("Bearer"));
    assert_eq!(post("").status, 401);
    for line in ["PATCH /whep/s1", "DELETE /whep/s1"] {
        assert_eq!(car.ask(line, FRAGMENT, CANDIDATES).status, 401, "{line}");
        let fields = format!("{FRAGMENT}Authorization: Bearer s3cret\r\n");
        assert!(matches!(car.ask(line, &fields, CANDIDATES).status, 200 | 204), "{line}");
    }
}

#[test]
fn a_foreign_page_cannot_watch_and_a_foreign_name_is_not_answered_to() {
    let car = Car::agreeable(options());
    let port = car.address.port();
    for (host, origin, expected) in [
        (format!("127.0.0.1:{port}"), None, 201),
        (format!("car.local:{port}"), Some(format!("http://car.local:{port}")), 201),
        (format!("127.0.0.1:{port}"), Some("http://evil.example".to_owned()), 403),
        (format!("127.0.0.1:{port}"), Some("null".to_owned()), 403),
        (format!("evil.example:{port}"), Some(format!("http://evil.example:{port}")), 421),
        ("evil.example".to_owned(), None, 421),
    ] {
        let origin = origin.map_or(String::new(), |origin| format!("Origin: {origin}\r\n"));
        let request = signal_common::request(&host, "POST /whep", &format!("{SDP}{origin}"), OFFER);
        let answer = car.exchange(request);
        assert_eq!(answer.status, expected, "{host} {origin}: {}", answer.text());
        if expected >= 400 {
            assert!(answer.text().contains("--allow-origin"), "{}", answer.text());
        }
    }
    for path in ["/", "/healthz", "/stats", "/metrics", "/whep"] {
        let request = signal_common::request("evil.example", &format!("GET {path}"), "", "");
        assert_eq!(car.exchange(request).status, 421, "{path}");
    }
}

#[test]
fn only_our_own_page_is_told_apart() {
    let (seen, witness) = mpsc::channel();
    let car = Car::start(Options { allow_origin: vec!["*".into()], ..options() }, move |request| {
        if let Request::Offer { own_page, .. } = &request {
            seen.send(*own_page).unwrap();
        }
        Some(agree(&request))
    });
    let own = format!("Origin: http://{}\r\n", car.address);
    for (fields, expected) in [
        (format!("{own}X-Windshield-Page: 1\r\n"), true),
        (own, false),
        ("X-Windshield-Page: 1\r\n".to_owned(), false),
        ("Origin: http://evil.example\r\nX-Windshield-Page: 1\r\n".to_owned(), false),
        (String::new(), false),
    ] {
        assert_eq!(car.ask("POST /whep", &format!("{SDP}{fields}"), OFFER).status, 201);
        assert_eq!(witness.recv().unwrap(), expected, "{fields}");
    }
}

#[test]
fn the_page_its_files_health_and_statistics_are_there() {
    let car = Car::start(options(), |request| match request {
        Request::Stats => Some(Reply::Json("{\"viewers\":[]}".into())),
        Request::Metrics => Some(Reply::Metrics("up 1\n".into())),
        other => panic!("{other:?}"),
    });
    let get = |path: &str| car.ask(&format!("GET {path}"), "", "");
    let page = get("/?x=1");
    assert_eq!((page.status, page.field("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().contains(&format!("content=\"{BUILD_ID:016x}\"")));
    let policy = page.field("content-security-policy").unwrap();
    assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"), "{policy}");
    assert_eq!(page.field("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.field("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.field("cache-control"), Some("no-store"));
    assert_eq!(page.field("server"), None);
    let script = get("/app.js");
    assert_eq!((script.status, script.field("content-type")), (200, Some("text/javascript; charset=utf-8")));
    let head = car.ask("HEAD /app.js", "", "");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.field("content-length"), script.field("content-length"));
    assert_eq!((get("/healthz").status, get("/healthz").text()), (200, "ok\n"));
    let stats = get("/stats");
    assert_eq!((stats.status, stats.text()), (200, "{\"viewers\":[]}"));
    assert_eq!(stats.field("content-type"), Some("application/json"));
    let metrics = get("/metrics");
    assert_eq!((metrics.status, metrics.text()), (200, "up 1\n"));
    assert_eq!(metrics.field("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    for path in ["/nothing", "/../Cargo.toml", "/%2e%2e/Cargo.toml", "//etc/passwd", "/static/../../Cargo.toml"] {
        assert_eq!(get(path).status, 404, "{path}");
    }
    assert_eq!(car.ask("POST /", SDP, OFFER).status, 405);
    assert_eq!(car.ask("OPTIONS *", "", "").status, 204);
}

#[test]
fn a_page_from_a_folder_of_any_size_arrives_whole() {
    let folder: PathBuf = std::env::temp_dir().join(format!("windshield-whole-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n % 251) as u8).collect();
    std::fs::write(folder.join("large.bin"), &large).unwrap();
    let car = Car::agreeable(Options { static_dir: Some(folder.clone()), ..options() });
    let answer: Answer = car.ask("GET /large.bin", "TE: chunked\r\n", "");
    assert_eq!(answer.field("content-length"), Some("3000000"));
    assert!(answer.body == large, "{} bytes", answer.body.len());
    assert_eq!(car.ask("GET /app.js", "", "").status, 404, "the folder, and nothing but the folder");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_request_that_the_loop_never_answers_is_given_up() {
    let car = Car::start(options(), |request| match request {
        Request::Offer { .. } => None,
        other => Some(agree(&other)),
    });
    let answer = car.ask("POST /whep", SDP, OFFER);
    assert_eq!((answer.status, answer.field("retry-after")), (503, Some("2")));
    assert_eq!(car.ask("GET /stats", "", "").status, 200);
}
