//! The log: every batch is appended to a file and synced before it counts. The history follows behind and takes the
//! files away.
//!
//! After an error it is unknown whether a batch is on the disk. It is cut off; and the next file says with which batch
//! it begins, so that a batch of that number in an earlier file is ignored.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::disk_space;
use super::log_end::{LogEnd, NewestFile};
use super::segment::{self, Frames, HEAD, SegmentError, SegmentReader};
use crate::open_error::OpenError;

/// From this size on another file is begun: 16 MiB.
pub(crate) const SEGMENT: u64 = 16 << 20;

/// A file for which none was ready doubles, by so much at least and at most.
const GROW: (u64, u64) = (64 << 10, 4 << 20);
/// What is written to learn whether there is room again.
const PROBE: usize = 64 << 10;

/// A file of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
struct LogSegment {
    path: PathBuf,
    first: u64,
}

/// The files, oldest first.
#[derive(Debug, Clone)]
pub(crate) struct Segments {
    files: Arc<Mutex<VecDeque<LogSegment>>>,
    end: Arc<LogEnd>,
}

impl Segments {
    fn lock(&self) -> MutexGuard<'_, VecDeque<LogSegment>> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes the files of which every batch is before this one, except the last, which is written; and the last as
    /// well once nothing is written any more.
    pub(crate) fn remove(&self, before: u64, with_last: bool) {
        let mut segments = self.lock();
        while let Some(first) = segments.front() {
            match segments.get(1) {
                Some(second) if second.first <= before => {}
                // Its absence is as it should be from now on.
                None if with_last && self.end.clear().is_ok() => {}
                _ => return,
            }
            if let Err(error) = std::fs::remove_file(&first.path) {
                tracing::warn!("{} could not be removed: {error}", first.path.display());
            }
            segments.pop_front();
        }
    }
}

/// Appends batches.
pub(crate) struct JournalLog {
    folder: PathBuf,
    segments: Segments,
    /// The number of the next batch.
    next: u64,
    /// The number of the next file.
    file: u64,
    active: Option<Active>,
    wants_spare: bool,
    /// How often the disk was waited for.
    pub(crate) syncs: Arc<AtomicU64>,
    /// What is missing at its end.
    pub(crate) missing: Option<String>,
}

struct Active {
    file: File,
    number: u64,
    path: PathBuf,
    /// Up to where it holds whole batches.
    length: u64,
    /// Up to where its blocks are there.
    allocated: u64,
}

/// The folder of the log in `state_dir`.
pub(crate) fn folder(state_dir: &Path) -> PathBuf {
    state_dir.join("journal")
}

impl JournalLog {
    /// The files that are there, of which those behind `next` are still to be followed.
    pub(crate) fn open(state_dir: &Path) -> Result<Self, OpenError> {
        let folder = folder(state_dir);
        let unusable = |path: &Path, error: &dyn std::fmt::Display| {
            OpenError(format!("the journal {}: {error}", path.display()))
        };
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&folder);
        made.map_err(|error| unusable(&folder, &error))?;
        let files = list(&folder).map_err(|error| unusable(&folder, &error))?;
        let end = LogEnd::open(state_dir).map_err(|error| unusable(&folder, &error))?;
        let missing = end.read().and_then(|newest| missing(&folder, &files, newest));
        let last = files.last().map(|(number, _)| *number);
        let segments = Segments { files: Arc::default(), end: Arc::new(end) };
        for (number, path) in files {
            match SegmentReader::open(&path) {
                Ok(Some(reader)) => segments.lock().push_back(LogSegment { first: reader.first, path }),
                // It was being made; nothing was ever in it.
                Ok(None) if Some(number) == last => {
                    std::fs::remove_file(&path).map_err(|error| unusable(&path, &error))?;
                }
                Ok(None) => return Err(unusable(&path, &"it is damaged: its beginning cannot be read")),
                Err(error) => return Err(unusable(&path, &error)),
            }
        }
        Ok(Self {
            folder,
            segments,
            next: 0,
            file: last.map_or(0, |last| last + 1),
            active: None,
            wants_spare: true,
            syncs: Arc::default(),
            missing,
        })
    }

    /// What the history follows.
    pub(crate) fn segments(&self) -> Segments {
        self.segments.clone()
    }

    /// Whether [`disk_space::prepare`] should make a file for later; asked once.
    pub(crate) fn wants_spare(&mut self) -> bool {
        std::mem::take(&mut self.wants_spare)
    }

    /// Goes on with this number.
    pub(crate) fn begin_at(&mut self, next: u64) {
        self.next = next;
    }

    /// Appends batches; when this returns they are on the disk. Returns the number of the first.
    ///
    /// # Errors
    /// When writing fails; none of them is in the log then.
    pub(crate) fn append(&mut self, frames: &mut Frames) -> io::Result<u64> {
        let first = self.next;
        disk_space::check(&self.folder)?;
        match self.write(frames.seal(first)?) {
            Ok(()) => {
                self.next += frames.count();
                Ok(first)
            }
            Err(error) => {
                self.give_up();
                Err(error)
            }
        }
    }

    /// Whether a batch could be written, as far as that can be known without one.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn probe(&self) -> io::Result<()> {
        disk_space::check(&self.folder)?;
        let path = self.folder.join("probe");
        let probe = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path);
        let written = probe.and_then(|file| {
            file.write_all_at(&[0; PROBE], 0)?;
            file.sync_data()
        });
        let removed = std::fs::remove_file(&path);
        written.and(removed)
    }

    fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        let active = match &mut self.active {
            Some(active) if active.length < SEGMENT => active,
            _ => {
                let made = self.create()?;
                self.active.insert(made)
            }
        };
        let end = active.length + frames.len() as u64;
        if end > active.allocated {
            let allocated = end + end.clamp(GROW.0, GROW.1);
            disk_space::zero(&active.file, active.allocated, allocated)?;
            active.allocated = allocated;
            self.segments.end.set(NewestFile { number: active.number, length: allocated })?;
        }
        active.file.write_all_at(frames, active.length)?;
        herald_core::failpoint!("log-before-sync");
        active.file.sync_data()?;
        self.syncs.fetch_add(1, Ordering::Relaxed);
        herald_core::failpoint!("log-after-sync");
        active.length = end;
        Ok(())
    }

    fn create(&mut self) -> io::Result<Active> {
        let (number, path) = (self.file, self.folder.join(format!("{:020}.log", self.file)));
        let (file, allocated) = match disk_space::take(&self.folder, &path) {
            Some(file) => (file, SEGMENT),
            None => {
                let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
                (file, 0)
            }
        };
        self.file += 1;
        self.wants_spare = true;
        herald_core::failpoint!("log-before-head");
        let begun = file.write_all_at(&segment::head(self.next), 0);
        // The name has to outlive a power cut too.
        let named = begun.and_then(|()| File::open(&self.folder)?.sync_all());
        let allocated = allocated.max(HEAD as u64);
        let named = named.and_then(|()| self.segments.end.set(NewestFile { number, length: allocated }));
        if let Err(error) = named {
            let _ = std::fs::remove_file(&path);
            return Err(error);
        }
        self.segments.lock().push_back(LogSegment { path: path.clone(), first: self.next });
        Ok(Active { file, number, path, length: HEAD as u64, allocated })
    }

    /// After an error nothing more is written to a file: what the kernel believes of it may be wrong.
    fn give_up(&mut self) {
        let Some(active) = self.active.take() else { return };
        // It is shorter from now on, or gone.
        let _ = self.segments.end.clear();
        if active.length == HEAD as u64 && std::fs::remove_file(&active.path).is_ok() {
            self.segments.lock().pop_back();
        } else {
            // Should this fail as well, the next file says which batch counts.
            let _ = active.file.set_len(active.length);
        }
    }
}

/// What of the newest file is not there, for people.
pub(crate) fn missing(folder: &Path, files: &[(u64, PathBuf)], newest: NewestFile) -> Option<String> {
    let path = folder.join(format!("{:020}.log", newest.number));
    let Some((_, path)) = files.iter().find(|(number, _)| *number == newest.number) else {
        return Some(format!(
            "{}, the newest file of the journal, is missing: what was recorded in it and is not in the history is lost",
            path.display()
        ));
    };
    let length = std::fs::metadata(path).map_or(0, |about| about.len());
    (length < newest.length).then(|| {
        format!(
            "{} has {length} bytes and had {}: what was recorded at its end and is not in the history is lost",
            path.display(),
            newest.length
        )
    })
}

/// The number of a file of the log, by its name.
pub(crate) fn number(path: &Path) -> Option<u64> {
    path.file_name()?.to_str()?.strip_suffix(".log")?.parse().ok()
}

/// The files of the log and their numbers, in order.
fn list(folder: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if let Some(number) = number(&path) {
            files.push((number, path));
        }
    }
    files.sort_unstable();
    Ok(files)
}

/// Follows the log from batch to batch.
pub(crate) struct Follower {
    segments: Segments,
    reader: Option<SegmentReader>,
    /// The number of the next batch.
    pub(crate) next: u64,
}

impl Follower {
    /// From this batch on.
    pub(crate) fn new(segments: Segments, next: u64) -> Self {
        Self { segments, reader: None, next }
    }

    /// The next batch. `None`: there is no whole one any more.
    ///
    /// # Errors
    /// When the disk refuses, or the log is damaged.
    pub(crate) fn next(&mut self) -> Result<Option<Vec<u8>>, SegmentError> {
        loop {
            let reader = match self.successor() {
                Some(segment) => {
                    let opened = SegmentReader::open(&segment.path)?;
                    let reader = opened.ok_or_else(|| damaged(&segment.path))?;
                    self.reader.insert(reader)
                }
                None => match &mut self.reader {
                    Some(reader) => reader,
                    None => return self.beginning_is_missing(),
                },
            };
            match reader.next()? {
                Some((number, content)) if number == self.next => {
                    self.next += 1;
                    return Ok(Some(content));
                }
                Some((number, _)) if number < self.next => {}
                Some(_) => return Err(self.hole()),
                None => {
                    let damaged = reader.is_damaged()?;
                    let more = self.segments.lock().back().is_some_and(|last| last.first > self.next);
                    return if damaged || more { Err(self.hole()) } else { Ok(None) };
                }
            }
        }
    }

    /// The file to go on with, when it is not the present one: the latest that begins with the next batch or before.
    fn successor(&self) -> Option<LogSegment> {
        let segments = self.segments.lock();
        let segment = segments.iter().rev().find(|segment| segment.first <= self.next)?;
        let present = self.reader.as_ref().map(|reader| reader.first);
        (present.is_none_or(|first| first < segment.first)).then(|| segment.clone())
    }

    fn beginning_is_missing(&self) -> Result<Option<Vec<u8>>, SegmentError> {
        if self.segments.lock().is_empty() { Ok(None) } else { Err(self.hole()) }
    }

    fn hole(&self) -> SegmentError {
        let segments = self.segments.lock();
        let folder = segments.front().and_then(|segment| segment.path.parent()).map(Path::to_owned);
        SegmentError::Strange(format!(
            "batch {} of {} is missing or damaged; the batches after it cannot be recovered. Restore the folder from a \
             backup, together with journal.db; or keep what is whole: heraldd state salvage",
            self.next,
            folder.unwrap_or_default().display()
        ))
    }
}

fn damaged(path: &Path) -> SegmentError {
    SegmentError::Strange(format!("{} is damaged: its beginning cannot be read", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(content: &[u8]) -> Frames {
        let mut frames = Frames::default();
        frames.add(|before| Ok::<_, ()>([before.as_slice(), content].concat())).unwrap();
        frames
    }

    fn all(segments: &Segments, next: u64) -> Result<Vec<Vec<u8>>, String> {
        let mut follower = Follower::new(segments.clone(), next);
        let mut found = Vec::new();
        while let Some(content) = follower.next().map_err(|error| error.to_string())? {
            found.push(content);
        }
        Ok(found)
    }

    fn files(state_dir: &Path) -> usize {
        std::fs::read_dir(folder(state_dir)).unwrap().count()
    }

    #[test]
    fn a_batch_that_failed_counts_no_more_once_another_has_its_number() {
        let state_dir = tempfile::tempdir().unwrap();
        let mut log = JournalLog::open(state_dir.path()).unwrap();
        log.begin_at(5);
        assert_eq!(log.append(&mut frame(b"five")).unwrap(), 5);
        // As if the disk had failed after it had taken all of it, and would not even cut it off.
        let active = log.active.take().unwrap();
        let mut failed = frame(b"failed");
        active.file.write_all_at(failed.seal(6).unwrap(), active.length).unwrap();
        assert_eq!(log.append(&mut frame(b"six")).unwrap(), 6);
        assert_eq!(log.append(&mut frame(b"seven")).unwrap(), 7);
        let expected = [&b"five"[..], b"six", b"seven"];
        assert_eq!(all(&log.segments(), 5).unwrap(), expected);
        let again = JournalLog::open(state_dir.path()).unwrap().segments();
        assert_eq!(all(&again, 5).unwrap(), expected);
        assert_eq!(all(&again, 6).unwrap(), expected[1..]);
        assert!(all(&again, 8).unwrap().is_empty());
        assert!(
            all(&again, 4).unwrap_err().contains("batch 4 of"),
            "the history cannot be older than the log"
        );
    }

    #[test]
    fn files_are_filled_followed_and_removed() {
        let state_dir = tempfile::tempdir().unwrap();
        let mut log = JournalLog::open(state_dir.path()).unwrap();
        let segments = log.segments();
        let large = vec![7; 9 << 20];
        for _ in 0..5 {
            log.append(&mut frame(&large)).unwrap();
        }
        assert_eq!(files(state_dir.path()), 3);
        assert!(all(&segments, 0).unwrap().iter().all(|content| *content == large));
        for (before, last, left) in [(1, false, 3), (2, false, 2), (5, false, 1), (5, true, 0)] {
            segments.remove(before, last);
            assert_eq!(files(state_dir.path()), left, "{before} {last}");
        }
        assert!(all(&segments, 5).unwrap().is_empty());
    }

    #[test]
    fn a_hole_in_the_log_is_found() {
        let state_dir = tempfile::tempdir().unwrap();
        let mut log = JournalLog::open(state_dir.path()).unwrap();
        for _ in 0..5 {
            log.append(&mut frame(&vec![7; 9 << 20])).unwrap();
        }
        let files = list(&folder(state_dir.path())).unwrap();
        std::fs::remove_file(&files[1].1).unwrap();
        let again = JournalLog::open(state_dir.path()).unwrap().segments();
        assert!(all(&again, 0).unwrap_err().contains("batch 2 of"));
    }
}
