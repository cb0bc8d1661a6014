//! A client of etcd's v3 API through its JSON gateway: keys, transactions and leases ([`EtcdClient`]), and the changes
//! below a prefix, followed in a way that notices what a watch alone does not ([`PrefixFollower`]).
//!
//! A watch of etcd can be silent because nothing happens, because its server hangs, because there is no leader, or
//! because the store was wiped and its revisions start again. [`PrefixFollower`] distinguishes these: it asks by other
//! means whether there is something that the watch does not show, and [`HistoryPoint`] shows whether two answers are of
//! one history.

mod backoff;
mod client;
mod error;
mod follow;
mod history;
mod key;
mod layout;
mod message;
mod settings;
mod watch;

pub use backoff::Backoff;
pub use client::{
    ConnectionStatus, EtcdClient, EtcdMember, Lease, LeaseKeeper, PutRequest, RangePage, RangePages,
    RangeQuery, Snapshot,
};
pub use error::EtcdError;
pub use follow::{
    ChangeAction, FollowMode, FollowSettings, FollowStep, KeyChange, ListReason, PrefixFollower,
};
pub use history::{HistoryBreak, HistoryPoint, SeenKeys};
pub use key::{KeyRange, KeyValue, shown_key};
pub use layout::{KeysPhase, KeysPosition, ProjectKeys, ProjectLayout};
pub use message::transaction::{
    CompareOutcome, CompareTarget, KeyComparison, Operation, OperationResult, Transaction, TransactionResult,
};
pub use settings::{EtcdCredentials, EtcdSettings};
pub use watch::{EtcdWatch, WatchBatch, WatchEnd, WatchEvent};
