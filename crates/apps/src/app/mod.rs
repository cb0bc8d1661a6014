//! One application: its settings, what is known of it, its repository and its nodes.

mod application;
mod carry_out;
mod commits;
mod drift;
mod hold;
mod memory;
pub(crate) mod parts;
mod seen;
mod view;

pub use application::App;
pub use commits::{CommitPage, CommitQuery, CommitView};
pub use memory::AppMemories;
pub use parts::AppError;
pub use seen::{AppStateChange, NodeState};
pub use view::{AppNodeView, AppView};
