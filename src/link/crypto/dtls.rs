//! DTLS for the engine: dimpl (sans-IO as well) with its cryptography in Rust, which runs in constant time. One set-up
//! serves all viewers: dimpl tests its own arithmetic whenever one is built, and on a Pi Zero that would halt the picture
//! of those who watch for 0.16 s whenever somebody joins.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use dimpl::crypto::{CryptoProvider, rust_crypto};
use dimpl::{Config, Dtls};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{
    DtlsCert, DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
};

use super::keys::{self, Keys};

/// Like the set-up, read once for all viewers.
static KEYS: Keys = Keys::new();

/// Makes the DTLS side of each viewer.
#[derive(Debug, Default)]
pub struct Handshakes {
    /// The set-up, and the largest datagram it was built for; in practice there is one.
    config: Mutex<Option<(Option<usize>, Arc<Config>)>>,
}

impl Handshakes {
    /// Ready to make its first; in a `static`.
    pub const fn new() -> Self {
        Self { config: Mutex::new(None) }
    }

    fn config(&self, mtu: Option<usize>) -> Result<Arc<Config>, CryptoError> {
        let mut kept = self.config.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, config)) = &*kept
            && *of == mtu
        {
            return Ok(config.clone());
        }
        // No cookie: that a viewer is where it says it is, ICE has already shown (RFC 8827 section 5.3).
        let provider =
            CryptoProvider { kx_groups: keys::GROUPS, key_provider: &KEYS, ..rust_crypto::default_provider() };
        let mut builder = Config::builder().with_crypto_provider(provider).use_server_cookie(false);
        if let Some(mtu) = mtu {
            builder = builder.mtu(mtu);
        }
        let config = Arc::new(builder.build().map_err(CryptoError::DtlsImpl)?);
        *kept = Some((mtu, config.clone()));
        Ok(config)
    }
}

impl DtlsProvider for Handshakes {
    /// None: the certificate is made once at the start, by `certificate`.
    fn generate_certificate(&self) -> Option<DtlsCert> {
        None
    }

    fn new_dtls(
        &self,
        certificate: &DtlsCert,
        now: Instant,
        version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let (config, certificate) = (self.config(mtu)?, certificate.clone());
        let dtls = match version {
            DtlsVersion::Dtls12 => Dtls::new_12(config, certificate, now),
            DtlsVersion::Dtls13 => Dtls::new_13(config, certificate, now),
            DtlsVersion::Auto => Dtls::new_auto(config, certificate, now),
            other => return Err(CryptoError::Other(format!("{other} is not known"))),
        };
        Ok(Box::new(Handshake(dtls)))
    }
}

/// One viewer's; every call is dimpl's of the same name.
struct Handshake(Dtls);

impl std::fmt::Debug for Handshake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handshake")
    }
}

impl DtlsInstance for Handshake {
    fn set_active(&mut self, active: bool) {
        self.0.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.0.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buffer: &'a mut [u8]) -> DtlsOutput<'a> {
        self.0.poll_output(buffer)
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.0.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.0.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.0.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.0.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.0.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.0.close()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn all_viewers_share_one_set_up() {
        let handshakes = Handshakes::new();
        let first = handshakes.config(Some(1200)).unwrap();
        assert!(Arc::ptr_eq(&first, &handshakes.config(Some(1200)).unwrap()));
        assert_eq!(first.mtu(), 1200);
        let other = handshakes.config(None).unwrap();
        assert!(!Arc::ptr_eq(&first, &other), "another size is another set-up");
        assert_eq!(first.use_server_cookie(), other.use_server_cookie());
    }
}
