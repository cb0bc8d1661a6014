//! The cryptography behind it.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};

pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// Makes ring the provider of this process's TLS, unless another was chosen already. An HTTP client cannot be made
/// without one.
pub fn install_provider() {
    // An error means that there is one.
    let _ = ring::default_provider().install_default();
}
