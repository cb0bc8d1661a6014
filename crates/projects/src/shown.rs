//! What people see of an executor: its projects, and what a publication would change.

use herald_core::job::Job;
use herald_core::secret::Mask;
use herald_etcd::{EtcdError, ProjectKeys};
use herald_publish::{
    ChangeKind, DriftedFile, PlannedChange, ProjectLedger, PublicationRequest, PublishError, action, diff,
    drifted, plan,
};
use serde_json::Value;

use crate::options::DriftOption;
use crate::project::{EtcdProject, LedgerSource, NoPolicy};
use crate::publication::hold::{KnownProject, held, no_policy};
use crate::publication::ledgers::blocking;
use crate::publication::note::ProjectNote;
use crate::publication::result::StepFailure;
use crate::publication::target::target;
use crate::publisher::{Publisher, id};
use crate::standings::{ProjectStanding, ProjectState};

/// The largest file whose difference is shown, in bytes.
const SHOWN: u64 = 256 << 10;

/// A project of an executor.
#[derive(Debug, Clone)]
pub struct PublishedProject {
    /// Its keys.
    pub keys: ProjectKeys,
    /// Its status.
    pub state: ProjectState,
    /// The revision that was published last.
    pub revision: i64,
    /// How many files it has.
    pub files: usize,
    /// Why it is not in sync.
    pub error: Option<String>,
    /// When it was published last (RFC 3339).
    pub published_at: Option<String>,
}

/// What a publication would change.
#[derive(Debug, Clone)]
pub struct PublicationPreview {
    /// The files.
    pub files: Vec<FileDifference>,
    /// Why the project keeps its files all the same, and what ends that.
    pub held: Option<String>,
}

/// A file that would change.
#[derive(Debug, Clone)]
pub struct FileDifference {
    /// Its name below the folder.
    pub file: String,
    /// `set` or `delete`.
    pub action: &'static str,
    /// The difference as `diff -u` shows it; secrets are hidden.
    pub diff: String,
}

/// Why a publication would fail.
#[derive(Debug, thiserror::Error)]
pub enum PreviewError {
    /// etcd cannot be read.
    #[error(transparent)]
    Etcd(#[from] EtcdError),
    /// It cannot be published.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The policy cannot be used, or there is none.
    #[error("{0}")]
    Policy(String),
}

impl From<StepFailure> for PreviewError {
    fn from(failure: StepFailure) -> Self {
        Self::Policy(failure.error)
    }
}

impl Publisher {
    /// Its projects, in order.
    ///
    /// # Errors
    /// When the ledgers cannot be read.
    pub async fn projects(&self) -> Result<Vec<PublishedProject>, PublishError> {
        if !self.ledgers.exist().await {
            return Ok(Vec::new());
        }
        let noted = |ledger: ProjectLedger| {
            let (note, files) = (ProjectNote::of(&ledger), ledger.data().files.len());
            let is_gone = note.gone && files == 0;
            (!note.project.is_empty() && !is_gone).then_some((note, files))
        };
        let shown = |(note, files): (ProjectNote, usize)| {
            let keys = note.keys();
            let standing = self.connection.standings.of(&keys);
            let is_running = standing.is_some_and(|standing| standing.state == ProjectState::Publishing);
            PublishedProject {
                keys,
                state: if is_running { ProjectState::Publishing } else { note.state },
                revision: note.revision,
                files,
                error: note.error,
                published_at: note.published_at,
            }
        };
        Ok(self.ledgers.each(noted).await?.into_iter().map(shown).collect())
    }

    /// What a publication would change now. Nothing is written.
    ///
    /// # Errors
    /// [`PreviewError`]: it would fail.
    pub async fn preview(
        &self,
        job: &Job,
        keys: &ProjectKeys,
        mask: &Mask,
    ) -> Result<PublicationPreview, PreviewError> {
        let mut project = EtcdProject::read(&self.connection.client, keys, self.options.max_total).await?;
        let (opened, id) = (self.ledgers.open().await?, id(keys));
        let folder = opened.folder.clone();
        let ledger = blocking(move || folder.project(&id)).await?;
        let source: LedgerSource = serde_json::from_value(ledger.data().source.clone()).unwrap_or_default();
        let policy = match project.policy(&self.options, &self.templates, job) {
            Ok(policy) => policy,
            Err(NoPolicy::Missing) => project
                .last_policy(&source, Value::Null, &self.options)
                .filter(|_| project.is_empty())
                .ok_or_else(|| PreviewError::Policy(no_policy(keys, &self.options)))?,
            Err(NoPolicy::Invalid(error)) => return Err(PreviewError::Policy(error)),
        };
        let note = &ProjectNote::of(&ledger);
        let known = KnownProject { note, ledger: &ledger, project: &project, source: &source };
        let held = self.hold(job, known).await?.map(|why| held(keys, &why));
        let (options, read) = (self.options.clone(), policy.policy.clone());
        let made = tokio::task::spawn_blocking(move || target(&options, &read)).await;
        let target = made.map_err(|error| PreviewError::Policy(error.to_string()))??;
        let request = PublicationRequest {
            publication: "preview".to_owned(),
            time: String::new(),
            backup_time: String::new(),
            wanted: project.take_files(|_, _| false),
            target,
            leaves_drift: false,
            source: Value::Null,
            context: Value::Null,
        };
        let differences = blocking(move || {
            let planned = plan(ledger, &opened.claims, request)?;
            let one = |change: PlannedChange| Ok((planned.contents(&change, SHOWN)?, change));
            let found = planned.changes().into_iter().map(one).collect::<Result<Vec<_>, PublishError>>()?;
            planned.discard();
            Ok(found)
        });
        let difference = |([before, after], change): ([Option<Vec<u8>>; 2], PlannedChange)| FileDifference {
            diff: mask.text(&shown_difference(&change, before.as_deref(), after.as_deref())),
            action: action(change.kind),
            file: change.name,
        };
        let files = differences.await?.into_iter().map(difference).collect();
        Ok(PublicationPreview { files, held })
    }

    /// The id of the publication of this project that can be restored and that this names: its id, a part of it that no
    /// other one has, or `last`.
    ///
    /// # Errors
    /// There is none, there are several, or the ledger cannot be read.
    pub async fn kept(&self, keys: &ProjectKeys, publication: &str) -> Result<String, PublishError> {
        let (opened, id, publication) = (self.ledgers.open().await?, id(keys), publication.to_owned());
        blocking(move || opened.folder.project(&id)?.kept(&publication).map(str::to_owned)).await
    }

    /// Notes how every project is that was published, for the trigger; to be called before triggers start.
    pub async fn note_projects(&self) {
        match self.projects().await {
            Ok(projects) => projects.into_iter().for_each(|project| {
                let standing = ProjectStanding {
                    state: project.state,
                    revision: project.revision,
                    error: project.error,
                    ..ProjectStanding::pending()
                };
                self.connection.standings.note(&project.keys, standing);
            }),
            Err(error) => tracing::warn!(%error, "what was published before cannot be read"),
        }
    }

    /// Compares every project with the disk.
    pub(crate) async fn look_for_drift(&self) {
        if self.options.drift == DriftOption::Ignore || !self.ledgers.exist().await {
            return;
        }
        let noted = |ledger: ProjectLedger| Some(ProjectNote::of(&ledger));
        let Ok(notes) = self.ledgers.each(noted).await else { return };
        for note in notes {
            if matches!(note.state, ProjectState::InSync | ProjectState::Drifted)
                && let Some(_lock) = self.ledgers.try_lock(&id(&note.keys()))
            {
                self.compare_with_disk(note).await;
            }
        }
    }

    async fn compare_with_disk(&self, mut note: ProjectNote) {
        let (Ok(opened), id) = (self.ledgers.open().await, id(&note.keys())) else { return };
        // Read again: a job may have published it meanwhile.
        let compared = blocking(move || {
            let ledger = opened.folder.project(&id)?;
            let found = drifted(ledger.data())?;
            Ok((ledger, found))
        });
        let (mut ledger, found) = match compared.await {
            Ok(compared) => compared,
            Err(error) => {
                return tracing::warn!(project = note.project, %error, "cannot be compared with the disk");
            }
        };
        let before = note.state;
        let names: Vec<&str> = found.iter().take(5).map(|file: &DriftedFile| file.name.as_str()).collect();
        note.state = if found.is_empty() { ProjectState::InSync } else { ProjectState::Drifted };
        note.error = (!found.is_empty()).then(|| format!("changed on this machine: {}", names.join(", ")));
        let repairs = self.options.drift == DriftOption::Repair && !found.is_empty();
        let standing = ProjectStanding {
            // The trigger announces it again, and the next publication puts the files back.
            state: if repairs { ProjectState::Failed } else { note.state },
            passes: repairs,
            revision: note.revision,
            error: note.error.clone(),
            published: false,
        };
        if before != note.state {
            if !found.is_empty() {
                tracing::warn!(project = note.project, files = ?names, "files were changed on this machine");
            }
            let value = note.value();
            if let Err(error) = blocking(move || ledger.set_note(value)).await {
                tracing::warn!(%error, "the status of a project cannot be kept");
            }
        }
        self.connection.standings.note(&note.keys(), standing);
    }
}

fn shown_difference(change: &PlannedChange, before: Option<&[u8]>, after: Option<&[u8]>) -> String {
    let is_too_large = change.kind == ChangeKind::Write && after.is_none();
    if is_too_large {
        return format!("{}: {} bytes, too many to be shown\n", change.name, change.size);
    }
    diff::unified(&change.name, before, after)
}
