//! What components keep in the `state_dir` beside journal, history and logs.

use std::path::Path;
use std::time::Duration;

use super::files::{StateError, copy, entries, make_folder, sync};
use super::published::copy_published;

/// The folder with one for each application that is deployed, and what is copied of each.
const APPS: &str = "apps";
const APP_FILES: [&str; 2] = ["book.json", "running.json"];
/// What the name of this daemon on queues ends with: under another one, it would not go on with what it had begun.
const QUEUE_NODE: &str = "queue-node";

/// Copies what components keep beside the journal: applications, what was published, and the name on queues.
/// `longest_wait`: how long a daemon may take to end the publications that run.
pub(super) fn copy_beside(from: &Path, to: &Path, longest_wait: Duration) -> Result<(), StateError> {
    copy_apps(from, to)?;
    // After the history: what a job of it has published is in the ledger, and not published again.
    copy_published(from, to, longest_wait)?;
    copy(&from.join(QUEUE_NODE), &to.join(QUEUE_NODE)).map(drop)
}

/// Copies what is kept of applications: their books, and deployments that are under way. Caches stay behind.
fn copy_apps(from: &Path, to: &Path) -> Result<(), StateError> {
    for app in entries(&from.join(APPS))? {
        let Some(name) = app.file_name().filter(|name| !name.as_encoded_bytes().starts_with(b".")) else {
            continue;
        };
        let target = to.join(APPS).join(name);
        for file in APP_FILES.map(|file| app.join(file)).into_iter().filter(|file| file.is_file()) {
            make_folder(&target)?;
            copy(&file, &target.join(file.file_name().unwrap_or_default()))?;
            sync(&target)?;
        }
    }
    sync(&to.join(APPS))
}
