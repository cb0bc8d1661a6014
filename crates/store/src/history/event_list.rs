//! Lists of events: which there were, and how many jobs each created.

use herald_core::activation::Name;
use herald_core::journal::Decision;
use jiff::Timestamp;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};

use super::column::name;
use super::job_times::least_id;
use crate::journal::entry::{millis, time};

/// The most entries of one page.
const MOST: usize = 1000;

/// Which events, newest first.
#[derive(Debug, Clone, Default)]
pub struct EventQuery {
    /// Only of this trigger.
    pub trigger: Option<String>,
    /// Only those that created a job of this router.
    pub router: Option<String>,
    /// Only those that created no job.
    pub unmatched: bool,
    /// Only those accepted at this time or later.
    pub since: Option<Timestamp>,
    /// Only those accepted before this time.
    pub until: Option<Timestamp>,
    /// Where the page before ended: its `next_cursor`.
    pub cursor: Option<String>,
    /// How many at most; at least 1.
    pub limit: usize,
}

/// An event in a list.
#[derive(Debug, Clone, PartialEq)]
pub struct EventSummaryView {
    /// The event's id.
    pub id: Name,
    /// Trigger name.
    pub trigger: Name,
    /// How many jobs came before it in its chain; 0 for one from outside.
    pub chain_depth: u32,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// When every selector had answered; `None` before.
    pub routed_at: Option<Timestamp>,
    /// The routers of the jobs that it created.
    pub routers: Vec<Name>,
}

impl EventSummaryView {
    /// Whether it is asked for, wherever pages begin.
    pub(super) fn is_wanted(&self, query: &EventQuery) -> bool {
        query.trigger.as_ref().is_none_or(|trigger| *trigger == *self.trigger)
            && query.router.as_ref().is_none_or(|router| self.routers.iter().any(|name| **name == **router))
            && !(query.unmatched && (self.routed_at.is_none() || !self.routers.is_empty()))
            && query.since.is_none_or(|since| self.accepted_at >= since)
            && query.until.is_none_or(|until| self.accepted_at < until)
    }
}

/// The routers of the jobs among these decisions.
pub(super) fn routers_of(decisions: &[Decision]) -> Vec<Name> {
    let matched = decisions.iter().filter(|decision| decision.job_id.is_some());
    let mut routers: Vec<Name> = matched.map(|decision| decision.router.clone()).collect();
    routers.dedup();
    routers
}

/// A page of events, newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct EventPage {
    /// The events.
    pub events: Vec<EventSummaryView>,
    /// Where the next page begins; `None` on the last one.
    pub next_cursor: Option<Name>,
}

impl EventPage {
    /// Of one event more than asked for, where there are more.
    pub(super) fn of(mut events: Vec<EventSummaryView>, limit: usize) -> Self {
        let more = events.len() > limit;
        events.truncate(limit);
        let next_cursor = events.last().filter(|_| more).map(|last| last.id.clone());
        Self { events, next_cursor }
    }
}

/// A page out of the file.
pub(super) fn events(connection: &Connection, query: &EventQuery) -> rusqlite::Result<EventPage> {
    let limit = query.limit.clamp(1, MOST);
    let (mut conditions, mut values) = (Vec::new(), Vec::new());
    // Where few events are wanted, nothing older than the range is read in search of more.
    let least = query.since.map(least_id);
    let router = "EXISTS (SELECT 1 FROM jobs WHERE jobs.event_id = events.id AND jobs.router = ?)";
    let texts = [
        ("trigger_name = ?", &query.trigger),
        (router, &query.router),
        ("id < ?", &query.cursor),
        ("id >= ?", &least),
    ];
    for (condition, text) in texts {
        if let Some(text) = text {
            conditions.push(condition);
            values.push(Sql::Text(text.clone()));
        }
    }
    if query.unmatched {
        conditions.push(
            "routed_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM jobs WHERE jobs.event_id = events.id)",
        );
    }
    for (condition, at) in [("accepted_at >= ?", query.since), ("accepted_at < ?", query.until)] {
        if let Some(at) = at {
            conditions.push(condition);
            values.push(Sql::Integer(millis(at)));
        }
    }
    let filter =
        if conditions.is_empty() { String::new() } else { format!("WHERE {}", conditions.join(" AND ")) };
    let sql = format!(
        "SELECT id, trigger_name, depth, accepted_at, routed_at, decisions FROM events {filter} ORDER BY id DESC LIMIT {}",
        limit + 1
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params_from_iter(values), |row| {
        let decisions: Option<String> = row.get(5)?;
        let decisions: Vec<Decision> =
            decisions.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        Ok(EventSummaryView {
            id: name(row, 0)?,
            trigger: name(row, 1)?,
            chain_depth: row.get(2)?,
            accepted_at: time(row.get(3)?),
            routed_at: row.get::<_, Option<i64>>(4)?.map(time),
            routers: routers_of(&decisions),
        })
    })?;
    Ok(EventPage::of(rows.collect::<Result<Vec<_>, _>>()?, limit))
}

#[cfg(test)]
mod tests {
    use herald_core::journal::Journal;
    use serde_json::json;

    use super::*;
    use crate::history::{History, MemoryHistory};
    use crate::store::tests::{accepted, append, at, id, open_for_ever, plan, queued, routed};

    #[tokio::test]
    async fn both_histories_list_the_same_events() {
        let folder = tempfile::tempdir().unwrap();
        let plan = plan("s3cret-s3cret");
        let (store, memory) = (open_for_ever(folder.path()), MemoryHistory::default());
        let records = vec![
            accepted(&plan, 1, json!({})),
            queued(&plan, 1, 10),
            routed(1, Some(id(10))),
            accepted(&plan, 2, json!({})),
            routed(2, None),
            accepted(&plan, 3, json!({})),
        ];
        append(&store, &records).await.unwrap();
        memory.append(&records.into()).await.unwrap();
        let all = EventQuery { limit: 10, ..EventQuery::default() };
        for (query, expected, more) in [
            (all.clone(), vec![3, 2, 1], false),
            (EventQuery { unmatched: true, ..all.clone() }, vec![2], false),
            (EventQuery { router: Some("r".to_owned()), ..all.clone() }, vec![1], false),
            (EventQuery { router: Some("x".to_owned()), ..all.clone() }, vec![], false),
            (EventQuery { trigger: Some("nobody".to_owned()), ..all.clone() }, vec![], false),
            (EventQuery { limit: 2, ..all.clone() }, vec![3, 2], true),
            (EventQuery { cursor: Some(id(2).to_string()), ..all.clone() }, vec![1], false),
            (EventQuery { until: Some(at(-1)), ..all.clone() }, vec![], false),
            (EventQuery { since: Some(at(-1)), ..all }, vec![3, 2, 1], false),
        ] {
            let (on_disk, in_memory) =
                (store.events(query.clone()).await.unwrap(), memory.events(query.clone()).await.unwrap());
            assert_eq!(on_disk, in_memory, "{query:?}");
            let found: Vec<Name> = on_disk.events.iter().map(|event| event.id.clone()).collect();
            assert_eq!(found, expected.into_iter().map(id).collect::<Vec<_>>(), "{query:?}");
            assert_eq!(on_disk.next_cursor.is_some(), more, "{query:?}");
        }
    }
}
