//! Publishes a set of files into a folder as one transaction on disk.
//!
//! What is wanted is compared with the ledger (what was written before) and with the disk: [`Planned`]. The new files
//! are written beside their places: [`Staged`]. Then all change places: [`Swapped`], which is confirmed
//! ([`PublicationDone`]) or undone. The ledger is written before each step, so that what a crash interrupts is
//! completed or undone by the next process. Names that lead elsewhere are rejected, and no symbolic link below the
//! folder is followed.
//!
//! Everything here blocks. Where the files come from, and which commands run between the steps, is the caller's affair.

pub mod diff;
mod digest;
mod drift;
mod error;
mod folder;
mod ledger;
mod moves;
mod name;
mod plan;
mod policy;
mod report;
mod stage;
mod swap;

pub use digest::{md5_hex, md5_of_list, sha256_hex};
pub use drift::{DriftKind, DriftedFile, drifted};
pub use error::PublishError;
pub use ledger::claims::FileClaims;
pub use ledger::data::{LedgerData, PublicationRecord, PublishedFile};
pub use ledger::{LedgerFolder, ProjectLedger};
pub use name::{NameProblem, Nested, SafeName};
pub use plan::request::{
    BackupRule, FileAttributes, PublicationRequest, PublishTarget, SwapKind, WantedFile,
};
pub use plan::{ChangeKind, Planned, PlannedChange, plan};
pub use policy::{
    CALLBACK, FilePolicy, POLICY_KEYS, PolicyError, PolicyKeys, PublishPolicy, without_callback,
};
pub use report::{CallbackReport, CommandReport, action};
pub use stage::Staged;
pub use swap::recover::{Recovery, recover};
pub use swap::{PublicationDone, Swapped, Undone};
