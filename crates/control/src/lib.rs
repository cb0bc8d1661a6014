//! The control API from the side of those who use it: its data types, the role that each call
//! needs, the way to the socket of a running daemon, and
//! the commands that only ask it something, or change the users file.

pub mod client;
pub mod command_output;
pub mod commands;
pub mod graph_text;
pub mod model;
pub mod places;
pub mod query_error;
pub mod rights;
pub mod stopped;
pub mod users_file;
