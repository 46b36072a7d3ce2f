//! AES-128 in counter mode (NIST SP 800-38A section 6.5) by table, for cores without AES instructions on which the
//! constant-time way costs twice as much: the ARM1176 of the Pi Zero. `counter` decides who uses it.
//!
//! Its time depends on which lines of a 1 KiB table are cached, and so in principle on the key. It therefore encrypts
//! pictures alone (SRTP with keys of one session): the keys themselves, the certificate and the data channels, by which
//! the car is driven, go through constant-time code (`perf/instructions.md` weighs it).

/// Rounds of AES-128 (FIPS 197 section 5).
const ROUNDS: usize = 10;

/// SubBytes, ShiftRows and MixColumns of one byte: (2s, s, s, 3s) from the highest byte down, s the S-box. The other three
/// columns are rotations, which are free in ARM's operands, so that one table fills 32 lines of a 512-line cache.
static TABLE: Table = Table(table());

/// Begins where a line of the cache begins.
#[repr(align(64))]
struct Table([u32; 256]);

/// Multiplies by x in GF(2^8) modulo x^8 + x^4 + x^3 + x + 1 (FIPS 197 section 4.2.1).
const fn times_2(byte: u8) -> u8 {
    (byte << 1) ^ if byte & 0x80 == 0 { 0 } else { 0x1b }
}

/// The S-box (FIPS 197 section 5.1.1), walked by a generator of the field: p runs through the powers of 3, q through
/// those of its inverse.
const fn s_box() -> [u8; 256] {
    let mut s = [0; 256];
    s[0] = 0x63;
    let (mut p, mut q) = (1u8, 1u8);
    loop {
        p ^= times_2(p);
        q ^= q << 1;
        q ^= q << 2;
        q ^= q << 4;
        if q & 0x80 != 0 {
            q ^= 0x09;
        }
        s[p as usize] = q ^ q.rotate_left(1) ^ q.rotate_left(2) ^ q.rotate_left(3) ^ q.rotate_left(4) ^ 0x63;
        if p == 1 {
            return s;
        }
    }
}

const fn table() -> [u32; 256] {
    let s_box = s_box();
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let s = s_box[i];
        table[i] = u32::from_be_bytes([times_2(s), s, s, times_2(s) ^ s]);
        i += 1;
    }
    table
}

/// A column's part from the byte of `word` that lies `SHIFT` bits up.
#[inline(always)]
fn part<const SHIFT: u32>(word: u32) -> u32 {
    TABLE.0[usize::from((word >> SHIFT) as u8)].rotate_right(24 - SHIFT)
}

/// The S-box of the byte of `word` that lies `SHIFT` bits up, at its place in the column.
#[inline(always)]
fn substitute<const SHIFT: u32>(word: u32) -> u32 {
    // The table's middle bytes are the S-box; the upper one is as good as the lower.
    (TABLE.0[usize::from((word >> SHIFT) as u8)] >> 8 & 0xff) << SHIFT
}

/// One round but the last.
#[inline(always)]
fn round([a, b, c, d]: [u32; 4], key: &[u32; 4]) -> [u32; 4] {
    [
        part::<24>(a) ^ part::<16>(b) ^ part::<8>(c) ^ part::<0>(d) ^ key[0],
        part::<24>(b) ^ part::<16>(c) ^ part::<8>(d) ^ part::<0>(a) ^ key[1],
        part::<24>(c) ^ part::<16>(d) ^ part::<8>(a) ^ part::<0>(b) ^ key[2],
        part::<24>(d) ^ part::<16>(a) ^ part::<8>(b) ^ part::<0>(c) ^ key[3],
    ]
}

/// The last round has no MixColumns.
#[inline(always)]
fn last_round([a, b, c, d]: [u32; 4], key: &[u32; 4]) -> [u32; 4] {
    [
        substitute::<24>(a) ^ substitute::<16>(b) ^ substitute::<8>(c) ^ substitute::<0>(d) ^ key[0],
        substitute::<24>(b) ^ substitute::<16>(c) ^ substitute::<8>(d) ^ substitute::<0>(a) ^ key[1],
        substitute::<24>(c) ^ substitute::<16>(d) ^ substitute::<8>(a) ^ substitute::<0>(b) ^ key[2],
        substitute::<24>(d) ^ substitute::<16>(a) ^ substitute::<8>(b) ^ substitute::<0>(c) ^ key[3],
    ]
}

/// A key with its schedule, computed once (RustCrypto's and aws-lc's providers of the engine do it for each packet).
pub struct TableCounter {
    keys: [[u32; 4]; ROUNDS + 1],
}

impl TableCounter {
    /// Expands `key` (FIPS 197 section 5.2).
    pub fn new(key: &[u8; 16]) -> Self {
        let mut keys = [words(key); ROUNDS + 1];
        let mut constant = 1;
        for i in 1..=ROUNDS {
            let before = keys[i - 1];
            let turned = before[3].rotate_left(8);
            let substituted =
                substitute::<24>(turned) | substitute::<16>(turned) | substitute::<8>(turned) | substitute::<0>(turned);
            let mut word = before[0] ^ substituted ^ u32::from(constant) << 24;
            keys[i][0] = word;
            for column in 1..4 {
                word ^= before[column];
                keys[i][column] = word;
            }
            constant = times_2(constant);
        }
        Self { keys }
    }

    /// `output` = `input` ^ key stream; `iv` is the first counter block. `output` is at least as long as `input`.
    pub fn apply(&self, iv: &[u8; 16], input: &[u8], output: &mut [u8]) {
        let (mut counter, mut row) = (*iv, Row::new(&self.keys, iv));
        let output = &mut output[..input.len()];
        for (input, output) in input.chunks(16).zip(output.chunks_mut(16)) {
            let stream = row.block(&self.keys, counter[15]);
            if let (Ok(input), Ok(output)) = (<&[u8; 16]>::try_from(input), <&mut [u8; 16]>::try_from(&mut *output)) {
                xor(input, stream, output);
            } else {
                let bytes = stream.map(u32::to_be_bytes);
                for ((output, input), key) in output.iter_mut().zip(input).zip(bytes.as_flattened()) {
                    *output = input ^ key;
                }
            }
            counter[15] = counter[15].wrapping_add(1);
            if counter[15] == 0 {
                counter = u128::from_be_bytes(counter).wrapping_add(256).to_be_bytes();
                row = Row::new(&self.keys, &counter);
            }
        }
    }
}

impl std::fmt::Debug for TableCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TableCounter")
    }
}

/// 256 counter blocks that differ in their last byte. That byte reaches one of four columns in the first round and
/// one byte of each column in the second; all else of these two rounds is computed once (Bernstein and Schwabe, "New AES
/// software speed records", section 3.2): 5 look-ups of 32.
struct Row {
    /// The changing column after round 1, without the part of the last byte.
    first: u32,
    /// The columns after round 2, without the parts of the changing column.
    second: [u32; 4],
}

impl Row {
    fn new(keys: &[[u32; 4]; ROUNDS + 1], iv: &[u8; 16]) -> Self {
        let [mut a, mut b, mut c, mut d] = words(iv);
        (a, b, c, d) = (a ^ keys[0][0], b ^ keys[0][1], c ^ keys[0][2], d ^ keys[0][3]);
        let [changing, b, c, d] = {
            let full = round([a, b, c, d], &keys[1]);
            [full[0] ^ part::<0>(d), full[1], full[2], full[3]]
        };
        let key = &keys[2];
        Self {
            first: changing,
            second: [
                part::<16>(b) ^ part::<8>(c) ^ part::<0>(d) ^ key[0],
                part::<24>(b) ^ part::<16>(c) ^ part::<8>(d) ^ key[1],
                part::<24>(c) ^ part::<16>(d) ^ part::<0>(b) ^ key[2],
                part::<24>(d) ^ part::<8>(b) ^ part::<0>(c) ^ key[3],
            ],
        }
    }

    /// The key stream of the block whose last byte is `last`, as big-endian words.
    #[inline(always)]
    fn block(&self, keys: &[[u32; 4]; ROUNDS + 1], last: u8) -> [u32; 4] {
        let changing = self.first ^ part::<0>(keys[0][3] ^ u32::from(last));
        let [a, b, c, d] = self.second;
        let mut state =
            [a ^ part::<24>(changing), b ^ part::<0>(changing), c ^ part::<8>(changing), d ^ part::<16>(changing)];
        for key in &keys[3..ROUNDS] {
            state = round(state, key);
        }
        last_round(state, &keys[ROUNDS])
    }
}

fn words(bytes: &[u8; 16]) -> [u32; 4] {
    let (words, _) = bytes.as_chunks::<4>();
    [0, 1, 2, 3].map(|i| u32::from_be_bytes(words[i]))
}

/// A whole block. Word by word if both lie on words, as they do for the engine's packets: the compiler may not assume that,
/// and would go byte by byte for this core.
#[inline(always)]
fn xor(input: &[u8; 16], stream: [u32; 4], output: &mut [u8; 16]) {
    // SAFETY: every bit pattern is a u32, and what does not fit words comes back beside them.
    let ((before, from, _), (ahead, to, _)) = unsafe { (input.align_to::<u32>(), output.align_to_mut::<u32>()) };
    if before.is_empty() && ahead.is_empty() {
        for ((to, from), key) in to.iter_mut().zip(from).zip(stream) {
            *to = from ^ key.to_be();
        }
    } else {
        let bytes = stream.map(u32::to_be_bytes);
        for ((output, input), key) in output.iter_mut().zip(input).zip(bytes.as_flattened()) {
            *output = input ^ key;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// FIPS 197 appendix B and C.1; with an input of zeros counter mode is the block cipher of its counter.
    #[test]
    fn a_block_is_encrypted_as_in_fips_197() {
        let cases = [
            (
                0x2b7e151628aed2a6abf7158809cf4f3c_u128,
                0x3243f6a8885a308d313198a2e0370734_u128,
                0x3925841d02dc09fbdc118597196a0b32_u128,
            ),
            (
                0x000102030405060708090a0b0c0d0e0f,
                0x00112233445566778899aabbccddeeff,
                0x69c4e0d86a7b0430d8cdb78070b4c55a,
            ),
        ];
        for (key, plain, cipher) in cases {
            let mut output = [0; 16];
            TableCounter::new(&key.to_be_bytes()).apply(&plain.to_be_bytes(), &[0; 16], &mut output);
            assert_eq!(output, cipher.to_be_bytes());
        }
    }
}
