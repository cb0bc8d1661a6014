//! What Herald does about applications when nobody asks: announces ended deployments, looks for drift, catches up.

mod monitor;

pub use monitor::AppMonitor;
