//! One file of the log: a head, then frames, each one batch of records.
//!
//! All numbers are little-endian. The head is `HRLDJRNL`, the version of the format in four bytes, the number of the
//! first batch in eight, and the CRC-32 of these in four. A frame is the length of its content in four bytes, the
//! CRC-32 of the rest in four, the number of the batch in eight, and the content ([`super::entry`]).

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

/// The version of the format. Newer ones are refused: a log is empty after every clean stop.
pub(crate) const VERSION: u32 = 4;
/// The oldest that is read as well: version 1 holds no packed text, version 2 no entry behind
/// [`JournalEntry::Reached`], and version 3 none behind [`JournalEntry::CancelledBy`].
/// What they hold is the same otherwise.
///
/// [`JournalEntry::Reached`]: super::entry::JournalEntry::Reached
/// [`JournalEntry::CancelledBy`]: super::entry::JournalEntry::CancelledBy
const OLDEST: u32 = 1;

const MAGIC: &[u8; 8] = b"HRLDJRNL";
/// The length of a file's head.
pub(crate) const HEAD: usize = 24;
/// The length of a frame's head.
const FRAME_HEAD: usize = 16;
/// From here on the length of a frame is checked against the file before it is believed.
const LARGE: u32 = 1 << 20;

/// The head of a file whose first batch has this number.
pub(crate) fn head(first: u64) -> [u8; HEAD] {
    let mut head = [0; HEAD];
    head[..8].copy_from_slice(MAGIC);
    head[8..12].copy_from_slice(&VERSION.to_le_bytes());
    head[12..20].copy_from_slice(&first.to_le_bytes());
    let sum = crc32fast::hash(&head[..20]);
    head[20..].copy_from_slice(&sum.to_le_bytes());
    head
}

/// Frames that are written together.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    bytes: Vec<u8>,
    /// Where each begins.
    starts: Vec<usize>,
}

impl Frames {
    /// Adds a frame; `content` is given what there is, and adds to it.
    ///
    /// # Errors
    /// That of `content`; nothing of the frames is of use then.
    pub(crate) fn add<E>(&mut self, content: impl FnOnce(Vec<u8>) -> Result<Vec<u8>, E>) -> Result<(), E> {
        self.starts.push(self.bytes.len());
        self.bytes.resize(self.bytes.len() + FRAME_HEAD, 0);
        self.bytes = content(std::mem::take(&mut self.bytes))?;
        Ok(())
    }

    /// How many.
    pub(crate) fn count(&self) -> u64 {
        self.starts.len() as u64
    }

    /// Bytes of all of it.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes of the contents alone.
    pub(crate) fn content_len(&self) -> u64 {
        (self.bytes.len() - self.starts.len() * FRAME_HEAD) as u64
    }

    /// Makes the frames whole, the first one with this number, and gives their bytes.
    ///
    /// # Errors
    /// When a content is larger than a frame can be.
    pub(crate) fn seal(&mut self, first: u64) -> io::Result<&[u8]> {
        let ends: Vec<usize> = self.starts.iter().skip(1).copied().chain([self.bytes.len()]).collect();
        for ((start, end), number) in self.starts.iter().zip(ends).zip(first..) {
            seal_frame(&mut self.bytes[*start..end], number)?;
        }
        Ok(&self.bytes)
    }
}

fn seal_frame(frame: &mut [u8], number: u64) -> io::Result<()> {
    let length = u32::try_from(frame.len() - FRAME_HEAD)
        .map_err(|_| io::Error::new(ErrorKind::InvalidInput, "a batch is larger than 4 GiB"))?;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    frame[8..FRAME_HEAD].copy_from_slice(&number.to_le_bytes());
    let sum = crc32fast::hash(&frame[8..]);
    frame[4..8].copy_from_slice(&sum.to_le_bytes());
    Ok(())
}

/// Why a file cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SegmentError {
    /// It is none of ours, or of another version.
    #[error("{0}")]
    Strange(String),
    /// The disk refuses.
    #[error(transparent)]
    Disk(#[from] io::Error),
}

/// Reads the frames of one file.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    file: File,
    /// The number of the first batch.
    pub(crate) first: u64,
    /// Where the next frame begins.
    pub(crate) at: u64,
}

impl SegmentReader {
    /// Opens a file. `None`: it holds nothing but an unfinished head, as after a crash while it was made.
    ///
    /// # Errors
    /// [`SegmentError`].
    pub(crate) fn open(path: &Path) -> Result<Option<Self>, SegmentError> {
        let file = File::open(path)?;
        let mut start = [0; HEAD + FRAME_HEAD];
        let read = read_some(&file, &mut start)?;
        let (head, frame) = start.split_at(HEAD);
        let known = &head[..8] == MAGIC;
        let version = u32_at(head, 8);
        if known && !(OLDEST..=VERSION).contains(&version) && version != 0 {
            return Err(SegmentError::Strange(format!(
                "version {version} is not supported; this heraldd supports versions up to {VERSION}: start the heraldd that wrote it \
                 once more and stop it cleanly"
            )));
        }
        if read >= HEAD && known && crc32fast::hash(&head[..20]) == u32_at(head, 20) {
            return Ok(Some(Self { file, first: u64_at(head, 12), at: HEAD as u64 }));
        }
        if frame.iter().all(|byte| *byte == 0) {
            return Ok(None);
        }
        let why = if known { "damaged: its beginning cannot be read" } else { "not a journal of heraldd" };
        Err(SegmentError::Strange(why.to_owned()))
    }

    /// The next frame: its number and its content. `None`: there is no whole one any more.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn next(&mut self) -> io::Result<Option<(u64, Vec<u8>)>> {
        let mut head = [0; FRAME_HEAD];
        if !self.read_whole(&mut head, self.at)? {
            return Ok(None);
        }
        let (length, sum) = (u32_at(&head, 0), u32_at(&head, 4));
        let after = self.at + FRAME_HEAD as u64 + u64::from(length);
        // Room for a large one is made only once it is there.
        if length == 0 || (length > LARGE && after > self.file.metadata()?.len()) {
            return Ok(None);
        }
        let mut content = vec![0; length as usize];
        if !self.read_whole(&mut content, self.at + FRAME_HEAD as u64)? {
            return Ok(None);
        }
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&head[8..]);
        hasher.update(&content);
        if hasher.finalize() != sum {
            return Ok(None);
        }
        self.at = after;
        Ok(Some((u64_at(&head, 8), content)))
    }

    /// Whether there is a whole frame behind one that is not: then the file was damaged, and did not just end early.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn is_damaged(&mut self) -> io::Result<bool> {
        let mut head = [0; FRAME_HEAD];
        if !self.read_whole(&mut head, self.at)? {
            return Ok(false);
        }
        let length = u32_at(&head, 0);
        if length == 0 {
            return Ok(false);
        }
        let broken = self.at;
        self.at += FRAME_HEAD as u64 + u64::from(length);
        let behind = self.next()?.is_some();
        self.at = broken;
        Ok(behind)
    }

    /// Goes on behind a frame that is not whole, if there is a whole one behind it. Gives whether there is.
    ///
    /// # Errors
    /// When the disk refuses.
    pub(crate) fn skip_damaged(&mut self) -> io::Result<bool> {
        let mut head = [0; FRAME_HEAD];
        if !self.is_damaged()? || !self.read_whole(&mut head, self.at)? {
            return Ok(false);
        }
        self.at += FRAME_HEAD as u64 + u64::from(u32_at(&head, 0));
        Ok(true)
    }

    fn read_whole(&self, into: &mut [u8], at: u64) -> io::Result<bool> {
        match self.file.read_exact_at(into, at) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// Reads as much as there is.
fn read_some(file: &File, into: &mut [u8]) -> io::Result<usize> {
    let mut read = 0;
    while read < into.len() {
        match file.read_at(&mut into[read..], read as u64)? {
            0 => break,
            more => read += more,
        }
    }
    Ok(read)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let mut number = [0; 4];
    number.copy_from_slice(&bytes[at..at + 4]);
    u32::from_le_bytes(number)
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    let mut number = [0; 8];
    number.copy_from_slice(&bytes[at..at + 8]);
    u64::from_le_bytes(number)
}
