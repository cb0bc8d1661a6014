//! Keeps the book of an application in a file, which is replaced as a whole.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::app_book::AppBook;

/// The form of the book.
const VERSION: u32 = 1;

/// Why the book cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The file cannot be read or written.
    #[error("cannot {what} {}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        what: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// It is damaged, or of a newer Herald.
    #[error("{} cannot be used: {how}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        how: String,
    },
}

/// The book of one application, shared by all that deploy and show it.
#[derive(Debug)]
pub struct BookKeeper {
    /// None keeps it in memory alone.
    folder: Option<PathBuf>,
    now: Arc<RwLock<Arc<AppBook>>>,
    /// One change at a time.
    changing: Arc<Mutex<()>>,
}

impl BookKeeper {
    /// Reads it from this folder; a missing one is empty. Blocks.
    ///
    /// # Errors
    /// [`BookError`]
    pub fn open(folder: Option<PathBuf>) -> Result<Self, BookError> {
        let book: Option<AppBook> = match &folder {
            Some(folder) => read_json(&folder.join("book.json"))?,
            None => None,
        };
        if let (Some(book), Some(folder)) = (&book, &folder)
            && book.version != VERSION
        {
            let how = format!("it has version {}, which a newer Herald wrote", book.version);
            return Err(BookError::Damaged { path: folder.join("book.json"), how });
        }
        let book = book.unwrap_or_else(|| AppBook { version: VERSION, ..AppBook::default() });
        Ok(Self { folder, now: Arc::new(RwLock::new(Arc::new(book))), changing: Arc::default() })
    }

    /// What is known now.
    #[must_use]
    pub fn now(&self) -> Arc<AppBook> {
        self.now.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes it; the change counts when it is on disk.
    ///
    /// # Errors
    /// [`BookError`]: nothing was changed.
    pub async fn change<R>(&self, change: impl FnOnce(&mut AppBook) -> R + Send) -> Result<R, BookError> {
        let one = self.changing.clone().lock_owned().await;
        let mut book = (*self.now()).clone();
        let answer = change(&mut book);
        let (book, now) = (Arc::new(book), self.now.clone());
        let file = self.folder.as_ref().map(|folder| folder.join("book.json"));
        let set = move |book| *now.write().unwrap_or_else(PoisonError::into_inner) = book;
        write_then(one, file, book, set).await?;
        Ok(answer)
    }

    /// The file of the deployment that is under way.
    pub(crate) fn progress_file(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.join("running.json"))
    }
}

/// Writes a value, and then lets it count. Both go on where the caller does not wait any longer, so that no other
/// change comes in between: the guard is theirs.
pub(crate) async fn write_then<T: Serialize + Send + Sync + 'static>(
    one: OwnedMutexGuard<()>,
    file: Option<PathBuf>,
    value: Arc<T>,
    set: impl FnOnce(Arc<T>) + Send + 'static,
) -> Result<(), BookError> {
    let path = file.clone().unwrap_or_default();
    let written = tokio::spawn(async move {
        let _one = one;
        if let Some(file) = file {
            write_json(file, value.clone()).await?;
        }
        set(value);
        Ok(())
    });
    written.await.unwrap_or_else(|error| {
        Err(BookError::Io { what: "write", path, source: std::io::Error::other(error) })
    })
}

/// Reads a file; `None` where there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, BookError> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(BookError::Io { what: "read", path: path.to_owned(), source }),
    };
    let damaged =
        |error: serde_json::Error| BookError::Damaged { path: path.to_owned(), how: error.to_string() };
    serde_json::from_slice(&text).map(Some).map_err(damaged)
}

/// Replaces a file as a whole, and returns when it is on disk.
async fn write_json<T: Serialize + Send + Sync + 'static>(
    path: PathBuf,
    value: Arc<T>,
) -> Result<(), BookError> {
    let failed_task = path.clone();
    let written = tokio::task::spawn_blocking(move || {
        let failed = |source| BookError::Io { what: "write", path: path.clone(), source };
        let text = serde_json::to_vec(&*value)
            .map_err(|error| BookError::Damaged { path: path.clone(), how: error.to_string() })?;
        let folder = path.parent().unwrap_or(&path);
        std::fs::create_dir_all(folder).map_err(failed)?;
        let fresh = path.with_extension("new");
        let mut file = File::create(&fresh).map_err(failed)?;
        file.write_all(&text).and_then(|()| file.sync_all()).map_err(failed)?;
        std::fs::rename(&fresh, &path).map_err(failed)?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    });
    written.await.unwrap_or_else(|error| {
        let source = std::io::Error::other(error);
        Err(BookError::Io { what: "write", path: failed_task, source })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_changed_is_there_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let folder = Some(dir.path().join("shop"));
        let book = BookKeeper::open(folder.clone()).unwrap();
        book.change(|book| book.revision = Some("abc".to_owned())).await.unwrap();
        assert_eq!(BookKeeper::open(folder.clone()).unwrap().now(), book.now());
        let file = dir.path().join("shop/book.json");
        for (text, what) in [
            ("{", "cannot be used"),
            (r#"{"version":9,"nodes":{},"bad":[],"deployments":[],"unannounced":[]}"#, "newer"),
        ] {
            std::fs::write(&file, text).unwrap();
            let error = BookKeeper::open(folder.clone()).unwrap_err().to_string();
            assert!(error.contains(what), "{error}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_written_is_not_changed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("shop"), "a file is in the way").unwrap();
        let book = BookKeeper::open(Some(dir.path().join("shop/deeper"))).err();
        assert!(book.is_some() || cfg!(not(target_os = "linux")));
        let book = BookKeeper::open(Some(dir.path().join("app"))).unwrap();
        std::fs::write(dir.path().join("app"), "").unwrap();
        assert!(book.change(|book| book.revision = Some("abc".to_owned())).await.is_err());
        assert_eq!(book.now().revision, None);
    }
}
