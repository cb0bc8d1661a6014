//! Events: how one comes in, what it says, who watches what comes of it, and those that finished jobs raise.

pub mod activation;
pub mod actor;
pub mod arrivals;
pub mod exe_done;
pub mod name;
mod object_text;
pub mod position;
pub mod trigger_param;
pub mod watch;
