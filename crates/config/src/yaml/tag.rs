//! Tags: `!!int 5`.

use std::borrow::Cow;

use serde_json::Value;
use serde_yaml::granit_parser::Tag;

use super::scalar::{self, ScalarError};

/// What a scalar means. With `keeps_texts`, what looks like a number that JSON cannot hold is a text.
pub(super) fn scalar_value(
    text: Cow<'_, str>,
    plain: bool,
    tag: Option<&Tag>,
    keeps_texts: bool,
) -> Result<Value, ScalarError> {
    match tag {
        None if plain => match scalar::plain(&text) {
            Err(_) if keeps_texts => Ok(Value::String(text.into_owned())),
            value => value,
        },
        None => Ok(Value::String(text.into_owned())),
        Some(tag) => match tag.core_suffix() {
            Some(core) => scalar::tagged(&text, core),
            None if is_plain_tag(tag) => Ok(Value::String(text.into_owned())),
            None => Err(ScalarError::UnknownTag(tag_text(tag))),
        },
    }
}

/// `!`, which only says "not resolved": a text stays a text.
pub(super) fn is_plain_tag(tag: &Tag) -> bool {
    tag.handle().is_empty() && tag.suffix() == "!" || tag.handle() == "!" && tag.suffix().is_empty()
}

pub(super) fn tag_text(tag: &Tag) -> String {
    format!("{}{}", tag.original_handle(), tag.suffix())
}
