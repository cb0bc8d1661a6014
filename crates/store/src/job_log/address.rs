//! Where the log of an attempt is: from a job's id to a path.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use uuid::{Uuid, Version};

/// The id of a job whose log can be kept: a UUID of version 7, which contains its day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct JobId(Uuid);

impl std::fmt::Display for JobId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl JobId {
    /// `None` for everything but a UUID of version 7 as Herald writes it: 36 characters, small letters. No path can
    /// be made of anything else, so that an id from outside leads nowhere else.
    pub(super) fn of(text: &str) -> Option<Self> {
        let id = Uuid::try_parse(text).ok().filter(|id| id.get_version() == Some(Version::SortRand))?;
        let mut buffer = Uuid::encode_buffer();
        let is_written_so = text == &*id.as_hyphenated().encode_lower(&mut buffer);
        (is_written_so && day_of(&id).is_some()).then_some(Self(id))
    }

    /// The folder of the day on which the job was made, in UTC.
    pub(super) fn day(self, folder: &Path) -> PathBuf {
        folder.join(day_of(&self.0).unwrap_or_default())
    }

    /// The attempt that a file of this name in the folder of the day belongs to, if it is one of this job.
    pub(super) fn attempt_of(self, name: &str) -> Option<u32> {
        let (id, attempt) = split(name)?;
        (id == self).then_some(attempt)
    }
}

/// `2026-11-24`, for the years with four digits.
fn day_of(id: &Uuid) -> Option<String> {
    let (seconds, _) = id.get_timestamp()?.to_unix();
    let time = Timestamp::from_second(i64::try_from(seconds).ok()?).ok()?;
    Some(time.strftime("%Y-%m-%d").to_string())
}

/// The job and the attempt of a file, by its name.
pub(super) fn split(name: &str) -> Option<(JobId, u32)> {
    let (id, attempt) = name.strip_suffix(".log")?.rsplit_once('-')?;
    let number = attempt.parse().ok()?;
    // `+1` and `01` are numbers too, but no file has such a name.
    if attempt == u32::to_string(&number) { Some((JobId::of(id)?, number)) } else { None }
}

/// One attempt of one job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Address {
    pub(super) job: JobId,
    pub(super) attempt: u32,
}

impl Address {
    /// `None` when the id is none of a job.
    pub(super) fn of(job: &str, attempt: u32) -> Option<Self> {
        Some(Self { job: JobId::of(job)?, attempt })
    }

    /// `<folder>/<day>/<job>-<attempt>.log`.
    pub(super) fn path(self, folder: &Path) -> PathBuf {
        self.file(folder, "log")
    }

    /// `<folder>/<day>/<job>-<attempt>.lines`.
    pub(super) fn index_path(self, folder: &Path) -> PathBuf {
        self.file(folder, "lines")
    }

    fn file(self, folder: &Path, kind: &str) -> PathBuf {
        self.job.day(folder).join(format!("{}-{}.{kind}", self.job.0.as_hyphenated(), self.attempt))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "019ab4f0-6a00-7000-8000-000000000001";

    #[test]
    fn a_path_tells_day_job_and_attempt() {
        let address = Address::of(ID, 2).unwrap();
        assert_eq!(address.path(Path::new("/logs")), Path::new(&format!("/logs/2025-11-24/{ID}-2.log")));
        for (name, attempt) in [
            (format!("{ID}-2.log"), Some(2)),
            (format!("{ID}-02.log"), None),
            (format!("{ID}-+2.log"), None),
            (format!("{ID}-.log"), None),
            (format!("{ID}.log"), None),
            (format!("{ID}-2.log.gz"), None),
            (format!("{}-2.log", ID.replace("01", "02")), None),
        ] {
            assert_eq!(address.job.attempt_of(&name), attempt, "{name}");
        }
    }

    #[test]
    fn ids_that_lead_nowhere() {
        for id in [
            "",
            ".",
            "..",
            "../../etc/passwd",
            "/etc/passwd",
            "j1",
            "019ab4f06a0070008000000000000001",
            "019AB4F0-6A00-7000-8000-000000000001",
            "{019ab4f0-6a00-7000-8000-000000000001}",
            "urn:uuid:019ab4f0-6a00-7000-8000-000000000001",
            "019ab4f0-6a00-4000-8000-000000000001",
            "ffffffff-ffff-7fff-bfff-ffffffffffff",
            "019ab4f0-6a00-7000-8000-000000000001/../x",
            "019ab4f0-6a00-7000-8000-00000000000\0",
        ] {
            assert_eq!(JobId::of(id), None, "{id:?}");
        }
    }
}
