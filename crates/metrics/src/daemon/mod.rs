//! Numbers of the daemon itself.

pub(crate) mod clock_waits;
pub(crate) mod streams;
pub(crate) mod syncs;
