//! What benches and the counted program (`tools/count`) do alike: the pictures they handle, and one body for each
//! stage, so that both time and count the same work.
// Each program uses its part.
#![allow(dead_code)]

pub mod protect;
pub mod send;
pub mod small;

use std::time::Duration;

use criterion::Criterion;

/// Two seconds a line: enough to see a tenth. `cargo bench -- --measurement-time 10` for more.
pub fn short() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2))
}

/// 2 Mbit/s at 30 frames a second.
pub const P_FRAME: usize = 8_300;

/// Three times as much, as an encoder that must hold its bitrate makes it.
pub const KEYFRAME: usize = 25_000;

/// Both, with their names.
pub fn pictures() -> [(&'static str, Vec<u8>); 2] {
    [("P frame", access_unit(false, P_FRAME)), ("keyframe", access_unit(true, KEYFRAME))]
}

/// An access unit of `size` bytes: parameter sets before a keyframe, one slice. The same bytes in every run.
pub fn access_unit(keyframe: bool, size: usize) -> Vec<u8> {
    let mut unit = Vec::with_capacity(size + 8);
    if keyframe {
        unit.extend([0, 0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0xd9, 1, 0x41, 0xfb]);
        unit.extend([0, 0, 0, 1, 0x68, 0xce, 0x38, 0x80]);
    }
    unit.extend([0, 0, 0, 1, if keyframe { 0x65 } else { 0x41 }]);
    let (mut state, mut zeros) = (0x9e37_79b9_7f4a_7c15_u64, 0);
    while unit.len() < size - 1 {
        // xorshift64* (Vigna 2016).
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let byte = (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 56) as u8;
        // Emulation prevention (ITU-T H.264 section 7.3.1).
        if zeros >= 2 && byte <= 3 {
            unit.push(3);
            zeros = 0;
        }
        unit.push(byte);
        zeros = if byte == 0 { zeros + 1 } else { 0 };
    }
    // The stop bit: a NAL unit does not end in zero.
    unit.push(0x80);
    unit
}
