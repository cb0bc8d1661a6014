//! The nodes of a fleet, as they are configured; shared with the components that name them.

use crate::settings::RunnerAddress;

/// All nodes, in the order of the configuration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Nodes(pub Vec<ConfiguredNode>);

/// A server of the fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct ConfiguredNode {
    /// Its name.
    pub name: String,
    /// Where its runner is. Holds secrets.
    pub runner: RunnerAddress,
    /// What it is for.
    pub tags: Vec<String>,
}

/// Which node of the fleet this is: the name after `-id`.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnNode(pub String);

impl Nodes {
    /// The node of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&ConfiguredNode> {
        self.0.iter().find(|node| node.name == name)
    }

    /// The nodes that have this tag.
    pub fn tagged(&self, tag: &str) -> impl Iterator<Item = &ConfiguredNode> {
        self.0.iter().filter(move |node| node.tags.iter().any(|other| other == tag))
    }
}
