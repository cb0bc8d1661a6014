//! Puts the message of a job into a queue, for workers on other machines.

mod message;
mod options;
mod putter;
mod result;
#[cfg(test)]
mod tests;

pub use putter::QueuePutter;
