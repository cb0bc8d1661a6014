//! What is known of every application, through all reloads of the configuration.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::{Notify, OnceCell};

use super::seen::SeenNode;
use crate::book::{BookError, BookKeeper};

/// What is known of every application. It outlives the configuration.
#[derive(Debug, Clone, Default)]
pub struct AppMemories(Arc<MemoriesInner>);

#[derive(Debug, Default)]
struct MemoriesInner {
    /// None keeps all in memory alone.
    folder: Option<PathBuf>,
    apps: Mutex<HashMap<String, Arc<AppMemory>>>,
    announce: Arc<Notify>,
}

impl PartialEq for AppMemories {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What is known of one application.
#[derive(Debug)]
pub(crate) struct AppMemory {
    folder: Option<PathBuf>,
    book: OnceCell<Arc<BookKeeper>>,
    /// One deployment at a time.
    pub(crate) turn: tokio::sync::Mutex<()>,
    /// One plan at a time for those who only want to see it.
    pub(crate) planning: tokio::sync::Mutex<()>,
    /// The deployment that is under way.
    pub(crate) running: Mutex<Option<String>>,
    /// What was last seen on each node.
    pub(crate) seen: RwLock<BTreeMap<String, SeenNode>>,
    pub(crate) announce: Arc<Notify>,
}

impl AppMemories {
    /// Kept below this folder, in `apps`; without one in memory.
    #[must_use]
    pub fn new(folder: Option<PathBuf>) -> Self {
        let (apps, announce) = (Mutex::default(), Arc::default());
        Self(Arc::new(MemoriesInner { folder, apps, announce }))
    }

    /// Whether they are kept in this folder.
    #[must_use]
    pub fn are_in(&self, folder: Option<&std::path::Path>) -> bool {
        self.0.folder.as_deref() == folder
    }

    pub(crate) fn of(&self, app: &str) -> Arc<AppMemory> {
        let mut apps = self.0.apps.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || {
            Arc::new(AppMemory {
                folder: self.0.folder.as_ref().map(|folder| folder.join("apps").join(app)),
                book: OnceCell::new(),
                turn: tokio::sync::Mutex::new(()),
                planning: tokio::sync::Mutex::new(()),
                running: Mutex::default(),
                seen: RwLock::default(),
                announce: self.0.announce.clone(),
            })
        };
        apps.entry(app.to_owned()).or_insert_with(fresh).clone()
    }

    /// Resolves when a deployment has ended for which `deployed` is to be fired.
    pub async fn announced(&self) {
        self.0.announce.notified().await;
    }
}

impl AppMemory {
    /// Its book, which is read at the first use.
    pub(crate) async fn book(&self) -> Result<Arc<BookKeeper>, BookError> {
        let open = || async {
            let folder = self.folder.clone();
            let opened = tokio::task::spawn_blocking(move || BookKeeper::open(folder)).await;
            let opened = opened.unwrap_or_else(|error| {
                let source = std::io::Error::other(error);
                Err(BookError::Io { what: "read", path: PathBuf::new(), source })
            });
            opened.map(Arc::new)
        };
        self.book.get_or_try_init(open).await.cloned()
    }

    pub(crate) fn running(&self) -> Option<String> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
