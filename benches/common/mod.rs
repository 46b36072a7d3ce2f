//! The pictures that benches send: access units of the usual sizes, with bytes as random as an encoder's output is.

/// 2 Mbit/s at 30 frames a second.
pub const P_FRAME: usize = 8_300;

/// Three times as much, as an encoder that must hold its bitrate makes it. One bench sends only the usual ones.
#[allow(dead_code)]
pub const KEYFRAME: usize = 25_000;

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
