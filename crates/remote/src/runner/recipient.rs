//! Which runner is at an address: signed requests name it, so that no other runner with the same secret accepts them.

use std::sync::{Mutex, PoisonError};

use herald_wire::runner_id::RunnerId;

/// The runner that requests are for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Recipient {
    /// It was not asked yet.
    #[default]
    Unknown,
    /// It speaks version 2.0 and has no id.
    Unbound,
    /// The one with this id.
    Runner(RunnerId),
}

impl Recipient {
    /// What a runner says of itself in a signed answer.
    pub(super) fn of(id: Option<RunnerId>) -> Self {
        id.map_or(Self::Unbound, Self::Runner)
    }

    /// For a request.
    pub(super) fn id(&self) -> Option<&RunnerId> {
        match self {
            Self::Runner(id) => Some(id),
            Self::Unknown | Self::Unbound => None,
        }
    }
}

/// The recipient as far as it is known, for all requests to one address.
#[derive(Debug, Default)]
pub(super) struct KnownRecipient(Mutex<Recipient>);

impl KnownRecipient {
    pub(super) fn get(&self) -> Recipient {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Keeps it. Whether another runner was known before.
    pub(super) fn learn(&self, recipient: &Recipient) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *known, recipient.clone());
        before != Recipient::Unknown && before != *recipient
    }
}
