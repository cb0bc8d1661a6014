//! Applications in the daemon: the executor of each, and what is done when nobody asks: ended deployments are
//! announced, drift is looked for, nodes catch up.

mod executor;
mod monitor;

pub use executor::{AppExecutor, app_of, name_of};
pub use monitor::AppMonitor;
