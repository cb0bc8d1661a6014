//! How many logins were refused, by account.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

/// The least time between two lines of one account.
const EVERY: Duration = Duration::from_secs(60);
/// The most accounts that are counted; further ones count as unknown.
const MOST: usize = 1000;

/// Refused logins by account.
#[derive(Debug, Default)]
pub(crate) struct RefusedCounts(HashMap<Option<String>, AccountCount>);

#[derive(Debug)]
struct AccountCount {
    /// When the last line was.
    line: Instant,
    /// How many there were since.
    since: u64,
}

impl RefusedCounts {
    /// Counts one: how many a line is to say now.
    pub(super) fn count(&mut self, user: &mut Option<String>, now: Instant) -> Option<u64> {
        let is_over = |count: &AccountCount| now.duration_since(count.line) >= EVERY;
        if self.0.len() >= MOST && !self.0.contains_key(user) {
            self.0.retain(|_, count| !is_over(count) || count.since > 0);
            if self.0.len() >= MOST {
                *user = None;
            }
        }
        let Some(count) = self.0.get_mut(user) else {
            self.0.insert(user.clone(), AccountCount { line: now, since: 0 });
            return Some(1);
        };
        if is_over(count) {
            let all = count.since + 1;
            *count = AccountCount { line: now, since: 0 };
            return Some(all);
        }
        count.since += 1;
        None
    }

    /// Those that no line has said; they are not said again.
    pub(super) fn take(&mut self, user: &str) -> Option<u64> {
        let count = self.0.get_mut(&Some(user.to_owned()))?;
        Some(std::mem::take(&mut count.since)).filter(|since| *since > 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_for_each_account_and_minute() {
        let start = Instant::now();
        let mut counts = RefusedCounts::default();
        // After so many seconds, for whom, and what is said.
        for (second, user, said) in [
            (0, Some("anna"), Some(1)),
            (1, Some("anna"), None),
            (2, None, Some(1)),
            (3, Some("bob"), Some(1)),
            (59, Some("anna"), None),
            (60, Some("anna"), Some(3)),
            (61, Some("anna"), None),
            (200, Some("anna"), Some(2)),
            (201, None, Some(1)),
        ] {
            let mut user = user.map(str::to_owned);
            let found = counts.count(&mut user, start + Duration::from_secs(second));
            assert_eq!(found, said, "{second} {user:?}");
        }
        let mut anna = Some("anna".to_owned());
        assert_eq!(counts.count(&mut anna, start + Duration::from_secs(202)), None);
        assert_eq!((counts.take("anna"), counts.take("anna"), counts.take("carl")), (Some(1), None, None));
    }

    #[test]
    fn memory_is_bounded() {
        let start = Instant::now();
        let mut counts = RefusedCounts::default();
        for number in 0..3000 {
            let mut user = Some(number.to_string());
            counts.count(&mut user, start);
            assert_eq!(user.is_none(), number >= MOST, "{number}");
        }
        assert_eq!(counts.0.len(), MOST + 1);
        let mut late = Some("late".to_owned());
        assert_eq!(counts.count(&mut late, start + EVERY), Some(1));
        assert!(late.is_some() && counts.0.len() < MOST);
    }
}
