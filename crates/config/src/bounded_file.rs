//! Files that a person names, read within bounds of size and time: the name may be that of a pipe, into which nobody
//! writes.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;

/// How long a pipe may take to give all it has, as in `heraldd check <(…)`.
const PIPE: PipeLimits = PipeLimits { writer: Duration::from_secs(2), whole: Duration::from_secs(10) };

/// How long a pipe is waited for.
#[derive(Debug, Clone, Copy)]
struct PipeLimits {
    /// For somebody to write to it.
    writer: Duration,
    /// For its end.
    whole: Duration,
}

/// Opens a file for reading; a pipe without waiting for a writer.
///
/// # Errors
/// Those of the system.
pub fn open(path: &Path) -> io::Result<File> {
    // Of a regular file, the flag changes nothing.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

/// Reads an [opened](open) file whole, `most` bytes of it at most.
///
/// # Errors
/// Those of the system, and when a pipe or a device has not given all it has within 10 s.
pub fn read(file: &File, metadata: &Metadata, most: u64) -> io::Result<Vec<u8>> {
    if metadata.is_file() {
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        return Ok(bytes);
    }
    read_slow(file, metadata, most, PIPE)
}

fn read_slow(file: &File, metadata: &Metadata, most: u64, limits: PipeLimits) -> io::Result<Vec<u8>> {
    let begun = Instant::now();
    let mut bytes = Vec::new();
    // The end of a pipe that nobody has opened for writing yet looks like the end of all.
    let mut may_begin = metadata.file_type().is_fifo();
    let mut left = file.take(most);
    let mut piece = [0; 8 << 10];
    loop {
        match left.read(&mut piece) {
            Ok(0) if may_begin && bytes.is_empty() && left.limit() > 0 => {
                wait(file, begun, limits.writer)?;
                may_begin = false;
            }
            Ok(0) => return Ok(bytes),
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => wait(file, begun, limits.whole)?,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Waits until there is something to read, or its end.
fn wait(file: &File, begun: Instant, limit: Duration) -> io::Result<()> {
    loop {
        let left = limit.saturating_sub(begun.elapsed());
        let timeout = Timespec::try_from(left).ok();
        match poll(&mut [PollFd::new(file, PollFlags::IN)], timeout.as_ref()) {
            Ok(0) if left.is_zero() => {
                let why =
                    format!("this is a pipe, and its end did not come within {} s", limit.as_secs_f64());
                return Err(io::Error::new(ErrorKind::TimedOut, why));
            }
            Ok(0) | Err(rustix::io::Errno::INTR) => {}
            Ok(_) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::thread::{sleep, spawn};

    use super::*;

    const HASTY: PipeLimits =
        PipeLimits { writer: Duration::from_millis(300), whole: Duration::from_millis(600) };

    fn fifo(folder: &Path) -> std::path::PathBuf {
        let path = folder.join("fifo");
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::from_raw_mode(0o600)).unwrap();
        path
    }

    fn slow(path: &Path, most: u64) -> io::Result<Vec<u8>> {
        let file = open(path)?;
        read_slow(&file, &file.metadata()?, most, HASTY)
    }

    #[test]
    fn pipes_without_an_end_are_given_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = fifo(folder.path());
        // Without a writer, with one that writes nothing, and with one that does not end.
        for (text, least) in [(None, HASTY.writer), (Some(""), HASTY.whole), (Some("a: 1\n"), HASTY.whole)] {
            let begun = Instant::now();
            let writer = text.map(|text| {
                let path = path.clone();
                let mut writer = OpenOptions::new().read(true).write(true).open(path).unwrap();
                writer.write_all(text.as_bytes()).unwrap();
                writer
            });
            let error = slow(&path, 100).unwrap_err();
            assert!(error.kind() == ErrorKind::TimedOut && error.to_string().contains("pipe"), "{error}");
            assert!(begun.elapsed() >= least && begun.elapsed() < Duration::from_secs(20), "{text:?}");
            drop(writer);
        }
    }

    #[test]
    fn pipes_devices_and_files_are_read_to_their_end_or_limit() {
        let folder = tempfile::tempdir().unwrap();
        let path = fifo(folder.path());
        for (most, expected) in [(100, "a: 1\nb: 2\n"), (4, "a: 1")] {
            let into = path.clone();
            let writer = spawn(move || {
                let mut writer = OpenOptions::new().write(true).open(into).unwrap();
                writer.write_all(b"a: 1\n").unwrap();
                sleep(Duration::from_millis(50));
                // Nobody reads on past the limit.
                let _ = writer.write_all(b"b: 2\n");
            });
            assert_eq!(slow(&path, most).unwrap(), expected.as_bytes());
            writer.join().unwrap();
        }
        assert_eq!(slow(Path::new("/dev/null"), 9).unwrap(), b"");
        assert_eq!(slow(Path::new("/dev/zero"), 9).unwrap(), [0; 9]);
        let plain = folder.path().join("plain");
        std::fs::write(&plain, "text").unwrap();
        let file = open(&plain).unwrap();
        assert_eq!(read(&file, &file.metadata().unwrap(), 3).unwrap(), b"tex");
    }
}
