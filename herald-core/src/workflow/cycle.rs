//! Finds chains of routers on `exe_done` that are sure to feed themselves.

use serde_json::{Value, json};

use super::model::KnownComponents;
use super::route::Route;
use crate::event::activation::EXE_DONE;
use crate::value::param::Params;
use herald_config::problem::{Path, Problem};

/// Past this many routes on `exe_done`, only routes that feed themselves directly are looked for: the search
/// costs their number squared.
const MOST_PAIRS_OF: usize = 1000;

/// A warning for every route that lets its own jobs through, and one for every ring of several routes.
pub(super) fn warnings(routes: &[Route], known: &KnownComponents<'_>) -> Vec<Problem> {
    let chained: Vec<&Route> = routes.iter().filter(|route| &*route.trigger == EXE_DONE).collect();
    let mut problems = Vec::new();
    for route in &chained {
        match matches_itself(route, known) {
            _ if feeds(&route.exe_done_params(), route, known) => problems.push(warning(&[route])),
            SelfMatch::Always => problems.push(warning(&[route])),
            SelfMatch::Sometimes => problems.push(also_matches(&route.router)),
            SelfMatch::Unknown => {}
        }
    }
    if chained.len() <= MOST_PAIRS_OF {
        let next: Vec<Vec<usize>> = chained
            .iter()
            .map(|from| {
                let ended = from.exe_done_params();
                (0..chained.len()).filter(|to| feeds(&ended, chained[*to], known)).collect()
            })
            .collect();
        for ring in rings(&next) {
            let routes: Vec<&Route> = ring.iter().map(|n| chained[*n]).collect();
            problems.push(warning(&routes));
        }
    }
    problems
}

/// Whether a job that is sure to end with this makes a job of `to`.
fn feeds(ended: &Params, to: &Route, known: &KnownComponents<'_>) -> bool {
    // What a template will be is not known yet.
    if to.templates.as_ref().is_some_and(|templates| templates.select_param.is_some()) {
        return false;
    }
    let proof = known.selectors.get(&*to.selector).copied().flatten().and_then(|d| d.proof);
    proof.is_some_and(|proof| proof(ended, &to.select_param.get()) == Some(true))
}

/// Whether the end of a job of a route makes another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum SelfMatch {
    /// However it ends.
    Always,
    /// If only it succeeds, or if only it fails.
    Sometimes,
    /// That is not certain.
    Unknown,
}

/// How a job ends, with its error.
const ENDS: [(&str, Option<&str>); 5] = [
    ("succeeded", None),
    ("failed", Some("exit code 1")),
    ("timed_out", Some("timed out")),
    ("cancelled", Some("cancelled")),
    ("lost", Some("lost")),
];
/// The first of them are how jobs usually end.
const USUAL_ENDS: usize = 2;

fn matches_itself(route: &Route, known: &KnownComponents<'_>) -> SelfMatch {
    if route.templates.as_ref().is_some_and(|templates| templates.select_param.is_some()) {
        return SelfMatch::Unknown;
    }
    let Some(proof) = known.selectors.get(&*route.selector).copied().flatten().and_then(|it| it.proof) else {
        return SelfMatch::Unknown;
    };
    let (mut job, select_param) = (route.exe_done_params(), route.select_param.get());
    if route.templates.is_some() {
        job.remove("job_param");
    }
    let is_sure = |end: &(&str, Option<&str>)| {
        unlike_values().into_iter().all(|others| {
            let (status, error) = *end;
            let end =
                [("success", error.is_none().into()), ("status", status.into()), ("error", error.into())];
            let mut event = job.clone();
            event.extend(end.into_iter().chain(others).map(|(key, value)| (key.to_owned(), value)));
            proof(&event, &select_param) == Some(true)
        })
    };
    match (ENDS.iter().all(is_sure), ENDS.iter().take(USUAL_ENDS).any(is_sure)) {
        (true, _) => SelfMatch::Always,
        (false, true) => SelfMatch::Sometimes,
        (false, false) => SelfMatch::Unknown,
    }
}

/// What else every event of `exe_done` has, twice: with the least and with the greatest value, of a job without another
/// attempt. What is true of both is true whatever they are, as far as one can tell. Nothing is known of what is in an
/// object, so it is a text.
fn unlike_values() -> [[(&'static str, Value); 13]; 2] {
    [("0", 0, Value::Null), ("z", u32::MAX, json!({}))].map(|(text, number, by)| {
        let text = Value::from(text);
        [
            ("id", text.clone()),
            ("job_id", text.clone()),
            ("trigger_id", text.clone()),
            ("trigger_param", text.clone()),
            ("result", text.clone()),
            ("queued_at", text.clone()),
            ("started_at", if by.is_null() { Value::Null } else { text.clone() }),
            ("ended_at", text),
            ("chain_depth", number.max(1).into()),
            ("attempt", 1.into()),
            ("attempts", 1.into()),
            ("failures_before", number.into()),
            ("by", by),
        ]
    })
}

fn also_matches(router: &str) -> Problem {
    let what =
        format!("it also matches the jobs of this router itself, which then start each other: \"{router}\"");
    let help = format!(
        "exclude them: with `expr` write  … && trigger_param.router != '{router}'; otherwise jobs are rejected from \
         `max_chain_depth` on"
    );
    Problem::warning(Path::top().key("router").key(router).key("selector"), what).help(help)
}

/// One ring through each strongly connected set of two or more: the shortest from its first member back to it.
fn rings(next: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut seen = vec![false; next.len()];
    let mut rings = Vec::new();
    for start in 0..next.len() {
        if seen[start] {
            continue;
        }
        if let Some(ring) = shortest_ring(next, start) {
            for n in &ring {
                seen[*n] = true;
            }
            rings.push(ring);
        }
    }
    rings
}

fn shortest_ring(next: &[Vec<usize>], start: usize) -> Option<Vec<usize>> {
    let mut came_from: Vec<Option<usize>> = vec![None; next.len()];
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for &to in &next[at] {
            if to == start {
                if at == start {
                    continue;
                }
                let mut ring = vec![at];
                while let Some(before) = came_from[ring[ring.len() - 1]] {
                    ring.push(before);
                }
                ring.reverse();
                return Some(ring);
            }
            if came_from[to].is_none() {
                came_from[to] = Some(at);
                queue.push_back(to);
            }
        }
    }
    None
}

fn warning(ring: &[&Route]) -> Problem {
    let first = &ring[0].router;
    let at = Path::top().key("router").key(first);
    let message = if ring.len() == 1 {
        format!("router \"{first}\" is started by its own finished jobs: an endless loop")
    } else {
        let names: Vec<&str> = ring.iter().map(|route| &*route.router).chain([&**first]).collect();
        format!("these routers start each other in an endless loop: {}", names.join(" -> "))
    };
    Problem::warning(at, message)
        .at_key()
        .help("change the selector so that it excludes these jobs; otherwise jobs are rejected from `max_chain_depth` on")
}
