//! The audit: which entries are asked for, and how they are shown.

use herald_control::model::{AuditResource, Page};
use herald_core::activation::Name;
use herald_store::audit::{AuditEntry, AuditPage, AuditQuery};
use serde::Deserialize;
use utoipa::IntoParams;

/// Entries of a page, unless asked otherwise, and at most.
const PAGE: usize = 50;
const LARGEST_PAGE: usize = 1000;

/// Which entries of the audit are listed, as people and programs ask for it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditParams {
    /// Only entries before this one: the `next_cursor` of the page before.
    #[param(pattern = "^[0-9]{1,18}$")]
    before: Option<String>,
    /// Only what this user did.
    #[param(max_length = 200)]
    user: Option<String>,
    /// Only this act: `cancel`, say.
    #[param(max_length = 50)]
    act: Option<String>,
    /// Maximum number of entries: 1 to 1000, by default 50.
    #[param(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// What is wrong with a question for the audit.
#[derive(Debug, thiserror::Error)]
pub enum AuditParamsError {
    /// So many are not given.
    #[error("limit: expected a number from 1 to {LARGEST_PAGE}")]
    Limit,
    /// It is not the number of an entry.
    #[error("before: expected the next_cursor of an earlier page")]
    Before,
}

impl AuditParams {
    /// What the audit is asked for.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(self) -> Result<AuditQuery, AuditParamsError> {
        let limit = self.limit.unwrap_or(PAGE);
        if !(1..=LARGEST_PAGE).contains(&limit) {
            return Err(AuditParamsError::Limit);
        }
        let before = self.before.map(|before| before.parse::<u64>()).transpose();
        let before = before.map_err(|_| AuditParamsError::Before)?;
        Ok(AuditQuery { before, user: self.user, act: self.act, limit })
    }
}

/// A page of entries.
#[must_use]
pub fn page(page: AuditPage) -> Page<AuditResource> {
    let next_cursor = page.next.map(|next| next.to_string());
    Page { items: page.entries.into_iter().map(resource).collect(), next_cursor }
}

fn resource(AuditEntry { id, record }: AuditEntry) -> AuditResource {
    let text = |name: Name| name.to_string();
    let outcome = match (&record.refused, &record.failed) {
        (Some(_), _) => "refused",
        (None, Some(_)) => "failed",
        (None, None) => "accepted",
    };
    AuditResource {
        id: id.to_string(),
        at: record.at.to_string(),
        user: record.actor.user.map(text),
        via: text(record.actor.via),
        address: record.actor.address.map(text),
        act: record.act,
        target: record.target,
        outcome: outcome.to_owned(),
        error: record.refused.or(record.failed),
        reason: record.actor.reason.map(text),
    }
}
