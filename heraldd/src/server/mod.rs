//! HTTP listeners: binding TCP ports and unix sockets, connections within limits, a graceful end.
//!
//! What answers requests is a [`Handler`]; everything that can go slow or wrong with a client is handled here, so
//! that no handler has to.

mod bind;
mod body;
mod client;
mod first_line;
mod host;
mod places;
mod reply;
mod serve;
mod shield;
#[cfg(test)]
mod tests;
mod unix_socket;

pub use bind::{Listener, bind_tcp};
pub use body::{Trouble, read_whole};
pub use host::{HostRule, Stranger};
pub use reply::{JSON, Reply, error_reply, json_reply};
pub use serve::{Handler, Limits, Peer, serve};
pub use shield::Shield;
pub use unix_socket::{UnixSocket, bind_unix};
