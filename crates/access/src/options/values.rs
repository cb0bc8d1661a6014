//! Values of the options that are more than a text.

use herald_config::problem::kind_of;
use herald_config::spec::CheckError;
use herald_net::network::{Network, NetworkError};
use serde_json::Value;

use crate::role::Role;

fn texts(given: &Value) -> Vec<&str> {
    match given {
        Value::String(one) => vec![one],
        Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

/// Networks, one or a list.
pub(super) fn networks(given: &Value) -> Result<Vec<Network>, CheckError> {
    let all = texts(given)
        .into_iter()
        .map(|text| text.parse().map_err(|error: NetworkError| CheckError::new(error.to_string())));
    all.collect()
}

/// Roles by name.
pub(super) fn read_roles(given: Option<&Value>) -> Result<Vec<(String, Role)>, CheckError> {
    let given = given.and_then(Value::as_object).into_iter().flatten();
    let role = |(name, role): (&String, &Value)| match role.as_str().map(str::parse::<Role>) {
        Some(Ok(role)) => Ok((name.clone(), role)),
        Some(Err(error)) => Err(CheckError::new(format!("{name}: {error}"))),
        None => Err(CheckError::new(format!("{name}: expected a role, found {}", kind_of(role)))),
    };
    given.map(role).collect()
}
