//! How the parameters of a route are held.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::value::param::Params;

/// Parameters of a route, presets merged, secrets included. Where there are thousands of routes and an event concerns
/// one of them, those of the others wait as text: maps take ten times as much memory.
#[derive(Debug, Clone)]
pub struct RouteParams(HeldParams);

#[derive(Debug, Clone)]
enum HeldParams {
    Whole(Arc<Params>),
    Packed(Arc<PackedParams>),
}

#[derive(Debug)]
struct PackedParams {
    json: Box<str>,
    /// What jobs of now have of it: those that wait share it.
    in_use: Mutex<Weak<Params>>,
}

impl RouteParams {
    /// As text.
    pub(super) fn packed(params: &Arc<Params>) -> Self {
        let text = serde_json::to_string(&**params);
        let packed = |json: String| PackedParams { json: json.into(), in_use: Mutex::default() };
        Self(text.map_or_else(
            |_| HeldParams::Whole(params.clone()),
            |json| HeldParams::Packed(Arc::new(packed(json))),
        ))
    }

    /// At hand again: they are asked for often.
    pub(super) fn unpack(&mut self) {
        *self = self.get().into();
    }

    /// The parameters: at once, or within some microseconds where they are packed.
    #[must_use]
    pub fn get(&self) -> Arc<Params> {
        match &self.0 {
            HeldParams::Whole(params) => params.clone(),
            HeldParams::Packed(packed) => packed.get(),
        }
    }
}

impl PackedParams {
    fn get(&self) -> Arc<Params> {
        let mut in_use = self.in_use.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(params) = in_use.upgrade() {
            return params;
        }
        // It is what `packed` wrote.
        let params = Arc::new(serde_json::from_str(&self.json).unwrap_or_default());
        *in_use = Arc::downgrade(&params);
        params
    }
}

impl From<Arc<Params>> for RouteParams {
    fn from(params: Arc<Params>) -> Self {
        Self(HeldParams::Whole(params))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    proptest! {
        #[test]
        fn packed_ones_are_the_same(text in ".*", number in "-?[1-9][0-9]{0,30}(\\.[0-9]{1,20})?(e-?[0-9]{1,3})?") {
            let number: Value = serde_json::from_str(&number).unwrap();
            let value = json!({"b": [text, null, true, {text.clone(): number}], "a": text, "": {}});
            let params = Arc::new(value.as_object().unwrap().clone());
            let mut packed = RouteParams::packed(&params);
            let got = packed.get();
            prop_assert_eq!(&got, &params);
            // In the order in which they were written, numbers as they were.
            prop_assert_eq!(serde_json::to_string(&*got).unwrap(), value.to_string());
            prop_assert!(Arc::ptr_eq(&got, &packed.clone().get()), "jobs that wait share them");
            packed.unpack();
            prop_assert!(matches!(packed.0, HeldParams::Whole(whole) if whole == params));
        }
    }
}
