//! Connections that have not shown that they know the secret: bounded, and never in the way of those that do.
//!
//! When all places are taken, whoever has held one longest gives it up for the newcomer, once it has had a fair time.
//! So somebody who only opens connections and says nothing cannot keep the others waiting.

use std::collections::BTreeMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// What a stranger may count on when others wait: enough for an honest request, so that a burst of those waits its
/// turn rather than being cut.
const FAIR: Duration = Duration::from_secs(2);

/// The places of strangers.
pub struct Strangers {
    places: Arc<Semaphore>,
    guests: Mutex<Guests>,
}

#[derive(Default)]
struct Guests {
    /// By their numbers, and thus the oldest first.
    list: BTreeMap<u64, (Instant, CancellationToken)>,
    next: u64,
}

impl Strangers {
    /// So many places.
    #[must_use]
    pub fn new(places: usize) -> Arc<Self> {
        Arc::new(Self { places: Arc::new(Semaphore::new(places)), guests: Mutex::default() })
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection that is there, as soon as one is free or can be made free.
    pub async fn enter(self: &Arc<Self>) -> Option<Guest> {
        loop {
            let mut place = pin!(self.places.clone().acquire_owned());
            if let Ok(place) = tokio::time::timeout(self.patience(), &mut place).await {
                return place.ok().map(|place| self.seat(place));
            }
            if self.turn_out_oldest() {
                return place.await.ok().map(|place| self.seat(place));
            }
        }
    }

    fn seat(self: &Arc<Self>, place: OwnedSemaphorePermit) -> Guest {
        let leave = CancellationToken::new();
        let mut guests = self.guests();
        let number = guests.next;
        guests.next += 1;
        guests.list.insert(number, (Instant::now(), leave.clone()));
        Guest { strangers: self.clone(), number, leave, _place: place }
    }

    /// Until the oldest has had its time.
    fn patience(&self) -> Duration {
        let guests = self.guests();
        guests.list.first_key_value().map_or(FAIR, |(_, (since, _))| FAIR.saturating_sub(since.elapsed()))
    }

    /// Has the oldest leave, who then gives up what a connection takes: its place, and its file descriptor. False when
    /// nobody has had their time yet.
    pub fn turn_out_oldest(&self) -> bool {
        let mut guests = self.guests();
        let oldest = guests.list.first_entry().filter(|oldest| oldest.get().0.elapsed() >= FAIR);
        let Some(oldest) = oldest else { return false };
        oldest.remove().1.cancel();
        true
    }
}

/// A place, given back when this is dropped.
pub struct Guest {
    strangers: Arc<Strangers>,
    number: u64,
    leave: CancellationToken,
    _place: OwnedSemaphorePermit,
}

impl Guest {
    /// Cancelled when the place is needed for somebody else: the connection must then be closed.
    #[must_use]
    pub fn leave(&self) -> CancellationToken {
        self.leave.clone()
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.strangers.guests().list.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_makes_room_once_it_had_its_time() {
        let strangers = Strangers::new(2);
        let first = strangers.enter().await.unwrap();
        tokio::time::advance(Duration::from_secs(1)).await;
        let second = strangers.enter().await.unwrap();
        let (first_leaves, second_leaves) = (first.leave(), second.leave());
        let connection = tokio::spawn(async move {
            first.leave().cancelled().await;
            drop(first);
        });
        let began = Instant::now();
        let third = strangers.enter().await.unwrap();
        assert_eq!(began.elapsed(), Duration::from_secs(1), "not before the first had its two seconds");
        assert!(
            first_leaves.is_cancelled() && !second_leaves.is_cancelled() && !third.leave().is_cancelled()
        );
        connection.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_place_that_is_given_back_is_taken_at_once_and_nobody_is_turned_out() {
        let strangers = Strangers::new(1);
        let first = strangers.enter().await.unwrap();
        let leave = first.leave();
        tokio::time::advance(FAIR * 2).await;
        drop(first);
        let began = Instant::now();
        let second = strangers.enter().await.unwrap();
        assert_eq!(began.elapsed(), Duration::ZERO);
        assert!(!leave.is_cancelled() && !second.leave().is_cancelled());
        assert_eq!(strangers.guests().list.len(), 1);
    }
}
