//! Lines on their way to a slow disk or terminal: bounded, and never blocking who writes them.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{JoinHandle, spawn};
use std::time::{Duration, Instant};

/// How long the end waits for the output to take what is left.
const LONGEST_END: Duration = Duration::from_secs(2);
/// So many lines within four times of what they may be gathered for are many. Two jobs of which one causes the other
/// write fewer: what they say is not held up.
const MANY: u64 = 16;

#[derive(Default)]
struct QueuedLines {
    bytes: Vec<u8>,
    /// How many lines they are.
    lines: u64,
    /// Lines that found no room since the last ones were written.
    dropped: u64,
    ended: bool,
    written_out: bool,
}

#[derive(Default)]
struct LogQueueState {
    waiting: Mutex<QueuedLines>,
    changed: Condvar,
}

impl LogQueueState {
    fn lock(&self) -> MutexGuard<'_, QueuedLines> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes lines. Past the bound they are dropped and counted, rather than jobs held up.
#[derive(Clone)]
pub(crate) struct LogQueue {
    shared: Arc<LogQueueState>,
    bound: usize,
}

/// Owns the thread that writes. Dropping it writes out what waits, within a bounded time.
pub(crate) struct LogQueueWriter {
    shared: Arc<LogQueueState>,
    thread: Option<JoinHandle<()>>,
}

/// A queue of at most `bound` bytes in front of this output. Where many lines come one upon the other, the thread
/// gathers them for a while: a job then costs no wake-up of its own. Few lines are written at once.
/// `say_dropped` makes a line of how many found no room.
pub(crate) fn queue(
    output: impl Write + Send + 'static,
    bound: usize,
    gather: Duration,
    say_dropped: fn(u64) -> String,
) -> (LogQueue, LogQueueWriter) {
    let shared = Arc::new(LogQueueState::default());
    let theirs = shared.clone();
    let thread = spawn(move || write_all(&theirs, output, gather, say_dropped));
    (LogQueue { shared: shared.clone(), bound }, LogQueueWriter { shared, thread: Some(thread) })
}

impl Write for LogQueue {
    /// One call is one line.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let mut waiting = self.shared.lock();
        if waiting.bytes.len() + line.len() > self.bound {
            waiting.dropped += 1;
        } else {
            waiting.bytes.extend_from_slice(line);
            waiting.lines += 1;
            if waiting.bytes.len() == line.len() {
                self.shared.changed.notify_all();
            }
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many lines came lately.
struct Pace {
    /// One count is for so long.
    period: Duration,
    began: Instant,
    lines: u64,
    /// Whether there were many in the period before.
    many: bool,
}

impl Pace {
    fn new(period: Duration) -> Self {
        Self { period, began: Instant::now(), lines: 0, many: false }
    }

    fn add(&mut self, lines: u64) {
        self.lines += lines;
    }

    fn is_fast(&mut self) -> bool {
        let passed = self.began.elapsed();
        if passed >= self.period {
            self.many = self.lines >= MANY && passed < self.period * 2;
            (self.began, self.lines) = (Instant::now(), 0);
        }
        self.many || self.lines >= MANY
    }
}

fn write_all(
    shared: &LogQueueState,
    mut output: impl Write,
    gather: Duration,
    say_dropped: fn(u64) -> String,
) {
    let mut pace = Pace::new(gather * 4);
    loop {
        let mut waiting = shared.lock();
        while waiting.bytes.is_empty() && waiting.dropped == 0 && !waiting.ended {
            waiting = shared.changed.wait(waiting).unwrap_or_else(PoisonError::into_inner);
        }
        if pace.is_fast() {
            let gathered = shared.changed.wait_timeout_while(waiting, gather, |waiting| !waiting.ended);
            waiting = gathered.unwrap_or_else(PoisonError::into_inner).0;
        }
        let (bytes, dropped) = (std::mem::take(&mut waiting.bytes), std::mem::take(&mut waiting.dropped));
        pace.add(std::mem::take(&mut waiting.lines));
        let ended = waiting.ended;
        drop(waiting);
        // There is nobody to tell of a log that cannot be written.
        let _ = output.write_all(&bytes);
        if dropped > 0 {
            let _ = writeln!(output, "{}", say_dropped(dropped));
        }
        let _ = output.flush();
        if ended {
            shared.lock().written_out = true;
            shared.changed.notify_all();
            return;
        }
    }
}

impl Drop for LogQueueWriter {
    fn drop(&mut self) {
        let mut waiting = self.shared.lock();
        waiting.ended = true;
        self.shared.changed.notify_all();
        let done = |waiting: &mut QueuedLines| !waiting.written_out;
        let end = self.shared.changed.wait_timeout_while(waiting, LONGEST_END, done);
        let (waiting, _) = end.unwrap_or_else(PoisonError::into_inner);
        if waiting.written_out
            && let Some(thread) = self.thread.take()
        {
            drop(waiting);
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// Passes on what is written, each time it is allowed to.
    struct Gate {
        go: Receiver<()>,
        seen: Sender<String>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.go.recv().map_err(io::Error::other)?;
            self.seen.send(String::from_utf8_lossy(bytes).into_owned()).unwrap();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_are_gathered_in_order_and_past_the_bound_dropped_and_counted() {
        let (go, gate) = channel();
        let (sender, seen) = channel();
        let (mut queue, writer) =
            queue(Gate { go: gate, seen: sender }, 8, Duration::from_secs(600), |dropped| {
                format!("{dropped} dropped")
            });
        for _ in 0..MANY + 8 {
            go.send(()).unwrap();
        }
        for n in 0..MANY {
            queue.write_all(format!("{n}\n").as_bytes()).unwrap();
            assert_eq!(seen.recv().unwrap(), format!("{n}\n"), "few are written at once");
        }
        for line in ["one\n", "two\n", "far too long\n", "three\n"] {
            queue.write_all(line.as_bytes()).unwrap();
        }
        drop(writer);
        let written: String = seen.try_iter().collect();
        assert_eq!(written, "one\ntwo\n2 dropped\n");
    }

    #[test]
    fn what_waits_at_the_end_is_written_and_an_output_that_hangs_is_not_waited_for() {
        let (go, gate) = channel();
        let (sender, seen) = channel();
        let (mut queue, writer) =
            queue(Gate { go: gate, seen: sender }, 100, Duration::ZERO, |_| String::new());
        queue.write_all(b"last\n").unwrap();
        drop(writer);
        assert!(seen.try_recv().is_err(), "it hangs still, and the drop came back");
        go.send(()).unwrap();
        assert_eq!(seen.recv().unwrap(), "last\n");
    }
}
