//! Stage `send`: a picture's datagrams into the kernel over loopback, as the car sends them (one call); beside it one
//! `sendto` a datagram. What comes before, encryption and all, is in `car`.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::net::{Ipv4Addr, UdpSocket};
use std::time::{Duration, Instant};

use common::send::Loopback;
use common::{KEYFRAME, P_FRAME};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Times `send`; the listener is emptied between.
fn timed(loopback: &mut Loopback, times: u64, send: impl Fn(&mut Loopback)) -> Duration {
    let mut spent = Duration::ZERO;
    for _ in 0..times {
        let start = Instant::now();
        send(loopback);
        spent += start.elapsed();
        loopback.empty();
    }
    spent
}

fn send(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("send");
    for (name, size) in [("P frame", P_FRAME), ("keyframe", KEYFRAME)] {
        group.throughput(Throughput::Bytes(size as u64));
        let mut loopback = Loopback::new(size);
        group.bench_function(BenchmarkId::new("windshield", name), |bencher| {
            bencher.iter_custom(|times| timed(&mut loopback, times, Loopback::send));
        });
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        group.bench_function(BenchmarkId::new("one sendto a datagram", name), |bencher| {
            bencher.iter_custom(|times| timed(&mut loopback, times, |loopback| loopback.send_singly(&socket)));
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = common::short(); targets = send }
criterion_main!(benches);
