//! The self-signed certificate by which viewers know this program (RFC 8827 section 6.5). Browsers compare its fingerprint
//! with the one in the answer; nobody else signs or checks it. It follows from its key alone, byte for byte, so that only
//! the key is kept (`identity`).

use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::pkcs8::EncodePrivateKey as _;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyIdMethod, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber,
    SignatureAlgorithm, date_time_ymd,
};
use sha2::Digest as _;
use str0m::config::DtlsCert;

/// The certificate of a key on P-256 (the curve every browser must know, RFC 8827 section 6.5), as DER with PKCS #8.
///
/// The dates are fixed, because the board has no clock: counted from a "now" in 1970, the day before does not parse.
/// Browsers do not look at them. The serial number comes from the key, and so is never the same for two certificates,
/// which Firefox would refuse (SEC_ERROR_REUSED_ISSUER_AND_SERIAL).
///
/// # Errors
/// A sentence; no key of `SecretKey` is known to have one.
pub fn certificate(secret: &SecretKey) -> Result<DtlsCert, String> {
    let private_key = secret.to_pkcs8_der().map_err(|error| error.to_string())?.as_bytes().to_vec();
    let key = Key::new(secret);
    let mut serial = [0; 16];
    serial.copy_from_slice(&sha2::Sha256::digest(&key.point)[..16]);
    // Positive and without leading zeros (RFC 5280 section 4.1.2.2).
    serial[0] = serial[0] & 0x7f | 0x40;

    let mut params = CertificateParams::default();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(2099, 12, 31);
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "windshield");
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    // Names the key in chains of certificates; this one is alone.
    params.key_identifier_method = KeyIdMethod::PreSpecified(Vec::new());
    let certificate = params.self_signed(&key).map_err(|error| error.to_string())?;
    Ok(DtlsCert { certificate: certificate.der().to_vec(), private_key })
}

/// Signs for rcgen, which has no cryptography of its own here.
struct Key {
    signing: SigningKey,
    /// The public key as an uncompressed point (SEC 1 section 2.3.3).
    point: Vec<u8>,
}

impl Key {
    fn new(secret: &SecretKey) -> Self {
        let signing = SigningKey::from(secret);
        let point = signing.verifying_key().to_sec1_point(false).as_bytes().to_vec();
        Self { signing, point }
    }
}

impl PublicKeyData for Key {
    fn der_bytes(&self) -> &[u8] {
        &self.point
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        &PKCS_ECDSA_P256_SHA256
    }
}

impl rcgen::SigningKey for Key {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        let signature: DerSignature = self.signing.try_sign(message).map_err(|_| rcgen::Error::RemoteKeyError)?;
        Ok(signature.as_bytes().to_vec())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use p256::elliptic_curve::Generate as _;

    use super::*;

    #[test]
    fn the_certificate_is_valid_in_1970s_future() {
        let one = certificate(&SecretKey::generate()).unwrap();
        // UTCTime 2000-01-01 and GeneralizedTime 2099-12-31 (RFC 5280 section 4.1.2.5), as they stand in the DER.
        for date in [&b"\x17\x0d000101000000Z"[..], b"\x18\x0f20991231000000Z", b"windshield"] {
            assert!(one.certificate.windows(date.len()).any(|window| window == date), "{}", date.escape_ascii());
        }
    }

    #[test]
    fn a_key_has_one_certificate_and_two_keys_have_two() {
        let (one, other) = (SecretKey::generate(), SecretKey::generate());
        assert_eq!(certificate(&one).unwrap().certificate, certificate(&one).unwrap().certificate);
        assert_ne!(certificate(&one).unwrap().certificate, certificate(&other).unwrap().certificate);
    }
}
