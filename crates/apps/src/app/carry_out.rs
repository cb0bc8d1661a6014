//! Carries out deployments of an application, one at a time.

use std::sync::{Arc, PoisonError};

use herald_base::output::{NoOutput, Output, Stream};
use herald_base::stop::Stop;
use tokio::sync::MutexGuard;

use super::application::App;
use super::parts::{AppError, AppParts};
use crate::book::{BookError, DeploymentRecord};
use crate::deployment::gate::DeploymentRefusal;
use crate::deployment::plan::AppPlan;
use crate::deployment::progress::{DeploymentProgress, ProgressFile};
use crate::deployment::request::DeploymentRequest;
use crate::deployment::run::Deployment;

/// How long the repository may take when somebody waits for a plan.
const LONGEST_PLAN: std::time::Duration = std::time::Duration::from_secs(120);

/// Why a deployment does not get its turn.
#[derive(Debug, thiserror::Error)]
enum TurnError {
    #[error(transparent)]
    Busy(DeploymentRefusal),
    #[error("cancelled")]
    Cancelled,
}

/// What the application is busy with; nothing once it is dropped.
struct Busy<'a>(&'a App);

impl<'a> Busy<'a> {
    fn with(app: &'a App, id: String) -> Self {
        *app.memory.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
        Self(app)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        *self.0.memory.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl App {
    /// Carries out a deployment, when those before it have ended; or goes on with it where an earlier process was
    /// killed. A deployment that is recorded already is not carried out again.
    ///
    /// # Errors
    /// When what is to be kept of it cannot be read or written.
    pub async fn deploy(
        &self,
        request: DeploymentRequest,
        stop: Stop,
        output: Arc<dyn Output>,
    ) -> Result<DeploymentRecord, BookError> {
        let parts = self.parts().await?;
        if let Some(record) = parts.book.now().deployment(&request.id()) {
            return Ok(record.clone());
        }
        let turn = match self.memory.turn.try_lock() {
            Ok(turn) => Ok(turn),
            Err(_) => self.wait_for_turn(&request, &stop, &*output).await,
        };
        let _turn = match turn {
            Ok(turn) => turn,
            // An earlier process began it: it has to be undone, and not only to be recorded.
            Err(TurnError::Cancelled) if self.is_begun(&parts, &request.id()).await? => {
                self.memory.turn.lock().await
            }
            Err(why) => return self.not_begun(&parts, request, why.to_string(), stop.is_asked()).await,
        };
        // Meanwhile somebody else may have seen to the end what an earlier process began.
        if let Some(record) = parts.book.now().deployment(&request.id()) {
            return Ok(record.clone());
        }
        let progress = self.left_over(&parts, &request.id()).await?;
        let _busy = Busy::with(self, request.id());
        let progress = progress.unwrap_or_else(|| DeploymentProgress::new(request, self.clock.now()));
        let record = Deployment::new(&parts, progress, stop, output).run().await?;
        self.note_seen(&parts.book.now(), &record);
        Ok(record)
    }

    /// Waits for the deployments before this one.
    async fn wait_for_turn(
        &self,
        request: &DeploymentRequest,
        stop: &Stop,
        output: &dyn Output,
    ) -> Result<MutexGuard<'_, ()>, TurnError> {
        // Without another deployment somebody only looks at the nodes, which is soon over.
        if let Some(id) = self.memory.running() {
            let app = self.settings.name.clone();
            if request.fail_if_busy {
                return Err(TurnError::Busy(DeploymentRefusal::Busy { app, id }));
            }
            let line = format!("waiting: another deployment of {app} is under way ({id})\n");
            output.write(Stream::Stdout, line.as_bytes()).await;
        }
        tokio::select! {
            turn = self.memory.turn.lock() => Ok(turn),
            () = stop.asked() => Err(TurnError::Cancelled),
        }
    }

    /// Whether an earlier process began this deployment.
    async fn is_begun(&self, parts: &AppParts, id: &str) -> Result<bool, BookError> {
        let Some(file) = parts.book.progress_file() else { return Ok(false) };
        let read = tokio::task::spawn_blocking(move || ProgressFile::read(&file)).await;
        Ok(read.unwrap_or(Ok(None))?.is_some_and(|progress| progress.request.id() == id))
    }

    /// The progress of this deployment, where an earlier process began it. One of another deployment is seen to its end
    /// first.
    async fn left_over(&self, parts: &AppParts, id: &str) -> Result<Option<DeploymentProgress>, BookError> {
        let Some(file) = parts.book.progress_file() else { return Ok(None) };
        let read = tokio::task::spawn_blocking(move || ProgressFile::read(&file)).await;
        let Some(progress) = read.unwrap_or(Ok(None))? else { return Ok(None) };
        if parts.book.now().deployment(&progress.request.id()).is_some() {
            // It was recorded, and the process was killed before the file was removed.
            ProgressFile::new(parts.book.progress_file(), progress).remove().await;
            return Ok(None);
        }
        if progress.request.id() == id {
            return Ok(Some(progress));
        }
        let _busy = Busy::with(self, progress.request.id());
        Deployment::new(parts, progress, Stop::new(), Arc::new(NoOutput)).run().await?;
        Ok(None)
    }

    /// Goes on with a deployment of which an earlier process left nothing but its file, where no job does.
    ///
    /// # Errors
    /// As [`Self::deploy`].
    pub async fn finish_left_over(&self) -> Result<(), BookError> {
        let parts = self.parts().await?;
        let Ok(_turn) = self.memory.turn.try_lock() else { return Ok(()) };
        self.left_over(&parts, "").await.map(drop)
    }

    /// Records a deployment that was not begun.
    async fn not_begun(
        &self,
        parts: &AppParts,
        request: DeploymentRequest,
        why: String,
        is_cancelled: bool,
    ) -> Result<DeploymentRecord, BookError> {
        let progress = DeploymentProgress::new(request, self.clock.now()).given_up(why, is_cancelled);
        Deployment::unkept(parts, progress).run().await
    }

    /// What a deployment would do; nothing is changed.
    ///
    /// # Errors
    /// When the revision cannot be found out, or it is not known what is live.
    pub async fn plan(&self, request: &DeploymentRequest, stop: &Stop) -> Result<AppPlan, AppError> {
        let parts = self.parts().await?;
        // One at a time: each lets all nodes work.
        let _plan = self.memory.planning.lock().await;
        parts.plan(request, LONGEST_PLAN.min(self.settings.timeout), stop).await
    }

    /// The exact revision that this request means now, unless something speaks against it.
    ///
    /// # Errors
    /// What speaks against it; or the revision cannot be found out.
    pub async fn accepts(
        &self,
        request: &DeploymentRequest,
        within: std::time::Duration,
    ) -> Result<String, AppError> {
        let parts = self.parts().await?;
        parts.accepts(request)?;
        if request.fail_if_busy
            && let Some(id) = self.memory.running()
        {
            return Err(DeploymentRefusal::Busy { app: self.settings.name.clone(), id }.into());
        }
        parts.resolve(request, within, &Stop::new()).await
    }
}
