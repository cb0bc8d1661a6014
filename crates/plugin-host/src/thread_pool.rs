//! Threads that plugins may block: a few for each component, started when they are needed and ended when they are not.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many tasks may wait in one pool.
const MOST_WAITING: usize = 4096;
/// How long a thread waits for work before it ends.
const LONGEST_IDLE: Duration = Duration::from_secs(10);

type Task = Box<dyn FnOnce() + Send>;

/// A queue of tasks and the threads that work it off. Tasks that are queued are done even when the pool was dropped.
#[derive(Clone)]
pub(super) struct ThreadPool(Arc<Inner>);

struct Inner {
    /// The threads' name.
    name: String,
    most_threads: usize,
    queue: Mutex<CallQueue>,
    came: Condvar,
}

#[derive(Default)]
struct CallQueue {
    waiting: VecDeque<Task>,
    threads: usize,
    idle: usize,
}

/// Why a task was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotTaken {
    /// As many tasks wait as may.
    Full,
    /// The machine gives no thread, and there is none yet.
    NoThread,
}

impl ThreadPool {
    /// A pool that has at most so many threads, and none yet.
    pub(super) fn new(name: &str, most_threads: usize) -> Self {
        let (queue, came) = (Mutex::default(), Condvar::new());
        Self(Arc::new(Inner { name: name.to_owned(), most_threads, queue, came }))
    }

    /// Does this on a thread of the pool.
    pub(super) fn submit(&self, task: impl FnOnce() + Send + 'static) -> Result<(), NotTaken> {
        let mut queue = self.0.queue();
        if queue.waiting.len() >= MOST_WAITING {
            return Err(NotTaken::Full);
        }
        queue.waiting.push_back(Box::new(task));
        if queue.waiting.len() <= queue.idle {
            self.0.came.notify_one();
            return Ok(());
        }
        if queue.threads < self.0.most_threads && !self.start_thread() {
            if queue.threads == 0 {
                queue.waiting.pop_back();
                return Err(NotTaken::NoThread);
            }
        } else if queue.threads < self.0.most_threads {
            queue.threads += 1;
        }
        Ok(())
    }

    /// How many threads the pool may have.
    pub(super) fn most_threads(&self) -> usize {
        self.0.most_threads
    }

    fn start_thread(&self) -> bool {
        let inner = self.0.clone();
        // Ends by itself once nothing came for a while; a thread that a plugin holds forever ends with the process.
        std::thread::Builder::new().name(self.0.name.clone()).spawn(move || inner.work()).is_ok()
    }
}

impl Inner {
    fn queue(&self) -> MutexGuard<'_, CallQueue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn work(&self) {
        let mut queue = self.queue();
        loop {
            if let Some(task) = queue.waiting.pop_front() {
                drop(queue);
                // A task catches what it calls; this is for the count of the threads.
                let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(task));
                queue = self.queue();
                continue;
            }
            queue.idle += 1;
            let (locked, waited) =
                self.came.wait_timeout(queue, LONGEST_IDLE).unwrap_or_else(PoisonError::into_inner);
            queue = locked;
            queue.idle -= 1;
            if waited.timed_out() && queue.waiting.is_empty() {
                queue.threads -= 1;
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn blocked_threads_hold_up_nobody_until_all_are() {
        let pool = ThreadPool::new("test", 3);
        let (sender, receiver) = mpsc::channel();
        let mut gates = Vec::new();
        for n in 0..2 {
            let (open, gate) = mpsc::channel::<()>();
            gates.push(open);
            let sender = sender.clone();
            pool.submit(move || {
                let _ = gate.recv();
                let _ = sender.send(n);
            })
            .unwrap();
        }
        for n in 10..20 {
            let sender = sender.clone();
            pool.submit(move || sender.send(n).unwrap()).unwrap();
        }
        let quick: Vec<i32> = (0..10).map(|_| receiver.recv_timeout(LONG).unwrap()).collect();
        assert_eq!(quick, (10..20).collect::<Vec<_>>());
        assert!(pool.0.queue().threads <= 3);
        drop(gates);
        let mut slow: Vec<i32> = (0..2).map(|_| receiver.recv_timeout(LONG).unwrap()).collect();
        slow.sort_unstable();
        assert_eq!(slow, [0, 1]);
    }

    #[test]
    fn tasks_that_wait_are_bounded() {
        let pool = ThreadPool::new("test", 1);
        let (open, gate) = mpsc::channel::<()>();
        let (begun, first) = mpsc::channel();
        pool.submit(move || {
            let _ = begun.send(());
            let _ = gate.recv();
        })
        .unwrap();
        first.recv_timeout(LONG).unwrap();
        for _ in 0..MOST_WAITING {
            pool.submit(|| ()).unwrap();
        }
        assert_eq!(pool.submit(|| ()), Err(NotTaken::Full));
        drop(open);
    }

    #[test]
    fn a_panic_ends_no_thread() {
        let pool = ThreadPool::new("test", 1);
        pool.submit(|| panic!("as the test wants it")).unwrap();
        let (sender, receiver) = mpsc::channel();
        pool.submit(move || sender.send(()).unwrap()).unwrap();
        receiver.recv_timeout(LONG).unwrap();
    }
}
