//! What the control API shows of a configuration as a whole: the calendar of what ran and what is due, the graph of the
//! routers, counts of jobs over time, the last jobs of each router, the jobs of a node, queues, the values of boards;
//! the audit; and of the history, which commands also show while the daemon is down.

pub mod audit;
pub mod calendar;
pub mod graph;
pub mod history;
pub mod node_jobs;
pub mod queues;
pub mod router_runs;
pub mod stats;
pub mod tiles;
pub mod time_range;
