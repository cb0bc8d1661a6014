//! The messages that a worker has: their leases are renewed, and what is lost is noticed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, watch};

use crate::hold_answer::HoldAnswer;
use crate::queue::DeliveryToken;

/// What happened to a message that a worker has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) enum HeldState {
    /// It is the worker's.
    #[default]
    Ours,
    /// Another worker has it now: its node, where that is known.
    Lost(Option<String>),
}

/// A message that a worker has.
pub(super) struct HeldMessage {
    state: watch::Sender<HeldState>,
    started: std::sync::atomic::AtomicBool,
}

impl HeldMessage {
    /// Waits until another worker has it: its node, where that is known.
    pub(super) async fn lost(&self) -> Option<String> {
        let mut state = self.state.subscribe();
        loop {
            if let HeldState::Lost(owner) = &*state.borrow_and_update() {
                return owner.clone();
            }
            // Its sender is in `self`, so it does not fail.
            let _ = state.changed().await;
        }
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct HeldMessages {
    all: Mutex<HashMap<DeliveryToken, Arc<HeldMessage>>>,
    changed: Notify,
}

impl HeldMessages {
    /// From now on this one is renewed.
    pub(super) fn hold(&self, token: &DeliveryToken) -> Arc<HeldMessage> {
        let held = Arc::new(HeldMessage { state: watch::Sender::default(), started: false.into() });
        self.all().insert(token.clone(), held.clone());
        held
    }

    /// It ended, or was given back.
    pub(super) fn forget(&self, token: &DeliveryToken) {
        self.all().remove(token);
        self.changed.notify_waiters();
    }

    /// It is recorded and runs: it is not given back any more.
    pub(super) fn started(&self, held: &HeldMessage) {
        held.started.store(true, std::sync::atomic::Ordering::SeqCst);
        self.changed.notify_waiters();
    }

    /// Waits until all that are left have started.
    pub(super) async fn until_started(&self) {
        let is_started = |held: &HeldMessage| held.started.load(std::sync::atomic::Ordering::SeqCst);
        self.until(|all| all.values().all(|held| is_started(held))).await;
    }

    /// Waits until none is left.
    pub(super) async fn until_none(&self) {
        self.until(HashMap::is_empty).await;
    }

    async fn until(&self, is_so: impl Fn(&HashMap<DeliveryToken, Arc<HeldMessage>>) -> bool) {
        loop {
            let changed = self.changed.notified();
            if is_so(&self.all()) {
                return;
            }
            changed.await;
        }
    }

    pub(super) fn tokens(&self) -> Vec<DeliveryToken> {
        self.all().keys().cloned().collect()
    }

    pub(super) fn answered(&self, token: &DeliveryToken, answer: HoldAnswer) {
        if let HoldAnswer::Lost { owner } = answer
            && let Some(held) = self.all().get(token)
        {
            held.state.send_replace(HeldState::Lost(owner));
        }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<DeliveryToken, Arc<HeldMessage>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
