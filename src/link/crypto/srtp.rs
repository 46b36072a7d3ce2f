//! What SRTP asks of the provider: AES-CM with HMAC-SHA-1 (RFC 3711, the one every browser has) and AES-GCM (RFC 7714), each
//! key expanded once for a session, and the block cipher of the key derivation. The packets themselves are the engine's.

use aes::cipher::KeyInit as _;
use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::{Aes128Gcm, Aes256Gcm};
use str0m::crypto::{
    AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80Cipher, CryptoError, SrtpProvider, SupportedAeadAes128Gcm,
    SupportedAeadAes256Gcm, SupportedAes128CmSha1_80,
};

use super::counter::Counter;

/// GCM's authentication tag, in bytes (RFC 7714 section 13.2).
const TAG: usize = 16;

/// Makes ciphers.
#[derive(Debug)]
pub struct Srtp;

impl SrtpProvider for Srtp {
    fn aes_128_cm_sha1_80(&self) -> &'static dyn SupportedAes128CmSha1_80 {
        &Srtp
    }

    fn aead_aes_128_gcm(&self) -> &'static dyn SupportedAeadAes128Gcm {
        &Srtp
    }

    fn aead_aes_256_gcm(&self) -> &'static dyn SupportedAeadAes256Gcm {
        &Srtp
    }

    fn srtp_aes_128_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        if let Ok(cipher) = aes::Aes128::new_from_slice(key) {
            block(&cipher, input, output);
        }
    }

    fn srtp_aes_256_ecb_round(&self, key: &[u8], input: &[u8], output: &mut [u8]) {
        if let Ok(cipher) = aes::Aes256::new_from_slice(key) {
            block(&cipher, input, output);
        }
    }
}

/// One block; the engine gives 16 bytes and room for 32, and reads 16.
fn block<C>(cipher: &C, input: &[u8], output: &mut [u8])
where
    C: aes::cipher::BlockCipherEncrypt + aes::cipher::BlockSizeUser<BlockSize = aes::cipher::consts::U16>,
{
    let mut block = aes::Block::default();
    block.copy_from_slice(&input[..16]);
    cipher.encrypt_block(&mut block);
    output[..16].copy_from_slice(&block);
}

impl SupportedAes128CmSha1_80 for Srtp {
    fn create_cipher(&self, key: [u8; 16], _encrypt: bool) -> Box<dyn Aes128CmSha1_80Cipher> {
        Box::new(Counter::new(&key))
    }
}

impl SupportedAeadAes128Gcm for Srtp {
    fn create_cipher(&self, key: [u8; 16], _encrypt: bool) -> Box<dyn AeadAes128GcmCipher> {
        Box::new(Gcm(Aes128Gcm::new(&key.into())))
    }
}

impl SupportedAeadAes256Gcm for Srtp {
    fn create_cipher(&self, key: [u8; 32], _encrypt: bool) -> Box<dyn AeadAes256GcmCipher> {
        Box::new(Gcm(Aes256Gcm::new(&key.into())))
    }
}

/// AES-GCM with its key schedule and hash key.
struct Gcm<C>(C);

impl<C> std::fmt::Debug for Gcm<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Gcm")
    }
}

impl<C> Gcm<C>
where
    C: AeadInOut<NonceSize = aes::cipher::consts::U12, TagSize = aes::cipher::consts::U16>,
{
    /// `output` = ciphertext, then the tag.
    fn seal(&self, iv: &[u8; 12], aad: &[u8], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        let room = output.len();
        let (text, tag) = output.split_at_mut_checked(input.len()).ok_or_else(|| does_not_fit(input.len(), room))?;
        let place = tag.get_mut(..TAG).ok_or_else(|| does_not_fit(input.len() + TAG, room))?;
        let buffer = InOutBuf::new(input, text).map_err(|_| does_not_fit(input.len(), room))?;
        let tag = self.0.encrypt_inout_detached(iv.into(), aad, buffer).map_err(|_| too_long())?;
        place.copy_from_slice(&tag);
        Ok(())
    }

    /// `input` is ciphertext and tag; returns the length of the plaintext.
    fn open(&self, iv: &[u8; 12], aads: &[&[u8]], input: &[u8], output: &mut [u8]) -> Result<usize, CryptoError> {
        let (text, tag) = input.split_last_chunk::<TAG>().ok_or_else(|| does_not_fit(TAG, input.len()))?;
        let room = output.len();
        let output = output.get_mut(..text.len()).ok_or_else(|| does_not_fit(text.len(), room))?;
        let buffer = InOutBuf::new(text, output).map_err(|_| does_not_fit(text.len(), room))?;
        let joined;
        let aad = match aads {
            [one] => one,
            several => {
                joined = several.concat();
                &joined[..]
            }
        };
        self.0
            .decrypt_inout_detached(iv.into(), aad, buffer, tag.into())
            .map_err(|_| CryptoError::Other("the packet is not authentic".into()))?;
        Ok(text.len())
    }
}

/// A bug of the caller, which sizes the buffers.
fn does_not_fit(needed: usize, there: usize) -> CryptoError {
    CryptoError::Other(format!("{needed} bytes are needed where {there} are"))
}

fn too_long() -> CryptoError {
    CryptoError::Other("more than GCM can encrypt at once".into())
}

impl AeadAes128GcmCipher for Gcm<Aes128Gcm> {
    fn encrypt(&mut self, iv: &[u8; 12], aad: &[u8], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        self.seal(iv, aad, input, output)
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 12],
        aads: &[&[u8]],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, CryptoError> {
        self.open(iv, aads, input, output)
    }
}

impl AeadAes256GcmCipher for Gcm<Aes256Gcm> {
    fn encrypt(&mut self, iv: &[u8; 12], aad: &[u8], input: &[u8], output: &mut [u8]) -> Result<(), CryptoError> {
        self.seal(iv, aad, input, output)
    }

    fn decrypt(
        &mut self,
        iv: &[u8; 12],
        aads: &[&[u8]],
        input: &[u8],
        output: &mut [u8],
    ) -> Result<usize, CryptoError> {
        self.open(iv, aads, input, output)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// RFC 3711 appendix B.3: the session keys from master key and salt, block by block.
    #[test]
    fn keys_are_derived_as_in_rfc_3711() {
        let key = 0xe1f97a0d3e018be0d64fa32c06de4139_u128.to_be_bytes();
        let cases = [
            (0x0ec675ad498afeebb6960b3aabe60000_u128, 0xc61e7a93744f39ee10734afe3ff7a087_u128),
            (0x0ec675ad498afee9b6960b3aabe60000, 0x30cbbc08863d8c85d49db34a9ae17ac6),
            (0x0ec675ad498afeeab6960b3aabe60000, 0xcebe321f6ff7716b6fd4ab49af256a15),
            (0x0ec675ad498afeeab6960b3aabe60001, 0x6d38baa48f0a0acf3c34e2359e6cdbce),
        ];
        for (input, expected) in cases {
            let mut output = [0; 32];
            Srtp.srtp_aes_128_ecb_round(&key, &input.to_be_bytes(), &mut output);
            assert_eq!(output[..16], expected.to_be_bytes(), "{input:#x}");
        }
        // FIPS 197 appendix C.3.
        let (key, input): (Vec<u8>, Vec<u8>) = ((0..32).collect(), (0..16).map(|i| i * 0x11).collect());
        let mut output = [0; 32];
        Srtp.srtp_aes_256_ecb_round(&key, &input, &mut output);
        assert_eq!(output[..16], 0x8ea2b7ca516745bfeafc49904b496089_u128.to_be_bytes());
    }

    /// RFC 7714 sections 16.1.1 and 16.2.1.
    #[test]
    fn gcm_is_that_of_rfc_7714() {
        let iv = *b"\x51\x75\x3c\x65\x80\xc2\x72\x6f\x20\x71\x84\x14";
        let aad = b"\x80\x40\xf1\x7b\x80\x41\xf8\xd3\x55\x01\xa0\xb2";
        let text = b"Gallia est omnis divisa in partes tres";
        let with_128 = b"\xf2\x4d\xe3\xa3\xfb\x34\xde\x6c\xac\xba\x86\x1c\x9d\x7e\x4b\xca\xbe\x63\x3b\xd5\x0d\x29\x4e\x6f\x42\xa5\xf4\x7a\x51\xc7\xd1\x9b\x36\xde\x3a\xdf\x88\x33\x89\x9d\x7f\x27\xbe\xb1\x6a\x91\x52\xcf\x76\x5e\xe4\x39\x0c\xce";
        let with_256 = b"\x32\xb1\xde\x78\xa8\x22\xfe\x12\xef\x9f\x78\xfa\x33\x2e\x33\xaa\xb1\x80\x12\x38\x9a\x58\xe2\xf3\xb5\x0b\x2a\x02\x76\xff\xae\x0f\x1b\xa6\x37\x99\xb8\x7b\x7a\xa3\xdb\x36\xdf\xff\xd6\xb0\xf9\xbb\x78\x78\xd7\xa7\x6c\x13";
        let key: [u8; 32] = std::array::from_fn(|i| i as u8);
        let mut small = SupportedAeadAes128Gcm::create_cipher(&Srtp, *key.first_chunk().unwrap(), true);
        let mut large = SupportedAeadAes256Gcm::create_cipher(&Srtp, key, true);

        let mut sealed = vec![0; text.len() + TAG];
        small.encrypt(&iv, aad, text, &mut sealed).unwrap();
        assert_eq!(sealed, with_128);
        large.encrypt(&iv, aad, text, &mut sealed).unwrap();
        assert_eq!(sealed, with_256);

        let mut opened = vec![0; text.len()];
        assert_eq!(small.decrypt(&iv, &[&aad[..4], &aad[4..]], with_128, &mut opened).unwrap(), text.len());
        assert_eq!(opened, text);
        assert_eq!(large.decrypt(&iv, &[aad], with_256, &mut opened).unwrap(), text.len());
        assert_eq!(opened, text);
        for damaged in [0, text.len(), text.len() + TAG - 1] {
            sealed.copy_from_slice(with_256);
            sealed[damaged] ^= 1;
            assert!(large.decrypt(&iv, &[aad], &sealed, &mut opened).is_err(), "byte {damaged}");
        }
        assert!(large.decrypt(&iv, &[aad], &sealed[..TAG - 1], &mut opened).is_err());
        assert!(large.encrypt(&iv, aad, text, &mut opened).is_err(), "no room for the tag");
    }
}
