//! The graph of the routers, made of a configuration.

use std::collections::{BTreeMap, BTreeSet};

use herald_control::model::{GraphEdge, GraphNode, GraphNodeKind, GraphResource};
use herald_core::activation::{EXE_DONE, Name};
use herald_core::param::Params;
use herald_core::spec::Proof;
use herald_core::workflow::{Route, Workflow};

/// The most routers that neighbours are looked for: each is compared with all others.
const MOST_WITH_NEIGHBOURS: usize = 20;

/// The most tasks of a part, unless one router has more.
const MOST_TASKS: usize = 1000;

/// What the graph is made of.
pub struct GraphParts<'a> {
    /// The routers.
    pub workflow: &'a Workflow,
    /// The triggers: name and type.
    pub triggers: BTreeMap<&'a str, &'a str>,
    /// What is known beforehand of the answers of selectors.
    pub proofs: &'a BTreeMap<Name, Proof>,
}

/// The routes of each router.
type RoutesByRouter<'a> = BTreeMap<&'a str, Vec<&'a Route>>;

/// A router that listens to `exe_done`, and its node.
struct ChainedRouter<'g> {
    node: usize,
    routes: &'g [&'g Route],
}

impl<'a> GraphParts<'a> {
    fn routers(&self) -> RoutesByRouter<'a> {
        let mut routers = RoutesByRouter::new();
        for route in self.workflow.all() {
            routers.entry(&route.router).or_default().push(route);
        }
        routers
    }

    /// All of it.
    #[must_use]
    pub fn whole(&self) -> GraphResource {
        self.graph(&self.routers(), true, usize::MAX)
    }

    /// At most so many routers, those whose name or trigger has this part, and so many edges. Of few routers, those
    /// that come before or after them are there too.
    #[must_use]
    pub fn part(&self, wanted: &str, most: usize, most_edges: usize) -> GraphResource {
        let all = self.routers();
        let is_wanted = |routes: &[&Route]| {
            routes
                .first()
                .is_some_and(|route| route.router.contains(wanted) || route.trigger.contains(wanted))
        };
        let mut names: BTreeSet<&str> =
            all.iter().filter(|(_, routes)| is_wanted(routes)).map(|(name, _)| *name).collect();
        let count = names.len();
        let mut tasks = 0;
        let has_room = |name: &&str| {
            let is_first = tasks == 0;
            tasks += all.get(name).map_or(0, Vec::len);
            is_first || tasks <= MOST_TASKS
        };
        names = names.into_iter().take(most).take_while(has_room).collect();
        let is_cut = names.len() < count;
        if !wanted.is_empty() && count <= MOST_WITH_NEIGHBOURS {
            let near = self.neighbours(&all, &names);
            names.extend(near.into_iter().take(most - names.len()));
        }
        let has_all = names.len() == all.len() && self.triggers.len() <= most;
        let chosen: RoutesByRouter<'a> = all.into_iter().filter(|(name, _)| names.contains(name)).collect();
        let mut graph = self.graph(&chosen, has_all, most_edges);
        graph.router_count = Some(count as u64).filter(|_| is_cut);
        graph
    }

    /// The routers that jobs of these start, and those whose jobs start these.
    fn neighbours(&self, all: &RoutesByRouter<'a>, names: &BTreeSet<&str>) -> BTreeSet<&'a str> {
        let listens = |routes: &[&Route]| routes.first().is_some_and(|route| *route.trigger == *EXE_DONE);
        let done = |routes: &[&Route]| routes.iter().map(|route| route.exe_done_params()).collect::<Vec<_>>();
        let leads = |from: &[Params], to: &[&Route]| {
            listens(to) && from.iter().any(|done| self.sure(done, to).is_some())
        };
        let named = names.iter().filter_map(|name| all.get(name));
        let named: Vec<_> = named.map(|routes| (routes, done(routes))).collect();
        let is_near = |other: &[&Route]| {
            let mut other_done = None;
            named.iter().any(|(one, one_done)| {
                leads(one_done, other)
                    || listens(one) && leads(other_done.get_or_insert_with(|| done(other)), one)
            })
        };
        all.iter().filter(|(_, other)| is_near(other)).map(|(name, _)| *name).collect()
    }

    fn graph(
        &self,
        routers: &RoutesByRouter<'a>,
        has_all_triggers: bool,
        most_edges: usize,
    ) -> GraphResource {
        let mut graph = GraphResource::default();
        let used: BTreeSet<&str> =
            routers.values().filter_map(|routes| Some(&*routes.first()?.trigger)).collect();
        let mut triggers: BTreeMap<&str, usize> = BTreeMap::new();
        for (name, type_name) in &self.triggers {
            if has_all_triggers || used.contains(name) {
                let type_name = if type_name.is_empty() { name } else { type_name };
                let id = graph.nodes.len();
                graph.nodes.push(GraphNode {
                    type_name: Some((*type_name).to_owned()),
                    ..node(id, GraphNodeKind::Trigger, name)
                });
                triggers.insert(name, id);
            }
        }
        let mut tasks: Vec<(usize, &Route)> = Vec::new();
        let mut listeners: Vec<ChainedRouter<'_>> = Vec::new();
        for (name, routes) in routers {
            let Some(first) = routes.first() else { continue };
            let router = graph.nodes.len();
            graph.nodes.push(GraphNode {
                selector: Some(first.selector.to_string()),
                ..node(router, GraphNodeKind::Routing, name)
            });
            match triggers.get(&*first.trigger) {
                Some(trigger) => graph.edges.push(edge(*trigger, router, None)),
                None if &*first.trigger == EXE_DONE => listeners.push(ChainedRouter { node: router, routes }),
                None => {}
            }
            for route in routes {
                let task = graph.nodes.len();
                graph.nodes.push(GraphNode {
                    router: Some((*name).to_owned()),
                    executor: Some(route.executor.to_string()),
                    ..node(task, GraphNodeKind::Task, &route.task)
                });
                graph.edges.push(edge(router, task, None));
                tasks.push((task, route));
            }
        }
        self.add_chains(&mut graph, &tasks, &listeners, most_edges);
        graph
    }

    /// Which end of a job starts which router, up to so many edges in all.
    fn add_chains(
        &self,
        graph: &mut GraphResource,
        tasks: &[(usize, &Route)],
        listeners: &[ChainedRouter<'_>],
        most_edges: usize,
    ) {
        let mut left_out = 0;
        for (task, route) in tasks {
            let done = route.exe_done_params();
            for listener in listeners {
                match self.sure(&done, listener.routes) {
                    Some(sure) if graph.edges.len() < most_edges => {
                        graph.edges.push(edge(*task, listener.node, Some(sure)));
                    }
                    Some(_) => left_out += 1,
                    None => {}
                }
            }
        }
        graph.edges_left_out = Some(left_out).filter(|count| *count > 0);
    }

    /// Whether the end of a job, which is sure to hold this, makes one of these routes of one router happen: surely,
    /// perhaps, or (`None`) never.
    fn sure(&self, done: &Params, routes: &[&Route]) -> Option<bool> {
        let selector = &routes.first()?.selector;
        let Some(proof) = self.proofs.get(selector) else { return Some(false) };
        let answers: Vec<_> = routes.iter().map(|to| proof(done, &to.select_param.get())).collect();
        if answers.contains(&Some(true)) {
            Some(true)
        } else if answers.iter().all(|answer| *answer == Some(false)) {
            None
        } else {
            Some(false)
        }
    }
}

fn node(id: usize, kind: GraphNodeKind, name: &str) -> GraphNode {
    GraphNode {
        id,
        kind,
        name: name.to_owned(),
        type_name: None,
        selector: None,
        router: None,
        executor: None,
        last: None,
        has_older: false,
    }
}

/// `done`: whether the event `exe_done` is sure to lead there, where it is one.
fn edge(from: usize, to: usize, done: Option<bool>) -> GraphEdge {
    GraphEdge { from, to, exe_done: done.is_some(), sure: done.unwrap_or(true) }
}
