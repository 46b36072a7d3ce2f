//! Hashes and authentication: HMAC-SHA-1 (RFC 2104) for SRTP (RFC 3711 section 4.2.1) and STUN (RFC 8489 section 14.5), SHA-1
//! and SHA-256 for fingerprints (RFC 8122). Nothing here encrypts.
//!
//! The engine hands over the key with each packet. What the key does to the two hashes (a block each of about 20) is
//! remembered for the keys in use, by the thread that used them.

use std::cell::RefCell;

use hmac::{Hmac, KeyInit, Mac as _};
use sha1::{Digest as _, Sha1};
use str0m::crypto::{Sha1HmacProvider, Sha1Provider, Sha256Provider};

/// The engine's three kinds of hash.
#[derive(Debug)]
pub struct Mac;

impl Sha1Provider for Mac {
    fn sha1(&self, data: &[u8]) -> [u8; 20] {
        Sha1::digest(data).into()
    }
}

impl Sha256Provider for Mac {
    fn sha256(&self, data: &[u8]) -> [u8; 32] {
        sha2::Sha256::digest(data).into()
    }
}

impl Sha1HmacProvider for Mac {
    fn sha1_hmac(&self, key: &[u8], payloads: &[&[u8]]) -> [u8; 20] {
        let mut mac = KEYS.with_borrow_mut(|keys| keys.begin(key));
        for payload in payloads {
            mac.update(payload);
        }
        mac.finalize().into_bytes().into()
    }
}

thread_local! {
    static KEYS: RefCell<Keys> = RefCell::new(Keys::default());
}

/// Places for keys. A viewer has four of SRTP and SRTCP and two of STUN; two keys that want the same place are only as slow
/// as if nothing were remembered.
const PLACES: usize = 128;

/// Longer keys are not remembered: SRTP's have 20 bytes, a STUN password has 22 to 32.
const LONGEST: usize = 32;

/// Keys of late, each at the place its first bytes name (they are random).
struct Keys {
    places: Vec<Option<Place>>,
}

struct Place {
    length: usize,
    key: [u8; LONGEST],
    begun: Hmac<Sha1>,
}

impl Default for Keys {
    fn default() -> Self {
        Self { places: std::iter::repeat_with(|| None).take(PLACES).collect() }
    }
}

impl Keys {
    /// An HMAC that has taken in its key.
    fn begin(&mut self, key: &[u8]) -> Hmac<Sha1> {
        let [first, second, ..] = *key else { return begun(key) };
        let place = &mut self.places[(usize::from(first) ^ usize::from(second) << 3) % PLACES];
        match place {
            Some(place) if place.key[..place.length] == *key => place.begun.clone(),
            _ => {
                let begun = begun(key);
                if key.len() <= LONGEST {
                    let mut copy = [0; LONGEST];
                    copy[..key.len()].copy_from_slice(key);
                    *place = Some(Place { length: key.len(), key: copy, begun: begun.clone() });
                }
                begun
            }
        }
    }
}

fn begun(key: &[u8]) -> Hmac<Sha1> {
    Hmac::new_from_slice(key).expect("HMAC takes keys of any length (RFC 2104 section 2)")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// RFC 2202 section 3, all seven, twice: from the key, and from what is remembered of it.
    #[test]
    fn hmac_is_that_of_rfc_2202() {
        let counted: Vec<u8> = (1..=25).collect();
        let cases: [(&[u8], &[u8], &str); 7] = [
            (&[0x0b; 20], b"Hi There", "b617318655057264e28bc0b6fb378c8ef146be00"),
            (b"Jefe", b"what do ya want for nothing?", "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"),
            (&[0xaa; 20], &[0xdd; 50], "125d7342b9ac11cd91a39af48aa17b4f63f175d3"),
            (&counted, &[0xcd; 50], "4c9007f4026250c6bc8414f9bf50c86c2d7235da"),
            (&[0x0c; 20], b"Test With Truncation", "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04"),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "aa4ae5e15272d00e95705637ce8a3b55ed402112",
            ),
            (
                &[0xaa; 80],
                b"Test Using Larger Than Block-Size Key and Larger Than One Block-Size Data",
                "e8e99d0f45237d786d6bbaa7965c7808bbff1a91",
            ),
        ];
        for _ in 0..2 {
            for (key, data, expected) in cases {
                assert_eq!(hex(&Mac.sha1_hmac(key, &[data])), expected);
                let (left, right) = data.split_at(data.len() / 2);
                assert_eq!(hex(&Mac.sha1_hmac(key, &[left, &[], right])), expected, "in parts");
            }
        }
    }

    /// RFC 3174 section 7.3, FIPS 180-2 appendix B.
    #[test]
    fn hashes_are_those_of_their_standards() {
        let long = b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq";
        assert_eq!(hex(&Mac.sha1(b"abc")), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(hex(&Mac.sha1(long)), "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
        assert_eq!(hex(&Mac.sha256(b"abc")), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(hex(&Mac.sha256(long)), "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    }

    #[test]
    fn keys_that_want_the_same_place_do_not_mix() {
        // Same first bytes, same length; one is a beginning of the other; and empty.
        let keys: [&[u8]; 5] = [b"same place", b"same plaza", b"same", b"", b"s"];
        let expected = keys.map(|key| {
            let mut mac = begun(key);
            mac.update(b"data");
            let mac: [u8; 20] = mac.finalize().into_bytes().into();
            mac
        });
        for _ in 0..3 {
            assert_eq!(keys.map(|key| Mac.sha1_hmac(key, &[b"data"])), expected);
        }
    }
}
