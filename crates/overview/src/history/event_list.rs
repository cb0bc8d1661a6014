//! The list of events: what it is asked for.

use herald_store::history::EventQuery;
use jiff::Timestamp;
use serde::Deserialize;
use utoipa::IntoParams;

use super::job_list::{ListQueryError, read_limit};
use crate::time_range::{read_time, time_or_ago};

/// Which events are listed, as people and programs ask for it.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EventsQuery {
    /// Only events of this trigger.
    pub trigger: Option<String>,
    /// Only events that created a job of this router.
    pub router: Option<String>,
    /// Only events that matched no router.
    #[serde(default)]
    #[param(required = false)]
    pub unmatched: bool,
    /// Only events accepted after this time (RFC 3339), or within this long (`90m`, `2d`).
    #[param(schema_with = time_or_ago)]
    pub since: Option<String>,
    /// Only events accepted before this time (RFC 3339), or longer ago than this (`90m`, `2d`).
    #[param(schema_with = time_or_ago)]
    pub until: Option<String>,
    /// Continue after this cursor: the `next_cursor` of the page before.
    #[param(pattern = "^[0-9a-fA-F-]{36}$")]
    pub cursor: Option<String>,
    /// Maximum number of entries: 1 to 1000, by default 50.
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<usize>,
}

impl EventsQuery {
    /// What the history is asked for.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(self, now: Timestamp) -> Result<EventQuery, ListQueryError> {
        let limit = read_limit(self.limit)?;
        let time = |name, given: Option<String>| given.map(|given| read_time(name, &given, now)).transpose();
        let (since, until) = (time("since", self.since)?, time("until", self.until)?);
        let Self { trigger, router, unmatched, cursor, .. } = self;
        Ok(EventQuery { trigger, router, unmatched, since, until, cursor, limit })
    }
}
