//! Keys of routers and tasks that there are not.

use super::policy;
use crate::value::param::Params;
use herald_config::problem::{Path, Problem, near_miss};

/// A problem for each key that is none of these, with what may have been meant.
pub(super) fn unknown_keys<'a>(
    body: &'a Params,
    known: &'a [&'a str],
    at: &'a Path,
) -> impl Iterator<Item = Problem> + 'a {
    body.keys().filter(|key| !known.contains(&key.as_str())).map(|key| {
        let help = match near_miss(key, known.iter().copied()) {
            _ if policy::holds(key) => format!("write  policy: {{{key}: …}}"),
            Some(meant) => format!("did you mean `{meant}`?"),
            None => match last_words(known, key) {
                meant if meant.is_empty() => format!("expected one of: {}", known.join(", ")),
                meant => format!("did you mean `{}`?", meant.join("` or `")),
            },
        };
        Problem::error(at.key(key), format!("unknown key `{key}`")).at_key().help(help)
    })
}

/// The keys whose last word this is, in one or in many: `param` of `job_param`.
fn last_words<'k>(known: &[&'k str], key: &str) -> Vec<&'k str> {
    let word = key.strip_suffix('s').unwrap_or(key);
    let is_meant = |name: &&&str| name.rsplit_once('_').is_some_and(|(_, last)| last == word);
    known.iter().filter(is_meant).copied().collect()
}
