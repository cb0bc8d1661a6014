//! Listeners before anything is served: TCP ports and unix sockets.

mod bind;
mod error;
mod free_port;
mod listener_tls;
mod unix_socket;

pub use bind::{Listener, bind_tcp};
pub use error::ListenError;
pub use free_port::not_free;
pub use listener_tls::ListenerTls;
pub use unix_socket::{UnixSocket, bind_unix, set_unix_mode};
