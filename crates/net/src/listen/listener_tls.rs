//! What stands between a listener and its clients.

use std::sync::{Arc, PoisonError, RwLock};

use crate::tls::ServerTls;

/// TLS of a listener, or none; it may be exchanged while the listener is in use. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Shield(Arc<RwLock<Option<ServerTls>>>);

impl Shield {
    /// This one, for connections from now on.
    pub fn set(&self, tls: Option<ServerTls>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = tls;
    }

    pub(crate) fn get(&self) -> Option<ServerTls> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl From<Option<ServerTls>> for Shield {
    fn from(tls: Option<ServerTls>) -> Self {
        Self(Arc::new(RwLock::new(tls)))
    }
}
