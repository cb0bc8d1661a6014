//! What a value is against the thresholds of its tile.

use crate::number::TileNumber;
use crate::settings::Thresholds;

/// How a tile is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TileState {
    /// It has no thresholds, or no number.
    Plain,
    /// Its number is fine.
    Good,
    /// Its number deserves attention.
    Warn,
    /// Its number is an alarm.
    Alert,
}

impl TileState {
    /// Its word; empty for [`Self::Plain`].
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Good => "ok",
            Self::Warn => "warn",
            Self::Alert => "alert",
        }
    }
}

impl Thresholds {
    /// Whether there is neither.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.warn.is_none() && self.alert.is_none()
    }

    /// Whether low numbers are bad: `alert` is less than `warn`.
    #[must_use]
    pub fn is_low_bad(&self) -> bool {
        matches!((&self.warn, &self.alert), (Some(warn), Some(alert)) if alert.compare(warn).is_lt())
    }

    /// How a number is.
    #[must_use]
    pub fn state(&self, number: Option<&TileNumber>) -> TileState {
        let Some(number) = number.filter(|_| !self.is_empty()) else { return TileState::Plain };
        let is_low_bad = self.is_low_bad();
        let is_over = |limit: &Option<TileNumber>| {
            limit.as_ref().is_some_and(|limit| {
                let found = number.compare(limit);
                if is_low_bad { found.is_le() } else { found.is_ge() }
            })
        };
        match (is_over(&self.alert), is_over(&self.warn)) {
            (true, _) => TileState::Alert,
            (false, true) => TileState::Warn,
            (false, false) => TileState::Good,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn decimal(text: &str) -> Option<TileNumber> {
        TileNumber::of(&Value::from(text))
    }

    #[test]
    fn states() {
        for (warn, alert, number, expected) in [
            ("", "", "5", TileState::Plain),
            ("5", "9", "x", TileState::Plain),
            ("5", "9", "4.99", TileState::Good),
            ("5", "9", "5", TileState::Warn),
            ("5", "9", "9.0", TileState::Alert),
            ("5", "5", "5", TileState::Alert),
            ("5", "", "7", TileState::Warn),
            ("", "9", "8", TileState::Good),
            ("", "9", "9", TileState::Alert),
            // Low is bad.
            ("10", "5", "11", TileState::Good),
            ("10", "5", "10", TileState::Warn),
            ("10", "5", "5", TileState::Alert),
            ("10", "5", "-1", TileState::Alert),
            ("18446744073709551616", "18446744073709551617", "18446744073709551617", TileState::Alert),
        ] {
            let thresholds = Thresholds { warn: decimal(warn), alert: decimal(alert) };
            assert_eq!(thresholds.state(decimal(number).as_ref()), expected, "{warn} {alert} {number}");
        }
    }
}
