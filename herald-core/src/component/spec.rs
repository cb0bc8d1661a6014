//! What a component type is: its description, and how one is made. The reference page and the JSON Schema are generated
//! from descriptions.

use std::sync::Arc;

pub use herald_config::spec::{
    CheckError, Description, Doubts, LookedAt, Looks, NamedParts, OptionCheck, OptionKind, OptionSpec,
    Options, ParamsCheck, PathUse, Proof, home, one_key,
};

use crate::component::context::Context;
use crate::component::executor::Executor;
use crate::component::selector::Selector;
use crate::component::trigger::{ComponentError, Trigger};

/// How a component is made from its options and its context. `Arc`, since plugins make theirs with a closure.
pub type Factory<C> = Arc<dyn Fn(&Options, &Context) -> Result<Arc<C>, ComponentError> + Send + Sync>;

/// A component type: its description and how one is made.
pub struct ComponentType<C: ?Sized> {
    /// What people read.
    pub description: Description,
    /// How one is made. An error that begins with an option's name and a colon is shown at that option. Called after
    /// the options were checked; MUST NOT take hold of ports or files yet, so that a configuration can be checked
    /// without side effects.
    pub factory: Factory<C>,
}

impl<C: ?Sized> Clone for ComponentType<C> {
    fn clone(&self) -> Self {
        Self { description: self.description.clone(), factory: self.factory.clone() }
    }
}

impl<C: ?Sized> ComponentType<C> {
    /// A type with this description, made from its options alone.
    pub fn new(
        description: Description,
        factory: impl Fn(&Options) -> Result<Arc<C>, ComponentError> + Send + Sync + 'static,
    ) -> Self {
        Self::with_context(description, move |options, _| factory(options))
    }

    /// A type with this description, made from its options and from what its [`Context`] holds.
    pub fn with_context(
        description: Description,
        factory: impl Fn(&Options, &Context) -> Result<Arc<C>, ComponentError> + Send + Sync + 'static,
    ) -> Self {
        Self { description, factory: Arc::new(factory) }
    }
}

/// A type of triggers.
pub type TriggerType = ComponentType<dyn Trigger>;
/// A type of selectors.
pub type SelectorType = ComponentType<dyn Selector>;
/// A type of executors.
pub type ExecutorType = ComponentType<dyn Executor>;
