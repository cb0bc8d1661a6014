//! What a job writes, kept for the daemon to read while the job runs.
//!
//! Kept in memory while it is short, then in a file without a name in the work folder, so that nothing is left however
//! the runner ends. It consists of pieces, each with a head of five bytes: `o` for standard output, `e` for standard
//! error or `t` where the rest is missing, and the length in four bytes, the largest first. A position is an offset.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use herald_base::output::{Output, Stream};
use herald_wire::log::{LogAnswer, MAX_LOG, OutputPiece, OutputSummary};
use tokio::sync::watch;

/// The length of a head.
const HEAD: u64 = 5;
/// The most bytes in a piece: several fit into an answer.
const LARGEST: usize = 32 * 1024;
/// How often a file may be larger than the output in it: output of single bytes is mostly heads.
const LARGEST_FACTOR: u64 = 4;

/// The most bytes that are kept in memory.
const MOST_IN_MEMORY: usize = 8 * 1024;
/// The room that the heads of a write in memory take at most.
const HEADS: usize = 64;

/// The output of one attempt.
pub struct OutputLog {
    shared: Arc<SpoolFile>,
    length: watch::Sender<Length>,
}

/// How much there is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Length {
    bytes: u64,
    ended: bool,
}

struct SpoolFile {
    folder: PathBuf,
    limit: u64,
    spool: Mutex<Spool>,
}

#[derive(Default)]
struct Spool {
    /// All of it, as long as there is no file.
    memory: Vec<u8>,
    file: Option<Arc<File>>,
    length: u64,
    /// Bytes of output in it.
    kept: u64,
    /// Nothing more is taken.
    full: bool,
}

impl OutputLog {
    /// Keeps at most `limit` bytes of output, in this folder. Nothing is made before the first byte.
    #[must_use]
    pub fn new(folder: PathBuf, limit: u64) -> Self {
        let shared = Arc::new(SpoolFile { folder, limit, spool: Mutex::default() });
        Self { shared, length: watch::Sender::default() }
    }

    /// The job has ended: nothing more comes.
    pub fn end(&self) {
        self.length.send_modify(|length| length.ended = true);
    }

    /// What there is from this position on; waits a while when that is nothing yet.
    ///
    /// # Errors
    /// When the disk refuses, or the position is none.
    pub async fn read(&self, from: u64, wait: Duration) -> io::Result<LogAnswer> {
        let mut length = self.length.subscribe();
        // Too long a wait gives an empty answer.
        let _ = tokio::time::timeout(wait, length.wait_for(|now| now.bytes > from || now.ended)).await;
        let now = *length.borrow();
        if now.bytes <= from {
            return Ok(LogAnswer { next: from, end: now.ended, ..LogAnswer::default() });
        }
        let mut answer = match self.shared.read_memory(from, now.bytes) {
            Some(answer) => answer?,
            None => {
                let shared = self.shared.clone();
                let read = tokio::task::spawn_blocking(move || shared.read(from, now.bytes)).await;
                read.map_err(io::Error::other)??
            }
        };
        answer.end = now.ended && answer.next == now.bytes;
        Ok(answer)
    }
}

impl OutputLog {
    /// Of a job that has ended: how much it wrote, and that itself, where it is short. `None` while it may write more.
    #[must_use]
    pub fn summary(&self) -> Option<OutputSummary> {
        let Length { bytes: length, ended: true } = *self.length.borrow() else { return None };
        let whole =
            self.shared.read_memory(0, length).and_then(Result::ok).filter(|answer| !answer.truncated);
        Some(OutputSummary::new(length, whole.map(|answer| answer.pieces).unwrap_or_default()))
    }
}

#[async_trait]
impl Output for OutputLog {
    async fn write(&self, stream: Stream, bytes: &[u8]) {
        let kind = if stream == Stream::Stdout { b'o' } else { b'e' };
        let written = match self.shared.write_memory(kind, bytes) {
            Some(length) => Ok(Some(length)),
            None => {
                let (shared, bytes) = (self.shared.clone(), bytes.to_vec());
                tokio::task::spawn_blocking(move || shared.write(kind, &bytes)).await
            }
        };
        if let Ok(Some(length)) = written {
            // Both streams write, and who wrote first may come here last.
            self.length.send_modify(|now| now.bytes = now.bytes.max(length));
        }
    }
}

impl SpoolFile {
    /// Adds some output, as far as there is room; gives the length of it all, if there is more to read.
    fn write(&self, kind: u8, bytes: &[u8]) -> Option<u64> {
        self.add(&mut self.spool.lock().unwrap_or_else(PoisonError::into_inner), kind, bytes)
    }

    /// The same where it takes no time: `None` where the output goes to the disk.
    fn write_memory(&self, kind: u8, bytes: &[u8]) -> Option<u64> {
        let mut spool = self.spool.try_lock().ok()?;
        let fits = spool.file.is_none() && spool.memory.len() + bytes.len() + HEADS <= MOST_IN_MEMORY;
        if !fits {
            return None;
        }
        Some(self.add(&mut spool, kind, bytes).unwrap_or(spool.length))
    }

    fn add(&self, spool: &mut Spool, kind: u8, bytes: &[u8]) -> Option<u64> {
        if spool.full {
            return None;
        }
        let fits = usize::try_from(self.limit - spool.kept).unwrap_or(usize::MAX).min(bytes.len());
        let mut out = Vec::with_capacity(fits + 64);
        bytes.get(..fits)?.chunks(LARGEST).for_each(|piece| put(kind, piece, &mut out));
        let largest = self.limit.saturating_mul(LARGEST_FACTOR);
        if fits < bytes.len() || spool.length + out.len() as u64 > largest {
            spool.full = true;
            put(b't', &[], &mut out);
        }
        match spool.append(&self.folder, &out) {
            Ok(()) => spool.kept += fits as u64,
            Err(error) => {
                spool.full = true;
                tracing::warn!(%error, "cannot store the output of a job for the daemon; its result is not affected");
            }
        }
        Some(spool.length)
    }

    fn read(&self, from: u64, until: u64) -> io::Result<LogAnswer> {
        let (file, memory) = {
            let spool = self.spool.lock().unwrap_or_else(PoisonError::into_inner);
            (spool.file.clone(), spool.memory.clone())
        };
        let Some(file) = file else { return part_of(&memory, from, until) };
        let most = usize::try_from(until - from).unwrap_or(usize::MAX).min(MAX_LOG);
        let mut bytes = vec![0; most];
        file.read_exact_at(&mut bytes, from)?;
        pieces_of(&bytes, from)
    }

    /// The same where it takes no time: `None` where the output is on the disk.
    fn read_memory(&self, from: u64, until: u64) -> Option<io::Result<LogAnswer>> {
        let spool = self.spool.try_lock().ok()?;
        spool.file.is_none().then(|| part_of(&spool.memory, from, until))
    }
}

/// What lies between these positions of output that is in memory, as far as there is any.
fn part_of(memory: &[u8], from: u64, until: u64) -> io::Result<LogAnswer> {
    let at = |position: u64| usize::try_from(position).unwrap_or(usize::MAX).min(memory.len());
    pieces_of(memory.get(at(from)..at(until)).unwrap_or_default(), from)
}

/// The whole pieces of what was read at this position.
fn pieces_of(bytes: &[u8], from: u64) -> io::Result<LogAnswer> {
    let mut answer = LogAnswer { next: from, ..LogAnswer::default() };
    let mut rest = bytes;
    while let Some((kind, piece, after)) = first(rest)? {
        match kind {
            b'o' => answer.pieces.push(OutputPiece::new(Stream::Stdout, piece)),
            b'e' => answer.pieces.push(OutputPiece::new(Stream::Stderr, piece)),
            _ => answer.truncated = true,
        }
        answer.next += HEAD + piece.len() as u64;
        rest = after;
    }
    Ok(answer)
}

impl Spool {
    fn append(&mut self, folder: &std::path::Path, bytes: &[u8]) -> io::Result<()> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None if self.memory.len() + bytes.len() <= MOST_IN_MEMORY => {
                self.memory.extend_from_slice(bytes);
                self.length += bytes.len() as u64;
                return Ok(());
            }
            None => {
                let file = tempfile::tempfile_in(folder)?;
                file.write_all_at(&self.memory, 0)?;
                self.memory = Vec::new();
                self.file.insert(Arc::new(file)).clone()
            }
        };
        file.write_all_at(bytes, self.length)?;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

fn put(kind: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(kind);
    // Pieces are short.
    out.extend_from_slice(&u32::try_from(bytes.len()).unwrap_or(0).to_be_bytes());
    out.extend_from_slice(bytes);
}

/// A piece: its kind, what is in it, and the bytes behind it.
type OutputFrame<'a> = (u8, &'a [u8], &'a [u8]);

/// The first piece of these bytes. `None` when it is not whole.
fn first(bytes: &[u8]) -> io::Result<Option<OutputFrame<'_>>> {
    let Some((&[kind, a, b, c, d], rest)) = bytes.split_first_chunk() else { return Ok(None) };
    let length = u32::from_be_bytes([a, b, c, d]) as usize;
    if !b"oet".contains(&kind) || length > LARGEST {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "there is no piece of output at this position",
        ));
    }
    Ok((rest.len() >= length).then(|| {
        let (piece, rest) = rest.split_at(length);
        (kind, piece, rest)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(limit: u64) -> (tempfile::TempDir, OutputLog) {
        let folder = tempfile::tempdir().unwrap();
        let log = OutputLog::new(folder.path().to_owned(), limit);
        (folder, log)
    }

    async fn all(log: &OutputLog) -> (Vec<(Stream, String)>, bool) {
        let (mut from, mut pieces, mut truncated) = (0, Vec::new(), false);
        loop {
            let answer = log.read(from, Duration::from_secs(10)).await.unwrap();
            let text = |piece: &OutputPiece| String::from_utf8(piece.bytes().unwrap()).unwrap();
            pieces.extend(answer.pieces.iter().map(|piece| (piece.stream, text(piece))));
            truncated |= answer.truncated;
            from = answer.next;
            if answer.end {
                return (pieces, truncated);
            }
        }
    }

    #[tokio::test]
    async fn what_is_written_is_read_in_order_also_while_it_comes() {
        let (folder, log) = log(1 << 20);
        let (read, ()) = tokio::join!(all(&log), async {
            log.write(Stream::Stdout, b"one").await;
            tokio::task::yield_now().await;
            log.write(Stream::Stderr, b"two").await;
            log.write(Stream::Stdout, &vec![b'x'; 300_000]).await;
            log.end();
        });
        let (pieces, truncated) = read;
        assert_eq!(pieces[..2], [(Stream::Stdout, "one".to_owned()), (Stream::Stderr, "two".to_owned())]);
        assert_eq!(pieces[2..].iter().map(|(_, text)| text.len()).sum::<usize>(), 300_000);
        assert!(!truncated);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the file has no name");
    }

    /// What fits into a header comes with the answer; of the rest, only how much it is.
    #[tokio::test]
    async fn the_summary_of_a_job_that_has_ended() {
        type Written = &'static [(Stream, usize)];
        let limit = 5_000;
        let cases: [(&str, Written, u64, usize); 6] = [
            ("nothing", &[], 0, 0),
            ("both streams", &[(Stream::Stdout, 10), (Stream::Stderr, 20)], 40, 2),
            ("too long for a header", &[(Stream::Stdout, 2_000)], 2_005, 0),
            ("no longer in memory", &[(Stream::Stdout, 4_000), (Stream::Stderr, 1_000)], 5_010, 0),
            ("as much as is kept", &[(Stream::Stdout, 5_000)], 5_005, 0),
            ("more than is kept", &[(Stream::Stdout, 4_990), (Stream::Stdout, 20)], 5_015, 0),
        ];
        for (what, written, length, pieces) in cases {
            let (_folder, log) = log(limit);
            for (stream, bytes) in written {
                log.write(*stream, &vec![b'x'; *bytes]).await;
            }
            assert_eq!(log.summary(), None, "{what}: it may write more");
            log.end();
            let summary = log.summary().unwrap();
            assert_eq!((summary.length, summary.pieces.len()), (length, pieces), "{what}");
            let mut from = 0;
            while let Ok(answer) = log.read(from, Duration::ZERO).await
                && answer.next > from
            {
                from = answer.next;
            }
            assert_eq!(from, length, "{what}: who reads on gets no more");
        }
        let (_folder, tight) = self::log(3);
        tight.write(Stream::Stdout, b"12345").await;
        tight.end();
        assert_eq!(tight.summary().unwrap().pieces, [], "what is cut must be seen to be");
    }

    /// From memory into the file, at every size near the border: nothing is lost, and positions stay.
    #[tokio::test]
    async fn output_that_outgrows_the_memory_is_read_whole() {
        for last in MOST_IN_MEMORY - 2 * HEADS..MOST_IN_MEMORY + HEADS {
            let (_folder, log) = log(1 << 20);
            log.write(Stream::Stderr, b"first").await;
            let first = log.read(0, Duration::ZERO).await.unwrap();
            log.write(Stream::Stdout, &vec![b'x'; last]).await;
            log.write(Stream::Stderr, b"end").await;
            log.end();
            let rest = log.read(first.next, Duration::ZERO).await.unwrap();
            let all = [first.pieces, rest.pieces].concat();
            let lengths: Vec<usize> = all.iter().map(|piece| piece.bytes().unwrap().len()).collect();
            assert_eq!((lengths, rest.end), (vec![5, last, 3], true));
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn both_streams_at_once_are_read_whole() {
        for _ in 0..50 {
            let (_folder, log) = log(1 << 20);
            let log = Arc::new(log);
            let writers = [Stream::Stdout, Stream::Stderr].map(|stream| {
                let log = log.clone();
                tokio::spawn(async move { log.write(stream, b"line").await })
            });
            for writer in writers {
                writer.await.unwrap();
            }
            let answer = log.read(0, Duration::ZERO).await.unwrap();
            assert_eq!(answer.pieces.len(), 2);
        }
    }

    #[tokio::test]
    async fn past_the_limit_the_rest_is_missing_and_says_so() {
        for piece in [1, 7, 1000, 100_000] {
            let (_folder, log) = log(10_000);
            for _ in 0..40_000 / piece + 1 {
                log.write(Stream::Stdout, &vec![b'x'; piece]).await;
            }
            log.end();
            let (pieces, truncated) = all(&log).await;
            let length: usize = pieces.iter().map(|(_, text)| text.len()).sum();
            assert!(truncated && (6_000..=10_000).contains(&length), "{piece}: {length}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn positions_that_nobody_gave() {
        let (_folder, log) = log(100);
        log.write(Stream::Stdout, b"oooooooo").await;
        assert!(log.read(1, Duration::ZERO).await.is_err());
        let beyond = log.read(1 << 40, Duration::from_secs(10)).await.unwrap();
        assert_eq!((beyond.pieces.len(), beyond.end), (0, false));
        log.end();
        assert!(log.read(1 << 40, Duration::from_secs(10)).await.unwrap().end);
        let silent = self::log(100).1;
        silent.end();
        assert!(silent.read(0, Duration::from_secs(10)).await.unwrap().end);
    }
}
