//! Jobs through a queue that answers as a test says: hostile runners, and every moment at which a job can be given up.

mod fake;

use herald_core::executor::Stop;
use herald_queue::FilePieces;

use super::*;
use fake::*;

#[tokio::test(start_paused = true)]
async fn a_hostile_runner_fills_neither_memory_nor_disk() {
    let largest = FilePieces::LARGEST;
    let many = |count: usize| (0..count).map(|n| file(&format!("f{n}"), 0, 0)).collect::<Value>();
    // The detail of the end, the pieces that are there with their sizes, the outcome, and how many pieces are read.
    for (detail, pieces, says, reads) in [
        (report(&json!([file("a", 3, 1)]), 0), vec![("file/a/0", 3)], "ok", 1),
        (json!({"error": "no room"}), vec![], "Failed the runner web1: no room", 0),
        (json!({"nonsense": 1}), vec![], "Failed invalid answer from the runner web1", 0),
        (report(&json!([]), u64::from(u32::MAX)), vec![("result/63", 9)], "larger than 33554432 bytes", 0),
        (report(&json!([]), 65), vec![("result/0", 9)], "larger than 33554432 bytes", 0),
        (report(&json!([]), 1), vec![("result/0", 1 << 20)], "larger than the report says", 1),
        (report(&json!([]), 1), vec![("result/0", 9)], "not a JSON object", 1),
        (report(&many(1001), 0), vec![], "more than 1000 files", 0),
        (report(&json!([file("a", largest + 1, 17)]), 0), vec![("file/a/0", 9)], "larger than 8 MiB", 0),
        (report(&json!([file("a", u64::MAX, 1)]), 0), vec![("file/a/0", 9)], "larger than 8 MiB", 0),
        (report(&json!([file("a", 3, 1 << 40)]), 0), vec![("file/a/15", 9)], "another number of pieces", 0),
        (report(&json!([file("a", 3, 0)]), 0), vec![], "another number of pieces", 0),
        (
            report(&json!([file("a", largest, 16), file("b", largest, 16)]), 0),
            vec![("file/a/0", 9), ("file/b/9", 9)],
            "than max_files_size allows",
            0,
        ),
        (report(&json!([file("a", 3, 1)]), 0), vec![("file/a/0", 4)], "larger than the report says", 1),
        (report(&json!([file("a", 3, 1)]), 0), vec![("file/a/0", 2)], "does not match its checksum", 1),
        (report(&json!([file("a", 3, 1)]), 0), vec![], "not in the queue any more", 1),
        (
            report(&json!([file("a", 3, 1), file("a", 3, 1)]), 0),
            vec![("file/a/0", 3)],
            "Failed from the runner web1: ",
            2,
        ),
        (
            report(&json!([file("../a", 3, 1)]), 0),
            vec![("file/../a/0", 3)],
            "Failed from the runner web1: ",
            1,
        ),
    ] {
        let queue = FakeQueue::new(Some(detail.clone()));
        for (part, size) in pieces {
            let content: Vec<u8> = b"abc".iter().copied().chain(std::iter::repeat(b'x')).take(size).collect();
            queue.pieces.lock().unwrap().insert(part.to_owned(), content);
        }
        let queue = Arc::new(queue);
        let Tried { outcome, calls, folder, .. } = tried(&queue, |_| {}).await;
        assert!(outcome.contains(says), "{outcome}: {detail}");
        assert_eq!(calls.iter().filter(|call| call.starts_with("get")).count(), reads, "{says}");
        // Nothing is left, neither there nor here.
        assert_eq!((queue.piece_names(), calls.last().unwrap().as_str()), (vec![], "delete"), "{detail}");
        let expected = usize::from(outcome.starts_with("ok"));
        let left = || std::fs::read_dir(folder.path()).unwrap().count();
        // A thread removes it.
        for _ in 0..1000 {
            if left() == expected {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        assert_eq!(left(), expected, "{says}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_result_is_read_until_the_job_is_given_up() {
    type Happens = fn(&Stop);
    let nothing: Happens = |_| {};
    let cancel: Happens = |stop| stop.asked.cancel();
    let force: Happens = |stop| stop.forced.cancel();
    let shutdown: Happens = |stop| {
        stop.shutdown.cancel();
        stop.asked.cancel();
    };
    for (pieces_are, happens, says, seconds, is_deleted) in [
        (Answers::Never, nothing, "TimedOut timed out after 60s reading the result", 60, true),
        (Answers::Away, nothing, "TimedOut timed out after 60s reading the result", 60, true),
        (Answers::No, nothing, "Failed from the runner web1: a piece", 0, true),
        (Answers::Never, cancel, "Cancelled cancelled", 5, true),
        (Answers::Away, force, "Cancelled cancelled", 5, true),
        (Answers::Never, shutdown, "Cancelled cancelled", 5, false),
    ] {
        let queue = FakeQueue { pieces_are, ..FakeQueue::new(Some(report(&json!([]), 1))) };
        let tried = tried(&Arc::new(queue), happens).await;
        assert!(tried.outcome.starts_with(says), "{says}: {}", tried.outcome);
        assert_eq!(tried.seconds, seconds, "{says}");
        assert_eq!(tried.calls.contains(&"delete".to_owned()), is_deleted, "{says}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_that_is_given_up_is_taken_back_or_its_runner_ends_it() {
    use Answers::{Away, Never, No, Yes};
    // How a put is answered, how a withdrawal is, whether it is cancelled; the outcome, after how long, what is called.
    for (puts, withdraws, is_cancelled, says, seconds, calls) in [
        (No, Yes, true, "Cancelled cancelled", 5, &[][..]),
        (No, Yes, false, "TimedOut timed out after 60s (the executor's timeout)", 60, &[]),
        (Away, Yes, true, "Cancelled cancelled before a runner had the job", 5, &["withdraw"]),
        (
            Never,
            Away,
            true,
            "Cancelled cancelled; the runner may still run the job: queue main",
            5,
            &["withdraw"],
        ),
        (Yes, Yes, true, "Cancelled cancelled before a runner had the job", 5, &["withdraw"]),
        (
            Yes,
            Yes,
            false,
            "TimedOut timed out after 60s (the executor's timeout) before a",
            60,
            &["withdraw"],
        ),
        (Yes, No, true, "Cancelled cancelled", 25, &["withdraw", "put cancel"]),
        (
            Yes,
            No,
            false,
            "TimedOut timed out after 60s (the executor's timeout)",
            60,
            &["withdraw", "put cancel"],
        ),
        (
            Yes,
            Away,
            true,
            "Cancelled cancelled; the runner may still run the job: queue main",
            5,
            &["withdraw"],
        ),
        (Never, No, true, "Cancelled cancelled", 25, &["withdraw", "put cancel"]),
    ] {
        let queue = FakeQueue { puts, withdraws, ..FakeQueue::new(None) };
        let cancel = |stop: &Stop| {
            if is_cancelled {
                stop.asked.cancel();
            }
        };
        let tried = tried(&Arc::new(queue), cancel).await;
        assert!(tried.outcome.starts_with(says), "{puts:?} {withdraws:?}: {}", tried.outcome);
        assert_eq!(
            (tried.seconds, tried.calls.as_slice()),
            (seconds, &calls.iter().map(|call| (*call).to_owned()).collect::<Vec<_>>()[..]),
            "{puts:?} {withdraws:?}"
        );
    }
}
