//! EDGE: random numbers. The self-signed certificate by which viewers know this program (RFC 8827 section 6.5). Browsers
//! compare its fingerprint with the one in the answer; nobody else signs or checks it.

use p256::SecretKey;
use p256::ecdsa::signature::Signer as _;
use p256::ecdsa::{DerSignature, SigningKey};
use p256::elliptic_curve::Generate as _;
use p256::pkcs8::EncodePrivateKey as _;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, KeyIdMethod, PKCS_ECDSA_P256_SHA256, PublicKeyData, SerialNumber,
    SignatureAlgorithm, date_time_ymd,
};
use str0m::config::DtlsCert;

/// A new key on P-256 (the curve every browser must know, RFC 8827 section 6.5) and its certificate, as PKCS #8 and DER.
///
/// The dates are fixed, because the board has no clock: counted from a "now" in 1970, the day before does not parse.
/// Browsers do not look at them. The serial number is never the same twice, which Firefox would refuse
/// (SEC_ERROR_REUSED_ISSUER_AND_SERIAL).
///
/// # Errors
/// A sentence; only if the system has no random numbers.
pub fn certificate() -> Result<DtlsCert, String> {
    let secret = SecretKey::try_generate().map_err(|error| error.to_string())?;
    let private_key = secret.to_pkcs8_der().map_err(|error| error.to_string())?.as_bytes().to_vec();
    let mut serial = [0; 16];
    getrandom::fill(&mut serial).map_err(|error| error.to_string())?;
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
    let certificate = params.self_signed(&Key::new(&secret)).map_err(|error| error.to_string())?;
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
    use super::*;

    #[test]
    fn the_certificate_is_valid_in_1970s_future_and_never_the_same() {
        let (one, other) = (certificate().unwrap(), certificate().unwrap());
        assert_ne!(one.certificate, other.certificate);
        // UTCTime 2000-01-01 and GeneralizedTime 2099-12-31 (RFC 5280 section 4.1.2.5), as they stand in the DER.
        for date in [&b"\x17\x0d000101000000Z"[..], b"\x18\x0f20991231000000Z", b"windshield"] {
            assert!(one.certificate.windows(date.len()).any(|window| window == date), "{}", date.escape_ascii());
        }
    }
}
