//! What a client may use of a server, and when the server ends.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::serve::connection_slots::MIN_HOLD;

/// Limits of a server, and how it speaks HTTP.
#[derive(Debug, Clone)]
pub struct ServeOptions {
    /// How many connections are open at once; one source (an address, an IPv6 network, a user on a unix socket) has at
    /// most as many as it leaves free. Those that a handler declared [authenticated](crate::serve::Peer::authenticated)
    /// are not counted while they are answered, nor those whose clients [wait](crate::serve::Peer::wait) for the
    /// server.
    pub connections: usize,
    /// How many clients wait for the server at once, beside those connections; they have shares as well.
    pub waiting: usize,
    /// How long a connection whose head is whole may go without an answer when others wait for its slot. Without a
    /// whole head it is closed at once then.
    pub min_hold: Duration,
    /// How long the first line of a request may take to arrive.
    pub first_line: Duration,
    /// How long the head of a request may take to arrive.
    pub head: Duration,
    /// How long a connection may be idle between requests.
    pub idle: Duration,
    /// How many bytes the head of a request may have, and how many are read and written at once.
    pub head_bytes: usize,
    /// How long a client may read nothing of an answer.
    pub write: Duration,
    /// At the end: how long requests that are being answered may take.
    pub drain: Duration,
    /// Whether a connection may carry more than one request.
    pub keep_alive: bool,
    /// Whether names of headers are written `Like-This`.
    pub title_case_headers: bool,
}

impl Default for ServeOptions {
    fn default() -> Self {
        Self {
            connections: 512,
            waiting: 256,
            min_hold: MIN_HOLD,
            first_line: Duration::from_secs(5),
            head: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            head_bytes: 64 << 10,
            write: Duration::from_secs(30),
            drain: Duration::from_secs(5),
            keep_alive: true,
            title_case_headers: false,
        }
    }
}

/// Ends a server, at once or in two steps.
#[derive(Debug, Clone, Default)]
pub struct ServerStop {
    /// Cancelled: nothing more is accepted, and the listeners are closed.
    pub accepting: CancellationToken,
    /// Cancelled: idle connections are closed, and requests that are being answered get `drain` to end.
    pub connections: CancellationToken,
}

impl From<CancellationToken> for ServerStop {
    /// Both at once.
    fn from(stop: CancellationToken) -> Self {
        Self { accepting: stop.clone(), connections: stop }
    }
}
