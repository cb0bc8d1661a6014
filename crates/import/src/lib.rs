//! Configurations of other programs, as configurations of Herald: text in, text out. What the originals answer, and
//! what differs here: `docs/decisions/0014-import.md`.

pub mod crontab;
mod escape;
pub mod go_deploy;
pub mod go_git_webhooks;
mod go_regex;
pub mod imported;
pub mod multi_node;
mod original;
pub mod source_text;
pub mod value_checks;
pub mod watcher;
pub mod webhook;
mod yaml_writer;
