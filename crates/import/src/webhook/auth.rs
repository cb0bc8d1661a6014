//! Rules of webhook that only authenticate the sender of a request.

use serde_json::{Value, json};

use super::reference::RequestReference;
use super::rule::algorithm;
use crate::original::OriginalValue;

/// Headers that carry nothing but a signature, and the prefix of it.
const SIGNED: [(&str, &str); 5] = [
    ("X-Hub-Signature", "sha1="),
    ("X-Hub-Signature-256", "sha256="),
    ("X-Gogs-Signature", ""),
    ("X-Gitea-Signature", ""),
    ("X-Forgejo-Signature", ""),
];

/// A rule that every request must satisfy and that only authenticates the sender. The trigger checks it, so that
/// requests of others create no event.
pub(super) struct TriggerAuth {
    /// The option of the trigger.
    pub(super) option: Value,
    /// The rule, by its place.
    pub(super) rule: *const Value,
}

impl TriggerAuth {
    pub(super) fn of(hook: &OriginalValue<'_>) -> Option<Self> {
        Self::in_rule(&hook.get("trigger-rule")?)
    }

    fn in_rule(rule: &OriginalValue<'_>) -> Option<Self> {
        if rule.get("and").is_some() {
            return rule.list_at("and").iter().find_map(Self::in_rule);
        }
        if ["or", "not"].iter().any(|kind| rule.get(kind).is_some()) {
            return None;
        }
        let rule = rule.get("match")?;
        let text = |key: &str| rule.get(key)?.value.as_str().map(str::to_owned);
        let parameter = rule.get("parameter")?;
        let source = parameter.get("source")?.value.as_str()?.to_owned();
        let name = parameter.get("name")?.value.as_str()?.to_owned();
        let kind = text("type")?;
        let option = match algorithm(&kind) {
            Some(algorithm) => {
                let (header, prefix) =
                    SIGNED.iter().find(|(header, _)| header.eq_ignore_ascii_case(&name))?;
                let secret = text("secret").filter(|secret| !secret.is_empty() && source == "header")?;
                let known = prefix.is_empty() || *prefix == format!("{algorithm}=");
                known.then_some(())?;
                // The original accepts a signature with its prefix and without it.
                let prefixes = [format!("{algorithm}="), String::new()];
                json!({"hmac": {
                    "header": header, "algorithm": algorithm, "encoding": "hex", "prefix": prefixes, "secret": secret,
                }})
            }
            None => {
                let argument = RequestReference::read(&parameter).ok()?;
                let (place, name) = argument.in_auth()?;
                // How Herald treats the scheme in front of a token differs from the original.
                let token = herald_base::secret_name::is_secret_name(name) && kind == "value";
                let value = text("value").filter(|value| token && !value.is_empty())?;
                json!({"token": value, place: name})
            }
        };
        Some(Self { option, rule: std::ptr::from_ref(rule.value) })
    }
}
