//! Stage `protect`: SRTP of one packet of the greatest length, for each profile that browsers negotiate, with our back end;
//! beside it aws-lc's (in C and assembly). On ARMv6 ours is AES by table, which is not compiled elsewhere: run this there
//! to see it, or under qemu (`perf/instructions.md`).
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::hint::black_box;
use std::time::Instant;

use common::protect::{Profile, Protector, packet};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use windshield::link::Crypto;

/// Ours, as this target has it.
const OURS: &str = if cfg!(target_arch = "arm") { "windshield, table" } else { "windshield" };

fn protect(criterion: &mut Criterion) {
    let ours = Crypto::new(Instant::now()).unwrap();
    let other = str0m_aws_lc_rs::default_provider();
    let packet = packet();
    let mut group = criterion.benchmark_group("protect");
    group.throughput(Throughput::Bytes(packet.len() as u64));
    for profile in Profile::ALL {
        for (name, provider) in [(OURS, &*ours.provider), ("aws-lc", &other)] {
            group.bench_function(BenchmarkId::new(name, profile.name()), |bencher| {
                let mut protector = Protector::new(provider, profile);
                bencher.iter(|| protector.protect(black_box(&packet)));
            });
        }
    }
    group.finish();
}

criterion_group! { name = benches; config = common::short(); targets = protect }
criterion_main!(benches);
