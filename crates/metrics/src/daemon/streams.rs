//! Who follows what is recorded.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// The gauge of streams that are open.
#[derive(Debug, Clone, Default)]
pub struct StreamGauge(Gauge);

/// An open stream, counted until it is dropped.
#[derive(Debug)]
pub struct CountedStream(Gauge);

impl StreamGauge {
    pub(crate) fn register(&self, registry: &mut Registry) {
        registry.register("streams_open", "Open responses of GET /v1/stream", self.0.clone());
    }

    /// Another one is open.
    #[must_use]
    pub fn open(&self) -> CountedStream {
        self.0.inc();
        CountedStream(self.0.clone())
    }
}

impl Drop for CountedStream {
    fn drop(&mut self) {
        self.0.dec();
    }
}
