//! The floor that every crate of Herald stands on: words and rules that all of them share. No network, no files, no
//! runtime.

pub mod near_miss;
pub mod secret_name;
pub mod template_mark;
pub mod unit;
pub mod value;
