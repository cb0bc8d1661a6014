//! Batches that are written together: how long the first one waits for the others.

use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use herald_core::journal::{JournalError, Record, Records};
use tokio::sync::oneshot;

/// How long a batch waits at most for as many senders as were served together before: those come back with the next
/// event.
const LONGEST: Duration = Duration::from_micros(300);

/// Fewer events are not waited for: with 8 senders a sixth more are taken where each sync serves those who are there.
const FEW: usize = 12;

/// A batch on its way to the writer.
pub(super) struct RecordBatch {
    pub(super) records: Records,
    /// How many failures its sender knew of.
    pub(super) failures: u64,
    pub(super) reply: oneshot::Sender<Result<(), JournalError>>,
}

impl RecordBatch {
    /// How many events are taken with it, whose senders wait.
    fn events(&self) -> usize {
        self.records.iter().filter(|record| matches!(record, Record::Accepted { .. })).count()
    }
}

/// Decides what is written together.
#[derive(Debug, Default)]
pub(super) struct Gathering {
    /// How many events were written together the last time.
    events: usize,
    /// How long it took to write them.
    took: Duration,
}

impl Gathering {
    /// How long it took to write what was gathered.
    pub(super) fn took(&mut self, took: Duration) {
        self.took = took;
    }

    fn longest(&self) -> Duration {
        LONGEST.min(self.took)
    }

    /// Waits for the other events of those who were served together the last time, no longer than another sync would
    /// take: one for all of them then costs them less than two. A few senders wait for nobody.
    pub(super) fn wait(&mut self, group: &mut Vec<RecordBatch>, batches: &Receiver<RecordBatch>) {
        let until = Instant::now() + self.longest();
        let mut events = group.iter().map(RecordBatch::events).sum();
        while self.events >= FEW
            && events > 0
            && events < self.events
            && let Ok(batch) = batches.recv_timeout(until.saturating_duration_since(Instant::now()))
        {
            events += batch.events();
            group.push(batch);
        }
        if events > 0 {
            self.events = events;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::sync_channel;

    use herald_core::activation::Activation;
    use herald_core::secret::Mask;
    use jiff::Timestamp;

    use super::*;

    fn batch(events: usize) -> RecordBatch {
        let activation = Activation {
            event_id: "e".into(),
            trigger: "t".into(),
            trigger_param: Arc::default(),
            chain_depth: 0,
            by: None,
        };
        let accepted = Record::Accepted {
            activation,
            mask: Arc::new(Mask::new()),
            key: None,
            cursor: None,
            due: None,
            at: Timestamp::UNIX_EPOCH,
        };
        RecordBatch { records: Arc::new(vec![accepted; events]), failures: 0, reply: oneshot::channel().0 }
    }

    #[test]
    fn those_who_were_served_together_are_waited_for() {
        let mut gathering = Gathering { took: LONGEST, ..Gathering::default() };
        let (sender, receiver) = sync_channel(10);
        for (first, others, gathered) in [
            // At first nobody is waited for.
            (12, vec![4], 1),
            // Twelve were served.
            (4, vec![4, 4, 4], 3),
            (8, vec![0, 8, 4], 3),
            // Sixteen were: what does not come is waited for once.
            (4, vec![], 1),
            (4, vec![4], 1),
            // Eleven are few.
            (11, vec![], 1),
            (4, vec![4], 1),
            (12, vec![], 1),
            // Records without events wait for nobody, and change nothing.
            (0, vec![4], 1),
            (8, vec![4], 2),
        ] {
            let count = others.len();
            others.into_iter().for_each(|events| sender.send(batch(events)).unwrap());
            let mut group = vec![batch(first)];
            gathering.wait(&mut group, &receiver);
            assert_eq!(group.len(), gathered, "{first} {count}");
            while receiver.try_recv().is_ok() {}
        }
    }

    #[test]
    fn nobody_waits_longer_than_a_sync_takes() {
        let mut gathering = Gathering::default();
        for (took, longest) in [(0, 0), (100, 100), (300, 300), (10_000, 300)] {
            gathering.took(Duration::from_micros(took));
            assert_eq!(gathering.longest(), Duration::from_micros(longest));
        }
    }
}
