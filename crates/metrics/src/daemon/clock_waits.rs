//! Which triggers wait for a clock that was set back.

use herald_core::activation::Name;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// A trigger with a calendar, and whether it waits for a clock that was set back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockWait {
    /// Its name.
    pub trigger: Name,
    /// Whether it waits.
    pub waits: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfCalendar {
    trigger: Name,
}

/// The gauge of triggers with a calendar.
#[derive(Debug, Clone, Default)]
pub struct ClockWaits(Family<OfCalendar, Gauge>);

impl ClockWaits {
    pub(crate) fn register(&self, registry: &mut Registry) {
        let what = "1 while a trigger waits for a clock that was set back";
        registry.register("trigger_waits_for_clock", what, self.0.clone());
    }

    /// These are the triggers with a calendar now.
    pub fn show(&self, waits: Vec<ClockWait>) {
        self.0.clear();
        for ClockWait { trigger, waits } in waits {
            self.0.get_or_create(&OfCalendar { trigger }).set(i64::from(waits));
        }
    }
}
