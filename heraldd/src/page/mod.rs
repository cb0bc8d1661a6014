//! The page: its listener, what is checked of each request, and its screens and acts, which use the functions of the
//! control API. What they look like is in `crates/page`.

mod acts;
mod calendar;
mod handler;
mod job_log;
mod login;
mod published;
mod queues;
mod routes;
mod screens;
pub mod serving;
mod session_caller;
pub mod state;
mod trial;
mod visit;

#[cfg(test)]
mod tests;
