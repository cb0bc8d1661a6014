//! What is read back from the disk after a crash.

/// A segment of the journal whose frames are whole: what is in them is decoded.
pub fn journal(data: &[u8]) {
    let _ = herald_store::count_entries(data);
}
