//! Bytes on the public socket: what is not one whole, sound request is refused with its status and never reaches the
//! program inside, and one request is all that a connection gets.

#![allow(clippy::unwrap_used)]

mod signal_common;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixStream};
use std::sync::mpsc;

use signal_common::{Answer, Car, GUARD, OFFER, agree, connect, exchange, options, read};
use windshield::signal::Request;

/// A car that tells what reached it.
fn witnessed() -> (Car, mpsc::Receiver<Request>) {
    let (seen, witness) = mpsc::channel();
    let car = Car::start(options(), move |request| {
        let reply = agree(&request);
        seen.send(request).unwrap();
        Some(reply)
    });
    (car, witness)
}

const POST: &str = "POST /whep HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/sdp\r\n";

#[test]
fn each_unsound_request_is_refused_and_nothing_reaches_the_loop() {
    let (car, witness) = witnessed();
    for (rest, expected) in [
        ("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nDELETE /whep/s1 HTTP/1.1\r\n\r\n", 501),
        ("Transfer-Encoding: chunked\r\n\r\n5\r\nv=0\r\n\r\n0\r\n\r\n", 501),
        ("Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n\r\nv=0\r\n", 501),
        ("Transfer-Encoding: \x0bchunked\r\nContent-Length: 5\r\n\r\nv=0\r\n", 400),
        ("Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\nv=0\r\n", 400),
        ("Content-Length: 5\r\nContent-Length: 6\r\n\r\nv=0\r\n", 400),
        ("Content-Length: 5\r\nContent-Length: 5\r\n\r\nv=0\r\n", 400),
        ("Content-Length: 5,5\r\n\r\nv=0\r\n", 400),
        ("Content-Length: +5\r\n\r\nv=0\r\n", 400),
        ("Content-Length: five\r\n\r\nv=0\r\n", 400),
        ("Content-Length: 18446744073709551621\r\n\r\nv=0\r\n", 413),
        ("\r\nv=0\r\n", 411),
        ("Content-Length: 5\r\n folded\r\n\r\nv=0\r\n", 400),
        ("X: nul\0\r\nContent-Length: 5\r\n\r\nv=0\r\n", 400),
        ("X: bare\rcr\r\nContent-Length: 5\r\n\r\nv=0\r\n", 400),
        ("Host: again\r\nContent-Length: 5\r\n\r\nv=0\r\n", 400),
        ("Content-Length: 5\r\nExpect: 200-ok\r\n\r\nv=0\r\n", 417),
        ("no colon\r\nContent-Length: 5\r\n\r\nv=0\r\n", 400),
    ] {
        let answer = car.exchange(format!("{POST}{rest}"));
        assert_eq!(answer.status, expected, "{rest:?}: {}", answer.text());
        assert_eq!(answer.field("connection"), Some("close"), "{rest:?}");
        assert!(answer.text().ends_with(".\n"), "a sentence: {:?}", answer.text());
    }
    for (bytes, expected) in [
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nHost: localhost\r\n\r\n", 505),
        ("GET /\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\u{fc}", 400),
        ("CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        ("\0\0\0\0", 400),
    ] {
        assert_eq!(car.exchange(bytes).status, expected, "{bytes:?}");
    }
    drop(car);
    assert!(witness.try_recv().is_err(), "the loop heard of a refused request");
}

#[test]
fn a_head_above_16_kb_and_a_body_above_64_kb_are_refused_with_words() {
    let (car, witness) = witnessed();
    let long = "a".repeat(17 * 1024);
    assert_eq!(car.exchange(format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {long}\r\n\r\n")).status, 431);
    assert_eq!(car.exchange(format!("GET /{long}")).status, 431, "a line without an end");
    let many: String = (0..100).map(|n| format!("X-{n}: 1\r\n")).collect();
    assert_eq!(car.exchange(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{many}\r\n")).status, 431);

    let post = |length: usize| car.exchange(format!("{POST}Content-Length: {length}\r\n\r\n{}", "v".repeat(length)));
    assert_eq!(post(64 * 1024).status, 201);
    assert_eq!(post(64 * 1024 + 1).status, 413);
    let megabyte = post(1 << 20);
    assert_eq!((megabyte.status, megabyte.text()), (413, "The body is larger than 64 kB.\n"));
    drop(car);
    assert_eq!(witness.iter().count(), 1);
}

#[test]
fn a_connection_gets_one_request_and_the_rest_is_thrown_away() {
    let (car, witness) = witnessed();
    let two = format!("{POST}Content-Length: 5\r\n\r\nv=0\r\nDELETE /whep/s1 HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let answer = car.exchange(&two);
    assert_eq!((answer.status, answer.text()), (201, "v=0\r\n"), "one answer and no more");
    drop(car);
    let seen: Vec<Request> = witness.iter().collect();
    assert!(matches!(&seen[..], [Request::Offer { sdp, .. }] if sdp == "v=0\r\n"), "{seen:?}");
}

#[test]
fn a_request_may_come_in_any_pieces() {
    let (car, _witness) = witnessed();
    let whole = format!("\r\n{POST}Content-Length: {}\r\n\r\n{OFFER}", OFFER.len());
    let mut stream = connect(car.address);
    stream.set_nodelay(true).unwrap();
    for byte in whole.as_bytes() {
        stream.write_all(&[*byte]).unwrap();
    }
    assert_eq!(read(stream).status, 201);
    // A client that closes its side after the request still wants the answer.
    let mut stream = connect(car.address);
    stream.write_all(whole.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(read(stream).status, 201);
}

#[test]
fn a_client_that_waits_for_100_continue_gets_it() {
    let (car, _witness) = witnessed();
    let mut stream = connect(car.address);
    let head = format!("{POST}Content-Length: {}\r\nExpect: 100-Continue\r\n\r\n", OFFER.len());
    stream.write_all(head.as_bytes()).unwrap();
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    assert_eq!(&interim, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(OFFER.as_bytes()).unwrap();
    assert_eq!(read(stream).status, 201);
    // With the body at hand there is nothing to wait for, and nothing to say about it.
    assert_eq!(car.exchange(format!("{head}{OFFER}")).status, 201);
    // What is too large is refused before it is sent.
    assert_eq!(car.exchange(format!("{POST}Content-Length: 1000000\r\nExpect: 100-continue\r\n\r\n")).status, 413);
}

#[test]
fn a_request_that_never_ends_is_told_so_and_an_idle_connection_is_closed_silently() {
    let (car, _witness) = witnessed();
    let idle = connect(car.address);
    let mut halting = connect(car.address);
    halting.write_all(format!("{POST}Content-Length: 100\r\n\r\nv=0").as_bytes()).unwrap();
    assert_eq!(read(halting).status, 408);
    assert_eq!(read(idle).status, 0);
}

#[test]
fn http_1_0_and_an_absolute_target_work() {
    let (car, _witness) = witnessed();
    let answer = car.exchange("GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n");
    assert_eq!((answer.status, answer.text(), answer.field("content-length")), (200, "ok\n", Some("3")));
    let answer = car.exchange("GET http://localhost:8080/healthz HTTP/1.1\r\nHost: ignored.example\r\n\r\n");
    assert_eq!(answer.status, 200);
    let answer = car.exchange("GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n");
    assert_eq!(answer.status, 421);
}

#[test]
fn a_client_cannot_say_who_it_is_in_place_of_the_gate() {
    let (car, witness) = witnessed();
    let fields = "X-Windshield-Peer: 203.0.113.9:9\r\nX-Windshield-Entrance: guess\r\nContent-Length: 5\r\n";
    let mut stream = connect(car.address);
    let own = stream.local_addr().unwrap();
    stream.write_all(format!("{POST}{fields}\r\nv=0\r\n").as_bytes()).unwrap();
    assert_eq!(read(stream).status, 201);
    match witness.recv_timeout(GUARD).unwrap() {
        Request::Offer { peer, own_page, .. } => assert_eq!((peer, own_page), (own, false)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_way_leads_past_the_gate() {
    let (car, witness) = witnessed();
    let mut tried = 0;
    // Those of other tests in this process are as good; one that has gone meanwhile says nothing.
    for name in own_abstract_sockets() {
        let Ok(mut stream) = UnixStream::connect_addr(&UnixAddr::from_abstract_name(name).unwrap()) else { continue };
        stream.set_read_timeout(Some(GUARD)).unwrap();
        let request = "DELETE /whep/s1 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-Windshield-Peer: 127.0.0.1:1\r\n\
                       X-Windshield-Entrance: 00000000000000000000000000000000\r\n\r\n";
        let mut bytes = Vec::new();
        if stream.write_all(request.as_bytes()).is_ok() && stream.read_to_end(&mut bytes).is_ok() && !bytes.is_empty() {
            assert_eq!(Answer::parse(&bytes).status, 403);
            tried += 1;
        }
    }
    assert!(tried >= 1, "no inner socket found");
    assert_eq!(exchange(car.address, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").status, 200);
    drop(car);
    assert!(witness.try_recv().is_err());
}

/// Names of the abstract sockets of this process: `/proc/net/unix` lists everybody's, by inode.
fn own_abstract_sockets() -> BTreeSet<String> {
    let links = std::fs::read_dir("/proc/self/fd").unwrap();
    let own: BTreeSet<String> = links
        .filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok()?.into_os_string().into_string().ok())
        .filter_map(|link| Some(link.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned()))
        .collect();
    let all = std::fs::read_to_string("/proc/net/unix").unwrap();
    all.lines()
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (inode, name) = (words.get(6)?, words.get(7)?.strip_prefix('@')?);
            own.contains(*inode).then(|| name.to_owned())
        })
        .collect()
}
