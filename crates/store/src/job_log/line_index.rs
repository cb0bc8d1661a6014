//! The line index of a log: checkpoints that say how many lines end before a frame, so that no reader has to count them
//! from the beginning.
//!
//! It is `<job id>-<attempt>.lines` beside the log and is written along with it: a version line, `herald log lines 1`,
//! then a checkpoint of 36 bytes for about every 256 lines or 64 KiB: the offset of a frame, the line ends of standard
//! output and of standard error before it, the time of the frame in microseconds since 1970 (eight bytes each,
//! little-endian), and the CRC-32 of these. A log without an index, or with a damaged one, gets a new one when somebody
//! asks for its lines.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use herald_core::executor::Stream;

use crate::job_log::address::Address;
use crate::job_log::frame::{self, FrameKind};

/// What every index begins with.
const VERSION_LINE: &[u8] = b"herald log lines 1\n";
/// The length of a checkpoint.
const SIZE: usize = 36;
/// So many lines, or bytes of the log, are between two checkpoints, about.
const LINES: u64 = 256;
pub(super) const BYTES: u64 = 64 * 1024;

/// A place in a log that readers can begin at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Checkpoint {
    /// Where a frame begins.
    pub(super) offset: u64,
    /// Line ends of standard output before it.
    stdout: u64,
    /// Line ends of standard error before it.
    stderr: u64,
    /// The time of the frame, in microseconds since 1970.
    pub(super) micros: u64,
}

impl Checkpoint {
    /// The beginning of a log.
    pub(super) fn start() -> Self {
        Self { offset: frame::VERSION_LINE.len() as u64, stdout: 0, stderr: 0, micros: 0 }
    }

    /// Line ends before it, of one stream or of both.
    pub(super) fn line_ends(&self, stream: Option<Stream>) -> u64 {
        match stream {
            None => self.stdout + self.stderr,
            Some(Stream::Stdout) => self.stdout,
            Some(Stream::Stderr) => self.stderr,
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        let begin = out.len();
        for number in [self.offset, self.stdout, self.stderr, self.micros] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        let sum = crc32fast::hash(out.get(begin..).unwrap_or_default());
        out.extend_from_slice(&sum.to_le_bytes());
    }

    fn read(bytes: &[u8; SIZE]) -> Option<Self> {
        let (content, sum) = bytes.split_at(SIZE - 4);
        if crc32fast::hash(content).to_le_bytes() != *sum {
            return None;
        }
        let mut numbers = content.chunks_exact(8).map(|eight| eight.try_into().map(u64::from_le_bytes));
        let mut next = || numbers.next()?.ok();
        Some(Self { offset: next()?, stdout: next()?, stderr: next()?, micros: next()? })
    }
}

/// Counts the lines of a log as it grows.
#[derive(Debug, Clone)]
pub(super) struct LineCounter {
    now: Checkpoint,
    last: Checkpoint,
}

impl Default for LineCounter {
    fn default() -> Self {
        Self { now: Checkpoint::start(), last: Checkpoint::start() }
    }
}

impl LineCounter {
    /// Counts whole frames, and adds the checkpoints that are due to `out`. Gives how many bytes the frames have.
    pub(super) fn count(&mut self, frames: &[u8], out: &mut Vec<u8>) -> usize {
        let mut at = 0;
        while let Some((found, size)) = frame::first(frames.get(at..).unwrap_or_default()) {
            let lines = self.now.line_ends(None) - self.last.line_ends(None);
            if lines >= LINES || self.now.offset - self.last.offset >= BYTES {
                self.now.micros = u64::try_from(found.at.as_microsecond()).unwrap_or(0);
                self.now.put(out);
                self.last = self.now;
            }
            let ends = memchr::memchr_iter(b'\n', found.bytes).count() as u64;
            match found.kind {
                FrameKind::Output(Stream::Stdout) => self.now.stdout += ends,
                FrameKind::Output(Stream::Stderr) => self.now.stderr += ends,
                FrameKind::Truncated => {}
            }
            self.now.offset += size as u64;
            at += size;
        }
        at
    }
}

/// Writes the index along with a log. An index that cannot be written is given up; the log goes on without.
#[derive(Debug, Default)]
pub(super) struct IndexWriter {
    counter: LineCounter,
    file: Option<File>,
    has_failed: bool,
}

impl IndexWriter {
    /// For a log that is there already, with the checkpoints of its frames. An older index is dropped.
    pub(super) fn begin(folder: &Path, address: Address, counter: LineCounter, checkpoints: &[u8]) -> Self {
        let mut writer = Self { counter, file: None, has_failed: false };
        // There may be none.
        let _ = std::fs::remove_file(address.index_path(folder));
        writer.write(folder, address, checkpoints);
        writer
    }

    /// These frames were added to the log.
    pub(super) fn wrote(&mut self, folder: &Path, address: Address, frames: &[u8]) {
        let mut checkpoints = Vec::new();
        self.counter.count(frames, &mut checkpoints);
        self.write(folder, address, &checkpoints);
    }

    fn write(&mut self, folder: &Path, address: Address, checkpoints: &[u8]) {
        if self.has_failed || checkpoints.is_empty() {
            return;
        }
        if let Err(error) = self.try_to_write(&address.index_path(folder), checkpoints) {
            self.has_failed = true;
            tracing::debug!("the line index of a job's log cannot be written: {error}");
        }
    }

    fn try_to_write(&mut self, path: &Path, checkpoints: &[u8]) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            None => {
                let mut file = create(path)?;
                file.write_all(VERSION_LINE)?;
                self.file.insert(file)
            }
        };
        file.write_all(checkpoints)
    }
}

fn create(path: &Path) -> io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}

/// The checkpoints of a log, in its file.
#[derive(Debug, Default)]
pub(super) struct LineIndex {
    file: Option<File>,
    count: u64,
}

/// An index that cannot be used: it is missing or damaged.
#[derive(Debug)]
pub(super) struct UnusableIndex;

impl From<io::Error> for UnusableIndex {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl LineIndex {
    /// The index as it is. Reads its beginning only.
    pub(super) fn open(path: &Path) -> Result<Self, UnusableIndex> {
        let mut file = File::open(path)?;
        let mut version = [0; VERSION_LINE.len()];
        file.read_exact(&mut version)?;
        if version != *VERSION_LINE {
            return Err(UnusableIndex);
        }
        let count = (file.metadata()?.len() - VERSION_LINE.len() as u64) / SIZE as u64;
        Ok(Self { file: Some(file), count })
    }

    /// Writes these checkpoints as a new index, and opens it.
    pub(super) fn replace(path: &Path, checkpoints: &[u8]) -> Result<Self, UnusableIndex> {
        let aside = path.with_extension("lines.new");
        let mut file = create(&aside)?;
        file.write_all(VERSION_LINE)?;
        file.write_all(checkpoints)?;
        std::fs::rename(&aside, path)?;
        Self::open(path)
    }

    fn get(&self, number: u64) -> Result<Checkpoint, UnusableIndex> {
        let file = self.file.as_ref().ok_or(UnusableIndex)?;
        let mut bytes = [0; SIZE];
        file.read_exact_at(&mut bytes, VERSION_LINE.len() as u64 + number * SIZE as u64)?;
        Checkpoint::read(&bytes).ok_or(UnusableIndex)
    }

    /// The last checkpoint that comes before what is looked for, or the beginning of the log. What is true of a
    /// checkpoint is true of all before it.
    pub(super) fn last_before(
        &self,
        is_before: impl Fn(&Checkpoint) -> bool,
    ) -> Result<Checkpoint, UnusableIndex> {
        let (mut found, mut low, mut high) = (Checkpoint::start(), 0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            let checkpoint = self.get(middle)?;
            if is_before(&checkpoint) {
                (found, low) = (checkpoint, middle + 1);
            } else {
                high = middle;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::job_log::frame::LogFrame;

    fn frames(count: i64, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        for n in 0..count {
            let kind = FrameKind::Output(if n % 2 == 0 { Stream::Stdout } else { Stream::Stderr });
            LogFrame { kind, at: Timestamp::from_microsecond(n).unwrap(), bytes }.put(&mut out);
        }
        out
    }

    #[test]
    fn checkpoints_come_by_lines_and_by_bytes() {
        for (what, count, bytes, checkpoints) in [
            ("nothing", 0, vec![], 0),
            ("few lines", 256, b"a\n".to_vec(), 0),
            ("more lines", 257, b"a\n".to_vec(), 1),
            ("many lines", 2561, b"a\n".to_vec(), 10),
            ("one long line", 20, vec![b'x'; 32 * 1024], 9),
        ] {
            let (mut counter, mut out) = (LineCounter::default(), Vec::new());
            let frames = frames(count, &bytes);
            assert_eq!(counter.count(&frames, &mut out), frames.len(), "{what}");
            assert_eq!(out.len(), checkpoints * SIZE, "{what}");
            for (n, bytes) in out.chunks_exact(SIZE).enumerate() {
                let found = Checkpoint::read(bytes.try_into().unwrap()).unwrap();
                let (stdout, stderr) =
                    (found.line_ends(Some(Stream::Stdout)), found.line_ends(Some(Stream::Stderr)));
                assert_eq!(stdout + stderr, found.line_ends(None), "{what} {n}");
                let begin = usize::try_from(found.offset).unwrap() - frame::VERSION_LINE.len();
                let (frame, _) = frame::first(&frames[begin..]).unwrap();
                assert_eq!(u64::try_from(frame.at.as_microsecond()).unwrap(), found.micros, "{what} {n}");
                let before = frames[..begin].windows(2).filter(|two| two == b"a\n").count();
                assert_eq!(found.line_ends(None), before as u64, "{what} {n}");
            }
        }
    }

    #[test]
    fn a_damaged_checkpoint_is_found() {
        let mut out = Vec::new();
        Checkpoint { offset: 1, stdout: 2, stderr: 3, micros: 4 }.put(&mut out);
        for at in 0..SIZE {
            let mut bytes: [u8; SIZE] = out.clone().try_into().unwrap();
            bytes[at] ^= 1;
            assert_eq!(Checkpoint::read(&bytes), None, "{at}");
        }
    }
}
