//! Configurations of other programs, as configurations of Herald: text in, text out. What the originals answer and
//! what becomes of it here, where that differs: `docs/decisions/0014-import.md`.

mod auth;
mod command;
pub mod crontab;
mod formula;
mod given;
pub mod imported;
pub mod multi_node;
mod pattern;
mod rule;
mod source;
pub mod webhook;
mod yaml_out;
