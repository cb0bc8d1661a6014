//! Records as they are stored: secrets hidden, sealed or left out.

use herald_core::journal::{Decision, Record, Said};
use herald_core::lifecycle::Verdict;
use herald_core::param::Params;
use herald_core::secret::Mask;
use jiff::Timestamp;
use serde_json::Value;

use super::seal::Seal;
use crate::model;

/// Milliseconds since 1970.
pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// Parameters as JSON with secrets hidden, and sealed as they are when something was hidden.
pub(super) fn hidden(params: &Params, mask: &Mask, seal: &Seal) -> (String, Option<Vec<u8>>) {
    let masked = mask.params(params);
    let sealed = (masked != *params).then(|| seal.seal(&Value::Object(params.clone()).to_string())).flatten();
    (Value::Object(masked).to_string(), sealed)
}

/// Parameters as JSON with secrets hidden.
pub(super) fn masked(params: &Params, mask: &Mask) -> String {
    Value::Object(mask.params(params)).to_string()
}

/// What a verdict gave, as JSON; it is masked already.
pub(super) fn result(verdict: &Verdict) -> String {
    Value::Object(verdict.result.clone()).to_string()
}

/// Decisions as JSON.
pub(super) fn decisions(decisions: &[Decision]) -> String {
    let list: Vec<model::Decision> = decisions
        .iter()
        .map(|decision| model::Decision {
            router: decision.router.to_string(),
            task: decision.task.to_string(),
            selector: decision.selector.to_string(),
            answer: match decision.said {
                Said::Yes => "yes",
                Said::No => "no",
                Said::Error => "error",
            }
            .to_owned(),
            why: decision.why.to_string(),
            job_id: decision.job_id.as_ref().map(ToString::to_string),
        })
        .collect();
    // Texts and lists: never fails.
    serde_json::to_string(&list).unwrap_or_default()
}

/// The records of a batch, each folded with the next one where one statement says both.
pub(super) enum Op<'a> {
    /// A record of its own.
    One(&'a Record),
    /// A job that was queued and started in the same batch: when it started.
    QueuedAndStarted(&'a Record, Timestamp),
}

/// Folds a batch.
pub(super) fn fold(records: &[Record]) -> Vec<Op<'_>> {
    let mut ops: Vec<Op<'_>> = Vec::with_capacity(records.len());
    let mut queued: std::collections::HashMap<&str, usize> = std::collections::HashMap::new();
    for record in records {
        match record {
            Record::Queued { job, .. } => {
                queued.insert(&job.id, ops.len());
                ops.push(Op::One(record));
            }
            Record::Started { job, at } => match queued.remove(&*job.id).and_then(|place| ops.get_mut(place))
            {
                Some(op @ Op::One(_)) => {
                    if let Op::One(first) = op {
                        *op = Op::QueuedAndStarted(first, *at);
                    }
                }
                _ => ops.push(Op::One(record)),
            },
            _ => ops.push(Op::One(record)),
        }
    }
    ops
}
