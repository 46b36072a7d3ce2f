//! Stage `scan`: the NAL units of an access unit; beside it what the same bytes cost at least (one search for a byte that
//! is not there) and the plain loop over windows of three that one would write first.
#![allow(missing_docs)]

mod common;

use std::hint::black_box;

use common::{pictures, small};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

/// Start codes, the plain way.
fn plain(unit: &[u8]) -> usize {
    unit.windows(3).filter(|window| *window == [0, 0, 1]).count()
}

fn scan(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("scan");
    for (name, unit) in pictures() {
        group.throughput(Throughput::Bytes(unit.len() as u64));
        group.bench_with_input(BenchmarkId::new("windshield", name), &unit, |bencher, unit| {
            bencher.iter(|| small::scan(black_box(unit)));
        });
        group.bench_with_input(BenchmarkId::new("windows of three", name), &unit, |bencher, unit| {
            bencher.iter(|| plain(black_box(unit)));
        });
        // 0xff, which random bytes have, is made one that they have not.
        let without: Vec<u8> = unit.iter().map(|byte| byte & 0x7f).collect();
        group.bench_with_input(BenchmarkId::new("memchr", name), &without, |bencher, unit| {
            bencher.iter(|| memchr::memchr(0xff, black_box(unit)));
        });
    }
    group.finish();
}

criterion_group! { name = benches; config = common::short(); targets = scan }
criterion_main!(benches);
