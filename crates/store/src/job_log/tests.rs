mod bounds;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use herald_core::activation::Name;
use herald_core::executor::{Output, Outputs, Stream};
use herald_core::job::Job;
use herald_core::secret::Mask;
use tokio_util::sync::CancellationToken;

use super::{Chunk, JobLogs, LogError};

const ID: &str = "019ab4f0-6a00-7000-8000-000000000001";
const OTHER: &str = "019ab4f0-6a00-7000-8000-000000000002";
const OUT: Stream = Stream::Stdout;
const ERR: Stream = Stream::Stderr;

fn job(id: &str, attempt: u32) -> Arc<Job> {
    let name = |text: &str| Name::from(text);
    Arc::new(Job {
        id: name(id),
        trigger_id: name("e"),
        router: name("r"),
        trigger: name("t"),
        selector: name("s"),
        task: name("k"),
        executor: name("x"),
        trigger_param: Arc::default(),
        select_param: Arc::default(),
        job_param: Arc::default(),
        chain_depth: 0,
        attempt,
        by: None,
        rerun: false,
    })
}

fn mask(secrets: &[&str]) -> Arc<Mask> {
    let mut mask = Mask::new();
    secrets.iter().for_each(|secret| mask.add(secret));
    Arc::new(mask)
}

fn open(logs: &JobLogs, attempt: u32) -> Arc<dyn Output> {
    logs.open(&job(ID, attempt), &mask(&["hunter22"]))
}

fn file(folder: &Path, attempt: u32) -> PathBuf {
    folder.join(format!("2025-11-24/{ID}-{attempt}.log"))
}

async fn all(logs: &JobLogs, attempt: u32, stream: Option<Stream>) -> Chunk {
    let mut whole = Chunk::default();
    loop {
        let chunk = logs.read(ID, attempt, whole.next, stream).await.unwrap().unwrap();
        assert!(chunk.end || chunk.next > whole.next, "{chunk:?}");
        whole.entries.extend(chunk.entries);
        whole.next = chunk.next;
        whole.truncated |= chunk.truncated;
        if chunk.end {
            return Chunk { end: true, ..whole };
        }
    }
}

/// The entries with neighbours of one stream joined, because pieces that come together share a frame.
fn joined(chunk: &Chunk) -> Vec<(Stream, String)> {
    let mut shown: Vec<(Stream, String)> = Vec::new();
    for entry in &chunk.entries {
        let text = String::from_utf8_lossy(&entry.bytes);
        match shown.last_mut() {
            Some((stream, last)) if *stream == entry.stream => last.push_str(&text),
            _ => shown.push((entry.stream, text.into_owned())),
        }
    }
    shown
}

fn text(chunk: &Chunk) -> String {
    joined(chunk).into_iter().map(|(_, text)| text).collect()
}

/// On disk and in memory.
fn both(limit: u64) -> (tempfile::TempDir, Vec<JobLogs>) {
    let folder = tempfile::tempdir().unwrap();
    let disk = JobLogs::new(Some(folder.path().join("deep/logs")), limit);
    (folder, vec![disk, JobLogs::new(None, limit)])
}

#[tokio::test]
async fn keeps_the_order_of_both_streams_and_hides_secrets() {
    let (_folder, places) = both(1 << 20);
    for logs in places {
        let sink = open(&logs, 1);
        for (stream, piece) in [
            (OUT, "one\n"),
            (ERR, "two\n"),
            (OUT, "it is hun"),
            (OUT, "ter22!\n"),
            (ERR, "h"),
            (ERR, "unter22 hunger hun"),
            (OUT, "\u{e9}"),
        ] {
            sink.write(stream, piece.as_bytes()).await;
        }
        sink.close().await;
        let expected = [
            (OUT, "one\n"),
            (ERR, "two\n"),
            (OUT, "it is ***!\n"),
            (ERR, "*** hunger "),
            (OUT, "\u{e9}"),
            (ERR, "hun"),
        ];
        let chunk = all(&logs, 1, None).await;
        assert_eq!(joined(&chunk), expected.map(|(stream, text)| (stream, text.to_owned())));
        assert!(!chunk.truncated);
        assert!(chunk.entries.is_sorted_by_key(|entry| entry.at));
        assert_eq!(text(&all(&logs, 1, Some(ERR)).await), "two\n*** hunger hun");
        sink.write(OUT, b"late").await;
        sink.close().await;
        assert_eq!(all(&logs, 1, None).await, chunk, "a closed log takes nothing");
    }
}

#[tokio::test]
async fn nothing_is_made_for_silence_and_files_are_private() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("logs");
    let logs = JobLogs::new(Some(root.clone()), 100);
    let sink = open(&logs, 1);
    let waiting = logs.read(ID, 1, 0, None).await.unwrap().unwrap();
    assert!(!waiting.end && waiting.entries.is_empty(), "an open log is one, also without output");
    sink.write(OUT, b"").await;
    sink.close().await;
    drop(sink);
    assert!(!root.exists());
    assert_eq!(logs.read(ID, 1, 0, None).await.unwrap(), None);

    let sink = open(&logs, 2);
    sink.write(OUT, b"x").await;
    sink.close().await;
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let path = file(&root, 2);
    assert_eq!((mode(&path), mode(path.parent().unwrap()), mode(&root)), (0o600, 0o700, 0o700));
}

#[tokio::test]
async fn a_torn_frame_is_the_end_and_is_cut_by_the_next_writer() {
    let folder = tempfile::tempdir().unwrap();
    let logs = JobLogs::new(Some(folder.path().to_owned()), 20);
    let sink = open(&logs, 1);
    sink.write(OUT, b"first ").await;
    sink.write(ERR, b"torn").await;
    sink.close().await;
    let path = file(folder.path(), 1);
    let whole = std::fs::read(&path).unwrap();
    let first = whole.len() - 27 - 4;
    for length in first..whole.len() {
        std::fs::write(&path, &whole[..length]).unwrap();
        let chunk = all(&logs, 1, None).await;
        assert_eq!((text(&chunk).as_str(), chunk.next), ("first ", first as u64), "{length}");
    }
    let sink = open(&logs, 1);
    sink.write(OUT, b"and going on beyond the limit").await;
    sink.close().await;
    let chunk = all(&logs, 1, None).await;
    assert_eq!((text(&chunk).as_str(), chunk.truncated), ("first and going on b", true));
    // A version line that is torn, or another one.
    for (stands, expected) in
        [(&b"herald jo"[..], Some("x")), (b"", Some("x")), (b"herald job log 2\n", None)]
    {
        std::fs::write(&path, stands).unwrap();
        let sink = open(&logs, 1);
        sink.write(OUT, b"x").await;
        sink.close().await;
        match expected {
            Some(expected) => assert_eq!(text(&all(&logs, 1, None).await), expected),
            None => {
                assert!(matches!(logs.read(ID, 1, 0, None).await, Err(LogError::Format)));
                assert_eq!(std::fs::read(&path).unwrap(), stands, "what another version wrote stays");
            }
        }
    }
}

#[tokio::test]
async fn what_comes_again_from_its_beginning_is_kept_once() {
    let folder = tempfile::tempdir().unwrap();
    let logs = JobLogs::new(Some(folder.path().to_owned()), 100);
    for (write, expected) in [("one", "one"), ("", "one"), ("one two", "one two")] {
        let sink = open(&logs, 1);
        sink.restart().await;
        sink.write(OUT, write.as_bytes()).await;
        sink.restart().await;
        sink.close().await;
        assert_eq!(text(&all(&logs, 1, None).await), expected);
    }
}

#[tokio::test]
async fn following_shows_output_soon_and_ends() {
    let (_folder, places) = both(1 << 20);
    for logs in places {
        let stop = CancellationToken::new();
        let sink = open(&logs, 1);
        let mut from = 0;
        for n in 0..20 {
            let line = format!("line {n}\n");
            let next = logs.next(ID, 1, from, Some(OUT), &stop);
            let (shown, ()) = tokio::join!(tokio::time::timeout(Duration::from_secs(10), next), async {
                tokio::task::yield_now().await;
                sink.write(ERR, b"not this").await;
                sink.write(OUT, line.as_bytes()).await;
            });
            let chunk = shown.unwrap().unwrap().unwrap();
            assert_eq!(text(&chunk), line);
            from = chunk.next;
        }
        let began = Instant::now();
        sink.write(OUT, b"last").await;
        let chunk = logs.next(ID, 1, from, Some(OUT), &stop).await.unwrap().unwrap();
        assert_eq!(text(&chunk), "last");
        assert!(began.elapsed() < Duration::from_millis(200), "{:?}", began.elapsed());
        let (end, ()) = tokio::join!(logs.next(ID, 1, chunk.next, Some(OUT), &stop), sink.close());
        let end = end.unwrap().unwrap();
        assert!(end.end && end.entries.is_empty());

        let silent = open(&logs, 2);
        let (end, ()) = tokio::join!(logs.next(ID, 2, 0, None, &stop), async { stop.cancel() });
        assert!(end.unwrap().is_none(), "whoever stops waits no longer");
        let stop = CancellationToken::new();
        let (end, ()) = tokio::join!(logs.next(ID, 2, 0, None, &stop), async {
            tokio::task::yield_now().await;
            drop(silent);
        });
        assert!(end.unwrap().is_none_or(|chunk| chunk.end), "a sink that is dropped ends its log");
        assert!(logs.next(ID, 3, 0, None, &stop).await.unwrap().is_none());
    }
}

#[tokio::test]
async fn attempts_are_apart_and_removed_together() {
    let (folder, places) = both(1 << 20);
    for logs in places {
        for (id, attempt) in [(ID, 1), (ID, 10), (ID, 2), (OTHER, 1)] {
            let sink = logs.open(&job(id, attempt), &mask(&[]));
            sink.write(OUT, format!("{id} {attempt}").as_bytes()).await;
            sink.close().await;
        }
        assert_eq!(logs.attempts(ID).await.unwrap(), [1, 2, 10]);
        assert_eq!(text(&all(&logs, 10, None).await), format!("{ID} 10"));
        assert_eq!(logs.sweep().await.unwrap(), 0);
        logs.remove(&[(ID.to_owned(), 10), ("../x".to_owned(), 1)]).unwrap();
        assert!(logs.attempts(ID).await.unwrap().is_empty());
        assert_eq!(logs.read(ID, 2, 0, None).await.unwrap(), None);
        assert_eq!(logs.attempts(OTHER).await.unwrap(), [1]);
        logs.remove(&[(ID.to_owned(), 1), (OTHER.to_owned(), 1)]).unwrap();
        logs.remove(&[(OTHER.to_owned(), 1)]).unwrap();
        assert!(logs.attempts(OTHER).await.unwrap().is_empty());
    }
    let root = folder.path().join("deep/logs");
    assert_eq!(std::fs::read_dir(&root).unwrap().count(), 0, "the empty day goes too");
    for name in ["2025-01-01", "2025-01-02", "2025-1-3", "other"] {
        std::fs::create_dir(root.join(name)).unwrap();
    }
    std::fs::write(root.join("2025-01-02/x"), "").unwrap();
    std::fs::write(root.join("2025-01-04"), "").unwrap();
    let logs = JobLogs::new(Some(root.clone()), 1);
    assert_eq!(logs.sweep().await.unwrap(), 1);
    assert!(!root.join("2025-01-01").exists() && root.join("other").exists());
}

#[tokio::test]
async fn ids_from_outside_lead_nowhere_else() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("logs");
    let logs = JobLogs::new(Some(root.clone()), 100);
    let sink = open(&logs, 1);
    sink.write(OUT, b"x").await;
    sink.close().await;
    let path = file(&root, 1);
    std::fs::copy(&path, folder.path().join("secret-1.log")).unwrap();
    let upper = ID.to_uppercase();
    let around = format!("../2025-11-24/{ID}");
    for id in
        ["", "..", "../secret", "../../secret", upper.as_str(), around.as_str(), "2025-11-24", "*", "\0"]
    {
        assert_eq!(logs.read(id, 1, 0, None).await.unwrap(), None, "{id:?}");
        assert!(logs.attempts(id).await.unwrap().is_empty(), "{id:?}");
        let stop = CancellationToken::new();
        assert!(logs.next(id, 1, 0, None, &stop).await.unwrap().is_none(), "{id:?}");
        logs.remove(&[(id.to_owned(), 1)]).unwrap();
        let sink = logs.open(&job(id, 1), &mask(&[]));
        sink.write(OUT, b"dropped").await;
        sink.close().await;
    }
    assert!(path.exists() && folder.path().join("secret-1.log").exists());
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2);
}

#[tokio::test]
async fn a_disk_that_refuses_loses_output_and_not_the_job() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("logs");
    std::fs::write(&root, "a file where the folder should be").unwrap();
    let logs = JobLogs::new(Some(root.clone()), 100);
    let sink = open(&logs, 1);
    sink.write(OUT, b"lost").await;
    // The writer has given it up by then.
    sink.close().await;
    std::fs::remove_file(&root).unwrap();
    let sink = open(&logs, 1);
    let deadline = Instant::now() + Duration::from_secs(10);
    while logs.attempts(ID).await.unwrap().is_empty() && Instant::now() < deadline {
        sink.write(OUT, b"kept").await;
    }
    let stop = CancellationToken::new();
    assert!(logs.next(ID, 1, 0, None, &stop).await.unwrap().unwrap().next > 0);
    sink.close().await;
    let kept = text(&all(&logs, 1, None).await);
    assert!(kept.ends_with("kept") && !kept.contains("lost"), "{kept:?}");
}
