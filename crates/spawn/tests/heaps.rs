//! The number of heaps, from outside.

#![expect(clippy::unwrap_used, reason = "this is a test")]
#![cfg(target_env = "gnu")]

use std::sync::{Arc, Barrier};

/// Where the C library places the heaps of threads: each begins at a multiple of this.
const APART: u64 = 64 << 20;

/// How many heaps this process has besides the first one.
fn heaps() -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let is_heap = |line: &&str| {
        let start = line.split('-').next().and_then(|start| u64::from_str_radix(start, 16).ok());
        start.is_some_and(|start| start.is_multiple_of(APART)) && line.contains(" rw-p 00000000 00:00 0")
    };
    maps.lines().filter(is_heap).count()
}

#[test]
fn threads_share_heaps() {
    // That of this thread may be there already.
    herald_spawn::heaps(Some(3));
    let together = Arc::new(Barrier::new(16));
    let threads: Vec<_> = (0..16)
        .map(|n| {
            let together = together.clone();
            std::thread::spawn(move || {
                let kept = vec![0_u8; 1000 + n];
                together.wait();
                let heaps = heaps();
                together.wait();
                (kept.len(), heaps)
            })
        })
        .collect();
    for thread in threads {
        let (_, heaps) = thread.join().unwrap();
        assert!((1..=3).contains(&heaps), "{heaps} heaps");
    }
}

/// Anonymous memory of this process in kB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn what_nothing_uses_goes_back() {
    // Every other piece stays, so that no end of a heap becomes free.
    let pieces: Vec<Vec<u8>> = (0..40_000).map(|_| vec![1; 2000]).collect();
    let kept: Vec<_> =
        pieces.into_iter().enumerate().filter(|(n, _)| n % 10 == 0).map(|(_, piece)| piece).collect();
    let before = memory();
    herald_spawn::heaps(None);
    let after = memory();
    assert!(before - after > 20_000, "{before} kB before, {after} kB after");
    assert_eq!(kept.len(), 4000);
}
