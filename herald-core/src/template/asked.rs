//! The names that a template asks for while it is tried out, before there is anything to fill in.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use minijinja::Value as Made;
use minijinja::value::{Object, ObjectRepr};

/// Writes down which names are asked for, and knows none of them.
#[derive(Debug, Default)]
pub(super) struct AskedNames(Arc<Notebook>);

#[derive(Debug, Default)]
struct Notebook(Mutex<HashSet<String>>);

impl Object for Notebook {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Made) -> Option<Made> {
        let mut names = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        names.extend(key.as_str().map(str::to_owned));
        None
    }
}

impl AskedNames {
    /// What a template is tried out with.
    pub(super) fn context(&self) -> Made {
        Made::from_dyn_object(self.0.clone())
    }

    /// These names, and those that were asked for: MiniJinja's own list leaves out what a slice is taken of.
    pub(super) fn and(&self, mut names: HashSet<String>) -> HashSet<String> {
        names.extend(self.0.0.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned());
        names
    }
}
