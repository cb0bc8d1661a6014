//! What the control API shows of a configuration as a whole: the calendar of what ran and what is due, and the graph of
//! the routers.

pub mod calendar;
pub mod graph;
