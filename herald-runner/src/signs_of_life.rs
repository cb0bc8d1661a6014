//! Signs of life for the watchdog of a service manager.

use herald_base::service_manager::ServiceManager;
use tokio::time::{Interval, MissedTickBehavior, interval};

/// Gives signs of life as often as the service manager wants them.
pub struct SignsOfLife<'a> {
    manager: &'a ServiceManager,
    interval: Option<Interval>,
}

impl<'a> SignsOfLife<'a> {
    /// None at all where nobody watches.
    #[must_use]
    pub fn of(manager: &'a ServiceManager) -> Self {
        let interval = manager.alive_every().map(|every| {
            let mut interval = interval(every);
            interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
            interval
        });
        Self { manager, interval }
    }

    /// Gives one when it is time. Belongs into the loop whose life is watched.
    pub async fn give(&mut self) {
        match &mut self.interval {
            Some(interval) => {
                interval.tick().await;
                self.manager.alive();
            }
            None => std::future::pending().await,
        }
    }

    /// Gives them while something else takes its time.
    pub async fn during<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                done = &mut work => return done,
                () = self.give() => {}
            }
        }
    }
}
