//! How far the changes of a range were handed on, as bytes that can be kept.

use crate::history::HistoryPoint;

/// How far the changes of a range were handed on. A later position has greater bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeysPosition {
    /// Counts the histories: revisions of another one begin again.
    pub epoch: u32,
    /// The revision, and the history that it is of.
    pub point: HistoryPoint,
    /// What of that revision was handed on.
    pub phase: KeysPhase,
}

/// What of a revision was handed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeysPhase {
    /// Of the keys that existed at that revision, those up to this one.
    Listing(Vec<u8>),
    /// So many changes of that revision; all before it.
    Within(u32),
    /// Everything up to it.
    Complete,
}

impl KeysPosition {
    /// As bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.epoch.to_be_bytes().to_vec();
        let revision = self.point.revision.cast_unsigned().to_be_bytes();
        match &self.phase {
            KeysPhase::Listing(_) => bytes.extend([[0; 8], revision].as_flattened()),
            KeysPhase::Within(done) => {
                bytes.extend(revision);
                bytes.extend(done.to_be_bytes());
            }
            KeysPhase::Complete => {
                bytes.extend(revision);
                bytes.extend(u32::MAX.to_be_bytes());
            }
        }
        bytes.extend(self.point.cluster_id.to_be_bytes());
        bytes.extend(self.point.raft_term.to_be_bytes());
        if let KeysPhase::Listing(after) = &self.phase {
            bytes.extend(after);
        }
        bytes
    }

    /// Of such bytes. `None`: they are not a position.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (epoch, rest) = bytes.split_first_chunk()?;
        let (revision, rest) = rest.split_first_chunk()?;
        let (revision, phase, rest) = match u64::from_be_bytes(*revision) {
            0 => {
                let (revision, rest) = rest.split_first_chunk()?;
                let after = rest.get(16..)?.to_vec();
                (u64::from_be_bytes(*revision), KeysPhase::Listing(after), rest)
            }
            revision => {
                let (done, rest) = rest.split_first_chunk()?;
                let phase = match u32::from_be_bytes(*done) {
                    u32::MAX => KeysPhase::Complete,
                    done => KeysPhase::Within(done),
                };
                (revision, phase, rest)
            }
        };
        let (cluster_id, rest) = rest.split_first_chunk()?;
        let (raft_term, _) = rest.split_first_chunk()?;
        let point = HistoryPoint {
            cluster_id: u64::from_be_bytes(*cluster_id),
            revision: revision.cast_signed(),
            raft_term: u64::from_be_bytes(*raft_term),
        };
        Some(Self { epoch: u32::from_be_bytes(*epoch), point, phase })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_positions_have_greater_bytes() {
        let at = |epoch, revision, raft_term, phase| KeysPosition {
            epoch,
            point: HistoryPoint { cluster_id: 7, revision, raft_term },
            phase,
        };
        let positions = [
            at(0, 9, 2, KeysPhase::Listing(b"a".to_vec())),
            at(0, 9, 2, KeysPhase::Listing(b"a\0".to_vec())),
            at(0, 9, 2, KeysPhase::Complete),
            at(0, 10, 2, KeysPhase::Within(1)),
            at(0, 10, 2, KeysPhase::Within(2)),
            at(0, 10, 2, KeysPhase::Complete),
            at(0, 400, 1, KeysPhase::Complete),
            at(1, 3, 1, KeysPhase::Listing(vec![])),
            at(1, 3, 1, KeysPhase::Complete),
        ];
        let bytes: Vec<Vec<u8>> = positions.iter().map(KeysPosition::encode).collect();
        assert!(bytes.is_sorted_by(|one, other| one < other));
        for (bytes, position) in bytes.iter().zip(&positions) {
            assert_eq!(KeysPosition::decode(bytes).as_ref(), Some(position));
            assert_eq!(KeysPosition::decode(&bytes[..20]), None);
        }
    }
}
