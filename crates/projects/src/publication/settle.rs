//! The end of a publication, as its ledger and the trigger get to know it.

use herald_core::executor::FailureKind;

use crate::project::EtcdProject;
use crate::publication::ledgers::blocking;
use crate::publication::result::StepFailure;
use crate::publication::run::{PublicationRun, RunEnd};
use crate::publisher::{Publisher, id};
use crate::standings::{ProjectStanding, ProjectState};

impl PublicationRun<'_> {
    /// Keeps how it ended, for reports and for the trigger.
    pub(crate) async fn settle(&mut self, ended: &RunEnd) {
        self.note.name(&self.keys);
        let is_of_request = |failure: &StepFailure| failure.is_of_request;
        if !ended.as_ref().err().is_some_and(is_of_request) {
            self.note_end(ended).await;
        }
        let state = self.note.state;
        self.stand(ProjectStanding {
            state,
            revision: self.result.revision,
            error: self.note.error.clone(),
            passes: self.note.passes,
            published: matches!(state, ProjectState::InSync | ProjectState::Drifted),
        });
    }

    async fn note_end(&mut self, ended: &RunEnd) {
        self.note.state = match ended {
            Ok(end) => match end.state {
                "pending" => ProjectState::Pending,
                "held" => ProjectState::Held,
                "drifted" => ProjectState::Drifted,
                "failed" => ProjectState::Failed,
                _ => ProjectState::InSync,
            },
            Err(failure) if failure.state == "held" => ProjectState::Held,
            Err(_) => ProjectState::Failed,
        };
        match ended {
            Ok(end) if end.state == "failed" => {}
            Ok(end) => {
                self.note.error = None;
                (self.note.passes, self.note.revision) = (false, self.result.revision);
                if end.state != "held" {
                    self.note.failed = None;
                }
                if self.request.rollback.is_some() {
                    self.pin().await;
                }
                if end.is_reported || self.note.published_at.is_none() {
                    self.note.published_at = Some(self.publisher.clock.now().to_string());
                }
            }
            Err(failure) => {
                self.note.error = Some(failure.error.clone());
                self.note.passes = failure.passes && failure.kind != FailureKind::Cancelled;
            }
        }
        self.save_note().await;
    }

    /// From now on the keys that etcd has do not count, until one of them changes.
    async fn pin(&mut self) {
        let Publisher { connection, options, .. } = self.publisher;
        if let Ok(project) = EtcdProject::read(&connection.client, &self.keys, options.max_total).await {
            let publication = self.request.rollback.clone().unwrap_or_default();
            self.note.pinned = Some(project.fingerprint());
            self.note.state = ProjectState::Held;
            self.note.error = Some(format!(
                "publication {publication} was restored; it stays until a key changes or somebody publishes"
            ));
        }
    }

    async fn save_note(&self) {
        let Ok(opened) = self.publisher.ledgers.open().await else { return };
        let (name, note) = (id(&self.keys), self.note.value());
        let saved = blocking(move || {
            let mut ledger = opened.folder.project(&name)?;
            if ledger.data().note == note { Ok(()) } else { ledger.set_note(note) }
        });
        if let Err(error) = saved.await {
            tracing::warn!(project = id(&self.keys), %error, "the status of a project cannot be kept");
        }
    }
}
