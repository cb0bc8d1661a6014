//! Paths into the execution parameters that are sure to find nothing.

use herald_config::problem::near_miss;

/// The execution parameters that are texts or numbers.
const PLAIN: [&str; 10] = [
    "id",
    "job_id",
    "trigger_id",
    "router",
    "trigger",
    "selector",
    "task",
    "executor",
    "chain_depth",
    "attempt",
];
/// Those that are maps.
const MAPS: [&str; 3] = ["trigger_param", "select_param", "job_param"];

/// Why nothing will ever be at this path, and what to write instead; none where something may be.
#[must_use]
pub fn why_nothing(path: &str) -> Option<(String, String)> {
    let (first, rest) = path.split_once('/').map_or((path, None), |(first, rest)| (first, Some(rest)));
    if MAPS.contains(&first) {
        return None;
    }
    if PLAIN.contains(&first) {
        let rest = rest?;
        let why = format!("`{first}` is one value, and has no `{rest}` in it");
        return Some((why, format!("write  {first}")));
    }
    let why = format!("there is no execution parameter `{first}`");
    let with_slashes = path.trim_matches('/').replace('.', "/");
    let (word, inside) =
        with_slashes.split_once('/').map_or((&*with_slashes, ""), |(word, rest)| (word, rest));
    let known = || MAPS.into_iter().chain(PLAIN);
    let help = match near_miss(word, known()) {
        Some(meant) if inside.is_empty() => format!("did you mean `{meant}`?"),
        Some(meant) if MAPS.contains(&meant) => format!("write  {meant}/{inside}"),
        _ => format!(
            "write  trigger_param/{}  for what came with the event; the others are: {}",
            path.trim_matches('/'),
            known().skip(1).collect::<Vec<_>>().join(", ")
        ),
    };
    Some((why, help))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::component::conformance::job;

    #[test]
    fn a_path_begins_with_an_execution_parameter() {
        for (path, says) in [
            ("trigger_param/ref", None),
            ("trigger_param/repository/full.name", None),
            ("trigger_param", None),
            ("job_param/host", None),
            ("select_param/match_key", None),
            ("router", None),
            ("attempt", None),
            ("trigger_param.ref", Some("write  trigger_param/ref")),
            ("/trigger_param/ref", Some("write  trigger_param/ref")),
            ("trigger_params/ref", Some("write  trigger_param/ref")),
            ("trigger_param.repository.name", Some("write  trigger_param/repository/name")),
            ("ref", Some("write  trigger_param/ref  for what came with the event")),
            ("repository/name", Some("write  trigger_param/repository/name  for what came with the event")),
            ("roter", Some("did you mean `router`?")),
            ("router/name", Some("write  router")),
        ] {
            let help = why_nothing(path).map(|(_, help)| help);
            match says {
                None => assert_eq!(help, None, "{path}"),
                Some(says) => {
                    assert!(help.as_deref().is_some_and(|help| help.starts_with(says)), "{path}: {help:?}")
                }
            }
        }
    }

    #[test]
    fn the_names_are_those_of_a_job() {
        let mut known: Vec<&str> = MAPS.into_iter().chain(PLAIN).collect();
        let params = job("1").params();
        let mut names: Vec<&str> = params.keys().map(String::as_str).collect();
        known.sort_unstable();
        names.sort_unstable();
        assert_eq!(names, known);
    }
}
