//! Writes one log: its frames, its bound, and what happens when the disk is full.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write};
use std::sync::Arc;

use herald_core::executor::Stream;
use jiff::Timestamp;

use crate::job_log::address::Address;
use crate::job_log::budget::LogBudget;
use crate::job_log::frame::{self, FrameKind, LogFrame, VERSION_LINE};
use crate::job_log::line_index::{IndexWriter, LineCounter};
use crate::job_log::place::{LogPlace, open_file};

/// Pieces of one stream that come within this time share a frame.
const TOGETHER_MICROS: i64 = 1_000;
/// How often a file may be larger than the output in it: output of single bytes is mostly frames.
const LARGEST_FACTOR: u64 = 4;
/// What a file may be larger beyond that, in bytes.
const LARGEST_BEYOND: u64 = 64 * 1024;

/// Output that is on its way to the log, without secrets.
#[derive(Debug)]
pub(super) struct PendingOutput {
    pub(super) stream: Stream,
    pub(super) at: Timestamp,
    pub(super) bytes: Vec<u8>,
}

/// Writes one log. All here blocks on the disk.
#[derive(Debug)]
pub(super) struct Keeper {
    place: LogPlace,
    budget: Arc<LogBudget>,
    address: Address,
    limit: u64,
    file: Option<File>,
    index: IndexWriter,
    /// Where the last whole frame ends; 0 before the log is open.
    length: u64,
    /// Bytes of output in it.
    kept: u64,
    /// Nothing more is taken.
    full: bool,
    /// Output was lost, and the log does not say so yet.
    missing: bool,
    /// The loss was logged in the daemon's own log.
    loss_logged: bool,
    /// What is there when the log is opened is dropped.
    anew: bool,
}

impl Keeper {
    /// Nothing is made before the first output.
    pub(super) fn new(place: LogPlace, budget: Arc<LogBudget>, address: Address, limit: u64) -> Self {
        let (file, length, kept) = (None, 0, 0);
        Self {
            place,
            budget,
            address,
            limit,
            file,
            index: IndexWriter::default(),
            length,
            kept,
            full: false,
            missing: false,
            loss_logged: false,
            anew: false,
        }
    }

    /// What an earlier process kept is dropped with the first output.
    pub(super) fn restart(&mut self) {
        self.anew = true;
    }

    /// Whether all that comes from now on would be dropped.
    pub(super) fn is_full(&self) -> bool {
        self.full
    }

    /// Writes what came. What cannot be written is dropped, and the log is marked as soon as that is possible.
    pub(super) fn append(&mut self, pieces: Vec<PendingOutput>) {
        if self.full {
            return;
        }
        let budget = self.budget.clone();
        let bytes: usize = pieces.iter().map(|piece| piece.bytes.len() + frame::AROUND).sum();
        let admitted = match &self.place {
            LogPlace::Folder(folder) => budget.admit(folder, bytes as u64).map(Some),
            LogPlace::Memory(_) => Ok(None),
        };
        let admitted = admitted.and_then(|admitted| self.open().map(|()| admitted));
        let _admitted = match admitted {
            Ok(admitted) => admitted,
            Err(why) => return self.not_admitted(pieces, &why),
        };
        let mut out = Vec::new();
        let at = pieces.last().map(|piece| piece.at).unwrap_or_default();
        if self.missing {
            mark(at, &mut out);
        }
        let mut room = self.limit.saturating_sub(self.kept);
        let before = room;
        for piece in together(pieces) {
            let fits = usize::try_from(room).unwrap_or(usize::MAX).min(piece.bytes.len());
            let bytes = piece.bytes.get(..fits).unwrap_or_default();
            if !bytes.is_empty() {
                LogFrame { kind: FrameKind::Output(piece.stream), at: piece.at, bytes }.put(&mut out);
            }
            room -= fits as u64;
            self.full = self.full || fits < piece.bytes.len();
        }
        let largest = self.limit.saturating_mul(LARGEST_FACTOR).saturating_add(LARGEST_BEYOND);
        self.full = self.full || self.length + out.len() as u64 > largest;
        if self.full {
            mark(at, &mut out);
        }
        match self.put(&out) {
            Ok(()) => {
                self.kept += before - room;
                self.missing = false;
            }
            Err(why) => self.lost(&why),
        }
    }

    /// There is no room for all of the pieces: those that fit are kept.
    fn not_admitted(&mut self, pieces: Vec<PendingOutput>, why: &io::Error) {
        if pieces.len() > 1 {
            return pieces.into_iter().for_each(|piece| self.append(vec![piece]));
        }
        self.lost(why);
        // All logs together are as large as they may be: this one ends. A full disk may have room again later.
        if why.kind() == ErrorKind::QuotaExceeded {
            self.full = true;
            self.finish(pieces.first().map(|piece| piece.at).unwrap_or_default());
        }
    }

    /// The log is over: a loss that is not marked yet is marked now, if that is possible.
    pub(super) fn finish(&mut self, at: Timestamp) {
        if self.missing {
            let mut out = Vec::new();
            mark(at, &mut out);
            if self.open().and_then(|()| self.put(&out)).is_ok() {
                self.missing = false;
            }
        }
    }

    fn lost(&mut self, why: &io::Error) {
        self.missing = true;
        if !std::mem::replace(&mut self.loss_logged, true) {
            tracing::warn!("output of a job is lost, because its log cannot be written: {why}");
        }
    }

    /// Opens the log, once. One that is there already is gone on with behind its last whole frame.
    fn open(&mut self) -> io::Result<()> {
        match &self.place {
            LogPlace::Memory(_) if self.length > 0 => return Ok(()),
            LogPlace::Memory(logs) => {
                let length = logs.open(self.address);
                if length > 0 {
                    let bytes = logs.read(self.address, 0, length).unwrap_or_default();
                    (self.length, self.kept) = whole(&mut bytes.as_slice(), |_| {})?;
                    return Ok(());
                }
            }
            LogPlace::Folder(_) if self.file.is_some() => return Ok(()),
            LogPlace::Folder(folder) => {
                let mut file = open_file(folder, self.address)?;
                let before = file.metadata()?.len();
                if self.anew {
                    file.set_len(0)?;
                }
                let (mut counter, mut checkpoints) = (LineCounter::default(), Vec::new());
                let (length, kept) = whole(&mut file, |frames| {
                    counter.count(frames, &mut checkpoints);
                })?;
                self.index = IndexWriter::begin(folder, self.address, counter, &checkpoints);
                if file.metadata()?.len() > length {
                    file.set_len(length)?;
                }
                self.budget.removed(before.saturating_sub(length));
                (self.length, self.kept, self.file) = (length, kept, Some(file));
            }
        }
        if self.length == 0 { self.put(VERSION_LINE) } else { Ok(()) }
    }

    /// Adds all of it or nothing.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &self.place {
            LogPlace::Memory(logs) => {
                if !logs.append(self.address, bytes) {
                    self.full = true;
                    return Err(io::Error::other("there is no more room for it in memory"));
                }
            }
            LogPlace::Folder(folder) => {
                let Some(file) = &mut self.file else {
                    return Err(io::Error::other("its file is not open"));
                };
                if let Err(why) = file.write_all(bytes) {
                    // Half a frame would hide what follows. If it cannot be cut off, reopening cuts it off.
                    if file.set_len(self.length).is_err() || self.length == 0 {
                        self.file = None;
                    }
                    return Err(why);
                }
                self.budget.added(bytes.len() as u64);
                // What is written first is the version line.
                if self.length > 0 {
                    self.index.wrote(folder, self.address, bytes);
                }
            }
        }
        self.length += bytes.len() as u64;
        Ok(())
    }
}

fn mark(at: Timestamp, out: &mut Vec<u8>) {
    LogFrame { kind: FrameKind::Truncated, at, bytes: &[] }.put(out);
}

/// Pieces of one stream that came at about the same time, as one.
fn together(pieces: Vec<PendingOutput>) -> Vec<PendingOutput> {
    let mut joined: Vec<PendingOutput> = Vec::with_capacity(pieces.len());
    for piece in pieces {
        match joined.last_mut() {
            Some(last)
                if last.stream == piece.stream
                    && piece.at.as_microsecond() - last.at.as_microsecond() < TOGETHER_MICROS =>
            {
                last.bytes.extend_from_slice(&piece.bytes);
            }
            _ => joined.push(piece),
        }
    }
    joined
}

/// Where the last whole frame of a log ends, and how many bytes of output stand before; `(0, 0)` for one whose
/// version line is not whole. Shows the frames, many at a time.
fn whole(log: &mut impl Read, mut on_frames: impl FnMut(&[u8])) -> io::Result<(u64, u64)> {
    let mut buffer = Vec::new();
    let mut read = |buffer: &mut Vec<u8>, most: usize| log.take(most as u64).read_to_end(buffer);
    read(&mut buffer, VERSION_LINE.len())?;
    if buffer != VERSION_LINE {
        if VERSION_LINE.starts_with(&buffer) {
            return Ok((0, 0));
        }
        return Err(io::Error::other("the file is of another kind or version"));
    }
    let (mut length, mut kept) = (buffer.len() as u64, 0);
    buffer.clear();
    loop {
        let is_last = read(&mut buffer, 4 * frame::LARGEST)? == 0;
        let mut at = 0;
        while let Some((found, size)) = frame::first(buffer.get(at..).unwrap_or_default()) {
            kept += found.bytes.len() as u64;
            at += size;
        }
        length += at as u64;
        on_frames(buffer.get(..at).unwrap_or_default());
        buffer.drain(..at);
        // What is left is shorter than the largest frame, or no frame at all.
        if is_last || buffer.len() > frame::LARGEST + frame::AROUND {
            return Ok((length, kept));
        }
    }
}
