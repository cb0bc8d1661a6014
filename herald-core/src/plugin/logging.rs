//! What a plugin logs with `tracing` goes to the log of Herald: the plugin has a copy of `tracing` of its own.

use std::fmt::Write as _;

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};

use super::host::Host;

/// Sends events to the host. Spans are not followed.
struct HostLog {
    host: Host,
    plugin: &'static str,
}

/// Makes the host's log this plugin's. Only the first call has an effect.
pub(super) fn install(host: Host, plugin: &'static str) {
    // An author who has set a subscriber of their own keeps it.
    let _ = tracing::subscriber::set_global_default(HostLog { host, plugin });
}

fn number(level: Level) -> u32 {
    match level {
        Level::ERROR => 1,
        Level::WARN => 2,
        Level::INFO => 3,
        Level::DEBUG => 4,
        Level::TRACE => 5,
    }
}

impl Subscriber for HostLog {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // Asked each time: the host's level changes when its configuration is read again.
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.is_event() && number(*metadata.level()) <= self.host.log_level()
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(format!("plugin \"{}\": ", self.plugin));
        event.record(&mut line);
        self.host.log(number(*event.metadata().level()), line.0.trim_end());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// `message key=value …`.
struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a text does not fail.
        let _ = match field.name() {
            "message" => write!(self.0, "{value:?} "),
            name => write!(self.0, "{name}={value:?} "),
        };
    }
}
