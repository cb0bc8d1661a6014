//! What happens in a round.

use std::fmt;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::super::random::Random;
use super::processes;
use super::scene::{DeployScene, NODES};

/// How long a program of a runner is waited for that can be killed.
const PROGRAM: Duration = Duration::from_secs(2);

/// Who is killed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum DeployFault {
    /// Nobody.
    Nothing,
    /// The daemon.
    Daemon,
    /// This runner.
    Runner(usize),
    /// The daemon and this runner.
    Both(usize),
    /// A running `git` or `svn` of this runner.
    Tool(usize),
    /// The daemon, at this failpoint.
    DaemonAt(String),
    /// This runner, at this failpoint.
    RunnerAt(usize, String),
}

/// The failpoints of both sides.
pub(super) struct DeployFailpoints {
    pub(super) daemon: Vec<String>,
    pub(super) runner: Vec<String>,
}

impl DeployFault {
    /// Any of them; failpoints where the programs have them.
    pub(super) fn pick(random: &mut Random, failpoints: &DeployFailpoints) -> Self {
        let runner = index(random, NODES.len());
        let named = |random: &mut Random, names: &[String]| {
            let name = names.get(index(random, names.len()))?;
            Some(format!("{name}:{}", 1 + random.below(2)))
        };
        match random.below(14) {
            0 => Self::Nothing,
            1..=3 => Self::Daemon,
            4..=6 => Self::Runner(runner),
            7..=9 => Self::Tool(runner),
            10 | 11 => Self::Both(runner),
            12 => named(random, &failpoints.daemon).map_or(Self::Daemon, Self::DaemonAt),
            _ => named(random, &failpoints.runner)
                .map_or(Self::Runner(runner), |name| Self::RunnerAt(runner, name)),
        }
    }

    /// One that needs nothing to be prepared, as a second one.
    pub(super) fn pick_second(random: &mut Random) -> Self {
        let runner = index(random, NODES.len());
        match random.below(3) {
            0 => Self::Daemon,
            1 => Self::Runner(runner),
            _ => Self::Tool(runner),
        }
    }

    /// Whether what runs on the nodes is left alone.
    pub(super) fn spares_nodes(&self) -> bool {
        matches!(self, Self::Nothing | Self::Daemon | Self::DaemonAt(_))
    }

    /// Its kind, for the summary.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Daemon => "daemon",
            Self::Runner(_) => "runner",
            Self::Both(_) => "both",
            Self::Tool(_) => "git or svn",
            Self::DaemonAt(_) => "daemon, failpoint",
            Self::RunnerAt(..) => "runner, failpoint",
        }
    }

    /// What has to be done before the deployment.
    pub(super) fn prepare(&self, scene: &mut DeployScene) -> Result<()> {
        let (process, failpoint) = match self {
            Self::DaemonAt(name) => (&mut scene.daemon, name),
            Self::RunnerAt(n, name) => (&mut scene.runners[*n], name),
            _ => return Ok(()),
        };
        process.kill()?;
        process.start(Some(failpoint))
    }

    /// Waits for its moment.
    pub(super) fn wait(
        &self,
        scene: &mut DeployScene,
        moment: Duration,
        is_over: &dyn Fn(&DeployScene) -> bool,
    ) -> Result<()> {
        if !matches!(self, Self::DaemonAt(_) | Self::RunnerAt(..)) {
            std::thread::sleep(moment);
            return Ok(());
        }
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            let has_ended = match self {
                Self::RunnerAt(n, _) => scene.runners[*n].has_ended()?,
                _ => scene.daemon.has_ended()?,
            };
            if has_ended || is_over(scene) {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// It happens; returns what there is to say of it.
    pub(super) fn begin(&self, scene: &mut DeployScene, random: &mut Random) -> Result<String> {
        match self {
            Self::Nothing => {}
            Self::Daemon | Self::DaemonAt(_) => scene.daemon.kill()?,
            Self::Runner(n) | Self::RunnerAt(n, _) => scene.runners[*n].kill()?,
            Self::Both(n) => {
                scene.daemon.kill()?;
                scene.runners[*n].kill()?;
            }
            Self::Tool(n) => {
                let began = Instant::now();
                while began.elapsed() < PROGRAM {
                    // Another one, where this one has none just now.
                    for runner in (0..NODES.len()).map(|other| (n + other) % NODES.len()) {
                        let running = scene.runners[runner].running.as_ref();
                        let id = running.map_or(0, crate::program::Program::id);
                        if let Some(line) = processes::kill_one(id, |count| index(random, count)) {
                            return Ok(format!(": `{line}` of {}", NODES[runner]));
                        }
                    }
                    std::thread::sleep(Duration::from_millis(1));
                }
                return Ok(", which had none".to_owned());
            }
        }
        Ok(String::new())
    }

    /// What was killed is started again.
    pub(super) fn end(&self, scene: &mut DeployScene) -> Result<()> {
        match self {
            Self::Nothing | Self::Tool(_) => Ok(()),
            Self::Daemon | Self::DaemonAt(_) => scene.daemon.start(None),
            Self::Runner(n) | Self::RunnerAt(n, _) => scene.runners[*n].start(None),
            Self::Both(n) => {
                scene.runners[*n].start(None)?;
                scene.daemon.start(None)
            }
        }
    }
}

/// A number below `end`.
pub(super) fn index(random: &mut Random, end: usize) -> usize {
    usize::try_from(random.below(end as u64)).unwrap_or_default()
}

impl fmt::Display for DeployFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nobody is killed"),
            Self::Daemon => f.write_str("kill -9 of the daemon"),
            Self::Runner(n) => write!(f, "kill -9 of {}", NODES[*n]),
            Self::Both(n) => write!(f, "kill -9 of the daemon and {}", NODES[*n]),
            Self::Tool(n) => write!(f, "kill -9 of a program of {}", NODES[*n]),
            Self::DaemonAt(name) => write!(f, "the daemon ends at {name}"),
            Self::RunnerAt(n, name) => write!(f, "{} ends at {name}", NODES[*n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_faults_are_picked() {
        let failpoints = DeployFailpoints { daemon: vec!["apps-a".to_owned()], runner: Vec::new() };
        let mut random = Random::new(7);
        let picked: Vec<DeployFault> =
            (0..400).map(|_| DeployFault::pick(&mut random, &failpoints)).collect();
        for fault in [
            DeployFault::Nothing,
            DeployFault::Daemon,
            DeployFault::Runner(2),
            DeployFault::Both(0),
            DeployFault::Tool(1),
            DeployFault::DaemonAt("apps-a:2".to_owned()),
        ] {
            assert!(picked.contains(&fault), "{fault}");
        }
        // Programs without failpoints are killed at any moment.
        assert!(!picked.iter().any(|fault| matches!(fault, DeployFault::RunnerAt(..))));
    }
}
