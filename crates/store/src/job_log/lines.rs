//! Reads a log by lines: a range, the last ones, those around a line or a time, and those that hold a text.
//!
//! Lines are numbered from 1: those of the output of both streams, in the order in which it was written, or those of
//! one stream. The line index leads to the right place, so that no more than some 64 KiB before it are read.

use std::ops::ControlFlow;

use herald_core::executor::Stream;
use jiff::Timestamp;
use memchr::memmem::Finder;

use crate::job_log::address::Address;
use crate::job_log::frame::{self, FrameKind, VERSION_LINE};
use crate::job_log::line_index::{BYTES, Checkpoint, LineCounter, LineIndex, UnusableIndex};
use crate::job_log::place::LogPlace;
use crate::job_log::read::LogError;

/// Bytes of a log that are read at once.
const BLOCK: usize = 1 << 20;
/// The most bytes of one line; what is longer is cut.
const LONGEST_LINE: usize = 64 * 1024;
/// The most bytes of all lines of an answer.
const MOST_BYTES: usize = 4 << 20;
/// The most lines of an answer.
pub const MOST_LINES: usize = 10_000;

/// Which lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineQuery {
    /// Where they begin.
    pub start: LineStart,
    /// How many at most; [`MOST_LINES`] is the limit.
    pub lines: usize,
    /// Only of this stream.
    pub stream: Option<Stream>,
}

/// Where the lines of an answer begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineStart {
    /// At this line, from 1.
    Line(u64),
    /// So that they are the last ones.
    Tail,
    /// So that this line is in their middle.
    Around(u64),
    /// So that the first line at this time or later is in their middle.
    AroundTime(Timestamp),
}

/// A text to look for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineSearch {
    /// The text, as it is.
    pub text: String,
    /// The first line to look at, from 1.
    pub from_line: u64,
    /// How many lines at most; [`MOST_LINES`] is the limit.
    pub lines: usize,
    /// Only in this stream.
    pub stream: Option<Stream>,
}

/// Lines of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogLines {
    /// The lines, in order.
    pub lines: Vec<LogLine>,
    /// The line to go on with; `None` at the end of the log.
    pub next_line: Option<u64>,
    /// Whether output is missing among these lines.
    pub is_incomplete: bool,
}

/// A line of a log, without secrets and without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// From 1.
    pub number: u64,
    /// Where the job wrote its beginning.
    pub stream: Stream,
    /// When Herald received its beginning.
    pub at: Timestamp,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Whether its end was left out: it is longer than 64 KiB.
    pub is_cut: bool,
}

/// A line while it is read.
#[derive(Debug, Clone, Copy)]
struct LineSlice<'a> {
    number: u64,
    stream: Stream,
    at: Timestamp,
    bytes: &'a [u8],
    is_cut: bool,
}

impl LineSlice<'_> {
    fn keep(self) -> LogLine {
        let Self { number, stream, at, bytes, is_cut } = self;
        LogLine { number, stream, at, bytes: bytes.to_vec(), is_cut }
    }
}

/// A log to be read by lines.
pub(super) struct LineReader<'a> {
    place: &'a LogPlace,
    address: Address,
    stream: Option<Stream>,
    index: Option<LineIndex>,
}

impl<'a> LineReader<'a> {
    /// `is_live`: somebody is writing the log, and its index. `None` when there is no log.
    pub(super) fn open(
        place: &'a LogPlace,
        address: Address,
        stream: Option<Stream>,
        is_live: bool,
    ) -> Result<Option<Self>, LogError> {
        let Some(mut reader) = Self::without_index(place, address, stream)? else { return Ok(None) };
        let LogPlace::Folder(folder) = place else { return Ok(Some(reader)) };
        let path = address.index_path(folder);
        let length = std::fs::metadata(address.path(folder))?.len();
        let opened = LineIndex::open(&path).ok().filter(|index| is_live || reader.fits(index, length));
        reader.index = match opened {
            Some(index) => Some(index),
            // A short log has none; that of a log that is being written is its writer's.
            None if is_live || length <= 2 * BYTES => None,
            None => LineIndex::replace(&path, &reader.count()?).ok(),
        };
        Ok(Some(reader))
    }

    /// The same, without a trace: an index that is missing or does not fit stays so.
    pub(super) fn open_read_only(
        place: &'a LogPlace,
        address: Address,
        stream: Option<Stream>,
    ) -> Result<Option<Self>, LogError> {
        let Some(mut reader) = Self::without_index(place, address, stream)? else { return Ok(None) };
        if let LogPlace::Folder(folder) = place {
            let length = std::fs::metadata(address.path(folder))?.len();
            let opened = LineIndex::open(&address.index_path(folder)).ok();
            reader.index = opened.filter(|index| reader.fits(index, length));
        }
        Ok(Some(reader))
    }

    fn without_index(
        place: &'a LogPlace,
        address: Address,
        stream: Option<Stream>,
    ) -> Result<Option<Self>, LogError> {
        let Some(begin) = place.read(address, 0, VERSION_LINE.len())? else { return Ok(None) };
        if !VERSION_LINE.starts_with(&begin) {
            return Err(LogError::Format);
        }
        Ok(Some(Self { place, address, stream, index: None }))
    }

    /// Whether an index is that of the log, which is so long, to near its end.
    fn fits(&self, index: &LineIndex, length: u64) -> bool {
        let last = index.last_before(|_| true).map_or(0, |last| last.offset);
        last <= length && length - last <= 2 * BYTES && self.is_frame(last)
    }

    /// The checkpoints of the whole log.
    fn count(&self) -> Result<Vec<u8>, LogError> {
        let (mut counter, mut checkpoints) = (LineCounter::default(), Vec::new());
        let mut offset = VERSION_LINE.len() as u64;
        loop {
            let block = self.place.read(self.address, offset, BLOCK)?.unwrap_or_default();
            let counted = counter.count(&block, &mut checkpoints);
            if counted == 0 {
                return Ok(checkpoints);
            }
            offset += counted as u64;
        }
    }

    /// Whether a frame begins here, or the log ends.
    fn is_frame(&self, offset: u64) -> bool {
        let most = frame::LARGEST + frame::AROUND;
        let bytes = self.place.read(self.address, offset, most).ok().flatten().unwrap_or_default();
        bytes.is_empty() || frame::first(&bytes).is_some()
    }

    /// Where to begin reading for what comes after this.
    fn begin(&self, is_before: impl Fn(&Checkpoint) -> bool) -> Checkpoint {
        let start = Checkpoint::start();
        let found = self.index.as_ref().map_or(Ok(start), |index| index.last_before(is_before));
        match found {
            Ok(found) if found == start || self.is_frame(found.offset) => found,
            // It is damaged: reading from the beginning is slow, and right.
            Ok(_) | Err(UnusableIndex) => start,
        }
    }

    /// Where to begin reading for this line: where the one before it has not ended yet.
    fn begin_of(&self, line: u64) -> Checkpoint {
        self.begin(|checkpoint| checkpoint.line_ends(self.stream) + 1 < line)
    }

    /// How many lines there are; one without an end counts.
    fn total(&self) -> Result<u64, LogError> {
        let last = self.begin(|_| true);
        let mut total = last.line_ends(self.stream);
        let begin = self.begin_of(total + 1);
        total = begin.line_ends(self.stream);
        self.scan(begin, |line| {
            total = line.number;
            ControlFlow::Continue(())
        })?;
        Ok(total)
    }

    /// The first line at this time or later; the last one when there is none.
    fn line_at(&self, at: Timestamp) -> Result<u64, LogError> {
        let micros = u64::try_from(at.as_microsecond()).unwrap_or(0);
        let near = self.begin(|checkpoint| checkpoint.micros < micros).line_ends(self.stream);
        let mut found = near.max(1);
        self.scan(self.begin_of(found), |line| {
            found = line.number;
            if line.at >= at { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        })?;
        Ok(found)
    }

    /// These lines.
    pub(super) fn lines(&self, query: LineQuery) -> Result<LogLines, LogError> {
        let lines = query.lines.clamp(1, MOST_LINES);
        let before = (lines / 2) as u64;
        let first = match query.start {
            LineStart::Line(line) => line,
            LineStart::Tail => (self.total()? + 1).saturating_sub(lines as u64),
            LineStart::Around(line) => line.saturating_sub(before),
            LineStart::AroundTime(at) => self.line_at(at)?.saturating_sub(before),
        };
        self.collect(first.max(1), lines, |_| true)
    }

    /// The lines that hold a text.
    pub(super) fn search(&self, search: &LineSearch) -> Result<LogLines, LogError> {
        let finder = Finder::new(search.text.as_bytes());
        let lines = search.lines.clamp(1, MOST_LINES);
        self.collect(search.from_line.max(1), lines, |line| finder.find(line.bytes).is_some())
    }

    fn collect(
        &self,
        first: u64,
        most: usize,
        is_wanted: impl Fn(&LineSlice<'_>) -> bool,
    ) -> Result<LogLines, LogError> {
        let (mut found, mut bytes) = (LogLines::default(), 0);
        found.is_incomplete = self.scan(self.begin_of(first), |line| {
            if line.number < first || !is_wanted(&line) {
                return ControlFlow::Continue(());
            }
            if found.lines.len() == most || bytes + line.bytes.len() > MOST_BYTES {
                found.next_line = Some(line.number);
                return ControlFlow::Break(());
            }
            bytes += line.bytes.len();
            found.lines.push(line.keep());
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    /// Shows the lines from a place on. The first one may be the rest of a line. Gives whether output is missing in
    /// what was read.
    fn scan(
        &self,
        begin: Checkpoint,
        on_line: impl FnMut(LineSlice<'_>) -> ControlFlow<()>,
    ) -> Result<bool, LogError> {
        let number = begin.line_ends(self.stream) + 1;
        let mut lines = LineSplitter { number, pending: None, on_line };
        let (mut offset, mut is_incomplete) = (begin.offset, false);
        loop {
            let block = self.place.read(self.address, offset, BLOCK)?.unwrap_or_default();
            let mut at = 0;
            while let Some((found, size)) = frame::first(block.get(at..).unwrap_or_default()) {
                at += size;
                match found.kind {
                    FrameKind::Truncated => is_incomplete = true,
                    FrameKind::Output(stream) if self.stream.is_none_or(|wanted| wanted == stream) => {
                        if lines.take(stream, found.at, found.bytes).is_break() {
                            return Ok(is_incomplete);
                        }
                    }
                    FrameKind::Output(_) => {}
                }
            }
            if at == 0 {
                lines.end();
                return Ok(is_incomplete);
            }
            offset += at as u64;
        }
    }
}

/// A line of which only the beginning has come.
struct PartialLine {
    stream: Stream,
    at: Timestamp,
    bytes: Vec<u8>,
    is_cut: bool,
}

/// Splits output into lines.
struct LineSplitter<F> {
    number: u64,
    pending: Option<PartialLine>,
    on_line: F,
}

impl<F: FnMut(LineSlice<'_>) -> ControlFlow<()>> LineSplitter<F> {
    fn take(&mut self, stream: Stream, at: Timestamp, mut bytes: &[u8]) -> ControlFlow<()> {
        while let Some(end) = memchr::memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            match self.pending.take() {
                None => self.show(stream, at, line, false)?,
                Some(mut pending) => {
                    pending.add(line);
                    self.show(pending.stream, pending.at, &pending.bytes, pending.is_cut)?;
                }
            }
            bytes = rest.get(1..).unwrap_or_default();
        }
        if !bytes.is_empty() {
            let fresh = || PartialLine { stream, at, bytes: Vec::new(), is_cut: false };
            self.pending.get_or_insert_with(fresh).add(bytes);
        }
        ControlFlow::Continue(())
    }

    fn end(&mut self) {
        if let Some(pending) = self.pending.take() {
            // There is nothing behind it.
            let _ = self.show(pending.stream, pending.at, &pending.bytes, pending.is_cut);
        }
    }

    fn show(&mut self, stream: Stream, at: Timestamp, bytes: &[u8], is_cut: bool) -> ControlFlow<()> {
        let is_cut = is_cut || bytes.len() > LONGEST_LINE;
        let bytes = bytes.get(..LONGEST_LINE).unwrap_or(bytes);
        let line = LineSlice { number: self.number, stream, at, bytes, is_cut };
        self.number += 1;
        (self.on_line)(line)
    }
}

impl PartialLine {
    fn add(&mut self, more: &[u8]) {
        let room = LONGEST_LINE - self.bytes.len();
        self.is_cut = self.is_cut || more.len() > room;
        self.bytes.extend_from_slice(more.get(..room).unwrap_or(more));
    }
}

#[cfg(test)]
mod tests;
