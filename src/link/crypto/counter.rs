//! AES-128 in counter mode, as SRTP's default cipher wants it (RFC 3711 section 4.1.1), with a key schedule that is computed
//! once for a session. Chooses between the `aes` crate (which finds the processor's AES instructions while running) and
//! `table`. Not authenticated: `mac` is. Called by `srtp`.

use str0m::crypto::{Aes128CmSha1_80Cipher, CryptoError};

/// 32-bit ARM: the Pi Zero has no AES instructions, and the constant-time way costs twice the table's.
#[cfg(target_arch = "arm")]
type Inner = super::table::TableCounter;
#[cfg(not(target_arch = "arm"))]
type Inner = BlockCounter;

/// One direction of one session.
#[derive(Debug)]
pub struct Counter(Inner);

impl Counter {
    /// Expands the key.
    pub fn new(key: &[u8; 16]) -> Self {
        Self(Inner::new(key))
    }
}

impl Aes128CmSha1_80Cipher for Counter {
    fn encrypt(&mut self, iv: &[u8; 16], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        if output.len() < input.len() {
            return Err(CryptoError::Other(format!("{} bytes do not fit into {}", input.len(), output.len())));
        }
        self.0.apply(iv, input, output);
        Ok(())
    }

    fn decrypt(&mut self, iv: &[u8; 16], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        self.encrypt(iv, input, output)
    }
}

/// By the `aes` crate: with AES instructions, or in constant time without.
#[cfg(any(test, not(target_arch = "arm")))]
struct BlockCounter(aes::Aes128);

#[cfg(any(test, not(target_arch = "arm")))]
impl BlockCounter {
    fn new(key: &[u8; 16]) -> Self {
        use aes::cipher::KeyInit;
        Self(aes::Aes128::new(key.into()))
    }

    /// `output` = `input` ^ key stream; `iv` is the first counter block. `output` is at least as long as `input`.
    fn apply(&self, iv: &[u8; 16], input: &[u8], output: &mut [u8]) {
        use aes::cipher::{InnerIvInit, StreamCipher, StreamCipherCoreWrapper};
        let core = ctr::CtrCore::<&aes::Aes128, ctr::flavors::Ctr128BE>::inner_iv_init(&self.0, iv.into());
        let mut stream = StreamCipherCoreWrapper::from_core(core);
        let output = &mut output[..input.len()];
        output.copy_from_slice(input);
        stream.apply_keystream(output);
    }
}

#[cfg(any(test, not(target_arch = "arm")))]
impl std::fmt::Debug for BlockCounter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("BlockCounter")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::table::TableCounter;
    use super::*;

    fn both(key: [u8; 16], iv: [u8; 16], input: &[u8]) -> Vec<u8> {
        let mut outputs = [vec![0; input.len()], vec![0; input.len()]];
        TableCounter::new(&key).apply(&iv, input, &mut outputs[0]);
        BlockCounter::new(&key).apply(&iv, input, &mut outputs[1]);
        let [table, blocks] = outputs;
        assert_eq!(table, blocks, "key {key:02x?} iv {iv:02x?}, {} bytes", input.len());
        let mut chosen = vec![0; input.len() + 15];
        Counter::new(&key).encrypt(&iv, input, &mut chosen).unwrap();
        assert_eq!(chosen[..input.len()], table);
        assert_eq!(chosen[input.len()..], [0; 15], "wrote beyond its input");
        table
    }

    /// NIST SP 800-38A appendix F.5.1.
    #[test]
    fn counter_mode_is_that_of_nist() {
        let key = 0x2b7e151628aed2a6abf7158809cf4f3c_u128.to_be_bytes();
        let iv = 0xf0f1f2f3f4f5f6f7f8f9fafbfcfdfeff_u128.to_be_bytes();
        let blocks = |blocks: [u128; 4]| blocks.map(u128::to_be_bytes).as_flattened().to_vec();
        let plain = blocks([
            0x6bc1bee22e409f96e93d7e117393172a,
            0xae2d8a571e03ac9c9eb76fac45af8e51,
            0x30c81c46a35ce411e5fbc1191a0a52ef,
            0xf69f2445df4f9b17ad2b417be66c3710,
        ]);
        let cipher = blocks([
            0x874d6191b620e3261bef6864990db6ce,
            0x9806f66b7970fdff8617187bb9fffdff,
            0x5ae4df3edbd5d35e5b4f09020db03eab,
            0x1e031dda2fbe03d1792170a0f3009cee,
        ]);
        assert_eq!(both(key, iv, &plain), cipher);
    }

    /// RFC 3711 appendix B.2: the first and the last three blocks of a whole packet's worth of key stream.
    #[test]
    fn the_key_stream_is_that_of_rfc_3711() {
        let key = 0x2b7e151628aed2a6abf7158809cf4f3c_u128.to_be_bytes();
        let iv = 0xf0f1f2f3f4f5f6f7f8f9fafbfcfd0000_u128.to_be_bytes();
        let stream = both(key, iv, &vec![0; 0xff02 * 16]);
        let block = |n: usize| u128::from_be_bytes(stream[n * 16..][..16].try_into().unwrap());
        let expected = [
            (0x0000, 0xe03ead0935c95e80e166b16dd92b4eb4),
            (0x0001, 0xd23513162b02d0f72a43a2fe4a5f97ab),
            (0x0002, 0x41e95b3bb0a2e8dd477901e4fca894c0),
            (0xfeff, 0xec8cdf7398607cb0f2d21675ea9ea1e4),
            (0xff00, 0x362b7c3c6773516318a077d7fc5073ae),
            (0xff01, 0x6a2cc3787889374fbeb4c81b17ba6c44),
        ];
        for (n, expected) in expected {
            assert_eq!(block(n), expected, "block {n:#x}");
        }
    }

    #[test]
    fn table_and_blocks_agree_for_every_length_and_over_the_counters_end() {
        let input: Vec<u8> = (0..1300u32).map(|i| (i * 7 + i / 256) as u8).collect();
        let mut seed = 0x9e37_79b9_7f4a_7c15_u128;
        for length in (0..100).chain([255, 256, 257, 1199, 1300]) {
            seed = seed.wrapping_mul(0x2360_ed05_1fc6_5da4_4385_df64_9fcc_f645).wrapping_add(1);
            let key = seed.to_le_bytes();
            for iv in [seed << 16, seed | 0xfd, u128::MAX - 2] {
                both(key, iv.to_be_bytes(), &input[..length]);
            }
        }
    }
}
