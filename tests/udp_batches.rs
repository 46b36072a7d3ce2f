//! The socket's promise over real loopback: a batch arrives whole, in order, from the right address, with the fewest
//! system calls, and what the kernel refuses harms nothing else.
#![allow(clippy::unwrap_used)]

use std::io;
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use str0m::net::{Protocol, Transmit};
use windshield::link::outlet::{Outlet, Sent};
use windshield::link::udp::Udp;

/// How long anything may take on a busy machine before the test fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn car() -> (Udp, Poll) {
    let poll = Poll::new().unwrap();
    let udp = Udp::bind(0, poll.registry(), Token(0)).unwrap();
    (udp, poll)
}

fn viewer(ip: &str) -> UdpSocket {
    let socket = UdpSocket::bind((ip.parse::<IpAddr>().unwrap(), 0)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// A datagram whose bytes say which it is.
fn datagram(car: &Udp, source: &str, to: &UdpSocket, length: usize, mark: usize) -> Transmit {
    Transmit {
        proto: Protocol::Udp,
        source: SocketAddr::new(source.parse().unwrap(), car.port()),
        destination: to.local_addr().unwrap(),
        contents: (0..length).map(|at| (at + 37 * mark) as u8).collect::<Vec<u8>>().into(),
    }
}

/// Reads what of `batch` was meant for `viewer`, in order, and that nothing else is there.
fn expect(viewer: &UdpSocket, batch: &[Transmit]) {
    let mut room = [0; 4096];
    let here = viewer.local_addr().unwrap();
    for (n, sent) in batch.iter().enumerate().filter(|(_, sent)| sent.destination == here) {
        let (length, from) = viewer.recv_from(&mut room).unwrap_or_else(|error| panic!("datagram {n}: {error}"));
        assert_eq!(from, sent.source, "source of datagram {n}");
        assert!(room[..length] == sent.contents[..], "bytes of datagram {n}");
    }
    viewer.set_nonblocking(true).unwrap();
    assert_eq!(viewer.recv(&mut room).unwrap_err().kind(), io::ErrorKind::WouldBlock, "nothing more");
    viewer.set_nonblocking(false).unwrap();
}

#[test]
fn a_frame_leaves_in_one_call_from_the_address_that_was_asked() {
    let (mut car, _poll) = car();
    for (source, at) in [("127.0.0.1", "127.0.0.1"), ("127.0.0.2", "127.0.0.1"), ("::1", "::1")] {
        let viewer = viewer(at);
        let lengths = [1100, 1100, 1100, 1100, 1100, 1100, 1100, 1100, 333];
        let batch: Vec<_> =
            lengths.iter().enumerate().map(|(n, &length)| datagram(&car, source, &viewer, length, n)).collect();
        let before = car.sent();
        assert_eq!(car.outbox.send(&batch), Sent::All);
        expect(&viewer, &batch);
        assert_eq!(car.sent().send_calls - before.send_calls, 1);
        assert_eq!(car.sent().datagrams_out - before.datagrams_out, 9);
        assert_eq!(car.sent().bytes_out - before.bytes_out, 8 * 1100 + 333);
    }
}

#[test]
fn a_mixed_batch_for_several_viewers_arrives_whole_and_in_order_in_one_call() {
    let (mut car, _poll) = car();
    let viewers = [viewer("127.0.0.1"), viewer("127.0.0.5"), viewer("::1")];
    let sources = ["127.0.0.2", "127.0.0.1", "::1"];
    let mut batch = Vec::new();
    for (n, length) in [40, 1200, 1200, 1200, 7, 0, 90, 91, 90, 1, 1, 1].into_iter().enumerate() {
        batch.push(datagram(&car, sources[n / 4], &viewers[n / 4], length, n));
    }
    for n in 0..6 {
        batch.push(datagram(&car, sources[n % 3], &viewers[n % 3], 500, n));
    }
    assert_eq!(car.outbox.send(&batch), Sent::All);
    viewers.iter().for_each(|viewer| expect(viewer, &batch));
    assert_eq!((car.sent().send_calls, car.sent().send_errors), (1, 0));
}

#[test]
fn a_keyframe_of_two_hundred_datagrams_takes_two_calls() {
    let (mut car, _poll) = car();
    let viewer = viewer("127.0.0.1");
    socket2::SockRef::from(&viewer).set_recv_buffer_size(4 << 20).unwrap();
    let batch: Vec<_> = (0..100).map(|n| datagram(&car, "127.0.0.1", &viewer, 1200, n)).collect();
    assert_eq!(car.outbox.send(&batch), Sent::All);
    assert_eq!(car.sent().send_calls, 1, "120 kB in messages of at most 65 kB");
    expect(&viewer, &batch);
    let batch: Vec<_> = (0..200).map(|n| datagram(&car, "127.0.0.1", &viewer, 1000, n)).collect();
    assert_eq!(car.outbox.send(&batch), Sent::All);
    assert_eq!(car.sent().send_calls, 3, "128 datagrams a call");
    expect(&viewer, &batch);
}

#[test]
fn what_is_sent_has_the_priority_of_video_and_is_unmarked_on_the_way() {
    let (car, _poll) = car();
    let socket = socket2::SockRef::from(&car);
    assert_eq!(socket.priority().unwrap(), 4);
    assert_eq!((socket.tos_v4().unwrap(), socket.tclass_v6().unwrap()), (0, 0));
}

#[test]
fn a_kernel_that_refuses_segments_is_sent_single_datagrams_and_asked_once_a_minute() {
    let (mut car, _poll) = car();
    let viewer = viewer("127.0.0.1");
    // Without checksums the kernel refuses UDP_SEGMENT with EINVAL: a refusal that is real.
    let on: libc::c_int = 1;
    // SAFETY: pointer and length of `on`.
    let set = unsafe {
        libc::setsockopt(
            car_fd(&car),
            libc::SOL_SOCKET,
            libc::SO_NO_CHECK,
            (&raw const on).cast(),
            size_of_val(&on) as _,
        )
    };
    assert_eq!(set, 0);
    let batch: Vec<_> = (0..20).map(|n| datagram(&car, "127.0.0.1", &viewer, 1000, n)).collect();
    assert_eq!(car.outbox.send(&batch), Sent::All);
    expect(&viewer, &batch);
    assert_eq!(car.sent().send_calls, 2, "one refused, one with single datagrams");
    assert_eq!(car.outbox.send(&batch), Sent::All);
    expect(&viewer, &batch);
    assert_eq!((car.sent().send_calls, car.sent().send_errors), (3, 0), "remembered");
    assert_eq!(car.sent().datagrams_out, 40);
}

fn car_fd(car: &Udp) -> i32 {
    use std::os::fd::AsFd;
    car.as_fd().as_raw_fd()
}

#[test]
fn an_address_that_is_gone_costs_its_own_datagrams_and_nobody_the_segmentation() {
    let (mut car, _poll) = car();
    let viewers = [viewer("127.0.0.1"), viewer("::1")];
    // 203.0.113.0/24 and 2001:db8::/32 are for documentation: never an address of this machine.
    for (stale, live, viewer) in [("203.0.113.9", "127.0.0.1", &viewers[0]), ("2001:db8::9", "::1", &viewers[1])] {
        let before = car.sent();
        let batch: Vec<_> =
            (0..60).map(|n| datagram(&car, if (10..30).contains(&n) { stale } else { live }, viewer, 800, n)).collect();
        assert_eq!(car.outbox.send(&batch), Sent::All);
        let arrives: Vec<_> =
            (0..60).filter(|n| !(10..30).contains(n)).map(|n| datagram(&car, live, viewer, 800, n)).collect();
        expect(viewer, &arrives);
        assert_eq!(car.sent().send_errors - before.send_errors, 20);
        assert_eq!(car.sent().datagrams_out - before.datagrams_out, 40);

        // Forty single datagrams would take two calls.
        let before = car.sent();
        let batch: Vec<_> = (0..40).map(|n| datagram(&car, live, viewer, 800, n)).collect();
        assert_eq!(car.outbox.send(&batch), Sent::All);
        expect(viewer, &batch);
        assert_eq!(car.sent().send_calls - before.send_calls, 1);
    }
}

/// Waits for readiness and receives until `count` datagrams are there or patience ends; what came, as text.
fn receive(car: &mut Udp, poll: &mut Poll, count: usize) -> Vec<(SocketAddr, SocketAddr, String)> {
    let mut came = Vec::new();
    let deadline = Instant::now() + PATIENCE;
    let mut more = true;
    while came.len() < count && Instant::now() < deadline {
        if !more {
            poll.poll(&mut Events::with_capacity(4), Some(PATIENCE)).unwrap();
        }
        more = car.inbox.receive(count, &mut |datagram| {
            came.push((datagram.source, datagram.destination, String::from_utf8_lossy(datagram.bytes).into_owned()));
        });
    }
    came
}

#[test]
fn a_datagram_says_which_of_our_addresses_it_was_sent_to() {
    let (mut car, mut poll) = car();
    for (n, (at, to)) in
        [("127.0.0.1", "127.0.0.1"), ("127.0.0.1", "127.0.0.2"), ("127.0.0.9", "127.0.0.2"), ("::1", "::1")]
            .into_iter()
            .enumerate()
    {
        let viewer = viewer(at);
        let to = SocketAddr::new(to.parse().unwrap(), car.port());
        viewer.send_to(format!("message {n}").as_bytes(), to).unwrap();
        let expected = (viewer.local_addr().unwrap(), to, format!("message {n}"));
        assert_eq!(receive(&mut car, &mut poll, 1), [expected]);
    }
}

#[test]
fn receiving_stops_at_its_limit_says_so_and_loses_nothing() {
    let (mut car, mut poll) = car();
    let viewer = viewer("127.0.0.1");
    let to = ("127.0.0.1", car.port());
    for n in 0..50 {
        viewer.send_to(&[n; 30], to).unwrap();
    }
    poll.poll(&mut Events::with_capacity(4), Some(PATIENCE)).unwrap();
    let mut came = Vec::new();
    assert!(car.inbox.receive(1, &mut |datagram| came.push(datagram.bytes[0])), "there is more");
    assert!(car.inbox.receive(20, &mut |datagram| came.push(datagram.bytes[0])), "there is more");
    assert_eq!(came.len(), 21);
    assert!(!car.inbox.receive(1000, &mut |datagram| came.push(datagram.bytes[0])), "that was all");
    assert_eq!(came, (0..50).collect::<Vec<u8>>());
    assert_eq!(car.received().datagrams_in, 50);
}

#[test]
fn a_datagram_too_long_for_webrtc_is_dropped_counted_and_harms_no_other() {
    let (mut car, mut poll) = car();
    let viewer = viewer("127.0.0.1");
    let to = ("127.0.0.1", car.port());
    for bytes in [&b"before"[..], &[1; 2049], &[1; 60_000], b"", b"after"] {
        viewer.send_to(bytes, to).unwrap();
    }
    let texts: Vec<_> = receive(&mut car, &mut poll, 3).into_iter().map(|(_, _, text)| text).collect();
    assert_eq!(texts, ["before", "", "after"]);
    assert_eq!((car.received().truncated, car.received().datagrams_in), (2, 3));
}

#[test]
fn a_port_in_use_is_a_sentence_that_says_what_to_do() {
    let (first, poll) = car();
    let error = Udp::bind(first.port(), poll.registry(), Token(1)).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let sentence = error.to_string();
    assert!(sentence.contains(&first.port().to_string()) && sentence.contains("--udp"), "{sentence}");

    let ipv4_only = viewer("127.0.0.1");
    let taken = ipv4_only.local_addr().unwrap().port();
    assert!(Udp::bind(taken, poll.registry(), Token(1)).is_err(), "taken on one address is taken");
}
