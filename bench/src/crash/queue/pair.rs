//! A Redis server and its replica, which takes over with what it has.

use std::path::Path;

use anyhow::Result;

use super::super::proxy::Proxy;
use super::super::random::Random;
use crate::queue::redis::RedisProcess;

/// A primary server, and a replica that follows it over a link of its own. Ended when dropped.
pub(super) struct RedisPair {
    /// The one in use.
    pub(super) primary: RedisProcess,
    replica: RedisProcess,
    /// Between the two.
    link: Proxy,
}

impl RedisPair {
    pub(super) fn start(folder: &Path, random: &mut Random) -> Result<Self> {
        let primary = RedisProcess::start(&folder.join("redis"), &[])?;
        let replica = RedisProcess::start(&folder.join("replica"), &[])?;
        let link = Proxy::start(primary.address, random.below(u64::MAX))?;
        let pair = Self { primary, replica, link };
        pair.follow()?;
        Ok(pair)
    }

    /// From now on the replica hears of nothing.
    pub(super) fn separate(&self, random: &mut Random) {
        self.link.forward_to(None);
        self.link.cut_living(1, random);
    }

    /// Kills the primary server; the replica takes over with what it has heard.
    pub(super) fn promote(&mut self) -> Result<()> {
        self.primary.kill()?;
        self.replica.ask(&["REPLICAOF", "NO", "ONE"])?;
        std::mem::swap(&mut self.primary, &mut self.replica);
        Ok(())
    }

    /// The server that was killed comes back, as the replica of the one that took over.
    pub(super) fn join(&mut self) -> Result<()> {
        self.replica.start_again()?;
        self.follow()
    }

    fn follow(&self) -> Result<()> {
        self.link.forward_to(Some(self.primary.address));
        let (host, port) = (self.link.address.ip().to_string(), self.link.address.port().to_string());
        self.replica.ask(&["REPLICAOF", &host, &port])?;
        Ok(())
    }
}
