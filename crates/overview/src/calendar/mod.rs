//! What ran and what is due, in a range of time.

mod gather;
mod next_runs;
mod pauses;
mod range;
mod subscription;
mod times;

pub use gather::{CalendarSources, GatherError, gather};
pub use next_runs::NextRuns;
pub use pauses::add_pauses;
pub use range::{CalendarQuery, CalendarQueryError, CalendarRange, SubscriptionQuery};
pub use subscription::subscription;
pub use times::CalendarTimes;
