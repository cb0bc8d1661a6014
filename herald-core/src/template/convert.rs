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

/// Why a value of a template has no form in JSON: the end of a sentence about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotJson {
    /// It is nested too deeply.
    #[error("is nested deeper than {DEEPEST}")]
    TooDeep,
    /// It holds something that is not defined.
    #[error("holds something that is not defined")]
    Undefined,
    /// Infinity, or not a number.
    #[error("is not a number in JSON")]
    Number,
    /// Bytes that are not text.
    #[error("is not a string: its bytes are not UTF-8")]
    Bytes,
    /// A kind of value that JSON does not have.
    #[error("gives {0}, which JSON does not have")]
    Kind(String),
    /// Its parts could not be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
}

impl NotJson {
    fn unreadable(error: &minijinja::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// What a template made, as JSON.
pub(super) fn to_json(made: &Made) -> Result<Value, NotJson> {
    json(made, 0)
}

fn json(made: &Made, depth: usize) -> Result<Value, NotJson> {
    if depth > DEEPEST {
        return Err(NotJson::TooDeep);
    }
    if let Some(digits) = made.downcast_object_ref::<Digits>() {
        return Ok(Value::Number(digits.0.clone()));
    }
    if let Some(whole) = made.downcast_object_ref::<Lazy>() {
        return Ok(Value::Object(whole.0.as_ref().clone()));
    }
    match made.kind() {
        ValueKind::Undefined => Err(NotJson::Undefined),
        ValueKind::None => Ok(Value::Null),
        ValueKind::Bool => Ok(Value::Bool(made.is_true())),
        // Its text is the number: an integer of up to 128 bits, or a float.
        ValueKind::Number => made.to_string().parse().map(Value::Number).map_err(|_| NotJson::Number),
        ValueKind::String => Ok(Value::String(made.as_str().unwrap_or_default().to_owned())),
        ValueKind::Seq | ValueKind::Iterable => {
            let items = made.try_iter().map_err(|error| NotJson::unreadable(&error))?;
            items.map(|item| json(&item, depth + 1)).collect()
        }
        ValueKind::Map => {
            let keys = made.try_iter().map_err(|error| NotJson::unreadable(&error))?;
            let entry = |key: Made| {
                let value = made.get_item(&key).map_err(|error| NotJson::unreadable(&error))?;
                Ok((key.to_string(), json(&value, depth + 1)?))
            };
            keys.map(entry).collect::<Result<Params, NotJson>>().map(Value::Object)
        }
        ValueKind::Bytes => Err(NotJson::Bytes),
        other => Err(NotJson::Kind(other.to_string())),
    }
}
