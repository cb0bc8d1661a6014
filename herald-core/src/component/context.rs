//! What a component gets when it is made, besides its options: what others share with it, by type.

use std::any::{Any, TypeId};
use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

/// What the program shares with the components that it makes: the nodes of a fleet, say, or a connection. Each is found
/// by its type, so this library needs to know none of them, and none has to travel as an option.
///
/// It notes what a component took, so that a reload can keep the component as long as that is the same ([`Taken`]).
///
/// ```
/// use herald_core::context::Context;
///
/// #[derive(PartialEq)]
/// struct NodeName(String);
///
/// let mut context = Context::default();
/// context.share(NodeName("web1".to_owned()));
/// assert_eq!(context.get::<NodeName>().unwrap().0, "web1");
/// assert!(context.get::<u8>().is_none());
/// ```
#[derive(Default)]
pub struct Context {
    shared: HashMap<TypeId, Shared>,
    taken: RefCell<Taken>,
    component: RefCell<String>,
}

/// Something that is shared, and how two of its type are compared.
#[derive(Clone)]
struct Shared {
    value: Arc<dyn Any + Send + Sync>,
    equal: fn(&dyn Any, &dyn Any) -> bool,
}

impl Context {
    /// Shares this. It takes the place of what was shared of the same type.
    pub fn share<T: PartialEq + Send + Sync + 'static>(&mut self, value: T) {
        let equal =
            |one: &dyn Any, other: &dyn Any| match (one.downcast_ref::<T>(), other.downcast_ref::<T>()) {
                (Some(one), Some(other)) => one == other,
                _ => false,
            };
        self.shared.insert(TypeId::of::<T>(), Shared { value: Arc::new(value), equal });
    }

    /// What is shared of this type; none where nothing is.
    pub fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let shared = self.shared.get(&TypeId::of::<T>());
        // That nothing was there counts, too: a component is made again once something is.
        self.taken.borrow_mut().0.insert(TypeId::of::<T>(), shared.cloned());
        shared.and_then(|shared| shared.value.clone().downcast().ok())
    }

    /// The name of the component that is made; empty where nobody said it.
    pub fn component(&self) -> String {
        self.component.borrow().clone()
    }

    /// From now on a component of this name is made.
    pub fn begin_component(&self, name: &str) {
        name.clone_into(&mut self.component.borrow_mut());
    }

    /// What was asked for since the last call.
    pub fn taken(&self) -> Taken {
        self.taken.take()
    }
}

/// What a component took from its context. Two are equal when the same types were asked for, and what there was of each
/// is equal.
#[derive(Clone, Default)]
pub struct Taken(HashMap<TypeId, Option<Shared>>);

impl PartialEq for Taken {
    fn eq(&self, other: &Self) -> bool {
        let equal = |one: &Option<Shared>, other: &Option<Shared>| match (one, other) {
            (Some(one), Some(other)) => (one.equal)(&*one.value, &*other.value),
            (None, None) => true,
            _ => false,
        };
        let same = |(of_type, one)| other.0.get(of_type).is_some_and(|other| equal(one, other));
        self.0.len() == other.0.len() && self.0.iter().all(same)
    }
}

impl std::fmt::Debug for Taken {
    /// How many only: what is shared may be secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Taken").field(&self.0.len()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(PartialEq)]
    struct Nodes(Vec<u8>);

    #[derive(PartialEq)]
    struct Name(&'static str);

    fn context(nodes: &[u8], name: Option<&'static str>) -> Context {
        let mut context = Context::default();
        context.share(Nodes(nodes.to_vec()));
        if let Some(name) = name {
            context.share(Name(name));
        }
        context
    }

    #[test]
    fn what_was_taken_is_compared_and_nothing_else() {
        let takes = |context: Context, nodes: bool, name: bool| {
            if nodes {
                assert!(context.get::<Nodes>().is_some());
            }
            if name {
                context.get::<Name>();
            }
            context.taken()
        };
        for (nodes, name, other_nodes, other_name, same) in [
            (true, true, &[1][..], Some("a"), true),
            (true, true, &[2], Some("a"), false),
            (true, true, &[1], Some("b"), false),
            (true, true, &[1], None, false),
            (true, false, &[1], Some("b"), true),
            (false, true, &[2], Some("a"), true),
            (false, false, &[2], None, true),
        ] {
            let before = takes(context(&[1], Some("a")), nodes, name);
            let after = takes(context(other_nodes, other_name), nodes, name);
            assert_eq!(before == after, same, "{nodes} {name} {other_nodes:?} {other_name:?}");
        }
        let one = takes(context(&[1], None), true, false);
        assert!(one != takes(context(&[1], None), false, false), "other types were asked for");
    }

    #[test]
    fn what_one_component_took_is_not_noted_for_the_next() {
        let context = context(&[1], None);
        context.get::<Nodes>();
        assert!(context.taken() != Taken::default());
        assert!(context.taken() == Taken::default());
    }
}
