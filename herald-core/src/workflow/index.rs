//! Which routes of a trigger an event can match, found without asking about each: by the values that their selectors
//! require.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::route::Route;
use crate::component::selector::{RequiredValue, Selector};
use crate::event::activation::NameMap;
use crate::event::trigger_param::TriggerParam;
use crate::value::param::value_key;

/// A trigger with fewer routes is asked about all of them: that costs no more, and says more in the log.
const FEWEST: usize = 64;

/// The key of a value that can be looked up. Lists and maps cannot: they may be large in an event.
fn key_of(value: &Value) -> Option<String> {
    (!matches!(value, Value::Array(_) | Value::Object(_))).then(|| value_key(value))
}

/// The routes of one trigger, by their places in its list.
#[derive(Debug, Default)]
pub(super) struct RouteIndex {
    /// Those that any event may match.
    of_any: Vec<usize>,
    /// Those that require a value, by where it is to be found and by the value.
    by_path: HashMap<String, HashMap<String, Vec<usize>>>,
}

impl RouteIndex {
    /// `None` where asking about all of them is as good.
    pub(super) fn of(routes: &[Arc<Route>], selectors: &NameMap<Arc<dyn Selector>>) -> Option<Self> {
        if routes.len() < FEWEST {
            return None;
        }
        let mut index = Self::default();
        for (at, route) in routes.iter().enumerate() {
            match required(route, selectors) {
                Some((path, key)) => {
                    index.by_path.entry(path).or_default().entry(key).or_default().push(at);
                }
                None => index.of_any.push(at),
            }
        }
        (!index.by_path.is_empty()).then_some(index)
    }

    /// Whether the route at this place is asked only where the event has the value that it requires.
    pub(super) fn is_looked_up(&self, at: usize) -> bool {
        self.of_any.binary_search(&at).is_err()
    }

    /// The places of the routes that the event may match, in order. All others it cannot match.
    pub(super) fn candidates(&self, event: &TriggerParam) -> Vec<usize> {
        let mut places = self.of_any.clone();
        for (path, by_value) in &self.by_path {
            let key = event.lookup(path).and_then(key_of);
            places.extend(key.and_then(|key| by_value.get(&key)).into_iter().flatten());
        }
        places.sort_unstable();
        places
    }
}

/// What an event must hold for this route, where that can be looked up. What a template fills in is known only with
/// the event.
fn required(route: &Route, selectors: &NameMap<Arc<dyn Selector>>) -> Option<(String, String)> {
    if route.templates.as_ref().is_some_and(|templates| templates.select_param.is_some()) {
        return None;
    }
    let RequiredValue { path, value } =
        selectors.get(&route.selector)?.requires(&route.select_param.get())?;
    Some((path, key_of(&value)?))
}
