//! What happens in a round.

use std::fmt;
use std::time::Duration;

use anyhow::Result;
use rustix::process::Signal;

use super::super::random::Random;
use super::scene::{Scene, WORKERS};

/// What happens to one of the processes, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// The origin is killed.
    KillOrigin,
    /// This worker is killed.
    KillWorker(usize),
    /// This worker is stopped for longer than its lease.
    StopWorker(usize),
    /// Redis is killed, and keeps its data.
    KillRedis,
    /// Redis is killed after its replica was cut off from it, and the replica takes over.
    Promote,
    /// Redis forgets everything.
    Flush,
    /// Connections to Redis are cut.
    Cut,
}

impl Fault {
    /// Any of them.
    pub(super) fn pick(random: &mut Random) -> Self {
        let worker = usize::try_from(random.below(WORKERS.len() as u64)).unwrap_or_default();
        match random.below(9) {
            0 => Self::KillOrigin,
            1 | 2 => Self::KillWorker(worker),
            3 => Self::StopWorker(worker),
            4 => Self::KillRedis,
            5 => Self::Flush,
            6 => Self::Promote,
            _ => Self::Cut,
        }
    }

    /// Whether it can happen while the other one lasts.
    pub(super) fn fits(self, other: Self) -> bool {
        match (self, other) {
            (
                Self::KillWorker(one) | Self::StopWorker(one),
                Self::KillWorker(other) | Self::StopWorker(other),
            ) => one != other,
            // Both need a Redis that is there.
            (Self::Flush | Self::Promote, Self::KillRedis) => false,
            _ => self != other,
        }
    }

    /// How long it lasts.
    pub(super) fn lasts(self, random: &mut Random) -> Duration {
        match self {
            Self::KillOrigin | Self::KillRedis | Self::Promote | Self::Cut => random.millis(10, 1500),
            Self::KillWorker(_) => random.millis(10, 3500),
            Self::StopWorker(n) => WORKERS[n].1 + random.millis(300, 2000),
            Self::Flush => Duration::ZERO,
        }
    }

    pub(super) fn begin(self, scene: &mut Scene, random: &mut Random) -> Result<()> {
        match self {
            Self::KillOrigin => {
                scene.origin.kill()?;
                scene.stop_posting();
            }
            Self::KillWorker(n) => scene.workers[n].kill()?,
            Self::StopWorker(n) => scene.workers[n].signal(Signal::STOP)?,
            Self::KillRedis => scene.redis.primary.kill()?,
            Self::Promote => {
                scene.redis.separate(random);
                std::thread::sleep(random.millis(0, 500));
                scene.redis.promote()?;
                scene.proxy.forward_to(Some(scene.redis.primary.address));
            }
            Self::Flush => drop(scene.redis.primary.ask(&["FLUSHALL"])?),
            Self::Cut => {
                let most = [200, 2_000, 20_000][usize::try_from(random.below(3))?];
                scene.proxy.cut_after(1 + random.below(most));
                scene.proxy.cut_living(most, random);
            }
        }
        Ok(())
    }

    pub(super) fn end(self, scene: &mut Scene) -> Result<()> {
        match self {
            Self::KillOrigin => {
                scene.origin.start()?;
                scene.post()
            }
            Self::KillWorker(n) => scene.workers[n].start(),
            Self::StopWorker(n) => scene.workers[n].signal(Signal::CONT),
            Self::KillRedis => scene.redis.primary.start_again(),
            Self::Promote => scene.redis.join(),
            Self::Flush => Ok(()),
            Self::Cut => {
                scene.proxy.cut_after(u64::MAX);
                Ok(())
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KillOrigin => f.write_str("kill -9 of the origin"),
            Self::KillWorker(n) => write!(f, "kill -9 of {}", WORKERS[*n].0),
            Self::StopWorker(n) => write!(f, "{} is stopped", WORKERS[*n].0),
            Self::KillRedis => f.write_str("kill -9 of Redis"),
            Self::Promote => f.write_str("Redis is killed and its replica takes over"),
            Self::Flush => f.write_str("FLUSHALL"),
            Self::Cut => f.write_str("connections are cut"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_that_exclude_each_other() {
        for (one, other, fits) in [
            (Fault::Flush, Fault::KillRedis, false),
            (Fault::Flush, Fault::KillOrigin, true),
            (Fault::Promote, Fault::KillRedis, false),
            (Fault::KillRedis, Fault::Promote, true),
            (Fault::Flush, Fault::Promote, true),
            (Fault::Promote, Fault::Cut, true),
            (Fault::KillWorker(1), Fault::StopWorker(1), false),
            (Fault::KillWorker(1), Fault::StopWorker(2), true),
            (Fault::Cut, Fault::Cut, false),
        ] {
            assert_eq!(one.fits(other), fits, "{one}, {other}");
        }
        let mut random = Random::new(7);
        let picked: Vec<Fault> = (0..200).map(|_| Fault::pick(&mut random)).collect();
        assert!(
            [Fault::KillOrigin, Fault::KillRedis, Fault::Promote, Fault::Flush, Fault::Cut]
                .iter()
                .all(|f| picked.contains(f))
        );
    }
}
