//! One function for each parser of what comes from outside: it takes any bytes, and must neither panic, hang nor grow.
//!
//! `cargo fuzz` calls them with bytes that reach new code (`.ci/fuzz-parsers`); the tests call them with the corpora
//! and with damaged copies of these, so that what was found once stays mended on the stable toolchain, too.

mod access;
mod configuration;
mod hook;
mod state;
mod wire;

pub use access::authorization;
pub use configuration::{cron, import, template, yaml};
pub use hook::{hook_body, hook_signature, recorded_request, request_line};
pub use state::journal;
pub use wire::{multipart, runner_signature, structured_fields};

/// A parser under test.
pub type Target = fn(&[u8]);

/// Every target by the name of its corpus.
pub const TARGETS: [(&str, Target); 13] = [
    ("authorization", authorization),
    ("cron", cron),
    ("hook_body", hook_body),
    ("hook_signature", hook_signature),
    ("import", import),
    ("journal", journal),
    ("multipart", multipart),
    ("recorded_request", recorded_request),
    ("request_line", request_line),
    ("runner_signature", runner_signature),
    ("structured_fields", structured_fields),
    ("template", template),
    ("yaml", yaml),
];

/// The bytes as text up to the first line break, and the rest.
fn first_line(data: &[u8]) -> (&str, &[u8]) {
    let end = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (line, rest) = data.split_at(end);
    (std::str::from_utf8(line).unwrap_or_default(), rest.get(1..).unwrap_or_default())
}
