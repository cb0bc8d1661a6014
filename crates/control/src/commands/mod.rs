//! Commands of `heraldd` that ask a running daemon, and `user`: a file for each subject.

pub mod about;
pub mod apps;
pub mod audit;
pub mod complete;
pub mod deploy;
mod deploy_progress;
pub mod drain;
pub mod event_list;
pub mod events;
pub mod jobs;
mod list_options;
mod listing;
pub mod logs;
pub mod mistyped;
mod new_password;
pub mod page;
pub mod pause;
pub mod published;
pub mod queue;
mod queue_listing;
pub mod replay;
pub mod results;
pub mod sessions;
pub mod stats;
pub mod status;
pub mod user;
mod wait;
