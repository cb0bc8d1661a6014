//! What a job may use.

use rustix::process::{Resource, getrlimit};

use super::group::Brand;

/// What a job may use, without a limit where nothing is given.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct JobLimits {
    /// Memory of all its processes, in bytes; without the controller that counts it, the address space of each process.
    pub memory: Option<u64>,
    /// How many processes and threads there may be at once.
    pub pids: Option<u64>,
    /// How many processors: 0.5 is half of one.
    pub cpu: Option<f64>,
    /// How many files each process may have open.
    pub open_files: Option<u64>,
}

/// The time in which a share of processors is measured, in microseconds.
const PERIOD: f64 = 100_000.0;

impl JobLimits {
    /// The controllers that they need.
    pub(crate) fn controllers(&self) -> Vec<&'static str> {
        let wanted =
            [("memory", self.memory.is_some()), ("pids", self.pids.is_some()), ("cpu", self.cpu.is_some())];
        wanted.into_iter().filter(|(_, wanted)| *wanted).map(|(name, _)| name).collect()
    }

    /// The most files that a process may have open, where this asks for more than this process can give.
    pub(crate) fn too_many_files(&self) -> Option<u64> {
        let most = if rustix::process::geteuid().is_root() {
            std::fs::read_to_string("/proc/sys/fs/nr_open").ok()?.trim().parse().ok()?
        } else {
            getrlimit(Resource::Nofile).maximum?
        };
        self.open_files.is_some_and(|files| files > most).then_some(most)
    }

    /// The files of a cgroup, and what is written into them.
    pub(crate) fn files(&self, has_memory: bool) -> Vec<(&'static str, String)> {
        let mut files = Vec::new();
        if let Some(bytes) = self.memory.filter(|_| has_memory) {
            files.push(("memory.max", bytes.to_string()));
            // A job that lost one of its processes is not to go on with the others.
            files.push(("memory.oom.group", "1".to_owned()));
        }
        if let Some(pids) = self.pids {
            files.push(("pids.max", pids.to_string()));
        }
        if let Some(cpu) = self.cpu {
            files.push(("cpu.max", format!("{:.0} {PERIOD:.0}", (cpu * PERIOD).max(1000.0))));
        }
        files
    }

    /// Resource limits of each process: number, soft, hard.
    pub(crate) fn of_process(&self, has_memory: bool, brand: Option<Brand>) -> Vec<(i32, u64, u64)> {
        let mut limits = Vec::new();
        let mut both = |resource: Resource, most: u64| limits.push((resource as i32, most, most));
        if let Some(files) = self.open_files {
            both(Resource::Nofile, files);
        }
        if let Some(bytes) = self.memory.filter(|_| !has_memory) {
            both(Resource::As, bytes);
        }
        if let Some(brand) = brand {
            // The hard limit stays: a lower one of the administrator leaves no room for a brand.
            let hard = getrlimit(Resource::Rss).maximum.unwrap_or(u64::MAX);
            if brand.limit() <= hard {
                limits.push((Resource::Rss as i32, brand.limit(), hard));
            }
        }
        limits
    }
}

/// JobLimits that this process cannot set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// Controllers are missing.
    #[error(
        "cannot limit {}: this needs cgroup v2 with {} delegated to Herald (under systemd: `Delegate=yes` in the unit; \
         in a container: a writable /sys/fs/cgroup)", .0.join(" and "), controllers(.0)
    )]
    Controllers(Vec<String>),
    /// Memory is limited in another way.
    #[error(
        "without the cgroup controller memory the address space of each process of a job is limited, not the memory of \
         all of them"
    )]
    EachProcess,
    /// The kernel allows fewer.
    #[error("jobs may have at most {0} open files, and with more each of them fails")]
    OpenFiles(u64),
}

fn controllers(names: &[String]) -> String {
    let plural = if names.len() == 1 { "the controller" } else { "the controllers" };
    format!("{plural} {}", names.join(" and "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_where() {
        let all = JobLimits { memory: Some(1 << 20), pids: Some(5), cpu: Some(1.5), open_files: Some(64) };
        let text = |name: &'static str, value: &str| (name, value.to_owned());
        assert_eq!(
            all.files(true),
            [
                text("memory.max", "1048576"),
                text("memory.oom.group", "1"),
                text("pids.max", "5"),
                text("cpu.max", "150000 100000")
            ]
        );
        assert_eq!(all.files(false), [text("pids.max", "5"), text("cpu.max", "150000 100000")]);
        assert_eq!(all.controllers(), ["memory", "pids", "cpu"]);
        // RLIMIT_NOFILE, RLIMIT_AS
        assert_eq!(all.of_process(true, None), [(7, 64, 64)]);
        assert_eq!(all.of_process(false, None), [(7, 64, 64), (9, 1 << 20, 1 << 20)]);
        let none = JobLimits::default();
        assert!(
            none.files(true).is_empty()
                && none.of_process(true, None).is_empty()
                && none.controllers().is_empty()
        );
        let error = LimitError::Controllers(vec!["pids".to_owned(), "cpu".to_owned()]).to_string();
        assert!(error.starts_with(
            "cannot limit pids and cpu: this needs cgroup v2 with the controllers pids and cpu"
        ));
    }
}
