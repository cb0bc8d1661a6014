//! Expressions in CEL over the parameters of an event and of a task: compiled and checked without an event, bounded
//! before they are evaluated, and evaluated to true or false with a reason.

mod bound;
mod compile;
mod depth;
mod evaluate;
mod function;
mod looked_at;
mod required;
mod seen;
mod value;

pub use bound::MOST_STEPS;
pub use compile::Compiled;
pub use evaluate::{Evaluated, EvaluationError};
