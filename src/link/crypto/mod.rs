//! The one place that chooses the cryptography: which back end the engine computes with, and the certificate by which
//! viewers know this program. Not TLS: that would be the gate's. Made once at the start by `main.rs`; every `Rtc` is built
//! from it. One back end for every target, without C:
//!
//! | for | file | by |
//! |---|---|---|
//! | handshake, data channels | `dtls` | dimpl with RustCrypto, one set-up for all viewers |
//! | keys of handshakes | `keys` | `p256`, `x25519-dalek`: the car's read once, X25519 before P-256 |
//! | pictures | `srtp`, `counter` | `aes` and `aes-gcm` (processor's instructions if there); on ARMv6 the `table` |
//! | SRTP and STUN authentication, fingerprints | `mac` | `sha1`, `sha2`, the keys' part remembered |
//! | certificate | `certificate`, its key kept by `identity` | `p256`, rcgen |
//!
//! `perf/instructions.md` says what each costs on the board and why it was taken.

mod certificate;
mod counter;
mod dtls;
pub mod identity;
mod keys;
mod mac;
mod srtp;
#[cfg(any(test, target_arch = "arm"))]
mod table;

use std::ffi::OsString;
use std::sync::Arc;
use std::time::Instant;

use p256::SecretKey;
use str0m::RtcConfig;
use str0m::config::{CryptoProvider, DtlsCert};

use certificate::certificate;

/// What every viewer's `Rtc` shares.
#[derive(Debug, Clone)]
pub struct Crypto {
    /// The back end.
    pub provider: Arc<CryptoProvider>,
    /// Certificate and private key.
    pub certificate: DtlsCert,
}

impl Crypto {
    /// With a certificate that nobody has seen before, and that ends with the process.
    ///
    /// # Errors
    /// A sentence; only if there are no random numbers or the back end fails its own tests.
    pub fn new(now: Instant) -> Result<Self, String> {
        Self::with(&identity::fresh()?, now)
    }

    /// With the certificate this car has had since its first start, where there is a place to keep it
    /// ([`identity::folder`]; `variable` reads the environment).
    ///
    /// # Errors
    /// As [`Crypto::new`].
    pub fn kept(now: Instant, variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, String> {
        let key = identity::folder(variable).map_or_else(identity::fresh, |folder| identity::kept(&folder))?;
        Self::with(&key, now)
    }

    /// Builds one `Rtc` for nothing: the first of a process pays for the self-tests of DTLS, which would otherwise be the
    /// first viewer's wait.
    fn with(key: &SecretKey, now: Instant) -> Result<Self, String> {
        let certificate =
            certificate(key).map_err(|error| format!("cannot make a certificate for encrypted video: {error}"))?;
        let crypto = Self { provider: Arc::new(provider()), certificate };
        drop(crypto.configure(RtcConfig::new()).build(now));
        Ok(crypto)
    }

    /// `config` with this back end and this certificate.
    pub fn configure(&self, config: RtcConfig) -> RtcConfig {
        config.set_crypto_provider(self.provider.clone()).set_dtls_cert(self.certificate.clone())
    }
}

/// The back end. It is one value for the whole program, because what it keeps (the set-up of DTLS) serves everyone.
fn provider() -> CryptoProvider {
    static HANDSHAKES: dtls::Handshakes = dtls::Handshakes::new();
    CryptoProvider {
        srtp_provider: &srtp::Srtp,
        sha1_hmac_provider: &mac::Mac,
        sha1_provider: &mac::Mac,
        sha256_provider: &mac::Mac,
        dtls_provider: &HANDSHAKES,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::VecDeque;
    use std::net::SocketAddr;
    use std::time::Duration;

    use str0m::config::DtlsVersion;
    use str0m::net::{Protocol, Receive, Transmit};
    use str0m::{Candidate, Event, Input, Output, Rtc};

    use super::*;

    /// Two engines on a perfect wire in virtual time; how long until both are connected, if they accept
    /// each other within 10 s.
    fn connect(left: &Crypto, right: &Crypto, version: DtlsVersion) -> Option<Duration> {
        let start = Instant::now();
        let addresses: [SocketAddr; 2] = ["10.0.0.1:8080".parse().unwrap(), "10.0.0.2:5000".parse().unwrap()];
        let mut engines =
            [left, right].map(|crypto| crypto.configure(RtcConfig::new()).set_dtls_version(version).build(start));
        let identities = engines.each_mut().map(|engine: &mut Rtc| {
            let direct = engine.direct_api();
            (direct.local_dtls_fingerprint().clone(), direct.local_ice_credentials())
        });
        for (side, engine) in engines.iter_mut().enumerate() {
            let (fingerprint, credentials) = identities[1 - side].clone();
            engine.add_local_candidate(Candidate::host(addresses[side], "udp").unwrap());
            engine.add_remote_candidate(Candidate::host(addresses[1 - side], "udp").unwrap());
            let mut direct = engine.direct_api();
            direct.set_remote_fingerprint(fingerprint);
            direct.set_remote_ice_credentials(credentials);
            direct.set_ice_controlling(side == 1);
            direct.start_dtls(side == 1).unwrap();
            direct.start_sctp(side == 1);
        }
        let mut wire: VecDeque<Transmit> = VecDeque::new();
        let mut connected = [false; 2];
        let mut now = start;
        while now < start + Duration::from_secs(10) {
            let mut next = now + Duration::from_secs(1);
            for (engine, connected) in engines.iter_mut().zip(&mut connected) {
                engine.handle_input(Input::Timeout(now)).unwrap();
                loop {
                    match engine.poll_output().unwrap() {
                        Output::Timeout(at) => break next = next.min(at),
                        Output::Transmit(transmit) => wire.push_back(transmit),
                        Output::Event(event) => *connected |= matches!(event, Event::Connected),
                    }
                }
            }
            if connected == [true; 2] {
                return Some(now - start);
            }
            let idle = wire.is_empty();
            for Transmit { source, destination, contents, .. } in wire.drain(..) {
                let contents = (&contents[..]).try_into().unwrap();
                let receive = Receive { proto: Protocol::Udp, source, destination, contents };
                let side = usize::from(destination == addresses[1]);
                engines[side].handle_input(Input::Receive(now, receive)).ok()?;
            }
            if idle {
                now = next.max(now + Duration::from_millis(1));
            }
        }
        None
    }

    #[test]
    fn two_engines_connect_with_our_certificates() {
        let now = Instant::now();
        let (left, right) = (Crypto::new(now).unwrap(), Crypto::new(now).unwrap());
        for version in [DtlsVersion::Dtls12, DtlsVersion::Auto, DtlsVersion::Dtls13] {
            let took = connect(&left, &right, version);
            assert!(took.is_some_and(|took| took < Duration::from_secs(1)), "{version}: {took:?}");
        }
    }

    #[test]
    fn a_certificate_without_its_key_is_not_connected() {
        let now = Instant::now();
        let (left, mut right) = (Crypto::new(now).unwrap(), Crypto::new(now).unwrap());
        // A certificate without its key: the fingerprint fits, the signature cannot.
        right.certificate.private_key = left.certificate.private_key.clone();
        assert_eq!(connect(&left, &right, DtlsVersion::Dtls12), None);
    }
}
