//! The socket's promises on networks that loopback is not: no room, a path with a small MTU, no route.
//!
//! Each test runs itself once more in a network namespace of its own (needs `unshare` and `ip`, not root, where the
//! kernel lets users have namespaces). Where there are none it says so and passes; `refusal.rs` tests the decisions.
#![allow(clippy::unwrap_used)]

use std::net::{SocketAddr, SocketAddrV6, UdpSocket};
use std::process::{Command, Output};
use std::time::Duration;

use mio::{Events, Poll, Token};
use str0m::net::{Protocol, Transmit};
use windshield::link::outlet::{Outlet, Sent};
use windshield::link::udp::Udp;

const INSIDE: &str = "WINDSHIELD_TEST_INSIDE_NAMESPACE";

/// Runs test `name` again in a namespace where `network` was set up; `then` is what it does there.
fn within(network: &str, name: &str, then: fn()) {
    if std::env::var_os(INSIDE).is_some() {
        return then();
    }
    let namespace = |script: &str| -> std::io::Result<Output> {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "sh", "-c", script]).arg(std::env::current_exe().unwrap());
        command.env(INSIDE, "1").output()
    };
    match namespace(network) {
        Ok(made) if made.status.success() => {}
        refused => return println!("skipped: no network namespaces here: {refused:?}"),
    }
    let ran = namespace(&format!("{network} && exec \"$0\" --exact {name} --nocapture")).unwrap();
    let said = String::from_utf8_lossy(&ran.stdout);
    assert!(ran.status.success() && said.contains("1 passed"), "{said}{}", String::from_utf8_lossy(&ran.stderr));
}

fn car() -> Udp {
    Udp::bind(0, Poll::new().unwrap().registry(), Token(0)).unwrap()
}

fn datagram(car: &Udp, source: &str, destination: SocketAddr, length: usize, mark: u8) -> Transmit {
    let source = SocketAddr::new(source.parse().unwrap(), car.port());
    Transmit { proto: Protocol::Udp, source, destination, contents: vec![mark; length].into() }
}

/// First byte of RTP, and some sixty after it (RFC 7983 section 7): only pictures decide how much may wait.
const RTP: u8 = 128;

/// A network whose neighbour does not answer: packets wait for it, and waiting packets fill the send buffer.
const NOBODY_ANSWERS: &str = "ip link add near type veth peer name far && ip link set near up && ip link set far up \
     && ip address add 10.9.0.1/24 dev near";

#[test]
fn a_full_socket_stops_the_batch_and_says_how_far_it_came() {
    within(NOBODY_ANSWERS, "a_full_socket_stops_the_batch_and_says_how_far_it_came", || {
        let mut car = car();
        let to = "10.9.0.2:9".parse().unwrap();
        // Lengths that make pairs: forty datagrams are twenty messages.
        let batch: Vec<_> =
            (0..40).map(|n| datagram(&car, "10.9.0.1", to, 1000 + usize::from(n) % 2, RTP + n)).collect();
        assert_eq!(car.outbox.send(&batch), Sent::All, "a frame has room");
        let Sent::Blocked { accepted } = car.outbox.send(&batch) else { panic!("not blocked: {:?}", car.sent()) };
        assert!((1..40).contains(&accepted), "{accepted} accepted");
        let counters = car.sent();
        assert_eq!((counters.datagrams_out, counters.blocked, counters.send_errors), (40 + accepted as u64, 1, 0));
        assert_eq!(car.outbox.send(&batch), Sent::Blocked { accepted: 0 }, "it stays full");

        let answer = "neighbour replace 10.9.0.2 lladdr 02:00:00:00:00:02 dev near";
        assert!(Command::new("ip").args(answer.split(' ')).status().unwrap().success());
        assert_eq!(car.outbox.send(&batch[accepted..]), Sent::All, "room again: the rest goes");
        assert_eq!(car.sent().datagrams_out, 80);
    });
}

/// What waits in the socket is old when it leaves. The kernel's own size holds two dozen: 0.8 s at 30 fps.
#[test]
fn where_nothing_leaves_three_frames_wait_and_no_more() {
    within(NOBODY_ANSWERS, "where_nothing_leaves_three_frames_wait_and_no_more", || {
        let mut car = car();
        let to = "10.9.0.2:9".parse().unwrap();
        let frame: Vec<_> = (0..7).map(|n| datagram(&car, "10.9.0.1", to, 1100, RTP + n)).collect();
        let waiting = (0..100).take_while(|_| car.outbox.send(&frame) == Sent::All).count();
        assert!((2..=4).contains(&waiting), "{waiting} frames wait");
    });
}

/// Whole, or nobody ever sees a picture: also where the kernel can cut no segments, and for several viewers at once.
#[test]
fn a_keyframe_for_each_of_three_viewers_fits_where_nothing_leaves() {
    within(NOBODY_ANSWERS, "a_keyframe_for_each_of_three_viewers_fits_where_nothing_leaves", || {
        let viewers: [SocketAddr; 3] = ["10.9.0.2:9", "10.9.0.3:9", "10.9.0.4:9"].map(|viewer| viewer.parse().unwrap());
        // Equal ones are segmented; what grows from one to the next leaves singly.
        for growth in [0, 1] {
            let mut car = car();
            for to in viewers {
                let keyframe: Vec<_> =
                    (0..50).map(|n| datagram(&car, "10.9.0.1", to, 1100 + growth * usize::from(n), RTP + n)).collect();
                assert_eq!(car.outbox.send(&keyframe), Sent::All, "to {to}, growth {growth}: {:?}", car.sent());
            }
        }
    });
}

/// A VPN inside a modem's tunnel: a segment does not fit the MTU, where a plain datagram is fragmented.
#[test]
fn a_path_with_a_small_mtu_still_gets_every_datagram() {
    within("ip link set lo up mtu 600", "a_path_with_a_small_mtu_still_gets_every_datagram", || {
        let mut car = car();
        let viewer = UdpSocket::bind("127.0.0.1:0").unwrap();
        viewer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let to = viewer.local_addr().unwrap();
        for calls in [2, 1] {
            let before = car.sent().send_calls;
            let batch: Vec<_> = (0..20).map(|n| datagram(&car, "127.0.0.2", to, 1100, n)).collect();
            assert_eq!(car.outbox.send(&batch), Sent::All);
            assert_eq!(car.sent().send_calls - before, calls, "one refusal, then remembered");
            for n in 0..20 {
                let mut room = [0; 2000];
                assert_eq!(viewer.recv_from(&mut room).unwrap(), (1100, batch[0].source));
                assert_eq!(room[..1100], [n; 1100]);
            }
        }
        assert_eq!(car.sent().send_errors, 0);
    });
}

#[test]
fn a_viewer_without_a_route_costs_the_others_nothing() {
    within("ip link set lo up", "a_viewer_without_a_route_costs_the_others_nothing", || {
        let mut car = car();
        let viewer = UdpSocket::bind("127.0.0.1:0").unwrap();
        viewer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let (here, nowhere) = (viewer.local_addr().unwrap(), "198.51.100.7:9".parse().unwrap());
        let batch: Vec<_> = (0..30)
            .map(|n| match n {
                10..20 => datagram(&car, "0.0.0.0", nowhere, 500, n),
                _ => datagram(&car, "127.0.0.1", here, 500, n),
            })
            .collect();
        assert_eq!(car.outbox.send(&batch), Sent::All);
        for n in (0..10).chain(20..30) {
            let mut room = [0; 500];
            assert_eq!(viewer.recv(&mut room).unwrap(), 500);
            assert_eq!(room, [n; 500]);
        }
        let counters = car.sent();
        assert_eq!((counters.datagrams_out, counters.send_errors, counters.blocked), (20, 10, 0));
        assert_eq!(counters.send_calls, 3, "up to the refusal, the refusal, the rest");
    });
}

#[test]
fn a_link_local_viewer_is_answered_on_its_own_interface() {
    within(
        "ip link add near type veth peer name far && ip link set near up && ip link set far up \
         && ip address add fe80::5/64 dev near nodad && ip address add fe80::6/64 dev far nodad",
        "a_link_local_viewer_is_answered_on_its_own_interface",
        || {
            // SAFETY: the names are strings that end in zero.
            let index = |name: &std::ffi::CStr| unsafe { libc::if_nametoindex(name.as_ptr()) };
            let (near, far) = (index(c"near"), index(c"far"));
            let mut poll = Poll::new().unwrap();
            let mut car = Udp::bind(0, poll.registry(), Token(0)).unwrap();
            let address = |text: &str, port, scope| SocketAddrV6::new(text.parse().unwrap(), port, 0, scope);
            let viewer = UdpSocket::bind(address("fe80::6", 0, far)).unwrap();
            viewer.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            viewer.send_to(b"hello", address("fe80::5", car.port(), far)).unwrap();

            poll.poll(&mut Events::with_capacity(4), Some(Duration::from_secs(20))).unwrap();
            let mut came = None;
            car.inbox.receive(9, &mut |datagram| came = Some((datagram.source, datagram.destination)));
            let port = viewer.local_addr().unwrap().port();
            let (source, destination) = came.unwrap();
            assert_eq!(source, address("fe80::6", port, near).into());
            assert_eq!(destination, address("fe80::5", car.port(), near).into());

            let answer = [1, 2].map(|mark| Transmit {
                proto: Protocol::Udp,
                source: destination,
                destination: source,
                contents: vec![mark; 300].into(),
            });
            assert_eq!(car.outbox.send(&answer), Sent::All);
            for _ in answer {
                let (length, from) = viewer.recv_from(&mut [0; 999]).unwrap();
                assert_eq!((length, from), (300, address("fe80::5", car.port(), far).into()));
            }
            assert_eq!(car.sent().send_errors, 0);
        },
    );
}
