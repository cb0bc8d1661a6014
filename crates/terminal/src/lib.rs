//! What a command shows on a terminal: tables no wider than it, colours where it has any, lengths of time in words.
//! Texts of users never move the cursor.

pub mod human_time;
pub mod job_output;
pub mod name_list;
pub mod table;
pub mod terminal;
