//! Requests of daemons: who may send them, what they get for an answer, and the result files in it.

pub mod answer;
pub mod files;
pub mod handle;
pub mod identity;
mod kept;
pub mod nonce;
mod nonce_mark;
mod queries;
mod rejection;
pub mod room;
