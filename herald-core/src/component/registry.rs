//! The component types that a program knows, by name.

use std::collections::BTreeMap;

use crate::component::spec::{ComponentType, Description, ExecutorType, SelectorType, TriggerType};

/// The types of one kind. The first one registered under a name stays: plugins are registered before the
/// built-in types, and so are asked before them.
pub struct ComponentTypes<C: ?Sized> {
    types: BTreeMap<String, ComponentType<C>>,
}

impl<C: ?Sized> Default for ComponentTypes<C> {
    fn default() -> Self {
        Self { types: BTreeMap::new() }
    }
}

impl<C: ?Sized> ComponentTypes<C> {
    /// Adds a type, unless one of that name is there. Returns whether it was added.
    pub fn add(&mut self, component: ComponentType<C>) -> bool {
        let name = component.description.type_name.clone();
        match self.types.entry(name) {
            std::collections::btree_map::Entry::Occupied(_) => false,
            std::collections::btree_map::Entry::Vacant(place) => {
                place.insert(component);
                true
            }
        }
    }

    /// Adds these types, those whose name is there already left out.
    pub fn extend(&mut self, components: impl IntoIterator<Item = ComponentType<C>>) {
        for component in components {
            self.add(component);
        }
    }

    /// The type of this name.
    #[must_use]
    pub fn get(&self, type_name: &str) -> Option<&ComponentType<C>> {
        self.types.get(type_name)
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// All descriptions, sorted by name.
    pub fn descriptions(&self) -> impl Iterator<Item = &Description> {
        self.types.values().map(|component| &component.description)
    }
}

/// Every component type that a program knows.
#[derive(Default)]
pub struct Registry {
    /// Triggers.
    pub triggers: ComponentTypes<dyn crate::component::trigger::Trigger>,
    /// Selectors.
    pub selectors: ComponentTypes<dyn crate::component::selector::Selector>,
    /// Executors.
    pub executors: ComponentTypes<dyn crate::component::executor::Executor>,
}

impl Registry {
    /// The trigger type of this name.
    #[must_use]
    pub fn trigger(&self, type_name: &str) -> Option<&TriggerType> {
        self.triggers.get(type_name)
    }

    /// The selector type of this name.
    #[must_use]
    pub fn selector(&self, type_name: &str) -> Option<&SelectorType> {
        self.selectors.get(type_name)
    }

    /// The executor type of this name.
    #[must_use]
    pub fn executor(&self, type_name: &str) -> Option<&ExecutorType> {
        self.executors.get(type_name)
    }
}
