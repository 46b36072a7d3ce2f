//! Stage `packetize`: an access unit in, RTP payloads out; beside it the engine's own packetizer on the same bytes and
//! with the same limit.
#![allow(missing_docs)]

mod common;

use std::hint::black_box;

use common::pictures;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use str0m::unversioned::{H264Packetizer, Packetizer as _};
use windshield::link::packetize::{MAX_PAYLOAD, Packetizer};

fn packetize(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("packetize");
    for (name, unit) in pictures() {
        group.throughput(Throughput::Bytes(unit.len() as u64));
        group.bench_with_input(BenchmarkId::new("windshield", name), &unit, |bencher, unit| {
            let mut packetizer = Packetizer::default();
            bencher.iter(|| black_box(packetizer.packetize(black_box(unit))).len());
        });
        group.bench_with_input(BenchmarkId::new("str0m", name), &unit, |bencher, unit| {
            let mut packetizer = H264Packetizer::default();
            bencher
                .iter(|| packetizer.packetize(MAX_PAYLOAD, black_box(unit)).map(|payloads| black_box(payloads).len()));
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = common::short(); targets = packetize }
criterion_main!(benches);
