//! Logs have a bound.

use super::*;

#[tokio::test]
async fn past_the_limit_the_rest_is_dropped_and_marked_once() {
    let (folder, places) = both(100_000);
    for logs in places {
        let sink = open(&logs, 1);
        for n in 0..40_u32 {
            sink.write(if n.is_multiple_of(2) { OUT } else { ERR }, &[b'x'; 4_000]).await;
        }
        sink.write(OUT, &vec![b'y'; 1 << 20]).await;
        sink.close().await;
        let chunk = all(&logs, 1, None).await;
        assert!(chunk.truncated);
        assert_eq!(text(&chunk), "x".repeat(100_000));
    }
    let written = std::fs::read(file(&folder.path().join("deep/logs"), 1)).unwrap();
    assert_eq!(written.windows(2).filter(|two| two == b"t ").count(), 1);
    // As much as there is room for is whole.
    let (_folder, places) = both(5);
    for logs in places {
        let sink = open(&logs, 1);
        sink.write(OUT, b"12345").await;
        sink.close().await;
        let chunk = all(&logs, 1, None).await;
        assert_eq!((text(&chunk).as_str(), chunk.truncated), ("12345", false));
    }
}

#[tokio::test]
async fn long_logs_are_read_in_bounded_parts_and_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let logs = JobLogs::new(Some(folder.path().to_owned()), 16 << 20);
    for part in [b'a', b'b'] {
        let sink = open(&logs, 1);
        for n in 0..300_u32 {
            sink.write(if n.is_multiple_of(3) { ERR } else { OUT }, &[part; 3_001]).await;
        }
        sink.close().await;
    }
    let first = logs.read(ID, 1, 0, None).await.unwrap().unwrap();
    assert!(!first.end && first.next <= 256 * 1024, "{}", first.next);
    let whole = text(&all(&logs, 1, None).await);
    assert_eq!(whole, "a".repeat(300 * 3_001) + &"b".repeat(300 * 3_001));
    assert_eq!(text(&all(&logs, 1, Some(ERR)).await).len(), 200 * 3_001);
    // Positions that nobody gave find nothing, and no endless wait.
    for from in [5, 1 << 40, u64::MAX] {
        let chunk = logs.read(ID, 1, from, None).await.unwrap().unwrap();
        assert!(chunk.end && chunk.entries.is_empty(), "{from}: {} entries", chunk.entries.len());
    }
}

#[tokio::test]
async fn memory_keeps_the_latest_only() {
    let logs = JobLogs::new(None, 16 << 20);
    for attempt in 1..=6 {
        let sink = open(&logs, attempt);
        sink.write(OUT, &vec![b'x'; 4 << 20]).await;
        sink.close().await;
    }
    let kept = logs.attempts(ID).await.unwrap();
    assert!(kept.ends_with(&[5, 6]) && kept.len() < 4, "{kept:?}");
    let sink = open(&logs, 7);
    sink.write(OUT, &vec![b'y'; 20 << 20]).await;
    sink.close().await;
    let length: usize = all(&logs, 7, None).await.entries.iter().map(|entry| entry.bytes.len()).sum();
    assert!((8 << 20..16 << 20).contains(&length), "{length}");
}

#[tokio::test]
async fn a_log_ends_where_all_logs_together_have_their_bound() {
    let folder = tempfile::tempdir().unwrap();
    let logs = JobLogs::new(Some(folder.path().to_owned()), 16 << 20);
    logs.set_total_limit(Some(100_000));
    for attempt in [1, 2] {
        let output = open(&logs, attempt);
        for _ in 0..50 {
            output.write(OUT, &[b'x'; 10_000]).await;
        }
        output.close().await;
        let kept = all(&logs, attempt, None).await;
        let size: usize = kept.entries.iter().map(|entry| entry.bytes.len()).sum();
        assert!(kept.truncated && (80_000..100_000).contains(&size), "{attempt}: {size}");
        assert!(std::fs::metadata(file(folder.path(), attempt)).unwrap().len() <= 100_100);
    }
    assert!(!file(folder.path(), 1).exists(), "the older log made room");
}
