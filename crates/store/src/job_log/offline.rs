//! The logs of a daemon that does not run, read without a trace.

use std::path::Path;

use herald_core::executor::Stream;

use crate::job_log::address::Address;
use crate::job_log::lines::{LineQuery, LineReader, LogLines};
use crate::job_log::place::{LOGS, LogPlace};
use crate::job_log::read::{Chunk, LogError, read_chunk};

/// The logs in a `state_dir`, as they were left. All here blocks on the disk.
#[derive(Debug)]
pub struct OfflineLogs(LogPlace);

impl OfflineLogs {
    /// Those of this `state_dir`.
    #[must_use]
    pub fn of(state_dir: &Path) -> Self {
        Self(LogPlace::Folder(state_dir.join(LOGS).into()))
    }

    /// As [`JobLogs::read`](super::JobLogs::read).
    ///
    /// # Errors
    /// [`LogError`] when there is a log that cannot be read.
    pub fn read(
        &self,
        job_id: &str,
        attempt: u32,
        from: u64,
        stream: Option<Stream>,
    ) -> Result<Option<Chunk>, LogError> {
        let Some(address) = Address::of(job_id, attempt) else { return Ok(None) };
        read_chunk(&self.0, address, from, stream, false)
    }

    /// As [`JobLogs::lines`](super::JobLogs::lines); a long log without a line index is read whole.
    ///
    /// # Errors
    /// [`LogError`] when there is a log that cannot be read.
    pub fn lines(&self, job_id: &str, attempt: u32, query: LineQuery) -> Result<Option<LogLines>, LogError> {
        let Some(address) = Address::of(job_id, attempt) else { return Ok(None) };
        let reader = LineReader::open_read_only(&self.0, address, query.stream)?;
        reader.map(|reader| reader.lines(query)).transpose()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::job_log::frame::{FrameKind, LogFrame, VERSION_LINE};
    use crate::job_log::line_index::{BYTES, LineIndex};
    use crate::job_log::lines::LineStart;

    const ID: &str = "019ab4f0-6a00-7000-8000-000000000001";

    #[test]
    fn the_end_of_a_log_is_read_whatever_its_index_is_like() {
        let state = tempfile::tempdir().unwrap();
        let folder = state.path().join(LOGS);
        let address = Address::of(ID, 1).unwrap();
        let (path, index) = (address.path(&folder), address.index_path(&folder));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut bytes = VERSION_LINE.to_vec();
        let text = "x".repeat(999);
        let kind = FrameKind::Output(Stream::Stdout);
        let count = 3 * BYTES / 1000;
        for n in 1..=count {
            let piece = format!("{n} {text}\n");
            LogFrame { kind, at: Timestamp::UNIX_EPOCH, bytes: piece.as_bytes() }.put(&mut bytes);
        }
        std::fs::write(&path, bytes).unwrap();
        let logs = OfflineLogs::of(state.path());
        let tail = LineQuery { start: LineStart::Tail, lines: 1, stream: None };
        // None; that of another log, which was longer.
        for index_of_another in [false, true] {
            if index_of_another {
                LineIndex::replace(&index, &[0x7f; 320]).unwrap();
            }
            let before = std::fs::read(&index).ok();
            let found = logs.lines(ID, 1, tail).unwrap().unwrap();
            assert_eq!(found.lines.first().map(|line| line.number), Some(count), "{index_of_another}");
            assert_eq!(std::fs::read(&index).ok(), before, "nothing is written");
        }
        let begin = logs.read(ID, 1, 0, None).unwrap().unwrap();
        assert!(begin.entries[0].bytes.starts_with(b"1 x"));
        assert!(logs.read(ID, 2, 0, None).unwrap().is_none());
        assert!(logs.lines("no id", 1, tail).unwrap().is_none());
    }
}
