use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use herald_core::executor::Stream;
use jiff::Timestamp;

use super::*;
use crate::job_log::frame::LogFrame;
use crate::job_log::line_index::IndexWriter;
use crate::job_log::memory::MemoryLogs;

const ID: &str = "019ab4f0-6a00-7000-8000-000000000001";
const OUT: Stream = Stream::Stdout;
const ERR: Stream = Stream::Stderr;

fn address() -> Address {
    Address::of(ID, 1).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

/// A log of these frames, a second apart.
fn log(pieces: &[(Stream, &[u8])]) -> Vec<u8> {
    let mut bytes = VERSION_LINE.to_vec();
    for (n, (stream, piece)) in pieces.iter().enumerate() {
        let at = at(i64::try_from(n).unwrap());
        LogFrame { kind: FrameKind::Output(*stream), at, bytes: piece }.put(&mut bytes);
    }
    bytes
}

/// The same log in a folder, without an index, and in memory.
fn places(folder: &Path, log: &[u8]) -> [LogPlace; 2] {
    let path = address().path(folder);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, log).unwrap();
    let memory = MemoryLogs::new(64 << 20);
    memory.open(address());
    assert!(memory.append(address(), log));
    [LogPlace::Folder(Arc::from(folder)), LogPlace::Memory(memory)]
}

fn read(place: &LogPlace, query: LineQuery) -> LogLines {
    LineReader::open(place, address(), query.stream, false).unwrap().unwrap().lines(query).unwrap()
}

fn shown(found: &LogLines) -> Vec<(u64, String)> {
    let shown = |line: &LogLine| (line.number, String::from_utf8_lossy(&line.bytes).into_owned());
    found.lines.iter().map(shown).collect()
}

#[test]
fn lines_of_both_streams_and_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let bytes =
        log(&[(OUT, b"one\ntw"), (OUT, b"o\n"), (ERR, b"three\n\n"), (OUT, b"fi"), (ERR, b"ve\nsix")]);
    let both = ["one", "two", "three", "", "five", "six"];
    let lines = |start, lines, stream| LineQuery { start, lines, stream };
    for place in places(folder.path(), &bytes) {
        for (query, first, expected, next) in [
            (lines(LineStart::Line(1), 100, None), 1, &both[..], None),
            (lines(LineStart::Line(2), 2, None), 2, &both[1..3], Some(4)),
            (lines(LineStart::Line(6), 2, None), 6, &both[5..], None),
            (lines(LineStart::Line(7), 2, None), 7, &[], None),
            (lines(LineStart::Tail, 1, None), 6, &both[5..], None),
            (lines(LineStart::Tail, 3, None), 4, &both[3..], None),
            (lines(LineStart::Tail, 100, None), 1, &both[..], None),
            (lines(LineStart::Around(3), 3, None), 2, &both[1..4], Some(5)),
            (lines(LineStart::Around(1), 2, None), 1, &both[..2], Some(3)),
            (lines(LineStart::AroundTime(at(2)), 1, None), 3, &both[2..3], Some(4)),
            (lines(LineStart::AroundTime(at(3)), 3, None), 4, &both[3..], None),
            (lines(LineStart::AroundTime(at(99)), 1, None), 6, &both[5..], None),
            (lines(LineStart::Line(1), 100, Some(OUT)), 1, &["one", "two", "fi"], None),
            (lines(LineStart::Tail, 2, Some(ERR)), 3, &["ve", "six"], None),
        ] {
            let found = read(&place, query);
            let expected: Vec<(u64, String)> =
                (first..).zip(expected.iter().map(|text| (*text).to_owned())).collect();
            assert_eq!((shown(&found), found.next_line), (expected, next), "{query:?}");
        }
        let fifth = &read(&place, lines(LineStart::Line(5), 1, None)).lines[0];
        assert_eq!((fifth.stream, fifth.at), (OUT, at(3)), "its beginning counts");
    }
}

#[test]
fn what_is_searched_for_is_found_with_its_number() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = log(&[(OUT, b"an err"), (OUT, b"or\nfine\n"), (ERR, b"error 2\n"), (OUT, b"error 3")]);
    for place in places(folder.path(), &bytes) {
        for (text, from_line, lines, stream, expected, next) in [
            ("error", 1, 10, None, &[1, 3, 4][..], None),
            ("error", 2, 10, None, &[3, 4], None),
            ("error", 1, 1, None, &[1], Some(3)),
            ("error", 1, 10, Some(OUT), &[1, 3], None),
            ("missing", 1, 10, None, &[], None),
            ("Error", 1, 10, None, &[], None),
        ] {
            let search = LineSearch { text: text.to_owned(), from_line, lines, stream };
            let reader = LineReader::open(&place, address(), stream, false).unwrap().unwrap();
            let found = reader.search(&search).unwrap();
            let numbers: Vec<u64> = found.lines.iter().map(|line| line.number).collect();
            assert_eq!((&*numbers, found.next_line), (expected, next), "{search:?}");
        }
    }
}

#[test]
fn long_lines_are_cut_and_missing_output_is_shown() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = log(&[(OUT, &vec![b'x'; 3 * LONGEST_LINE]), (OUT, b"\nnext\n")]);
    LogFrame { kind: FrameKind::Truncated, at: at(9), bytes: &[] }.put(&mut bytes);
    for place in places(folder.path(), &bytes) {
        let found = read(&place, LineQuery { start: LineStart::Line(1), lines: 10, stream: None });
        let lengths: Vec<_> = found.lines.iter().map(|line| (line.bytes.len(), line.is_cut)).collect();
        assert_eq!((lengths, found.is_incomplete), (vec![(LONGEST_LINE, true), (4, false)], true));
    }
}

/// Many lines of both streams, in frames that end anywhere; and what they say.
fn many(lines: usize) -> (Vec<u8>, Vec<String>) {
    let texts: Vec<String> = (1..=lines).map(|n| format!("line {n} {}", "x".repeat(n * 7 % 300))).collect();
    let whole = texts.join("\n") + "\n";
    let pieces: Vec<(Stream, &[u8])> = whole.as_bytes().chunks(1_013).map(|piece| (OUT, piece)).collect();
    (log(&pieces), texts)
}

fn assert_all_right(place: &LogPlace, texts: &[String], what: &str) {
    for start in [1, 2, 255, 256, 257, 258, 1_000, texts.len() - 1, texts.len(), texts.len() + 1] {
        let query = LineQuery { start: LineStart::Line(start as u64), lines: 3, stream: Some(OUT) };
        let expected: Vec<(u64, String)> = texts
            .iter()
            .enumerate()
            .skip(start - 1)
            .take(3)
            .map(|(n, text)| (n as u64 + 1, text.clone()))
            .collect();
        assert_eq!(shown(&read(place, query)), expected, "{what}: {start}");
    }
    let tail = read(place, LineQuery { start: LineStart::Tail, lines: 300, stream: None });
    assert_eq!(tail.lines[0].number as usize, texts.len() - 299, "{what}");
    assert_eq!(shown(&tail)[299].1, texts[texts.len() - 1], "{what}");
}

#[test]
fn a_missing_or_damaged_index_is_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let (bytes, texts) = many(5_000);
    let [place, memory] = places(folder.path(), &bytes);
    assert_all_right(&memory, &texts, "in memory");
    let index = address().index_path(folder.path());
    assert!(!index.exists());
    assert_all_right(&place, &texts, "without an index, as older logs are");
    let good = std::fs::read(&index).unwrap();
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 0x55;
        bytes
    };
    for (what, stands) in [
        ("empty", vec![]),
        ("another version", flipped(3)),
        ("the first checkpoint is damaged", flipped(20)),
        ("the last checkpoint is damaged", flipped(good.len() - 20)),
        ("too short", good[..100].to_vec()),
        ("a torn checkpoint", good[..good.len() - 7].to_vec()),
    ] {
        std::fs::write(&index, stands).unwrap();
        assert_all_right(&place, &texts, what);
    }
    // That of another log.
    let (longer, more) = many(9_000);
    std::fs::write(address().path(folder.path()), &longer).unwrap();
    assert_all_right(&place, &more, "a longer log");
    std::fs::write(address().path(folder.path()), &bytes).unwrap();
    assert_all_right(&place, &texts, "a shorter log");
    // Nobody can write one there.
    std::fs::remove_file(&index).unwrap();
    std::fs::create_dir(&index).unwrap();
    assert_all_right(&place, &texts, "a folder in its place");
}

#[test]
fn any_lines_of_a_large_log_are_read_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = address().path(folder.path());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let block = (0..320).map(|n| format!("{n:04} {}\n", "y".repeat(94))).collect::<String>();
    let mut bytes = VERSION_LINE.to_vec();
    while bytes.len() < 100 << 20 {
        LogFrame { kind: FrameKind::Output(OUT), at: at(1), bytes: block.as_bytes() }.put(&mut bytes);
    }
    std::fs::write(&path, &bytes).unwrap();
    let (mut counter, mut checkpoints) = (LineCounter::default(), Vec::new());
    counter.count(&bytes[VERSION_LINE.len()..], &mut checkpoints);
    drop(IndexWriter::begin(folder.path(), address(), counter, &checkpoints));
    let lines = (bytes.len() / (block.len() + frame::AROUND) * 320) as u64;
    let place = LogPlace::Folder(Arc::from(folder.path()));
    for start in [LineStart::Line(lines / 2), LineStart::Tail, LineStart::Around(lines - 1_000)] {
        // The machine may be busy with something else.
        let quick = (0..50).any(|_| {
            let began = Instant::now();
            assert_eq!(read(&place, LineQuery { start, lines: 100, stream: None }).lines.len(), 100);
            began.elapsed() < Duration::from_millis(100)
        });
        assert!(quick, "{start:?}");
    }
}
