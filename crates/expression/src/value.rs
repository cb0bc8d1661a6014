//! JSON for CEL.

use std::collections::HashMap;
use std::sync::Arc;

use cel::Value as Made;
use cel::objects::{Key, Map};
use herald_base::value::Params;
use serde_json::{Number, Value};

/// Parameters as a map.
pub(crate) fn of_params(params: &Params) -> Made {
    let entries: HashMap<Key, Made> =
        params.iter().map(|(key, value)| (Key::String(Arc::new(key.clone())), of(value))).collect();
    Made::Map(Map { map: Arc::new(entries) })
}

/// JSON as CEL sees it. An integer beyond 64 bits is taken for the nearest floating-point number.
pub(crate) fn of(value: &Value) -> Made {
    match value {
        Value::Null => Made::Null,
        Value::Bool(is) => Made::Bool(*is),
        Value::Number(number) => of_number(number),
        Value::String(text) => Made::String(Arc::new(text.clone())),
        Value::Array(list) => Made::List(Arc::new(list.iter().map(of).collect())),
        Value::Object(map) => of_params(map),
    }
}

fn of_number(number: &Number) -> Made {
    if let Some(whole) = number.as_i64() {
        Made::Int(whole)
    } else if let Some(whole) = number.as_u64() {
        Made::UInt(whole)
    } else {
        Made::Float(number.as_f64().unwrap_or(f64::NAN))
    }
}

/// CEL as JSON; bytes, times and types have none.
pub(crate) fn json(made: &Made) -> Option<Value> {
    Some(match made {
        Made::Null => Value::Null,
        Made::Bool(is) => Value::Bool(*is),
        Made::Int(whole) => Value::from(*whole),
        Made::UInt(whole) => Value::from(*whole),
        Made::Float(number) => Value::from(*number),
        Made::String(text) => Value::String(text.to_string()),
        Made::List(list) => Value::Array(list.iter().map(json).collect::<Option<_>>()?),
        Made::Map(map) => {
            let entry = |(key, value): (&Key, &Made)| match key {
                Key::String(key) => Some((key.to_string(), json(value)?)),
                _ => None,
            };
            let mut entries: Vec<(String, Value)> = map.map.iter().map(entry).collect::<Option<_>>()?;
            entries.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(entries.into_iter().collect())
        }
        _ => return None,
    })
}

/// What a value is, for people.
pub(crate) fn kind(made: &Made) -> &'static str {
    match made {
        Made::Null => "null",
        Made::Bool(_) => "true or false",
        Made::Int(_) | Made::UInt(_) | Made::Float(_) => "a number",
        Made::String(_) => "a text",
        Made::List(_) => "a list",
        Made::Map(_) => "a map",
        _ => "something else",
    }
}
