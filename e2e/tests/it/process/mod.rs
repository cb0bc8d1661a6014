//! Contract, section 6: process behaviour.

mod arguments;
mod fairness;
mod isolation;
mod limits;
mod ownership;
mod reload;
mod signals;
