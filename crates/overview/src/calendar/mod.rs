//! What ran and what is due, in a range of time.

mod gather;
mod pauses;
mod range;
mod subscription;
mod times;

pub use gather::{CalendarSources, GatherError, gather};
pub use pauses::add_pauses;
pub use range::{CalendarQuery, CalendarQueryError, CalendarRange, SubscriptionQuery};
pub use subscription::subscription;
pub use times::CalendarTimes;
