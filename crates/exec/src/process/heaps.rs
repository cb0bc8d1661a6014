//! The heaps of this process.

/// As many heaps as processors, for all threads. Of itself the C library makes eight times as many, which keep what was
/// freed: a first sync of 10,000 keys from etcd took 80 MiB, and takes 64 with two. To be called before there is a
/// second thread.
pub fn limit_heaps() {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    herald_spawn::heaps(Some(i32::try_from(processors).unwrap_or(i32::MAX)));
}

/// Gives back to the system what nothing uses any more: while a configuration is read, several times of what stays of
/// it is in use, and of itself the C library keeps nearly all of that. Takes some milliseconds.
pub async fn return_unused_memory() {
    // It does not panic; where it did, the memory would stay taken.
    let _ = tokio::task::spawn_blocking(|| herald_spawn::heaps(None)).await;
}
