"""WHEP by the letter (draft-ietf-wish-whep), by hand over HTTP: what any player of others relies on."""

import concurrent.futures
import re

import pytest

from car import until
from offers import attribute, fragment, offer

SDP = {"Content-Type": "application/sdp"}
FRAGMENT = {"Content-Type": "application/trickle-ice-sdpfrag"}


@pytest.fixture
def demo(car):
    return car("--source", "demo")


def post(car, sdp=None, **headers):
    return car.request("POST", "/whep", content=sdp or offer(), headers={**SDP, **headers})


def test_an_offer_is_answered_with_201_location_and_etag(demo):
    reply = post(demo)
    assert reply.status_code == 201, reply.text
    assert reply.headers["content-type"].split(";")[0] == "application/sdp"
    assert reply.headers["location"]
    assert re.fullmatch(r'"[^"]+"', reply.headers["etag"]), "a strong entity tag, quoted"
    assert reply.text.startswith("v=0")
    assert "a=ice-ufrag:" in reply.text and "a=fingerprint:" in reply.text


def test_the_answer_sends_h264_and_only_that(demo):
    answer = post(demo).text
    assert attribute(answer, "setup") in ("active", "passive")
    assert "a=sendonly" in answer
    codecs = re.findall(r"a=rtpmap:\d+ (\S+)/90000", answer)
    assert set(codecs) <= {"H264", "rtx"} and "H264" in codecs, codecs
    assert "packetization-mode=1" in answer
    msid = attribute(answer, "msid")
    assert msid and len(msid.split()) == 2 and msid.split()[0] != "-", f"a stream id is needed: {msid}"
    assert "playout-delay" in answer
    assert "a=candidate:" in answer


def test_an_offer_is_answered_with_the_profile_of_the_real_stream(demo):
    demo.wait_source(lambda s: s["profile_level_id"], "the stream's profile is known")
    profile = demo.stats()["source"]["profile_level_id"]
    answer = post(demo).text
    chosen = re.findall(r"profile-level-id=([0-9a-fA-F]{6})", answer)
    assert chosen and all(value[:2] == profile[:2] for value in chosen), f"{chosen} for a stream of {profile}"


def test_trickle_is_taken_with_204(demo):
    """RFC 9725 section 4.3.1, which the draft follows: PATCH carries the tag of the session as it is known."""
    created = post(demo)
    session, known = created.headers["location"], {**FRAGMENT, "If-Match": created.headers["etag"]}
    reply = demo.request("PATCH", session, content=fragment(), headers=known)
    assert reply.status_code == 204, reply.text
    assert not reply.content
    assert demo.request("PATCH", session, content=fragment(), headers=FRAGMENT).status_code == 428
    wrong = {**FRAGMENT, "If-Match": '"another"'}
    assert demo.request("PATCH", session, content=fragment(), headers=wrong).status_code == 412


def test_hidden_host_candidates_are_taken(demo):
    created = post(demo)
    session, known = created.headers["location"], {**FRAGMENT, "If-Match": created.headers["etag"]}
    hidden = "candidate:1 1 udp 2113937151 0f2c1a52-3f0b-4a57-9e1f-9a5c3e7b1d11.local 50000 typ host"
    assert demo.request("PATCH", session, content=fragment(candidate=hidden), headers=known).status_code == 204


def test_ice_restart_gives_new_credentials_and_a_new_etag(demo):
    created = post(demo)
    session, etag = created.headers["location"], created.headers["etag"]
    restart = fragment("abcd", "0123456789abcdef01234567")
    reply = demo.request("PATCH", session, content=restart, headers={**FRAGMENT, "If-Match": etag})
    assert reply.status_code == 200, reply.text
    assert reply.headers["content-type"].split(";")[0] == "application/trickle-ice-sdpfrag"
    assert reply.headers["etag"] != etag
    assert attribute(reply.text, "ice-ufrag") != attribute(created.text, "ice-ufrag")
    assert attribute(reply.text, "ice-pwd") != attribute(created.text, "ice-pwd")
    # The old tag is of the past now.
    again = fragment("efgh", "89abcdef0123456789abcdef")
    assert demo.request("PATCH", session, content=again, headers={**FRAGMENT, "If-Match": etag}).status_code == 412
    # "*" restarts whatever the state.
    assert demo.request("PATCH", session, content=again, headers={**FRAGMENT, "If-Match": "*"}).status_code == 200


def test_restart_without_if_match_is_428_and_with_a_wrong_one_412(demo):
    session = post(demo).headers["location"]
    restart = fragment("abcd", "0123456789abcdef01234567")
    assert demo.request("PATCH", session, content=restart, headers=FRAGMENT).status_code == 428
    wrong = {**FRAGMENT, "If-Match": '"another"'}
    assert demo.request("PATCH", session, content=restart, headers=wrong).status_code == 412


def test_patch_of_another_kind_is_415_and_nonsense_is_400(demo):
    created = post(demo)
    session, tag = created.headers["location"], {"If-Match": created.headers["etag"]}
    assert demo.request("PATCH", session, content=fragment(), headers={**SDP, **tag}).status_code == 415
    assert demo.request("PATCH", session, content="hello\r\n", headers={**FRAGMENT, **tag}).status_code in (400, 422)


def test_delete_ends_the_session_at_once(demo):
    session = post(demo).headers["location"]
    assert len(demo.viewers()) == 1
    assert demo.request("DELETE", session).status_code == 200
    demo.wait_viewers(0, 2)
    assert demo.request("DELETE", session).status_code == 404
    assert demo.request("PATCH", session, content=fragment(), headers=FRAGMENT).status_code == 404


def test_sessions_that_never_were_are_404(demo):
    session = post(demo).headers["location"]
    unknown = session[:-6] + ("aaaaaa" if not session.endswith("aaaaaa") else "bbbbbb")
    for method, body in (("DELETE", None), ("PATCH", fragment())):
        assert demo.request(method, unknown, content=body, headers=FRAGMENT).status_code == 404
    assert len(demo.viewers()) == 1


def test_get_has_no_content_and_what_makes_no_sense_is_405_with_allow(demo):
    session = post(demo).headers["location"]
    for path in ("/whep", session):
        for method in ("GET", "HEAD"):
            reply = demo.request(method, path)
            assert (reply.status_code, reply.content) == (204, b""), f"{method} {path}"
    for method in ("PUT", "PATCH", "DELETE"):
        reply = demo.request(method, "/whep")
        assert reply.status_code == 405, f"{method} /whep"
        assert "POST" in reply.headers["allow"]
    for method in ("POST", "PUT"):
        reply = demo.request(method, session, content=b"")
        assert reply.status_code == 405, f"{method} of a session"
        assert "DELETE" in reply.headers["allow"] and "PATCH" in reply.headers["allow"]


def test_options_names_what_may_be_posted(demo):
    reply = demo.request("OPTIONS", "/whep")
    assert reply.status_code in (200, 204)
    assert "application/sdp" in reply.headers["accept-post"]


def test_cors_lets_in_ourselves_and_whom_we_were_told(car):
    one = car("--source", "demo", "--allow-origin", "https://cockpit.example")
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,authorization"}
    for origin in ("https://cockpit.example", one.url):
        reply = one.request("OPTIONS", "/whep", headers={"Origin": origin, **preflight})
        assert reply.headers.get("access-control-allow-origin") == origin
        assert "POST" in reply.headers["access-control-allow-methods"]
        assert "authorization" in reply.headers["access-control-allow-headers"].lower()
        created = post(one, Origin=origin)
        assert created.status_code == 201
        assert created.headers["access-control-allow-origin"] == origin
        exposed = created.headers["access-control-expose-headers"].lower()
        assert "location" in exposed and "etag" in exposed
        allowed = one.request("OPTIONS", created.headers["location"], headers={"Origin": origin, **preflight})
        assert {"PATCH", "DELETE"} <= set(re.split(r",\s*", allowed.headers["access-control-allow-methods"]))
    stranger = one.request("OPTIONS", "/whep", headers={"Origin": "https://evil.example", **preflight})
    assert "access-control-allow-origin" not in stranger.headers


def test_a_host_that_is_not_ours_is_refused(demo):
    """DNS rebinding: a name of others that was made to point here."""
    assert demo.request("GET", "/", headers={"Host": f"evil.example:{demo.port}"}).status_code in (400, 403, 421)
    assert post(demo, Host=f"evil.example:{demo.port}").status_code in (400, 403, 421)
    assert demo.request("GET", "/", headers={"Host": f"localhost:{demo.port}"}).status_code == 200
    assert not demo.viewers()


def test_offers_that_are_none_are_refused_with_a_sentence(demo):
    bad = {
        "empty": "",
        "not SDP": "hello there",
        "binary": b"\x00\xff\xfe" * 100,
        "without H.264": offer(profiles=("x",), codec="VP8"),
        "without ICE": offer(ice=False),
        "without DTLS": offer(dtls=False),
        "that wants to send": offer(direction="sendonly"),
        "cut in the middle": offer()[:400],
    }
    for what, body in bad.items():
        reply = demo.request("POST", "/whep", content=body, headers=SDP)
        assert reply.status_code in (400, 406, 415, 422), f"an offer {what}: {reply.status_code} {reply.text}"
        assert len(reply.text) > 10, f"an offer {what} is refused without a word"
    assert demo.request("POST", "/whep", content=offer(), headers={"Content-Type": "text/plain"}).status_code == 415
    assert demo.request("POST", "/whep", content=offer()).status_code == 415
    huge = demo.request("POST", "/whep", content=offer() + "a=x:" + "y" * 1_000_000 + "\r\n", headers=SDP)
    assert huge.status_code == 413
    assert not demo.viewers(), "a refused offer is no viewer"
    assert post(demo).status_code == 201


def test_full_house_is_503_with_retry_after(car):
    one = car("--source", "demo", "--max-viewers", 2)
    sessions = [post(one).headers["location"] for _ in range(2)]
    reply = post(one)
    assert reply.status_code == 503
    assert int(reply.headers["retry-after"]) > 0
    assert len(reply.text) > 10
    one.request("DELETE", sessions[0])
    one.wait_viewers(1, 2)
    assert post(one).status_code == 201


def test_the_token_guards_every_door(car):
    one = car("--source", "demo", "--token", "s3cret")
    reply = post(one)
    assert reply.status_code == 401
    assert reply.headers["www-authenticate"].startswith("Bearer")
    assert post(one, Authorization="Bearer wrong").status_code in (401, 403)
    key = {"Authorization": "Bearer s3cret"}
    created = post(one, **key)
    assert created.status_code == 201
    session, known = created.headers["location"], {**FRAGMENT, "If-Match": created.headers["etag"]}
    assert one.request("DELETE", session).status_code == 401
    assert one.request("PATCH", session, content=fragment(), headers=known).status_code == 401
    assert one.request("PATCH", session, content=fragment(), headers={**known, **key}).status_code == 204
    assert one.request("DELETE", session, headers=key).status_code == 200
    assert one.request("OPTIONS", "/whep").status_code in (200, 204), "a preflight carries no token"
    assert "s3cret" not in one.log()


def test_the_page_is_never_cached_and_unknown_paths_are_404(demo):
    reply = demo.get("/")
    assert reply.status_code == 200 and "text/html" in reply.headers["content-type"]
    assert "no-store" in reply.headers["cache-control"]
    assert demo.get("/nothing-here").status_code == 404
    assert demo.get("/../Cargo.toml").status_code in (400, 404)
    assert demo.get("/stats").headers["content-type"].split(";")[0] == "application/json"


def test_fifty_who_offer_and_vanish_are_all_freed(car):
    one = car("--source", "demo", "--max-viewers", 60)
    with concurrent.futures.ThreadPoolExecutor(25) as crowd:
        replies = list(crowd.map(lambda _: post(one).status_code, range(50)))
    assert replies == [201] * 50
    one.wait_viewers(0)
    stats = until(lambda: (s := one.stats())["link"]["viewers_gone"] == 50 and s, "all fifty counted as gone")
    assert stats["link"]["viewers_admitted"] == 50
