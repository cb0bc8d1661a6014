//! Who or what caused an event, a job or an act.

use serde_json::Value;

use crate::event::name::Name;
use crate::value::param::Params;
use crate::value::secret::Mask;

/// Who or what caused an event, a job or an act. Shared, since a chain of jobs inherits it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The name of the person or of the account.
    pub user: Option<Name>,
    /// The way it came: `cli`, `api`, `token`, `password`, `jwt`, `proxy`, or the name of the trigger.
    pub via: Name,
    /// The network address it came from.
    pub address: Option<Name>,
    /// Why, in the person's own words.
    pub reason: Option<Name>,
}

impl Actor {
    /// Somebody of whom only the way is known.
    #[must_use]
    pub fn via(via: Name) -> Self {
        Self { user: None, via, address: None, reason: None }
    }

    /// The same with its secrets hidden.
    #[must_use]
    pub fn masked(&self, mask: &Mask) -> Self {
        let text = |text: &Option<Name>| text.as_ref().map(|text| mask.text(text).into());
        Self {
            user: text(&self.user),
            via: self.via.clone(),
            address: text(&self.address),
            reason: text(&self.reason),
        }
    }

    /// As a JSON object with `user`, `via`, `address` and `reason`, null where nothing is known, secrets hidden.
    #[must_use]
    pub fn params(&self, mask: &Mask) -> Params {
        let Self { user, via, address, reason } = self.masked(mask);
        let entries = [("user", user), ("via", Some(via)), ("address", address), ("reason", reason)];
        let value = |text: Option<Name>| text.map_or(Value::Null, |text| Value::from(&*text));
        entries.into_iter().map(|(key, text)| (key.to_owned(), value(text))).collect()
    }
}
