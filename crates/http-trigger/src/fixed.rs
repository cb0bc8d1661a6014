//! The option `answer`: answers in words of the user's own.

use herald_core::spec::{CheckError, OptionKind, OptionSpec};
use herald_requests::Fixed;
use http::{HeaderName, HeaderValue};
use serde_json::Value;

/// What the option may hold.
pub(crate) fn spec() -> OptionSpec {
    let new = OptionSpec::new;
    let words = || {
        vec![
            new("status", OptionKind::Integer { min: 200, max: 599 }, "The status."),
            new("body", OptionKind::Text, "The body, as text."),
            new("headers", OptionKind::Map, "Further headers.").check(check_headers),
        ]
    };
    let fields = vec![
        new(
            "matched",
            OptionKind::Fields(words()),
            "When a router matched the event (and with `respond: result` its jobs succeed).",
        ),
        new("unmatched", OptionKind::Fields(words()), "When no router matched the event."),
        new("failed", OptionKind::Fields(words()), "With `respond: result`, when a job did not succeed."),
        new(
            "plain",
            OptionKind::Boolean,
            "With `respond: result`: answer with what the jobs wrote to standard output, and nothing else. Where that is longer \
             than `output_limit`, or not text (UTF-8), the answer is an error.",
        )
        .default(false),
    ];
    new(
        "answer",
        OptionKind::Fields(fields),
        "Words of your own in place of Herald's, for callers that expect them. Refusals stay as they are.",
    )
}

fn check_headers(headers: &Value) -> Result<(), CheckError> {
    let Value::Object(headers) = headers else { return Ok(()) };
    for (name, value) in headers {
        HeaderName::try_from(name.as_str())
            .map_err(|_| CheckError::new(format!("`{name}` is not the name of a header")))?;
        let value = value.as_str().ok_or_else(|| CheckError::new(format!("{name}: expected a string")))?;
        HeaderValue::from_str(value)
            .map_err(|_| CheckError::new(format!("{name}: not a valid header value")))?;
    }
    Ok(())
}

/// Reads the option, whose parts are checked already.
pub(crate) fn read(given: &Value) -> Result<Fixed, CheckError> {
    serde_json::from_value(given.clone()).map_err(|error| CheckError::new(error.to_string()))
}
