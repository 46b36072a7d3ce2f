//! Stage `record`: a frame's stamps into the histograms; beside it the least one could do, which is to add each up (no
//! percentiles come of that).
#![allow(missing_docs)]

mod common;

use std::hint::black_box;

use common::small;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use windshield::frame::Stamps;
use windshield::trace::Stages;

/// Sums of the same six stages.
fn add(sums: &mut [u64; 6], stamps: &Stamps) {
    let Stamps { captured, encoding, dequeued, packetized, protected, sent, .. } = *stamps;
    let (encoding, sent) = (encoding.unwrap_or(dequeued), sent.unwrap_or(protected));
    let ways = [(captured, encoding), (encoding, dequeued), (dequeued, packetized), (packetized, protected)];
    for (sum, (from, to)) in sums.iter_mut().zip(ways.into_iter().chain([(protected, sent), (captured, sent)])) {
        *sum += to.0.saturating_sub(from.0);
    }
}

fn record(criterion: &mut Criterion) {
    let all: Vec<Stamps> = (0..1_000).map(small::stamps).collect();
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Elements(all.len() as u64));
    group.bench_function("windshield", |bencher| {
        let mut stages = Stages::default();
        bencher.iter(|| black_box(&all).iter().for_each(|stamps| small::record(&mut stages, stamps)));
    });
    group.bench_function("sums", |bencher| {
        let mut sums = [0; 6];
        bencher.iter(|| {
            black_box(&all).iter().for_each(|stamps| add(&mut sums, stamps));
            black_box(sums)
        });
    });
    group.finish();
}

criterion_group! { name = benches; config = common::short(); targets = record }
criterion_main!(benches);
