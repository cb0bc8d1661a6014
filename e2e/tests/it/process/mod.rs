//! Contract, section 6: process behaviour.

mod arguments;
mod isolation;
mod limits;
mod ownership;
mod signals;
