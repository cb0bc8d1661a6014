//! The screens: a function for each, from what the control API returns to a whole document.

pub mod account;
pub mod app;
pub mod apps;
pub mod audit;
pub mod board;
mod board_values;
pub mod boards;
pub mod calendar;
pub mod config;
pub mod event;
pub mod events;
pub mod graph;
pub mod job;
pub mod job_log;
pub mod jobs;
pub mod login;
pub mod node;
pub mod nodes;
pub mod now;
pub mod problem;
pub mod published;
pub mod queues;
pub mod routers;
pub mod try_form;

#[cfg(test)]
mod tests;
