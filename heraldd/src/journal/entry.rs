//! Records as the log keeps them: secrets hidden, sealed or left out, and no more bytes than needed.
//!
//! The bytes are postcard's. The order of variants and fields is part of the format: a change of either takes a new
//! version of the log ([`super::segment::VERSION`]).

use std::borrow::Cow;

use herald_core::activation::Name;
use herald_core::job::Job;
use herald_core::journal::{Decision, JournalError, Record, SelectorResult};
use herald_core::lifecycle::{Status, Verdict};
use herald_core::param::Params;
use herald_core::position::{Cursor, Position};
use herald_core::secret::Mask;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::packed::Packed;
use super::seal::Seal;

/// A UUID, as its bytes.
pub(super) type Id = [u8; 16];

/// A record. All times are milliseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Entry<'a> {
    Accepted(#[serde(borrow)] Accepted<'a>),
    Routed {
        event: Id,
        #[serde(borrow)]
        decisions: Vec<Decided<'a>>,
        at: i64,
    },
    Queued(#[serde(borrow)] Queued<'a>),
    Started {
        job: Id,
        attempt: u32,
        at: i64,
    },
    AttemptEnded {
        job: Id,
        attempt: u32,
        #[serde(borrow)]
        end: End<'a>,
        retry_at: i64,
        at: i64,
    },
    Ended {
        job: Id,
        #[serde(borrow)]
        end: End<'a>,
        at: i64,
    },
    /// A job was refused, perhaps before it was queued.
    Refused {
        #[serde(borrow)]
        job: Queued<'a>,
        #[serde(borrow)]
        end: End<'a>,
    },
    /// As versions up to 2 wrote it.
    Reached(#[serde(borrow)] Reached<'a>),
    Followed(#[serde(borrow)] Followed<'a>),
}

/// An event that was taken.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Accepted<'a> {
    pub(super) id: Id,
    #[serde(borrow)]
    pub(super) trigger: Cow<'a, str>,
    /// JSON, secrets hidden.
    #[serde(borrow)]
    pub(super) param: Packed<'a>,
    /// The same with its secrets, sealed; `None` when there is none.
    pub(super) sealed: Option<Vec<u8>>,
    pub(super) depth: u32,
    pub(super) key: Option<KeyUntil>,
    /// As versions up to 2 wrote it; since then [`Entry::Followed`] comes next.
    #[serde(borrow)]
    pub(super) due: Option<Reached<'a>>,
    pub(super) at: i64,
}

/// The name that its sender gave an event, and how long it is remembered.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct KeyUntil {
    pub(super) name: String,
    pub(super) until: i64,
}

/// Up to when a calendar was followed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Reached<'a> {
    #[serde(borrow)]
    pub(super) mark: Cow<'a, str>,
    pub(super) at: i64,
}

/// Up to which position a source of events was followed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Followed<'a> {
    #[serde(borrow)]
    pub(super) source: Cow<'a, str>,
    /// The bytes that its trigger chose.
    #[serde(borrow)]
    pub(super) position: Cow<'a, [u8]>,
}

/// A job that exists.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Queued<'a> {
    pub(super) id: Id,
    pub(super) event: Id,
    #[serde(borrow)]
    pub(super) router: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) task: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) trigger: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) selector: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) executor: Cow<'a, str>,
    pub(super) depth: u32,
    /// JSON, secrets hidden.
    #[serde(borrow)]
    pub(super) select_param: Packed<'a>,
    /// JSON, secrets hidden.
    #[serde(borrow)]
    pub(super) job_param: Packed<'a>,
    pub(super) attempt: u32,
    pub(super) at: i64,
}

/// What a selector said.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Decided<'a> {
    #[serde(borrow)]
    pub(super) router: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) task: Cow<'a, str>,
    #[serde(borrow)]
    pub(super) selector: Cow<'a, str>,
    pub(super) said: Answer,
    #[serde(borrow)]
    pub(super) why: Cow<'a, str>,
    pub(super) job: Option<Id>,
}

/// [`SelectorResult`], as it is stored.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) enum Answer {
    Yes,
    No,
    Error,
}

/// How an attempt ended.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct End<'a> {
    #[serde(borrow)]
    pub(super) status: Cow<'a, str>,
    pub(super) error: Option<String>,
    /// JSON, secrets hidden.
    #[serde(borrow)]
    pub(super) result: Packed<'a>,
}

impl<'a> From<Reached<'a>> for Followed<'a> {
    fn from(Reached { mark, at }: Reached<'a>) -> Self {
        let position = Position::of_time(Timestamp::from_millisecond(at).unwrap_or_default());
        Self { source: mark, position: Cow::Owned(position.as_bytes().to_vec()) }
    }
}

/// Milliseconds since 1970.
pub(super) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A batch as bytes.
pub(super) fn encode(records: &[Record], seal: &Seal, into: Vec<u8>) -> Result<Vec<u8>, JournalError> {
    records.iter().try_fold(into, |bytes, record| {
        let bytes = write(&Entry::of(record, seal)?, bytes)?;
        match record {
            Record::Accepted { cursor: Some(cursor), .. } => write(&Entry::followed(cursor), bytes),
            _ => Ok(bytes),
        }
    })
}

fn write(entry: &Entry<'_>, into: Vec<u8>) -> Result<Vec<u8>, JournalError> {
    postcard::to_extend(entry, into).map_err(|error| JournalError(format!("a record: {error}")))
}

/// The entries of a batch.
pub(super) fn decode<'a>(mut bytes: &'a [u8], into: &mut Vec<Entry<'a>>) -> Result<(), String> {
    while !bytes.is_empty() {
        let (entry, rest) = postcard::take_from_bytes(bytes).map_err(|error| error.to_string())?;
        into.push(entry);
        bytes = rest;
    }
    Ok(())
}

impl<'a> Entry<'a> {
    fn of(record: &'a Record, seal: &Seal) -> Result<Self, JournalError> {
        Ok(match record {
            Record::Accepted { .. } => Self::Accepted(accepted(record, seal)?),
            Record::Routed { event_id, decisions, at } => Self::Routed {
                event: id(event_id)?,
                decisions: decisions.iter().map(decided).collect::<Result<_, _>>()?,
                at: millis(*at),
            },
            Record::Queued { job, mask, at } => Self::Queued(queued(job, mask, *at)?),
            Record::Started { job, at } => {
                Self::Started { job: id(&job.id)?, attempt: job.attempt, at: millis(*at) }
            }
            Record::AttemptEnded { job, verdict, retry_at, at } => Self::AttemptEnded {
                job: id(&job.id)?,
                attempt: job.attempt,
                end: end(verdict),
                retry_at: millis(*retry_at),
                at: millis(*at),
            },
            Record::Ended { job, mask, verdict, at } if verdict.status == Status::Rejected => {
                Self::Refused { job: queued(job, mask, *at)?, end: end(verdict) }
            }
            Record::Ended { job, verdict, at, .. } => {
                Self::Ended { job: id(&job.id)?, end: end(verdict), at: millis(*at) }
            }
            Record::Reached(cursor) => Self::followed(cursor),
        })
    }

    fn followed(cursor: &'a Cursor) -> Self {
        let (source, position) = (Cow::Borrowed(&*cursor.source), Cow::Borrowed(cursor.position.as_bytes()));
        Self::Followed(Followed { source, position })
    }
}

/// All ids that Herald makes are UUIDs.
fn id(name: &Name) -> Result<Id, JournalError> {
    let id = Uuid::try_parse(name).map_err(|error| JournalError(format!("the id \"{name}\": {error}")))?;
    Ok(id.into_bytes())
}

fn accepted<'a>(record: &'a Record, seal: &Seal) -> Result<Accepted<'a>, JournalError> {
    let Record::Accepted { activation, mask, key, at, .. } = record else {
        return Err(JournalError("no event".to_owned()));
    };
    let whole = &*activation.trigger_param;
    // Most events hold no secret: then nothing is copied.
    let (param, sealed) = if let Some(open) = whole.open_json(mask) {
        (Packed::pack(open), None)
    } else {
        let sealed = seal.seal(&json(whole));
        let sealed =
            sealed.ok_or_else(|| JournalError("there are no random numbers to seal with".to_owned()))?;
        (Packed::pack(json(&mask.params(whole))), Some(sealed))
    };
    let until = |window: std::time::Duration| {
        millis(*at).saturating_add(i64::try_from(window.as_millis()).unwrap_or(i64::MAX))
    };
    Ok(Accepted {
        id: id(&activation.event_id)?,
        trigger: Cow::Borrowed(&activation.trigger),
        param,
        sealed,
        depth: activation.chain_depth,
        key: key.as_ref().map(|key| KeyUntil { name: key.name.to_string(), until: until(key.window) }),
        due: None,
        at: millis(*at),
    })
}

fn queued<'a>(job: &'a Job, mask: &Mask, at: Timestamp) -> Result<Queued<'a>, JournalError> {
    Ok(Queued {
        id: id(&job.id)?,
        event: id(&job.trigger_id)?,
        router: Cow::Borrowed(&job.router),
        task: Cow::Borrowed(&job.task),
        trigger: Cow::Borrowed(&job.trigger),
        selector: Cow::Borrowed(&job.selector),
        executor: Cow::Borrowed(&job.executor),
        depth: job.chain_depth,
        select_param: masked(&job.select_param, mask),
        job_param: masked(&job.job_param, mask),
        attempt: job.attempt,
        at: millis(at),
    })
}

fn decided(decision: &Decision) -> Result<Decided<'_>, JournalError> {
    Ok(Decided {
        router: Cow::Borrowed(&decision.router),
        task: Cow::Borrowed(&decision.task),
        selector: Cow::Borrowed(&decision.selector),
        said: match decision.said {
            SelectorResult::Match => Answer::Yes,
            SelectorResult::NoMatch => Answer::No,
            SelectorResult::Error => Answer::Error,
        },
        why: Cow::Borrowed(&decision.why),
        job: decision.job_id.as_ref().map(id).transpose()?,
    })
}

/// A verdict is masked already.
fn end(verdict: &Verdict) -> End<'_> {
    let result = &verdict.result;
    End {
        status: Cow::Borrowed(verdict.status.as_str()),
        error: verdict.error.clone(),
        result: if result.is_empty() { NOTHING } else { Packed::pack(json(result)) },
    }
}

fn masked<'a>(params: &Params, mask: &Mask) -> Packed<'a> {
    if params.is_empty() {
        NOTHING
    } else if mask.hides_nothing_in(params) {
        Packed::pack(json(params))
    } else {
        Packed::pack(json(&mask.params(params)))
    }
}

/// No parameters.
const NOTHING: Packed<'static> = Packed::short("{}");

fn json(params: &Params) -> String {
    // Texts, numbers, lists and maps: never fails.
    serde_json::to_string(params).unwrap_or_else(|_| "{}".to_owned())
}
