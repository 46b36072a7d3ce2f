//! Stage `command`: the data channels' messages, a heartbeat read and a full batch of stamps written; beside it the same
//! as JSON, which is what one would send without byte layouts of one's own.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::hint::black_box;

use common::small;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use windshield::frame::Stamps;
use windshield::message::STAMPS_MOST;

/// A heartbeat in JSON.
#[derive(serde::Deserialize)]
struct Heartbeat {
    #[allow(dead_code)]
    sent: u64,
}

/// A record of the batch in JSON.
#[derive(serde::Serialize)]
struct Record {
    rtp_time: u32,
    captured: u64,
    after: [Option<u64>; 5],
}

impl From<&Stamps> for Record {
    fn from(stamps: &Stamps) -> Self {
        let Stamps { rtp_time, captured, encoding, dequeued, packetized, protected, sent } = *stamps;
        let points = [encoding, Some(dequeued), Some(packetized), Some(protected), sent];
        Self { rtp_time, captured: captured.0, after: points.map(|at| at.map(|at| at.0 - captured.0)) }
    }
}

fn command(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("command");
    group.throughput(Throughput::Elements(1));
    group.bench_function("parse heartbeat/windshield", |bencher| {
        bencher.iter(|| small::parse(black_box(&small::HEARTBEAT)).unwrap());
    });
    group.bench_function("parse heartbeat/JSON", |bencher| {
        bencher.iter(|| serde_json::from_slice::<Heartbeat>(black_box(br#"{"sent":16909060}"#)).unwrap());
    });

    let records: [Stamps; STAMPS_MOST] = std::array::from_fn(|n| small::stamps(n as u32));
    let mut out = Vec::new();
    group.throughput(Throughput::Elements(STAMPS_MOST as u64));
    group.bench_function("write stamps/windshield", |bencher| {
        bencher.iter(|| small::write(black_box(&records), &mut out));
    });
    group.bench_function("write stamps/JSON", |bencher| {
        bencher.iter(|| {
            out.clear();
            let records: [Record; STAMPS_MOST] = std::array::from_fn(|n| Record::from(&black_box(&records)[n]));
            serde_json::to_writer(&mut out, &records).unwrap();
            out.len()
        });
    });
    group.finish();
}

criterion_group! { name = benches; config = common::short(); targets = command }
criterion_main!(benches);
