//! When the process has no file descriptor left, clients wait; when it has some again, they are served. A test binary
//! of its own: the limit is the whole process's.

#![allow(clippy::unwrap_used)]

mod signal_common;

use std::fs::File;
use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use signal_common::{Car, GUARD, OFFER, options, read};
use socket2::{Domain, Socket, Type};

/// Takes every descriptor that is left.
fn take_all() -> Vec<File> {
    let first = File::open("/dev/null").unwrap();
    let mut taken: Vec<File> = std::iter::from_fn(|| first.try_clone().ok()).collect();
    taken.push(first);
    taken
}

#[test]
fn want_of_descriptors_ends_neither_the_listener_nor_the_server_behind_it() {
    let low = libc::rlimit { rlim_cur: 160, rlim_max: 160 };
    // SAFETY: `low` is a valid rlimit; this process is the test's own.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &low) }, 0);
    let car = Car::agreeable(options());
    let post = |stream: &mut TcpStream| {
        let fields = "Content-Type: application/sdp\r\n";
        stream.write_all(signal_common::request("localhost", "POST /whep", fields, OFFER).as_bytes()).unwrap();
    };
    // None at all; then enough for the gate alone; then for its connection to the server, but not for the server.
    for left in (0..12).chain([0]) {
        // The client's ends are in this process, too: made before the descriptors run out.
        let sockets: Vec<Socket> = (0..4).map(|_| Socket::new(Domain::IPV4, Type::STREAM, None).unwrap()).collect();
        let mut taken = take_all();
        taken.truncate(taken.len() - left);
        let mut streams: Vec<TcpStream> = Vec::new();
        for socket in sockets {
            socket.connect(&car.address.into()).unwrap();
            let mut stream = TcpStream::from(socket);
            post(&mut stream);
            streams.push(stream);
        }
        // The car has this long to go wrong; an answer, where there were enough after all, ends it.
        streams[0].set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let _ = streams[0].peek(&mut [0]);
        drop(taken);
        for stream in streams {
            stream.set_read_timeout(Some(GUARD)).unwrap();
            assert_eq!(read(stream).status, 201, "{left} descriptors left");
        }
    }
}
