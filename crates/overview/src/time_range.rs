//! Times in queries: a time, or how long ago.

use herald_core::unit;
use jiff::Timestamp;
use serde_json::Value;
use utoipa::openapi::schema::{AnyOfBuilder, KnownFormat, ObjectBuilder, Schema, SchemaFormat, Type};

/// A text that is neither.
#[derive(Debug, thiserror::Error)]
#[error("{0}: expected a time such as 2026-11-24T12:00:00Z, or how long ago, such as 90m")]
pub struct TimeError(&'static str);

/// What it may be, for the document.
#[must_use]
pub fn time_or_ago() -> Schema {
    let text = || ObjectBuilder::new().schema_type(Type::String);
    let time = text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    let ago = text().pattern(Some("^[1-9][0-9]{0,3}(s|m|h|d)$"));
    Schema::AnyOf(AnyOfBuilder::new().item(time).item(ago).build())
}

/// The time that the parameter of this name means.
///
/// # Errors
/// When it is neither.
pub fn read_time(name: &'static str, text: &str, now: Timestamp) -> Result<Timestamp, TimeError> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    // A number alone would be seconds, but 2026 means a year.
    let ago = text.ends_with(char::is_alphabetic).then(|| unit::duration(&Value::from(text)).ok()).flatten();
    ago.and_then(|ago| now.checked_sub(ago).ok()).ok_or(TimeError(name))
}
