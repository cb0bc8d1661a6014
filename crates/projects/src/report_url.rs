//! The URL for reports of the last policy that was valid.
//!
//! A report says where in etcd its URL is. It may have to be sent when the key is gone: with the project, with an etcd
//! that was wiped, or because a receiver was down for so long that nothing of that time can be read any more. So each
//! ledger keeps the URL; like the contents beside it, it is for the user of the daemon alone.

use serde::{Deserialize, Serialize};

/// The URL, and when etcd had it.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct ReportUrl {
    /// The revision of the policy.
    pub(crate) revision: i64,
    /// Empty where no reports are wanted. May hold a password.
    pub(crate) url: String,
}

impl std::fmt::Debug for ReportUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ReportUrl").field("revision", &self.revision).finish_non_exhaustive()
    }
}
