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

use super::appended::Appended;
use super::packed::Packed;
use super::seal::Seal;
use super::status_word;
use super::stored_actor::StoredActor;

/// A UUID, as its bytes.
pub(crate) type Id = [u8; 16];

/// A record. All times are milliseconds since 1970.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum JournalEntry<'a> {
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
        end: AttemptEnd<'a>,
        retry_at: i64,
        at: i64,
    },
    Ended {
        job: Id,
        #[serde(borrow)]
        end: AttemptEnd<'a>,
        at: i64,
    },
    /// A job was refused, perhaps before it was queued.
    Refused {
        #[serde(borrow)]
        job: Queued<'a>,
        #[serde(borrow)]
        end: AttemptEnd<'a>,
    },
    /// As versions up to 2 wrote it.
    Reached(#[serde(borrow)] Reached<'a>),
    Followed(#[serde(borrow)] Followed<'a>),
    /// Who or what caused the event of the entry before.
    EventBy {
        event: Id,
        by: StoredActor,
    },
    /// Who ran the job of the entry before again.
    JobBy {
        job: Id,
        by: StoredActor,
    },
    /// Who cancelled the job of the entry before.
    CancelledBy {
        job: Id,
        by: StoredActor,
    },
    /// The history does not keep the job of the entries before, which has ended.
    JobNotKept {
        job: Id,
    },
    /// The history does not keep the event of the entry before, which created no job.
    EventNotKept {
        event: Id,
    },
}

/// An event that was taken.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Accepted<'a> {
    pub(crate) id: Id,
    #[serde(borrow)]
    pub(crate) trigger: Cow<'a, str>,
    /// JSON, secrets hidden.
    #[serde(borrow)]
    pub(crate) param: Packed<'a>,
    /// The same with its secrets, sealed; `None` when there is none.
    pub(crate) sealed: Option<Vec<u8>>,
    pub(crate) depth: u32,
    pub(crate) key: Option<KeyUntil>,
    /// As versions up to 2 wrote it; since then [`JournalEntry::Followed`] comes next.
    #[serde(borrow)]
    pub(crate) due: Option<Reached<'a>>,
    pub(crate) at: i64,
}

/// The name that its sender gave an event, and how long it is remembered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct KeyUntil {
    pub(crate) name: String,
    pub(crate) until: i64,
}

/// Up to when a calendar was followed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Reached<'a> {
    #[serde(borrow)]
    pub(crate) mark: Cow<'a, str>,
    pub(crate) at: i64,
}

/// Up to which position a source of events was followed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Followed<'a> {
    #[serde(borrow)]
    pub(crate) source: Cow<'a, str>,
    /// The bytes that its trigger chose.
    #[serde(borrow)]
    pub(crate) position: Cow<'a, [u8]>,
}

/// A job that exists.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Queued<'a> {
    pub(crate) id: Id,
    pub(crate) event: Id,
    #[serde(borrow)]
    pub(crate) router: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) task: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) trigger: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) selector: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) executor: Cow<'a, str>,
    pub(crate) depth: u32,
    /// JSON, secrets hidden.
    #[serde(borrow)]
    pub(crate) select_param: Packed<'a>,
    /// JSON, secrets hidden.
    #[serde(borrow)]
    pub(crate) job_param: Packed<'a>,
    pub(crate) attempt: u32,
    pub(crate) at: i64,
}

/// What a selector said.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Decided<'a> {
    #[serde(borrow)]
    pub(crate) router: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) task: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) selector: Cow<'a, str>,
    pub(crate) said: SelectorResult,
    #[serde(borrow)]
    pub(crate) why: Cow<'a, str>,
    pub(crate) job: Option<Id>,
}

/// How an attempt ended.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AttemptEnd<'a> {
    #[serde(with = "status_word")]
    pub(crate) status: Status,
    pub(crate) error: Option<String>,
    /// JSON, secrets hidden.
    #[serde(borrow)]
    pub(crate) result: Packed<'a>,
}

/// The time of so many milliseconds since 1970.
pub(crate) fn time(millis: i64) -> Timestamp {
    Timestamp::from_millisecond(millis).unwrap_or_default()
}

impl<'a> From<Reached<'a>> for Followed<'a> {
    fn from(Reached { mark, at }: Reached<'a>) -> Self {
        let position = Position::of_time(Timestamp::from_millisecond(at).unwrap_or_default());
        Self { source: mark, position: Cow::Owned(position.as_bytes().to_vec()) }
    }
}

/// Milliseconds since 1970.
pub(crate) fn millis(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// A batch as bytes.
pub(crate) fn encode(records: &[Record], seal: &Seal, into: Vec<u8>) -> Result<Vec<u8>, JournalError> {
    records.iter().try_fold(into, |bytes, record| {
        let bytes = write(&JournalEntry::of(record, seal)?, bytes)?;
        write_rest(record, bytes)
    })
}

/// What belongs to a record and is mostly absent has entries of its own.
fn write_rest(record: &Record, mut bytes: Vec<u8>) -> Result<Vec<u8>, JournalError> {
    match record {
        Record::Accepted { activation, mask, cursor, .. } => {
            if let Some(cursor) = cursor {
                bytes = write(&JournalEntry::followed(cursor), bytes)?;
            }
            if let Some(actor) = &activation.by {
                let (event, by) = (id(&activation.event_id)?, StoredActor::of(actor, mask));
                bytes = write(&JournalEntry::EventBy { event, by }, bytes)?;
            }
        }
        Record::Queued { job, mask, .. } => bytes = write_rerun(job, mask, bytes)?,
        Record::Routed { event_id, kept: false, .. } => {
            bytes = write(&JournalEntry::EventNotKept { event: id(event_id)? }, bytes)?;
        }
        Record::Ended { job, mask, verdict, cancelled_by, kept, .. } => {
            if verdict.status == Status::Rejected {
                bytes = write_rerun(job, mask, bytes)?;
            }
            if let Some(actor) = cancelled_by {
                bytes = write(
                    &JournalEntry::CancelledBy { job: id(&job.id)?, by: StoredActor::of(actor, mask) },
                    bytes,
                )?;
            }
            if !kept {
                bytes = write(&JournalEntry::JobNotKept { job: id(&job.id)? }, bytes)?;
            }
        }
        _ => {}
    }
    Ok(bytes)
}

fn write_rerun(job: &Job, mask: &Mask, bytes: Vec<u8>) -> Result<Vec<u8>, JournalError> {
    match job.by.as_ref().filter(|_| job.rerun) {
        Some(actor) => {
            write(&JournalEntry::JobBy { job: id(&job.id)?, by: StoredActor::of(actor, mask) }, bytes)
        }
        None => Ok(bytes),
    }
}

fn write(entry: &JournalEntry<'_>, into: Vec<u8>) -> Result<Vec<u8>, JournalError> {
    postcard::serialize_with_flavor(entry, Appended(into))
        .map_err(|error| JournalError(format!("a record: {error}")))
}

/// The entries of a batch.
pub(crate) fn decode<'a>(mut bytes: &'a [u8], into: &mut Vec<JournalEntry<'a>>) -> postcard::Result<()> {
    while !bytes.is_empty() {
        let (entry, rest) = postcard::take_from_bytes(bytes)?;
        into.push(entry);
        bytes = rest;
    }
    Ok(())
}

impl<'a> JournalEntry<'a> {
    fn of(record: &'a Record, seal: &Seal) -> Result<Self, JournalError> {
        Ok(match record {
            Record::Accepted { .. } => Self::Accepted(accepted(record, seal)?),
            Record::Routed { event_id, decisions, at, .. } => Self::Routed {
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
            Record::Ended { job, mask, verdict, at, .. } if verdict.status == Status::Rejected => {
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
        said: decision.said,
        why: Cow::Borrowed(&decision.why),
        job: decision.job_id.as_ref().map(id).transpose()?,
    })
}

/// A verdict is masked already.
fn end(verdict: &Verdict) -> AttemptEnd<'_> {
    let result = &verdict.result;
    AttemptEnd {
        status: verdict.status,
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
