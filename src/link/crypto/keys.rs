//! What a handshake of DTLS needs of this car's own: its private key, read once and not for each viewer, and the two ways to
//! agree on a session's secret. Called by `dtls`; the arithmetic is that of `p256` and `x25519-dalek`, in constant time.
//!
//! dimpl's own reader of keys computes the public half anew whenever it is asked, and is asked by each session: on a Pi Zero
//! that was a quarter of a viewer's handshake. Its third group, P-384, is left out: every viewer must have P-256 (RFC 8827
//! section 6.5), and the tables and self-tests of P-384 were half of the start.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use dimpl::crypto::{ActiveKeyExchange, Buf, KeyProvider, SigningKey, SupportedKxGroup};
use dimpl::{CryptoError, CryptoOperation, HashAlgorithm, NamedGroup, SignatureAlgorithm};
use p256::ecdsa::signature::hazmat::PrehashSigner as _;
use p256::ecdsa::{self, DerSignature};
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::DecodePrivateKey as _;
use sha2::Digest as _;

/// The keys read last; in practice the car's one.
pub struct Keys {
    /// As given, in PKCS #8, and as read.
    kept: Mutex<Option<(Vec<u8>, ecdsa::SigningKey)>>,
}

impl Keys {
    /// Has read none; in a `static`.
    pub const fn new() -> Self {
        Self { kept: Mutex::new(None) }
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys")
    }
}

impl KeyProvider for Keys {
    fn load_private_key(&self, der: &[u8]) -> Result<Box<dyn SigningKey>, CryptoError> {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        // Compares two of this program's own keys: no viewer chooses either, so none learns from the time it takes.
        if let Some((of, key)) = &*kept
            && of == der
        {
            return Ok(Box::new(Key(key.clone())));
        }
        let key = ecdsa::SigningKey::from_pkcs8_der(der).map_err(|_| CryptoError::InvalidPrivateKey)?;
        *kept = Some((der.to_vec(), key.clone()));
        Ok(Box::new(Key(key)))
    }
}

/// On P-256, as `certificate` has it.
struct Key(ecdsa::SigningKey);

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key")
    }
}

impl SigningKey for Key {
    /// ECDSA with the deterministic nonce of RFC 6979: a poor random source cannot give the key away.
    fn sign(&mut self, data: &[u8], hash: HashAlgorithm, out: &mut Buf) -> Result<(), CryptoError> {
        let signed: Result<DerSignature, _> = match hash {
            HashAlgorithm::SHA256 => self.0.sign_prehash(&sha2::Sha256::digest(data)),
            HashAlgorithm::SHA384 => self.0.sign_prehash(&sha2::Sha384::digest(data)),
            _ => return Err(CryptoError::SigningKeyUnsupportedHash { group: NamedGroup::Secp256r1, hash }),
        };
        let signature = signed.map_err(|_| CryptoError::OperationFailed(CryptoOperation::Sign))?;
        out.clear();
        out.extend_from_slice(signature.as_bytes());
        Ok(())
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ECDSA
    }

    fn hash_algorithm(&self) -> HashAlgorithm {
        HashAlgorithm::SHA256
    }

    fn supported_hash_algorithms(&self) -> &[HashAlgorithm] {
        &[HashAlgorithm::SHA256, HashAlgorithm::SHA384]
    }
}

/// Ways to agree on a secret, the cheaper first: a viewer that has both gets X25519 (all browsers do).
pub static GROUPS: &[&dyn SupportedKxGroup] = &[&X25519, &P256];

/// RFC 7748.
#[derive(Debug)]
struct X25519;

impl SupportedKxGroup for X25519 {
    fn name(&self) -> NamedGroup {
        NamedGroup::X25519
    }

    fn start_exchange(&self, mut public: Buf) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        let secret = x25519_dalek::EphemeralSecret::random();
        public.clear();
        public.extend_from_slice(x25519_dalek::PublicKey::from(&secret).as_bytes());
        Ok(Box::new(Exchange { secret: Secret::X25519(secret), public }))
    }
}

/// SEC 1 on the curve of FIPS 186-5, as RFC 8422 uses it.
#[derive(Debug)]
struct P256;

impl SupportedKxGroup for P256 {
    fn name(&self) -> NamedGroup {
        NamedGroup::Secp256r1
    }

    fn start_exchange(&self, mut public: Buf) -> Result<Box<dyn ActiveKeyExchange>, CryptoError> {
        let secret = p256::ecdh::EphemeralSecret::generate();
        public.clear();
        public.extend_from_slice(&p256::PublicKey::from(&secret).to_sec1_bytes());
        Ok(Box::new(Exchange { secret: Secret::P256(secret), public }))
    }
}

/// Of one session, used once.
enum Secret {
    X25519(x25519_dalek::EphemeralSecret),
    P256(p256::ecdh::EphemeralSecret),
}

/// Half of an agreement: the other half is the viewer's.
struct Exchange {
    secret: Secret,
    public: Buf,
}

impl fmt::Debug for Exchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Exchange({:?})", self.group())
    }
}

impl ActiveKeyExchange for Exchange {
    fn pub_key(&self) -> &[u8] {
        &self.public
    }

    fn complete(self: Box<Self>, viewers: &[u8], out: &mut Buf) -> Result<(), CryptoError> {
        let group = self.group();
        let invalid = || CryptoError::InvalidPublicKey(group);
        out.clear();
        match self.secret {
            Secret::X25519(secret) => {
                let viewers: [u8; 32] = viewers.try_into().map_err(|_| invalid())?;
                let shared = secret.diffie_hellman(&viewers.into());
                // A point of small order would make the secret known to all (RFC 7748 section 6.1).
                if !shared.was_contributory() {
                    return Err(invalid());
                }
                out.extend_from_slice(shared.as_bytes());
            }
            Secret::P256(secret) => {
                // Refuses what is not on the curve.
                let viewers = p256::PublicKey::from_sec1_bytes(viewers).map_err(|_| invalid())?;
                out.extend_from_slice(secret.diffie_hellman(&viewers).raw_secret_bytes());
            }
        }
        Ok(())
    }

    fn group(&self) -> NamedGroup {
        match self.secret {
            Secret::X25519(_) => NamedGroup::X25519,
            Secret::P256(_) => NamedGroup::Secp256r1,
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use dimpl::crypto::rust_crypto;
    use p256::SecretKey;
    use p256::ecdsa::signature::hazmat::PrehashVerifier as _;
    use p256::pkcs8::EncodePrivateKey as _;

    use super::*;

    #[test]
    fn a_key_is_read_once_and_signs_what_its_public_half_confirms() {
        let keys = Keys::new();
        for secret in [SecretKey::generate(), SecretKey::generate()] {
            let der = secret.to_pkcs8_der().unwrap();
            for _ in 0..2 {
                let mut key = keys.load_private_key(der.as_bytes()).unwrap();
                let mut signature = Buf::new();
                key.sign(b"a handshake", HashAlgorithm::SHA256, &mut signature).unwrap();
                let signature = DerSignature::try_from(&signature[..]).unwrap();
                let public = ecdsa::VerifyingKey::from(&secret.public_key());
                public.verify_prehash(&sha2::Sha256::digest(b"a handshake"), &signature).unwrap();
                assert!(public.verify_prehash(&sha2::Sha256::digest(b"another"), &signature).is_err());
            }
            assert_eq!(keys.kept.lock().unwrap().as_ref().unwrap().0, der.as_bytes());
        }
        assert!(keys.load_private_key(b"no key").is_err());
    }

    #[test]
    fn both_groups_agree_with_those_of_dimpl() {
        for ours in GROUPS {
            let theirs = rust_crypto::default_provider().kx_groups.iter().find(|g| g.name() == ours.name()).unwrap();
            let (one, other) = (ours.start_exchange(Buf::new()).unwrap(), theirs.start_exchange(Buf::new()).unwrap());
            assert_eq!(one.group(), ours.name());
            let publics = (one.pub_key().to_vec(), other.pub_key().to_vec());
            let mut secrets = (Buf::new(), Buf::new());
            one.complete(&publics.1, &mut secrets.0).unwrap();
            other.complete(&publics.0, &mut secrets.1).unwrap();
            assert_eq!(secrets.0[..], secrets.1[..]);
            assert_eq!(secrets.0.len(), 32);
        }
    }

    #[test]
    fn a_public_key_that_gives_the_secret_away_is_refused() {
        for group in GROUPS {
            let wrong = CryptoError::InvalidPublicKey(group.name());
            // Small order on Curve25519; for P-256 the point at infinity, a wrong length, and a point beside the curve.
            let mut beside = [1; 65];
            beside[0] = 4;
            for bad in [&[0; 32][..], &[0; 31], &[0], &[], &beside] {
                let exchange = group.start_exchange(Buf::new()).unwrap();
                assert_eq!(exchange.complete(bad, &mut Buf::new()), Err(wrong.clone()), "{bad:?}");
            }
        }
    }
}
