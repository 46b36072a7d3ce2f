//! The program that the gate counts (`perf/count`): does one stage's work, the same each time, inside `windshield_counted`,
//! which valgrind's tools look for. Prints how often it did it, and on how many bytes. Says nothing by itself: run it
//! under callgrind or DHAT, which is what `perf/count` does.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../../benches/common/mod.rs"]
mod common;
mod heap;
#[path = "../../tests/sim/mod.rs"]
mod sim;
#[path = "../../benches/common/watched.rs"]
mod watched;

use std::hint::black_box;
use std::time::Instant;

use common::protect::{Profile, Protector};
use common::send::Loopback;
use common::small;
use common::{KEYFRAME, P_FRAME, access_unit};
use watched::{hand_over, next_picture, watched_by};
use windshield::link::Crypto;
use windshield::link::packetize::Packetizer;
use windshield::message::STAMPS_MOST;
use windshield::trace::Stages;

#[global_allocator]
static HEAP: heap::Heap = heap::Heap::new();

/// What is in here counts. The name is what the tools look for; nothing is left to do behind `work`, but the call stays a
/// call, so that they see it end.
#[unsafe(no_mangle)]
#[inline(never)]
fn windshield_counted(work: &mut dyn FnMut()) {
    work();
    black_box(());
}

/// What is in here does not, though it is called from in there: the simulated network.
#[unsafe(no_mangle)]
#[inline(never)]
fn windshield_uncounted(work: &mut dyn FnMut()) {
    work();
    black_box(());
}

/// Times the work of a stage is done before it counts: memory is taken, the processor's abilities are asked.
const WARM: usize = 3;
/// Times it counts.
const TIMES: usize = 50;

/// Frames before counting, three seconds: stores for resends and vectors have their size.
const WARM_FRAMES: usize = 90;
/// Frames that count: three seconds, so that what comes round every few frames (stamps, reports) counts as often as it comes.
const FRAMES: usize = 90;

/// Does `work` on `bytes` as often as needed; `after` does not count.
fn stage<T>(name: &str, bytes: usize, mut work: impl FnMut() -> T, mut after: impl FnMut()) {
    let mut work = || {
        black_box(work());
    };
    for _ in 0..WARM {
        work();
        after();
    }
    for _ in 0..TIMES {
        windshield_counted(&mut work);
        after();
    }
    println!("{name} {TIMES} {bytes}");
}

fn protect(name: &str, profile: Profile) {
    let crypto = Crypto::new(Instant::now()).unwrap();
    let packet = common::protect::packet();
    let mut protector = Protector::new(&crypto.provider, profile);
    stage(name, packet.len(), || protector.protect(black_box(&packet)), || ());
}

fn frame(name: &str, viewers: usize) {
    let mut world = watched_by(viewers);
    let mut bytes = 0;
    for at in 0..WARM_FRAMES + FRAMES {
        let unit = next_picture(&mut world, P_FRAME);
        bytes = unit.len();
        let mut once = || hand_over(&mut world, &unit, windshield_uncounted);
        if at < WARM_FRAMES {
            once()
        } else {
            windshield_counted(&mut once)
        }
        world.settle();
    }
    assert!((0..viewers).all(|v| world.numbers(v).len() > WARM_FRAMES + FRAMES), "everyone has the pictures");
    assert!((0..viewers).all(|v| world.viewers[v].messages.iter().filter(|m| m[0] == 0x85).count() > 20), "and stamps");
    println!("{name} {FRAMES} {bytes}");
}

fn main() {
    let nothing = || ();
    let name = std::env::args().nth(1).unwrap_or_default();
    match &name[..] {
        "scan" => {
            let unit = access_unit(false, P_FRAME);
            stage(&name, unit.len(), || small::scan(black_box(&unit)), nothing);
        }
        "packetize" => {
            let (unit, mut packetizer) = (access_unit(true, KEYFRAME), Packetizer::default());
            stage(&name, unit.len(), || packetizer.packetize(black_box(&unit)).len(), nothing);
        }
        "protect-cm-128" => protect(&name, Profile::Cm128),
        "protect-gcm-128" => protect(&name, Profile::Gcm128),
        "protect-gcm-256" => protect(&name, Profile::Gcm256),
        "send" => {
            let loopback = std::cell::RefCell::new(Loopback::new(P_FRAME));
            stage(&name, P_FRAME, || loopback.borrow_mut().send(), || assert_eq!(loopback.borrow().empty(), P_FRAME));
        }
        "command-in" => {
            let said = small::HEARTBEAT;
            stage(&name, said.len(), || small::parse(black_box(&said)), nothing);
        }
        "command-out" => {
            let records: [_; STAMPS_MOST] = std::array::from_fn(|n| small::stamps(n as u32));
            let mut out = Vec::new();
            small::write(&records, &mut out);
            let bytes = out.len();
            stage(&name, bytes, || small::write(black_box(&records), &mut out), nothing);
        }
        "record" => {
            let (mut stages, mut number) = (Stages::default(), 0);
            let work = || {
                number += 1;
                small::record(&mut stages, black_box(&small::stamps(number)));
            };
            stage(&name, 1, work, nothing);
        }
        "frame-1" => frame(&name, 1),
        "frame-5" => frame(&name, 5),
        _ => {
            eprintln!("which stage? {name:?} is none; perf/count knows them and counts");
            std::process::exit(2);
        }
    }
}
