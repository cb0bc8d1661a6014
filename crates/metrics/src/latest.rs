//! The series of a family that was counted last, so that it need not be looked up again.

use std::hash::Hash;

use prometheus_client::metrics::family::{Family, MetricConstructor};

/// The series that was counted last: most records are about the same as those before.
pub(crate) struct Latest<L, M>(Option<(L, M)>);

impl<L, M> Default for Latest<L, M> {
    fn default() -> Self {
        Self(None)
    }
}

impl<L: Clone + Eq + Hash, M: Clone> Latest<L, M> {
    /// The series of these labels.
    pub(crate) fn of<C: MetricConstructor<M>>(&mut self, family: &Family<L, M, C>, labels: L) -> &M {
        let known = self.0.take().filter(|(latest, _)| *latest == labels);
        let (_, series) = self.0.insert(known.unwrap_or_else(|| {
            let series = family.get_or_create(&labels).clone();
            (labels, series)
        }));
        series
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[test]
    fn each_series_is_counted_for_itself() {
        let family: Family<Vec<(String, String)>, Counter> = Family::default();
        let of = |name: &str| vec![("router".to_owned(), name.to_owned())];
        let mut latest = Latest::default();
        for name in ["a", "a", "b", "a", "b", "b", "b"] {
            latest.of(&family, of(name)).inc();
        }
        let counted = |name: &str| family.get_or_create(&of(name)).get();
        assert_eq!((counted("a"), counted("b"), counted("c")), (3, 4, 0));
    }
}
