//! Names and ids.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use foldhash::fast::RandomState;

/// A name or an id, cheap to copy.
pub type Name = Arc<str>;

/// Things by their names or ids. An event is looked up some forty times until its job is over, so these are hashed
/// faster than `std` does. What senders name themselves does not belong here: `std` withstands names that are chosen to
/// collide.
pub type NameMap<T> = HashMap<Name, T, RandomState>;

/// Things by the names of their router and task.
pub type TaskMap<T> = HashMap<(Name, Name), T, RandomState>;

/// Names or ids, hashed as in [`NameMap`].
pub type NameSet = HashSet<Name, RandomState>;
