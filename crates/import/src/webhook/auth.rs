//! Rules of webhook that only authenticate the sender of a request.

use serde_json::{Value, json};

use super::reference::{RequestReference, uses_query};
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
        let auth = Self::in_rule(&hook.get("trigger-rule")?)?;
        // The trigger takes a token out of the query.
        let query = auth.option.get("query").and_then(Value::as_str);
        let again = query.and_then(|name| QueryUse { name, except: auth.rule }.in_hook(hook));
        if let Some(at) = again {
            at.omit(
                "this uses the query parameter that a rule compares with a token: the rule stays a rule instead of `auth`, \
                 so that a request with a wrong token is an event that is recorded, and is not answered with 401",
            );
            return None;
        }
        Some(auth)
    }

    fn in_rule(rule: &OriginalValue<'_>) -> Option<Self> {
        if rule.get("and").is_some() {
            return rule.list_at("and").iter().find_map(Self::in_rule);
        }
        if ["or", "not"].iter().any(|kind| rule.get(kind).is_some()) {
            return None;
        }
        let rule = rule.get("match")?;
        let text = |key: &str| rule.get(key)?.text();
        let parameter = rule.get("parameter")?;
        let (source, name) = (parameter.get("source")?.text()?, parameter.get("name")?.text()?);
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

/// Where a hook looks at a query parameter.
struct QueryUse<'a> {
    name: &'a str,
    /// But for the rule at this place.
    except: *const Value,
}

impl QueryUse<'_> {
    fn in_hook<'v>(&self, hook: &OriginalValue<'v>) -> Option<OriginalValue<'v>> {
        const LISTS: [&str; 4] = [
            "pass-arguments-to-command",
            "pass-environment-to-command",
            "pass-file-to-command",
            "parse-parameters-as-json",
        ];
        let passed = LISTS.into_iter().filter_map(|key| hook.get(key)).flat_map(|list| list.list());
        passed
            .into_iter()
            .find(|at| uses_query(at, self.name))
            .or_else(|| self.in_rule(&hook.get("trigger-rule")?))
    }

    fn in_rule<'v>(&self, rule: &OriginalValue<'v>) -> Option<OriginalValue<'v>> {
        let lists = ["and", "or"].into_iter().filter_map(|key| rule.get(key)).flat_map(|list| list.list());
        let inner = lists.chain(rule.get("not"));
        if let Some(found) = inner.into_iter().find_map(|rule| self.in_rule(&rule)) {
            return Some(found);
        }
        let rule = rule.get("match").filter(|rule| !std::ptr::eq(rule.value, self.except))?;
        rule.get("parameter").filter(|at| uses_query(at, self.name))
    }
}
