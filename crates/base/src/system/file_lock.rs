//! Locks of files that end when they are dropped.

use std::fs::File;

/// A file or folder that is locked. It is unlocked when this is dropped.
///
/// Closing it would not be enough: a process that is being started has a copy of every open file until it runs its
/// program, and the kernel keeps a lock as long as there is a copy.
#[derive(Debug)]
pub struct FileLock(File);

impl FileLock {
    /// Of a file that was locked just now.
    #[must_use]
    pub fn new(locked: File) -> Self {
        Self(locked)
    }

    /// The file.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.0
    }
}

impl Drop for FileLock {
    fn drop(&mut self) {
        // Where it fails there is no lock any more.
        let _ = self.0.unlock();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_of_the_file_holds_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        let file = File::create(&path).unwrap();
        file.try_lock().unwrap();
        // As a child has it until it runs its program.
        let copy = file.try_clone().unwrap();
        drop(FileLock::new(file));
        File::open(&path).unwrap().try_lock().unwrap();
        drop(copy);
    }
}
