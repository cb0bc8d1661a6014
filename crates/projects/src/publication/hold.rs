//! What keeps a project from being published, though etcd has something else: known before anything is done.

use herald_core::job::Job;
use herald_etcd::{EtcdError, ProjectKeys};
use herald_publish::{ProjectLedger, sha256_hex};

use crate::options::{OnReset, PolicySource, PublishOptions};
use crate::project::{EtcdProject, LedgerSource};
use crate::publication::note::ProjectNote;
use crate::publisher::Publisher;

/// What is known of a project before it is published.
#[derive(Clone, Copy)]
pub(crate) struct KnownProject<'a> {
    pub(crate) note: &'a ProjectNote,
    pub(crate) ledger: &'a ProjectLedger,
    pub(crate) project: &'a EtcdProject,
    pub(crate) source: &'a LedgerSource,
}

impl Publisher {
    /// Why the project keeps its files until somebody accepts what etcd has: etcd is of another history than what was
    /// published, and has something else.
    ///
    /// # Errors
    /// When etcd cannot be asked.
    pub(crate) async fn hold(&self, job: &Job, known: KnownProject<'_>) -> Result<Option<String>, EtcdError> {
        let KnownProject { note, project, source, .. } = known;
        if self.options.on_reset != OnReset::Hold || !source.is_known() {
            return Ok(None);
        }
        let why = match &note.held {
            Some(why) => Some(why.clone()),
            None => {
                let found = project.history_break(&self.connection.client, source).await?;
                found.map(|found| found.to_string())
            }
        };
        Ok(why.filter(|_| !self.is_as_published(job, known)))
    }

    /// Whether etcd has exactly what was published.
    fn is_as_published(&self, job: &Job, known: KnownProject<'_>) -> bool {
        let Self { options, templates, .. } = self;
        let KnownProject { ledger, project, source, .. } = known;
        let policy = project.policy(options, templates, job).ok().map(|policy| policy.kept);
        let published = &ledger.data().files;
        let is_same = |(name, content): (&[u8], &[u8])| {
            let name = options.nested().apply(name).ok();
            let known = name.and_then(|name| published.get(&name));
            known.is_some_and(|known| known.sha256 == sha256_hex(content))
        };
        let is_as_many = project.files().count() == published.len();
        policy == source.policy && is_as_many && project.files().all(is_same)
    }
}

/// What is said of a project that is held.
pub(crate) fn held(keys: &ProjectKeys, why: &str) -> String {
    let help = format!("`heraldd publish {} --accept` publishes what etcd has now", keys.project);
    format!("held: {why}; {help}, the return of the keys ends it too")
}

/// What is said to somebody who wants to publish a project of which nobody has said how.
pub(crate) fn no_policy(keys: &ProjectKeys, options: &PublishOptions) -> String {
    let why = match options.policy_from {
        PolicySource::Etcd => format!("etcd has no key \"{}config\"", keys.start()),
        PolicySource::Yaml => format!("`policy` has neither \"{}\" nor '*'", keys.project),
    };
    format!("the project has no policy: {why}")
}
