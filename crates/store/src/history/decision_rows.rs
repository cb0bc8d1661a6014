//! What selectors said of an event, as the history keeps it.

use herald_core::journal::SelectorResult;
use serde::Serialize;

use super::id_text::IdText;
use crate::journal::entry::Decided;

/// A decision as the history keeps it, and as a [`herald_core::journal::Decision`] is read of it.
#[derive(Serialize)]
struct DecisionRow<'a> {
    router: &'a str,
    task: &'a str,
    selector: &'a str,
    #[serde(rename = "answer")]
    said: SelectorResult,
    why: &'a str,
    job_id: Option<IdText>,
}

impl<'a> DecisionRow<'a> {
    fn of(decided: &'a Decided<'_>) -> Self {
        Self {
            router: &decided.router,
            task: &decided.task,
            selector: &decided.selector,
            said: decided.said,
            why: &decided.why,
            job_id: decided.job.map(IdText::of),
        }
    }
}

/// Decisions as the history keeps them.
pub(super) fn decisions_json(decisions: &[Decided<'_>]) -> String {
    let list: Vec<DecisionRow<'_>> = decisions.iter().map(DecisionRow::of).collect();
    // Texts and lists: never fails.
    serde_json::to_string(&list).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use herald_core::journal::Decision;

    use super::*;

    #[test]
    fn decisions_are_read_as_they_were_made() {
        let decided = |job| Decided {
            router: "r".into(),
            task: "t".into(),
            selector: "match_map".into(),
            said: if job { SelectorResult::Match } else { SelectorResult::NoMatch },
            why: "a \"b\"".into(),
            job: job.then_some([7; 16]),
        };
        let read: Vec<Decision> =
            serde_json::from_str(&decisions_json(&[decided(true), decided(false)])).unwrap();
        let expected = |job| Decision {
            router: "r".into(),
            task: "t".into(),
            selector: "match_map".into(),
            said: if job { SelectorResult::Match } else { SelectorResult::NoMatch },
            why: "a \"b\"".into(),
            job_id: job.then(|| "07070707-0707-0707-0707-070707070707".into()),
        };
        assert_eq!(read, [expected(true), expected(false)]);
    }
}
