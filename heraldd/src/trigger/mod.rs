//! The triggers of the daemon, a file each.

pub mod cron;
pub mod etcd;
pub mod expect;
pub mod http;
pub mod queue;
pub mod tick;

use herald_core::spec::{OptionKind, OptionSpec};

/// The option of triggers that fire by time.
fn jitter_option() -> OptionSpec {
    OptionSpec::new(
        "jitter",
        OptionKind::Duration,
        "Fires later by a part of this, always the same for this host and trigger, so that many hosts do not all begin at \
         once.",
    )
}
