//! What is configured, as the API shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use herald_core::activation::Name;
use herald_core::plan::Plan;
use herald_core::spec::Proof;
use herald_core::trigger::{Timetable, Trigger};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::known_board::KnownBoard;
use crate::assembly::Assembly;
use crate::executor::publish::publisher_of;
use crate::trigger::http;
use herald_config::include::WrittenConfiguration;
use herald_control::model;
use herald_metrics::ClockWait;
use herald_overview::graph::GraphParts;
use herald_page::frame::OptionalScreens;
use herald_projects::EtcdConnections;
use herald_queue_jobs::QueueConnections;
use herald_remote::DrainedNodes;

/// Times of a calendar that are shown.
const TIMES: usize = 5;

/// What is configured.
pub struct View {
    /// What the dispatcher goes by.
    pub(super) plan: Arc<Plan>,
    /// Name, type, component.
    triggers: Vec<(Name, String, Arc<dyn Trigger>)>,
    pub(super) executors: Vec<model::ExecutorResource>,
    /// What is known beforehand of the answers of selectors.
    proofs: BTreeMap<Name, Proof>,
    pub(super) etcd: EtcdConnections,
    pub(super) queues: QueueConnections,
    /// The nodes that are drained, as components go by it.
    pub(super) drained: DrainedNodes,
    /// What is written in the configuration.
    pub(super) written: Arc<WrittenConfiguration>,
    pub(super) boards: Vec<KnownBoard>,
    /// The screens of the page that not every daemon has.
    pub(crate) screens: OptionalScreens,
    /// Who asks the selectors about an event without starting anything; others wait.
    pub(super) rehearsals: Semaphore,
}

/// How many rehearsals there are at once: selectors may run programs.
const REHEARSALS: usize = 4;

impl View {
    /// Of these components and this plan.
    #[must_use]
    pub fn new(assembly: &Assembly, plan: Arc<Plan>) -> Self {
        let executor = |(name, type_name): (Name, &str)| model::ExecutorResource {
            name: name.to_string(),
            type_name: type_name.to_owned(),
            nodes: plan.executors.get(&name).map(|executor| executor.nodes()).unwrap_or_default(),
        };
        Self {
            triggers: assembly.typed_triggers(),
            proofs: assembly.proofs.clone(),
            etcd: assembly.etcd.clone(),
            queues: assembly.queues.clone(),
            drained: assembly.drained.clone(),
            written: assembly.written.clone(),
            boards: assembly.boards.iter().map(KnownBoard::new).collect(),
            screens: OptionalScreens {
                queues: assembly.queues.iter().next().is_some(),
                published: plan.executors.values().any(|executor| publisher_of(&**executor).is_some()),
            },
            rehearsals: Semaphore::new(REHEARSALS),
            executors: assembly.typed_executors().into_iter().map(executor).collect(),
            plan,
        }
    }

    /// The trigger of this name.
    pub(crate) fn trigger(&self, name: &str) -> Option<Name> {
        self.triggers.iter().find(|(known, ..)| **known == *name).map(|(known, ..)| known.clone())
    }

    /// The trigger of this name, itself.
    pub(super) fn trigger_itself(&self, name: &str) -> Option<&dyn Trigger> {
        self.triggers.iter().find(|(known, ..)| **known == *name).map(|(.., trigger)| &**trigger)
    }

    /// All triggers.
    pub(super) fn named_triggers(&self) -> impl Iterator<Item = (&str, &(dyn Trigger + 'static))> {
        self.triggers.iter().map(|(name, _, trigger)| (&**name, &**trigger))
    }

    /// All triggers themselves.
    pub(super) fn triggers_themselves(&self) -> impl Iterator<Item = (&Name, &dyn Trigger)> {
        self.triggers.iter().map(|(name, _, trigger)| (name, &**trigger))
    }

    /// The names of all triggers.
    pub(super) fn trigger_names(&self) -> impl Iterator<Item = &str> {
        self.triggers.iter().map(|(name, ..)| &**name)
    }

    /// The names of the routers of this trigger; one with several tasks comes as often.
    pub(super) fn routers_of(&self, trigger: &str) -> impl Iterator<Item = &str> {
        self.plan.workflow.routes(trigger).iter().map(|route| &*route.router)
    }

    /// The names of all routers, in order.
    pub(super) fn router_names(&self) -> BTreeSet<&str> {
        self.plan.workflow.all().map(|route| &*route.router).collect()
    }

    /// All triggers, with what is due after this time.
    pub(super) fn triggers(&self, now: Timestamp) -> Vec<model::TriggerResource> {
        let shown = |(name, type_name, trigger): &(Name, String, Arc<dyn Trigger>)| {
            let (mut next, mut every_seconds, mut waits_for_clock) = (Vec::new(), None, false);
            match trigger.timetable() {
                Some(Timetable::Every(period)) => {
                    every_seconds = Some(period.as_secs_f64());
                    let later = |at: &Timestamp| at.checked_add(period).ok();
                    let due = std::iter::successors(trigger.next_of_interval(now), later);
                    next.extend(due.take(TIMES).map(|at| at.to_string()));
                }
                Some(Timetable::Calendar(calendar)) => {
                    waits_for_clock = calendar.waits_for_clock(now);
                    // What fired before the clock was set back does not fire again.
                    let mut at = calendar.followed_until().map_or(now, |until| until.max(now));
                    while next.len() < TIMES
                        && let Some(due) = calendar.next_after(at)
                    {
                        next.push(due.to_string());
                        at = due;
                    }
                }
                None => {}
            }
            model::TriggerResource {
                name: name.to_string(),
                type_name: type_name.clone(),
                next,
                every_seconds,
                waits_for_clock,
                path: http::path_of(&**trigger).map(|path| self.plan.mask.text(&path)),
            }
        };
        self.triggers.iter().map(shown).collect()
    }

    /// Of the triggers that have a calendar, whether they wait for a clock that was set back.
    pub(super) fn waits_for_clock(&self, now: Timestamp) -> Vec<ClockWait> {
        let wait = |(name, _, trigger): &(Name, String, Arc<dyn Trigger>)| match trigger.timetable() {
            Some(Timetable::Calendar(calendar)) => {
                Some(ClockWait { trigger: name.clone(), waits: calendar.waits_for_clock(now) })
            }
            _ => None,
        };
        self.triggers.iter().filter_map(wait).collect()
    }

    /// The parts of the graph of the routers.
    pub(super) fn graph(&self) -> GraphParts<'_> {
        GraphParts {
            workflow: &self.plan.workflow,
            triggers: self.triggers.iter().map(|(name, type_name, _)| (&**name, &**type_name)).collect(),
            proofs: &self.proofs,
        }
    }

    /// All routers. Made when they are asked for: there may be ten thousand, and nobody who asks.
    pub(super) fn routers(&self) -> Vec<model::RouterResource> {
        let mut routers: BTreeMap<&str, model::RouterResource> = BTreeMap::new();
        for route in self.plan.workflow.all() {
            let router = routers.entry(&route.router).or_insert_with(|| model::RouterResource {
                name: route.router.to_string(),
                trigger: route.trigger.to_string(),
                selector: route.selector.to_string(),
                tasks: Vec::new(),
                paused: None,
            });
            router.tasks.push(model::TaskResource {
                task: route.task.to_string(),
                executor: route.executor.to_string(),
                select_param: self.plan.mask.params(&route.select_param.get()),
                job_param: self.plan.mask.params(&route.job_param.get()),
            });
        }
        routers.into_values().collect()
    }
}
