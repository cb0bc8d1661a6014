//! Receives messages of a queue, and makes events of them: each on one of all workers, or each on every node.

mod list;
mod options;
mod receiver;
mod run_end;
mod runner;
#[cfg(test)]
mod tests;

pub use receiver::QueueReceiver;
