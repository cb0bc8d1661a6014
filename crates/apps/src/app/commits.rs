//! The commits of the repository, with the status of each.

use std::collections::BTreeSet;
use std::time::Duration;

use herald_base::stop::Stop;
use herald_deploy::{Commit, LogRange};
use serde::Serialize;
use tokio::time::Instant;

use super::application::App;
use super::parts::AppError;

/// How many commits are looked at for what is pending, and for a search.
const MOST: usize = 1000;
/// How long the repository may take in all: who asks waits 30 s for an answer.
const LONGEST: Duration = Duration::from_secs(20);

/// Which commits are asked for.
#[derive(Debug, Clone, Default)]
pub struct CommitQuery {
    /// At most so many.
    pub limit: usize,
    /// Only what this one descends from: the `next_cursor` of the page before.
    pub before: Option<String>,
    /// Only commits whose author, message or revision has this text, in any case.
    pub search: Option<String>,
    /// Only those that are not live yet.
    pub pending: bool,
}

/// A commit.
#[derive(Debug, Clone, Serialize)]
pub struct CommitView {
    /// The whole SHA, or the number.
    pub revision: String,
    /// Who.
    pub author: String,
    /// When: RFC 3339.
    pub time: String,
    /// The first line of the message.
    pub subject: String,
    /// The whole message.
    pub message: String,
    /// Whether the revision that is live is older.
    pub pending: bool,
    /// Whether it was rolled back.
    pub bad: bool,
    /// The nodes that have it.
    pub live: Vec<String>,
}

/// Commits, the newest first.
#[derive(Debug, Clone, Serialize)]
pub struct CommitPage {
    /// The commits.
    pub items: Vec<CommitView>,
    /// Where the next page begins; none is the end.
    pub next_cursor: Option<String>,
}

impl App {
    /// Commits of the branch that is deployed, the newest first.
    ///
    /// # Errors
    /// When the repository cannot be asked.
    pub async fn commits(&self, query: &CommitQuery) -> Result<CommitPage, AppError> {
        let (parts, stop) = (self.parts().await?, Stop::new());
        let deadline = Instant::now() + LONGEST.min(self.settings.timeout);
        let left = || deadline.saturating_duration_since(Instant::now());
        let book = parts.book.now();
        let head = parts.source.resolve(&self.settings.revision, left(), &stop).await?;
        let upto = query.before.clone().unwrap_or_else(|| head.clone());
        if !is_exact(&upto) {
            let (revision, url) = (upto, self.settings.repo.clone());
            let missing = herald_deploy::SourceError::NoRevision { revision, url };
            return Err(AppError::Revision(missing.into()));
        }
        let needle = query.search.as_ref().map(|search| search.to_lowercase());
        let looks_at = if needle.is_some() || query.pending { MOST } else { query.limit + 1 };
        let range = LogRange { after: None, upto, limit: looks_at };
        let commits = parts.source.log(&range, left(), &stop).await?;
        let pending = match &book.revision {
            Some(live) if *live != head => {
                let range = LogRange { after: Some(live.clone()), upto: head, limit: MOST };
                parts
                    .source
                    .log(&range, left(), &stop)
                    .await?
                    .into_iter()
                    .map(|commit| commit.revision)
                    .collect()
            }
            Some(_) => BTreeSet::new(),
            None => commits.iter().map(|commit| commit.revision.clone()).collect(),
        };
        let matches = |commit: &Commit| {
            let has = |needle: &String| {
                [&commit.author, &commit.message, &commit.revision]
                    .iter()
                    .any(|text| text.to_lowercase().contains(needle))
            };
            needle.as_ref().is_none_or(has) && (!query.pending || pending.contains(&commit.revision))
        };
        let mut found = commits.into_iter().filter(matches);
        let items: Vec<Commit> = found.by_ref().take(query.limit).collect();
        let next_cursor = found.next().map(|commit| commit.revision);
        let view = |commit: Commit| {
            let live = self
                .settings
                .nodes
                .iter()
                .filter(|node| self.live_on(&book, &node.name) == Some(&commit.revision));
            CommitView {
                subject: commit.subject().to_owned(),
                pending: pending.contains(&commit.revision),
                bad: book.is_bad(&commit.revision),
                live: live.map(|node| node.name.clone()).collect(),
                revision: commit.revision,
                author: commit.author,
                time: commit.time,
                message: commit.message,
            }
        };
        Ok(CommitPage { items: items.into_iter().map(view).collect(), next_cursor })
    }

    fn live_on<'a>(&self, book: &'a crate::book::AppBook, node: &str) -> Option<&'a String> {
        book.nodes.get(node).and_then(|known| known.revision.as_ref())
    }
}

/// Whether this is a whole SHA or a number, and nothing that `git` or `svn` take for something else.
fn is_exact(revision: &str) -> bool {
    !revision.is_empty() && revision.len() <= 64 && revision.bytes().all(|byte| byte.is_ascii_hexdigit())
}
