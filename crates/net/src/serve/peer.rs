//! Who sent a request.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use tokio::time::Instant;

use crate::serve::connection_slots::Slot;
use crate::serve::shared_socket::ConnectionEnd;

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
    /// Whether its connection has carried a request before this one.
    reused: AtomicBool,
    /// The address without its port, as text: it is the same for all requests of the connection.
    address_text: OnceLock<Arc<str>>,
    slot: Option<Arc<Slot>>,
    end: Option<ConnectionEnd>,
}

impl Peer {
    /// A peer at this address, whose connection is not limited.
    #[must_use]
    pub fn new(address: Option<SocketAddr>, loopback: bool) -> Self {
        Self {
            address,
            loopback,
            uid: None,
            connected: Instant::now(),
            reused: AtomicBool::new(false),
            address_text: OnceLock::new(),
            slot: None,
            end: None,
        }
    }

    /// The address of its client without a port, an IPv4 address as such; none on a unix socket.
    #[must_use]
    pub fn client(&self) -> Option<IpAddr> {
        self.address.map(|address| address.ip().to_canonical())
    }

    /// A client as text: that of the connection, or one that a proxy names.
    #[must_use]
    pub fn text_of(&self, client: IpAddr) -> Arc<str> {
        if self.client() == Some(client) {
            self.address_text.get_or_init(|| client.to_string().into()).clone()
        } else {
            client.to_string().into()
        }
    }

    pub(super) fn of_user(self, uid: Option<u32>) -> Self {
        Self { uid, ..self }
    }

    pub(super) fn in_slot(self, slot: Arc<Slot>, end: ConnectionEnd) -> Self {
        Self { slot: Some(slot), end: Some(end), ..self }
    }

    /// Another request follows on the same connection.
    pub(super) fn comes_again(&self) {
        self.reused.store(true, Ordering::Relaxed);
    }

    /// Since when its request has been arriving: from when the connection was there, or of a later one from when its
    /// head was whole. To be asked at the beginning.
    #[must_use]
    pub fn request_began(&self) -> Instant {
        if self.reused.load(Ordering::Relaxed) { Instant::now() } else { self.connected }
    }

    /// The client begins to wait for the server: while this exists, its connection takes no place of others. `whose`
    /// names those that share places: one has at most half of them. `None` when too many wait already.
    #[must_use]
    pub fn wait(&self, whose: &Arc<str>) -> Option<ClientWaiting> {
        let slot = self.slot.clone();
        let begun = slot.as_ref().is_none_or(|slot| slot.begin_waiting(whose));
        begun.then_some(ClientWaiting { slot, end: self.end.clone() })
    }

    /// Resolves once the client has closed its side of the connection. It may still read the answer.
    pub async fn closed(&self) {
        match &self.end {
            Some(end) => end.closed().await,
            None => std::future::pending().await,
        }
    }

    /// The client has proved who it is. Until its request is answered its connection is not counted among the limited
    /// ones, nor evicted: what bounds it is the caller's affair. An answer with `Connection: close` changes nothing.
    pub fn authenticated(&self) {
        if let Some(slot) = &self.slot {
            slot.release();
        }
    }
}

/// A client waits for the server.
#[derive(Debug)]
pub struct ClientWaiting {
    slot: Option<Arc<Slot>>,
    end: Option<ConnectionEnd>,
}

impl ClientWaiting {
    /// What the client waits for. Where it has closed its side meanwhile, it has to go when others need its place.
    pub async fn for_work<T>(&self, work: impl Future<Output = T>) -> T {
        let (Some(slot), Some(end)) = (&self.slot, &self.end) else { return work.await };
        let mut work = pin!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = end.closed() => slot.closed(),
        }
        work.await
    }
}

impl Drop for ClientWaiting {
    fn drop(&mut self) {
        if let Some(slot) = &self.slot {
            slot.end_waiting();
        }
    }
}
