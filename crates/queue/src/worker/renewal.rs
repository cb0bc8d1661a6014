//! Renews the leases of a worker.

use std::sync::Arc;

use super::worker_state::WorkerState;

/// Renews all leases at a third of their time, until the worker is over.
pub(super) async fn renew(shared: Arc<WorkerState>) {
    let every = shared.settings.consumer.lease / 3;
    loop {
        let wait = tokio::time::sleep(every);
        if shared.closed.run_until_cancelled(wait).await.is_none() {
            return;
        }
        let tokens = shared.held.tokens();
        if tokens.is_empty() {
            continue;
        }
        match shared.closed.run_until_cancelled(shared.consumer.renew(&tokens)).await {
            None => return,
            Some(Ok(answers)) => {
                tokens.iter().zip(answers).for_each(|(token, answer)| shared.held.answered(token, answer));
            }
            // When the queue is there again, the answers say what was lost meanwhile.
            Some(Err(error)) => tracing::debug!("leases could not be renewed: {error}"),
        }
    }
}
