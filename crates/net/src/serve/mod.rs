//! Serving HTTP: connections within limits, the request line, the host rule, bodies, a graceful end.
//!
//! What answers requests is a [`Handler`]; everything that can go slow or wrong with a client is handled here, so
//! that no handler has to.

mod bare_answer;
mod body;
mod client_body;
mod client_stream;
mod connection_slots;
mod head_clock;
mod host;
mod latest_handler;
mod options;
mod peer;
mod refusal;
mod reply;
mod request_line;
mod server;
mod shared_listener;
mod shared_socket;
mod slot_table;
mod source;
mod tcp_service;

pub use body::{BodyError, read_whole};
pub use client_body::ClientBody;
pub use host::{HostError, HostRule, is_host};
pub use latest_handler::{HandlerTurn, LatestHandler};
pub use options::{ServeOptions, ServerStop};
pub use peer::{ClientWaiting, Peer};
pub use reply::{JSON, JsonReply, error_reply, json_reply};
pub use request_line::RequestLine;
pub use server::{Handler, serve};
pub use shared_listener::{
    ListenAddress, ListenPlace, ListenerArrivals, ListenerStay, ListenerUse, SharedListener,
};
pub use tcp_service::{PreparedTcp, ServingTask, SocketError, TcpPlace, TcpService};
