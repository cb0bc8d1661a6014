//! Where references to secrets are resolved.

use herald_config::secret::{LazyPath, SecretResolver};
use serde_json::Value;

/// Resolves references. Secret is what the options declare, not all that is below a name such as `token`: names of
/// roles and groups are, too.
pub fn resolve(resolver: &mut SecretResolver<'_>, value: &mut Value, at: &LazyPath<'_>) {
    match value {
        Value::Object(map) => {
            map.iter_mut().for_each(|(name, value)| resolve(resolver, value, &at.key(name)));
        }
        other => resolver.resolve(other, at),
    }
}
