//! Transactions: conditions, and what is done when they hold or do not.

use serde_json::{Value, json};

use super::field::encoded;
use super::response::{OperationAnswer, RangeAnswer, TransactionAnswer};
use crate::history::HistoryPoint;
use crate::key::{KeyRange, KeyValue};

/// All of it happens at one revision, or none. etcd allows 128 operations, and each key at most once among those that
/// change keys.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Transaction {
    /// What must hold, all of it.
    pub compare: Vec<KeyComparison>,
    /// What is done when it holds.
    pub success: Vec<Operation>,
    /// What is done when it does not hold.
    pub failure: Vec<Operation>,
}

/// A condition on a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyComparison {
    /// The key.
    pub key: Vec<u8>,
    /// How what there is must be related to the target.
    pub outcome: CompareOutcome,
    /// What is compared.
    pub target: CompareTarget,
}

impl KeyComparison {
    /// The key does not exist.
    pub fn missing(key: impl Into<Vec<u8>>) -> Self {
        Self { key: key.into(), outcome: CompareOutcome::Equal, target: CompareTarget::CreateRevision(0) }
    }

    /// The key was changed last at this revision.
    pub fn unchanged_since(key: impl Into<Vec<u8>>, mod_revision: i64) -> Self {
        Self {
            key: key.into(),
            outcome: CompareOutcome::Equal,
            target: CompareTarget::ModRevision(mod_revision),
        }
    }
}

/// How a key must be related to the target of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompareOutcome {
    /// Equal to it.
    Equal,
    /// Not equal to it.
    NotEqual,
    /// Greater than it.
    Greater,
    /// Less than it.
    Less,
}

/// What of a key is compared, and with what. A key that does not exist has 0 in all numbers.
#[derive(Clone, PartialEq, Eq)]
pub enum CompareTarget {
    /// How often it was changed since it was created.
    Version(i64),
    /// The revision that created it.
    CreateRevision(i64),
    /// The revision that changed it last.
    ModRevision(i64),
    /// Its value.
    Value(Vec<u8>),
    /// Its lease.
    Lease(i64),
}

impl std::fmt::Debug for CompareTarget {
    /// Without the value, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Version(number) => write!(f, "Version({number})"),
            Self::CreateRevision(number) => write!(f, "CreateRevision({number})"),
            Self::ModRevision(number) => write!(f, "ModRevision({number})"),
            Self::Value(value) => write!(f, "Value({} bytes)", value.len()),
            Self::Lease(number) => write!(f, "Lease({number})"),
        }
    }
}

/// One step of a transaction.
#[derive(Clone, PartialEq, Eq)]
pub enum Operation {
    /// Writes a key.
    Put {
        /// The key.
        key: Vec<u8>,
        /// Its value.
        value: Vec<u8>,
        /// The lease that deletes it; 0 for none.
        lease: i64,
    },
    /// Deletes keys.
    Delete(KeyRange),
    /// Reads keys.
    Range {
        /// Which.
        range: KeyRange,
        /// How many at most; 0 for all.
        limit: i64,
    },
}

impl std::fmt::Debug for Operation {
    /// Without the value, which may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Put { key, value, .. } => {
                write!(f, "Put({}, {} bytes)", crate::key::shown_key(key), value.len())
            }
            Self::Delete(range) => write!(f, "Delete({range:?})"),
            Self::Range { range, .. } => write!(f, "Range({range:?})"),
        }
    }
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionResult {
    /// When.
    pub point: HistoryPoint,
    /// Whether the conditions held.
    pub succeeded: bool,
    /// The result of each operation, in their order.
    pub results: Vec<OperationResult>,
}

/// What an operation of a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OperationResult {
    /// The key was written.
    Put,
    /// So many keys were deleted.
    Deleted(i64),
    /// These keys were read.
    Keys(Vec<KeyValue>),
}

/// The key and end of a range, as fields of a message.
pub(crate) fn range_fields(range: &KeyRange) -> Value {
    let mut fields = json!({"key": encoded(&range.start)});
    if !range.end.is_empty() {
        fields["range_end"] = encoded(&range.end).into();
    }
    fields
}

impl Transaction {
    pub(crate) fn message(&self) -> Value {
        let operations = |list: &[Operation]| list.iter().map(operation).collect::<Vec<_>>();
        json!({
            "compare": self.compare.iter().map(comparison).collect::<Vec<_>>(),
            "success": operations(&self.success),
            "failure": operations(&self.failure),
        })
    }
}

fn comparison(comparison: &KeyComparison) -> Value {
    let result = match comparison.outcome {
        CompareOutcome::Equal => "EQUAL",
        CompareOutcome::NotEqual => "NOT_EQUAL",
        CompareOutcome::Greater => "GREATER",
        CompareOutcome::Less => "LESS",
    };
    let (target, field, with) = match &comparison.target {
        CompareTarget::Version(number) => ("VERSION", "version", number.to_string()),
        CompareTarget::CreateRevision(number) => ("CREATE", "create_revision", number.to_string()),
        CompareTarget::ModRevision(number) => ("MOD", "mod_revision", number.to_string()),
        CompareTarget::Value(value) => ("VALUE", "value", encoded(value)),
        CompareTarget::Lease(number) => ("LEASE", "lease", number.to_string()),
    };
    json!({"key": encoded(&comparison.key), "result": result, "target": target, field: with})
}

fn operation(operation: &Operation) -> Value {
    match operation {
        Operation::Put { key, value, lease } => {
            json!({"request_put": {"key": encoded(key), "value": encoded(value), "lease": lease.to_string()}})
        }
        Operation::Delete(range) => json!({"request_delete_range": range_fields(range)}),
        Operation::Range { range, limit } => {
            let mut fields = range_fields(range);
            fields["limit"] = limit.to_string().into();
            json!({"request_range": fields})
        }
    }
}

impl From<TransactionAnswer> for TransactionResult {
    fn from(answer: TransactionAnswer) -> Self {
        let result = |operation: OperationAnswer| match operation {
            OperationAnswer { response_range: Some(RangeAnswer { kvs, .. }), .. } => {
                OperationResult::Keys(kvs.into_iter().map(KeyValue::from).collect())
            }
            OperationAnswer { response_delete_range: Some(deleted), .. } => {
                OperationResult::Deleted(deleted.deleted.0)
            }
            OperationAnswer { .. } => OperationResult::Put,
        };
        Self {
            point: answer.header.point(),
            succeeded: answer.succeeded,
            results: answer.responses.into_iter().map(result).collect(),
        }
    }
}
