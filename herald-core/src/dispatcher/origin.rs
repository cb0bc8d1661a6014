//! Where work comes from.

/// Where work comes from. Each origin has its own queue and its own bounds: a chain neither dies because the outside
/// fills the queue, nor shuts the outside out by growing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Origin {
    /// A trigger.
    Outside,
    /// The end of another job.
    Chain,
}

impl Origin {
    pub(super) fn of(chain_depth: u32) -> Self {
        if chain_depth == 0 { Self::Outside } else { Self::Chain }
    }
}
