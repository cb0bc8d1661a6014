//! How far a source of events was followed: opaque bytes whose order the trigger gives.
//!
//! A due time, a revision of etcd and an id of a stream are all positions. Herald stores a position with the event that
//! it belongs to, and gives it back to the trigger after a restart; it never looks inside. A trigger chooses the bytes
//! so that a later position is lexicographically greater: [`Position::of_time`] and [`Position::of_integer`] do so.

use std::sync::Arc;

use jiff::Timestamp;

use crate::event::name::Name;

/// A place in a source of events. Positions of one source compare as their bytes do.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(Arc<[u8]>);

/// Puts negative numbers before positive ones, as bytes.
const SIGN: u128 = 1 << 127;

impl Position {
    /// These bytes.
    pub fn from_bytes(bytes: impl Into<Arc<[u8]>>) -> Self {
        Self(bytes.into())
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// An instant, in 16 bytes: nanoseconds since 1970, the sign bit inverted, big-endian.
    #[must_use]
    pub fn of_time(at: Timestamp) -> Self {
        let bytes = (at.as_nanosecond().cast_unsigned() ^ SIGN).to_be_bytes();
        Self(Arc::from(bytes))
    }

    /// The instant of [`Self::of_time`]. `None`: it is not such a position.
    #[must_use]
    pub fn time(&self) -> Option<Timestamp> {
        let bytes: [u8; 16] = self.0.as_ref().try_into().ok()?;
        Timestamp::from_nanosecond((u128::from_be_bytes(bytes) ^ SIGN).cast_signed()).ok()
    }

    /// A number, such as a revision, in 8 bytes, big-endian.
    #[must_use]
    pub fn of_integer(number: u64) -> Self {
        Self(Arc::from(number.to_be_bytes()))
    }

    /// The number of [`Self::of_integer`]. `None`: it is not such a position.
    #[must_use]
    pub fn integer(&self) -> Option<u64> {
        self.0.as_ref().try_into().ok().map(u64::from_be_bytes)
    }
}

impl std::fmt::Debug for Position {
    /// In hexadecimal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Position(")?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str(")")
    }
}

/// Which source was followed, and up to which position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// Names the source: the trigger and what it goes by, so that a changed source begins from the start.
    pub source: Name,
    /// The position of its latest event.
    pub position: Position,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_order_of_what_they_encode() {
        let at = |second: i64, nanosecond: i32| Timestamp::new(second, nanosecond).unwrap();
        let times =
            [Timestamp::MIN, at(-5, -7), at(-5, 0), at(0, 0), at(0, 1), at(1, 0), at(1_795_902_840, 5)];
        let times: Vec<Timestamp> = times.into_iter().chain([Timestamp::MAX]).collect();
        let positions: Vec<Position> = times.iter().map(|at| Position::of_time(*at)).collect();
        assert!(positions.is_sorted() && positions.windows(2).all(|pair| pair[0] != pair[1]));
        for (at, position) in times.iter().zip(&positions) {
            assert_eq!((position.time(), position.integer()), (Some(*at), None));
        }
        let numbers = [0, 1, 255, 256, u64::from(u32::MAX), u64::MAX];
        let positions: Vec<Position> = numbers.iter().map(|number| Position::of_integer(*number)).collect();
        assert!(positions.is_sorted());
        for (number, position) in numbers.iter().zip(&positions) {
            assert_eq!((position.integer(), position.time()), (Some(*number), None));
        }
        assert_eq!(format!("{:?}", Position::of_integer(258)), "Position(0000000000000102)");
        assert!(Position::from_bytes(*b"1700-0") < Position::from_bytes(*b"1700-1"));
    }
}
