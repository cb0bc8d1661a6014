//! TLS for every listener and client of Herald, from PEM files that may change while they are in use.
//!
//! Nothing here opens a socket: a listener hands its connections to [`ServerTls::accept`], a client takes its settings
//! from [`ClientTls::config`]. Both look at their files at most once a second, when somebody wants a connection. Files
//! that belong together are loaded together; while the new ones are not valid, the old ones stay in use.

mod client;
mod clock;
mod files;
mod handshake_error;
mod pem;
mod provider;
mod server;
mod watch;

#[cfg(feature = "testing")]
pub mod testing;

pub use crate::loopback::is_loopback;
pub use client::{ClientFiles, ClientTls, Identity};
pub use handshake_error::{explain, is_client_rejected};
pub use pem::TlsError;
pub use provider::install_provider;
pub use rustls::ClientConfig;
pub use server::{HANDSHAKE, Secured, ServerFiles, ServerTls};
