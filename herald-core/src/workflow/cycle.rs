//! Finds chains of routers on `exe_done` that are sure to feed themselves.

use super::model::KnownComponents;
use super::route::Route;
use crate::event::activation::EXE_DONE;
use herald_config::problem::{Path, Problem};

/// Past this many routes on `exe_done`, only routes that feed themselves directly are looked for: the search
/// costs their number squared.
const MOST_PAIRS_OF: usize = 1000;

/// A warning for every route that lets its own jobs through, and one for every ring of several routes.
pub(super) fn warnings(routes: &[Route], known: &KnownComponents<'_>) -> Vec<Problem> {
    let chained: Vec<&Route> = routes.iter().filter(|route| &*route.trigger == EXE_DONE).collect();
    let mut problems = Vec::new();
    let mut feeds_itself = vec![false; chained.len()];
    for (n, route) in chained.iter().enumerate() {
        if feeds(route, route, known) {
            feeds_itself[n] = true;
            problems.push(warning(&[route]));
        }
    }
    if chained.len() <= MOST_PAIRS_OF {
        let next: Vec<Vec<usize>> = chained
            .iter()
            .map(|from| (0..chained.len()).filter(|to| feeds(from, chained[*to], known)).collect())
            .collect();
        for ring in rings(&next) {
            let routes: Vec<&Route> = ring.iter().map(|n| chained[*n]).collect();
            problems.push(warning(&routes));
        }
    }
    problems
}

/// Whether a job of `from` is sure to make a job of `to` when it ends.
fn feeds(from: &Route, to: &Route, known: &KnownComponents<'_>) -> bool {
    // What a template will be is not known yet.
    if to.templates.as_ref().is_some_and(|templates| templates.select_param.is_some()) {
        return false;
    }
    let proof = known.selectors.get(&*to.selector).copied().flatten().and_then(|d| d.proof);
    proof.is_some_and(|proof| proof(&from.exe_done_params(), &to.select_param) == Some(true))
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
