//! Places where a test may end the process: between any two steps that a crash could separate.
//!
//! Compiled in with debug assertions, as the tests' programs are, and then silent unless the environment says
//! `HERALD_FAILPOINT=NAME` (or `NAME:n` for the nth time that it is passed): the process then ends as by SIGKILL,
//! without a word, without flushing anything.

/// Ends the process here when a test asks for it.
#[macro_export]
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(debug_assertions)]
        $crate::system::failpoint::pass($name);
    };
}

/// Passes the place of this name.
#[cfg(debug_assertions)]
pub fn pass(name: &str) {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    static WANTED: OnceLock<Option<(String, u64)>> = OnceLock::new();
    static PASSED: AtomicU64 = AtomicU64::new(0);
    let wanted = WANTED.get_or_init(|| {
        let text = std::env::var("HERALD_FAILPOINT").ok()?;
        let (name, nth) =
            text.rsplit_once(':').map_or((&*text, 1), |(name, n)| (name, n.parse().unwrap_or(1)));
        Some((name.to_owned(), nth))
    });
    if let Some((_, nth)) = wanted.as_ref().filter(|(wanted, _)| wanted == name)
        && PASSED.fetch_add(1, Ordering::SeqCst) + 1 == *nth
    {
        std::process::abort();
    }
}
