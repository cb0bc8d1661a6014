//! Redis Cluster: several servers share the keys by slots, and send a client on to the one that has a slot.
//! The format is that of the Redis Cluster specification.

use std::collections::HashMap;
use std::fmt;

use redis::{ErrorKind, RedisError, ServerErrorKind};

use crate::settings::{QueueAddress, ServerPlace};

/// How many slots there are.
const SLOTS: u16 = 16_384;
/// How many servers are remembered: a cluster of more is not reasonable.
const SERVERS: usize = 200;

/// A server that others of its cluster have named.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ClusterPlace {
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl fmt::Display for ClusterPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// `MOVED SLOT HOST:PORT`: who has the slot from now on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Redirection {
    pub(crate) slot: u16,
    /// Empty: the host that was asked.
    host: String,
    port: u16,
}

impl fmt::Display for Redirection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl Redirection {
    /// That of this error, if it is one.
    pub(crate) fn of(error: &RedisError) -> Option<Self> {
        if error.kind() != ErrorKind::Server(ServerErrorKind::Moved) {
            return None;
        }
        let (place, slot) = error.redirect_node()?;
        let (host, port) = place.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        // A server that does not know its own name says `?`.
        let host = if host == "?" { "" } else { host };
        Some(Self {
            slot: Some(slot).filter(|&slot| slot < SLOTS)?,
            host: host.to_owned(),
            port: port.parse().ok()?,
        })
    }

    /// Where that is, when it was said by this server of the cluster, else by the one of the settings.
    pub(crate) fn place(
        &self,
        said_by: Option<&ClusterPlace>,
        settings: &QueueAddress,
    ) -> Option<ClusterPlace> {
        let host = match (&self.host, said_by, &settings.place) {
            (host, _, _) if !host.is_empty() => host,
            (_, Some(place), _) => &place.host,
            (_, None, ServerPlace::Tcp { host, .. }) => host,
            _ => return None,
        };
        Some(ClusterPlace { host: host.clone(), port: self.port })
    }
}

/// Which server has which slot, as far as it is known.
pub(crate) struct ServerMap<T> {
    slots: HashMap<u16, ClusterPlace>,
    servers: HashMap<ClusterPlace, T>,
}

impl<T> Default for ServerMap<T> {
    fn default() -> Self {
        Self { slots: HashMap::new(), servers: HashMap::new() }
    }
}

impl<T: Clone> ServerMap<T> {
    /// The server that has this key. `None`: the first one is asked.
    pub(crate) fn of_key(&self, key: &str) -> Option<T> {
        if self.slots.is_empty() {
            return None;
        }
        self.servers.get(self.slots.get(&slot(key))?).cloned()
    }

    /// A server said where a slot is.
    pub(crate) fn learn(&mut self, slot: u16, place: ClusterPlace, new: impl FnOnce(&ClusterPlace) -> T) {
        if self.servers.len() >= SERVERS && !self.servers.contains_key(&place) {
            self.slots.clear();
            self.servers.clear();
        }
        self.servers.entry(place.clone()).or_insert_with_key(new);
        self.slots.insert(slot, place);
    }

    /// The server that has this key does not answer: the others may know another one for all that it had.
    pub(crate) fn forget(&mut self, key: &str) {
        if let Some(place) = self.slots.get(&slot(key)).cloned() {
            self.slots.retain(|_, other| *other != place);
        }
    }
}

/// The slot of a key: that of what is in its first pair of braces, if there is something.
pub(crate) fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    crc16(tag.filter(|tag| !tag.is_empty()).unwrap_or(key).as_bytes()) % SLOTS
}

/// CRC-16/XMODEM.
fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 }
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of the specification, and what `CLUSTER KEYSLOT` of a server says.
    #[test]
    fn slots() {
        assert_eq!(crc16(b"123456789"), 0x31c3);
        for (key, expected) in [("foo", 12_182), ("{user1000}.following", 3_443), ("", 0)] {
            assert_eq!(slot(key), expected, "{key}");
        }
        for (one, other, same) in [
            ("{user1000}.following", "{user1000}.followers", true),
            ("foo{}{bar}", "bar", false),
            ("foo{{bar}}zap", "{bar", true),
            ("foo{bar}{zap}", "bar", true),
        ] {
            assert_eq!(slot(one) == slot(other), same, "{one}");
        }
    }

    #[test]
    fn a_server_that_does_not_answer_is_forgotten_with_all_its_slots() {
        let mut map = ServerMap::<u16>::default();
        let place = |port| ClusterPlace { host: "h".to_owned(), port };
        for (key, port) in [("a", 1), ("b", 1), ("c", 2)] {
            map.learn(slot(key), place(port), |place| place.port);
        }
        assert_eq!(
            [map.of_key("a"), map.of_key("b"), map.of_key("c"), map.of_key("d")],
            [Some(1), Some(1), Some(2), None]
        );
        map.forget("a");
        assert_eq!([map.of_key("a"), map.of_key("b"), map.of_key("c")], [None, None, Some(2)]);
    }
}
