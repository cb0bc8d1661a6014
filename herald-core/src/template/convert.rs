//! JSON for templates, and back. Numbers keep their digits.

use std::sync::Arc;

use minijinja::Value as Made;
use minijinja::value::{Enumerator, Object, ObjectRepr, ValueKind};
use serde_json::{Number, Value};

use crate::value::param::Params;

/// Deeper values are not made: a template can build them without end.
const DEEPEST: usize = 128;

/// Parameters that are converted as far as somebody looks.
#[derive(Debug)]
pub(super) struct Lazy(pub(super) Arc<Params>);

impl Object for Lazy {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn get_value(self: &Arc<Self>, key: &Made) -> Option<Made> {
        self.0.get(key.as_str()?).map(to_made)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.0.keys().map(|key| Made::from(key.as_str())).collect())
    }
}

/// A number that neither an integer nor a floating-point number holds as it is written.
#[derive(Debug)]
struct Digits(Number);

impl Object for Digits {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn render(self: &Arc<Self>, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// JSON as templates see it.
pub(super) fn to_made(value: &Value) -> Made {
    match value {
        Value::Null => Made::from(()),
        Value::Bool(is) => Made::from(*is),
        Value::Number(number) => number_made(number),
        Value::String(text) => Made::from(text.as_str()),
        Value::Array(list) => list.iter().map(to_made).collect::<Vec<_>>().into(),
        Value::Object(map) => Made::from_pairs(map.iter().map(|(key, value)| (key.as_str(), to_made(value)))),
    }
}

fn number_made(number: &Number) -> Made {
    let text = number.to_string();
    if let Ok(whole) = text.parse::<i64>() {
        return Made::from(whole);
    }
    if let Ok(whole) = text.parse::<i128>() {
        return Made::from(whole);
    }
    match text.parse::<f64>() {
        Ok(float) if Made::from(float).to_string() == text => Made::from(float),
        _ => Made::from_object(Digits(number.clone())),
    }
}

/// What a template made, as JSON.
pub(super) fn to_json(made: &Made) -> Result<Value, String> {
    json(made, 0)
}

fn json(made: &Made, depth: usize) -> Result<Value, String> {
    if depth > DEEPEST {
        return Err(format!("is nested deeper than {DEEPEST}"));
    }
    if let Some(digits) = made.downcast_object_ref::<Digits>() {
        return Ok(Value::Number(digits.0.clone()));
    }
    if let Some(whole) = made.downcast_object_ref::<Lazy>() {
        return Ok(Value::Object(whole.0.as_ref().clone()));
    }
    match made.kind() {
        ValueKind::Undefined => Err("holds something that is not defined".to_owned()),
        ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Bool(made.is_true())),
        // Its text is the number: an integer of up to 128 bits, or a float.
        ValueKind::Number => {
            made.to_string().parse().map(Value::Number).map_err(|_| "is no number of JSON".to_owned())
        }
        ValueKind::String => Ok(Value::String(made.as_str().unwrap_or_default().to_owned())),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = made.try_iter().map_err(|error| error.to_string())?;
            items.map(|item| json(&item, depth + 1)).collect()
        }
        ValueKind::Map => {
            let keys = made.try_iter().map_err(|error| error.to_string())?;
            let entry = |key: Made| {
                let value = made.get_item(&key).map_err(|error| error.to_string())?;
                Ok((key.to_string(), json(&value, depth + 1)?))
            };
            keys.map(entry).collect::<Result<Params, String>>().map(Value::Object)
        }
        ValueKind::Bytes => Err("is not text: bytes that are no UTF-8".to_owned()),
        other => Err(format!("gives {other}, which JSON does not know")),
    }
}
