//! How long something did not come, as it is recorded.

use std::time::Duration;

use herald_core::position::Position;
use jiff::Timestamp;

/// The bytes of an instant.
const TIME: usize = 16;

/// How long something did not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silence {
    /// When it came last; or since when it is waited for, while it never came.
    pub(super) last: Timestamp,
    /// How long Herald ran since.
    pub(super) counted: Duration,
    /// Whether that was reported.
    pub(super) is_silent: bool,
}

impl From<Timestamp> for Silence {
    fn from(last: Timestamp) -> Self {
        Self { last, counted: Duration::ZERO, is_silent: false }
    }
}

impl Silence {
    /// As bytes: when they are recorded, so that later ones are greater; then what they say.
    pub(super) fn position(&self, recorded_at: Timestamp) -> Position {
        let mut bytes = Position::of_time(recorded_at).as_bytes().to_vec();
        bytes.push(u8::from(self.is_silent));
        bytes.extend(Position::of_time(self.last).as_bytes());
        bytes.extend(u64::try_from(self.counted.as_millis()).unwrap_or(u64::MAX).to_be_bytes());
        Position::from_bytes(bytes)
    }

    /// What [`Self::position`] made, and when. `None`: it is not such a position.
    pub(super) fn read(position: &Position) -> Option<(Timestamp, Self)> {
        let (recorded_at, rest) = position.as_bytes().split_at_checked(TIME)?;
        let (is_silent, rest) = rest.split_first()?;
        let (last, counted) = rest.split_at_checked(TIME)?;
        let time = |bytes: &[u8]| Position::from_bytes(bytes).time();
        let counted = Duration::from_millis(u64::from_be_bytes(counted.try_into().ok()?));
        Some((time(recorded_at)?, Self { last: time(last)?, counted, is_silent: *is_silent == 1 }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_recorded_and_later_ones_are_greater() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let silences = [
            Silence { last: at(-5), counted: Duration::from_secs(90_000), is_silent: true },
            Silence::from(at(7)),
            Silence { last: at(3), counted: Duration::from_millis(1), is_silent: false },
        ];
        let positions: Vec<Position> = (0..).zip(&silences).map(|(n, one)| one.position(at(n))).collect();
        assert!(positions.is_sorted());
        for ((n, silence), position) in (0..).zip(&silences).zip(&positions) {
            assert_eq!(Silence::read(position), Some((at(n), *silence)));
        }
        for other in [Position::of_time(at(1)), Position::of_integer(5), Position::from_bytes(*b"")] {
            assert_eq!(Silence::read(&other), None);
        }
    }
}
