//! Work for two processors, where a large configuration is read.

use std::io;
use std::thread;

/// Does both at the same time: the second on a thread of this name, or after the first where there can be no thread.
pub fn side_by_side<A, B: Send>(
    thread_name: &str,
    first: impl FnOnce() -> A,
    second: impl Fn() -> B + Sync,
) -> (A, B) {
    thread::scope(|scope| {
        let beside: io::Result<_> =
            thread::Builder::new().name(thread_name.to_owned()).spawn_scoped(scope, &second);
        let first = first();
        let second = match beside {
            Ok(thread) => thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            Err(_) => second(),
        };
        (first, second)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn both_run_at_the_same_time_and_a_panic_is_passed_on() {
        let both_are_there = Barrier::new(2);
        let work = || both_are_there.wait();
        side_by_side("both", work, work);
        let panicked = std::panic::catch_unwind(|| side_by_side("both", || 1, || panic!("at work")));
        assert_eq!(panicked.map(|_: (i32, ())| ()).unwrap_err().downcast_ref(), Some(&"at work"));
    }
}
