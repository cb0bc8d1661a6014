//! Holds, and what is to be announced.

use jiff::{SignedDuration, Timestamp};

use super::application::App;
use crate::book::{BookError, DeploymentRecord, Hold};

impl App {
    /// Holds it: nothing is deployed until somebody ends the hold, or this time is over. It takes the place of another
    /// hold.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn hold(
        &self,
        by: &str,
        reason: &str,
        lasting: Option<std::time::Duration>,
    ) -> Result<Hold, BookError> {
        let since = self.clock.now();
        let until = lasting.map(|lasting| {
            let lasting = SignedDuration::try_from(lasting).unwrap_or(SignedDuration::MAX);
            since.checked_add(lasting).unwrap_or(Timestamp::MAX)
        });
        let hold = Hold { reason: reason.to_owned(), by: by.to_owned(), since, until };
        let kept = hold.clone();
        self.memory.book().await?.change(move |book| book.hold = Some(kept)).await?;
        Ok(hold)
    }

    /// Ends a hold; gives the one that was.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn unhold(&self) -> Result<Option<Hold>, BookError> {
        self.memory.book().await?.change(|book| book.hold.take()).await
    }

    /// Whether a node answers now.
    pub async fn is_reachable(&self, node: &str) -> bool {
        self.steps.is_reachable(node).await
    }

    /// Whether a deployment is under way.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.memory.running().is_some()
    }

    /// The deployments for which `deployed` was not fired yet, the oldest first.
    ///
    /// # Errors
    /// When it is not known.
    pub async fn unannounced(&self) -> Result<Vec<DeploymentRecord>, BookError> {
        let book = self.book().await?;
        Ok(book.unannounced.iter().filter_map(|id| book.deployment(id).cloned()).collect())
    }

    /// `deployed` was fired for this deployment.
    ///
    /// # Errors
    /// When it cannot be written.
    pub async fn announced(&self, id: &str) -> Result<(), BookError> {
        let id = id.to_owned();
        self.memory.book().await?.change(move |book| book.unannounced.retain(|other| *other != id)).await
    }
}
