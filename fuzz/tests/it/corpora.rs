//! The corpora, and damaged copies of them, through every parser.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use herald_fuzz::TARGETS;

/// How many damaged copies of each file are tried.
const DAMAGED: u64 = 64;
/// For one input. No parser needs a tenth of it.
const LONGEST: Duration = Duration::from_secs(5);

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
}

/// Changes, cuts and repeats bytes; the same for the same `n`.
fn damage(bytes: &[u8], n: u64) -> Vec<u8> {
    let mut state = n.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut chance = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below.max(1) as u64).unwrap()
    };
    let mut bytes = bytes.to_vec();
    for _ in 0..=chance(4) {
        let at = chance(bytes.len() + 1);
        match chance(4) {
            0 if at < bytes.len() => bytes[at] = b" \n\"{}[]:;=,%\\\0\xff-"[chance(16)],
            1 => bytes.truncate(at),
            2 => bytes.insert(at, u8::try_from(chance(256)).unwrap()),
            _ => {
                let piece = bytes[at..].iter().take(chance(32)).copied().collect::<Vec<_>>();
                bytes.splice(at..at, piece);
            }
        }
    }
    bytes
}

#[test]
fn no_parser_panics_or_hangs() {
    for (name, target) in TARGETS {
        let files = corpus(name);
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            let bytes = fs::read(&file).unwrap();
            let damaged = (0..DAMAGED).map(|n| damage(&bytes, n));
            for (n, input) in [bytes.clone()].into_iter().chain(damaged).enumerate() {
                let start = Instant::now();
                target(&input);
                assert!(start.elapsed() < LONGEST, "{} ({n}) took {:?}", file.display(), start.elapsed());
            }
        }
    }
}

/// A target that is not in the list is not tested.
#[test]
fn every_target_has_its_program_and_its_corpus() {
    let names = |folder: &str, suffix: &str| {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut names: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .map(|name| name.strip_suffix(suffix).unwrap_or(&name).to_owned())
            .collect();
        names.sort();
        names
    };
    let targets: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names("fuzz_targets", ".rs"), targets);
    assert_eq!(names("corpus", ""), targets);
}
