//! Who or what caused something, as the journal and the history keep it.

use herald_core::activation::Name;
use herald_core::actor::Actor;
use herald_core::secret::Mask;
use serde::{Deserialize, Serialize};

/// Who or what caused something, secrets hidden. The history keeps it as JSON.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StoredActor {
    pub(crate) user: Option<String>,
    pub(crate) via: String,
    pub(crate) address: Option<String>,
    pub(crate) reason: Option<String>,
}

impl StoredActor {
    pub(crate) fn of(actor: &Actor, mask: &Mask) -> Self {
        let text = |text: &Option<Name>| text.as_ref().map(|text| mask.text(text));
        Self {
            user: text(&actor.user),
            via: actor.via.to_string(),
            address: text(&actor.address),
            reason: text(&actor.reason),
        }
    }
}

impl From<StoredActor> for Actor {
    fn from(stored: StoredActor) -> Self {
        let StoredActor { user, via, address, reason } = stored;
        let name = |text: Option<String>| text.map(Name::from);
        Self { user: name(user), via: via.into(), address: name(address), reason: name(reason) }
    }
}
