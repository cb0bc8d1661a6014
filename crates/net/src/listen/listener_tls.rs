//! TLS of a listener, which may be replaced while the listener is in use.

use std::sync::{Arc, PoisonError, RwLock};

use crate::tls::ServerTls;

/// TLS of a listener, or none; it may be replaced while the listener is in use. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct ListenerTls(Arc<RwLock<Option<ServerTls>>>);

impl ListenerTls {
    /// This one, for connections from now on.
    pub fn set(&self, tls: Option<ServerTls>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = tls;
    }

    pub(crate) fn get(&self) -> Option<ServerTls> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl From<Option<ServerTls>> for ListenerTls {
    fn from(tls: Option<ServerTls>) -> Self {
        Self(Arc::new(RwLock::new(tls)))
    }
}
