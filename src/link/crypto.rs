//! tmp
use std::sync::Arc;
use str0m::config::{CryptoProvider, DtlsCert};
/// tmp
pub struct Crypto {
    provider: Arc<CryptoProvider>,
    cert: DtlsCert,
}
impl Crypto {
    /// tmp
    pub fn new() -> Self {
        let provider = Arc::new(str0m::crypto::from_feature_flags());
        let cert = provider.dtls_provider.generate_certificate().expect("x");
        Self { provider, cert }
    }
    /// tmp
    pub fn provider(&self) -> Arc<CryptoProvider> {
        self.provider.clone()
    }
    /// tmp
    pub fn certificate(&self) -> DtlsCert {
        self.cert.clone()
    }
}
