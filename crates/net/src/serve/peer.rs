//! Who sent a request.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::time::Instant;

use crate::serve::connection_slots::{Slot, SlotState};

/// Who sent a request.
#[derive(Debug)]
pub struct Peer {
    /// The address; none on a unix socket.
    pub address: Option<SocketAddr>,
    /// Whether the listener can be reached from this machine only, over TCP.
    pub loopback: bool,
    /// The user whose process it is, on a unix socket.
    pub uid: Option<u32>,
    /// When its connection was there, TLS handshake included.
    pub connected: Instant,
    slot: Option<Arc<Slot>>,
}

impl Peer {
    /// A peer at this address, whose connection is not limited.
    #[must_use]
    pub fn new(address: Option<SocketAddr>, loopback: bool) -> Self {
        Self { address, loopback, uid: None, connected: Instant::now(), slot: None }
    }

    pub(super) fn of_user(self, uid: Option<u32>) -> Self {
        Self { uid, ..self }
    }

    pub(super) fn in_slot(self, slot: Arc<Slot>) -> Self {
        Self { slot: Some(slot), ..self }
    }

    /// While this exists, the client waits for the server: its connection does not count as idle.
    #[must_use]
    pub fn waiting(&self) -> ClientWaiting {
        let state = self.slot.as_ref().map(|slot| slot.state().clone());
        if let Some(state) = &state {
            state.begin_waiting();
        }
        ClientWaiting(state)
    }

    /// The client has proved who it is. From now on its connection is not counted among the limited ones, nor evicted:
    /// what bounds it is the caller's affair.
    pub fn authenticated(&self) {
        if let Some(slot) = &self.slot {
            slot.release();
        }
    }
}

/// A client waits for the server.
#[derive(Debug)]
pub struct ClientWaiting(Option<Arc<SlotState>>);

impl Drop for ClientWaiting {
    fn drop(&mut self) {
        if let Some(state) = &self.0 {
            state.end_waiting();
        }
    }
}
