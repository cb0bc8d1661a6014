//! What expressions can do beside the standard of CEL.

use std::net::IpAddr;
use std::sync::Arc;

use cel::{Context, Value as Made};
use herald_base::clock::{Clock as _, SystemClock};
use herald_base::value::dotted;
use jiff::Timestamp;
use jiff::fmt::rfc2822;

use crate::value::{json, of};
use herald_net::network::Network;
use herald_webhook::signature::{Algorithm, Encoding, matches};

/// Their names.
pub(crate) const NAMES: [&str; 5] = ["at", "hmac_matches", "in_cidr", SECONDS_SINCE, "text"];
/// The one that reads the clock.
pub(crate) const SECONDS_SINCE: &str = "seconds_since";

/// Adds all of them. None fails: what makes no sense gives null or false.
pub(crate) fn add_to(context: &mut Context<'_, '_>) {
    // Adding fails only for the names of the standard.
    let _ = context.add_function("at", at);
    let _ = context.add_function("hmac_matches", hmac_matches);
    let _ = context.add_function("in_cidr", in_cidr);
    let _ = context.add_function(SECONDS_SINCE, seconds_since);
    let _ = context.add_function("text", text);
}

/// The value at a path such as `push_data.tag` or `commits.0.id`, or null.
fn at(value: Made, path: Arc<String>) -> Made {
    let json = json(&value);
    let found = json.as_ref().and_then(|json| dotted(json, &path));
    found.map_or(Made::Null, of)
}

/// A value as text: texts as they are, everything else as JSON.
fn text(value: Made) -> Arc<String> {
    match value {
        Made::String(text) => text,
        other => Arc::new(json(&other).map(|json| json.to_string()).unwrap_or_default()),
    }
}

fn in_cidr(address: Arc<String>, network: Arc<String>) -> bool {
    match (address.parse::<IpAddr>(), network.parse::<Network>()) {
        (Ok(address), Ok(network)) => network.contains(address),
        _ => false,
    }
}

/// Seconds since a time in RFC 2822 or RFC 3339; null when it is none.
fn seconds_since(time: Arc<String>) -> Made {
    let parsed = time.parse::<Timestamp>().ok();
    let parsed = parsed.or_else(|| rfc2822::parse(&time).ok().map(|zoned| zoned.timestamp()));
    parsed.map_or(Made::Null, |time| Made::Float(SystemClock.now().duration_since(time).as_secs_f64()))
}

/// Whether one of the signatures (several with commas; each perhaps with `sha256=` in front) is that of the data. In
/// hexadecimal or Base64.
fn hmac_matches(
    algorithm: Arc<String>,
    secret: Arc<String>,
    data: Arc<String>,
    signature: Arc<String>,
) -> bool {
    let Some(algorithm) = Algorithm::named(&algorithm) else { return false };
    signature.split(',').any(|one| {
        let one = one.trim();
        let one = one.strip_prefix(&format!("{}=", algorithm.name())).unwrap_or(one);
        [Encoding::Hex, Encoding::Base64]
            .into_iter()
            .any(|encoding| matches(algorithm, secret.as_bytes(), &[data.as_bytes()], one, encoding))
    })
}
