//! The components of one configuration, made from their types; those that did not change are kept at a reload.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use herald_config::listener_override::ListenerOverride;
use herald_core::activation::{Name, NameMap};
use herald_core::dispatcher::Handle;
use herald_core::executor::Executor;
use herald_core::plan::Plan;
use herald_core::secret::Mask;
use herald_core::selector::Selector;
use herald_core::spec::Proof;
use herald_core::supervisor::{ReloadedTrigger, TriggerChange};
use herald_core::trigger::Trigger;
use herald_core::workflow::Workflow;

use crate::app::{AppMonitor, app_of};
use crate::config::{ConfiguredComponent, DaemonConfig, Instances};
use crate::executor;
use crate::executor::publish::publisher_of;
use herald_apps::{App, AppMemories};
use herald_boards::settings::BoardSettings;
use herald_config::include::WrittenConfiguration;
use herald_metrics::Metrics;
use herald_projects::EtcdConnections;
use herald_queue_jobs::QueueConnections;
use herald_remote::{DrainedNodes, NodeRegistry};

/// How long an executor may take to end what outlives its jobs.
const LONGEST_CLOSE: Duration = Duration::from_secs(30);

/// One component and what it was made from.
struct AssembledComponent<C: ?Sized> {
    made_from: ConfiguredComponent,
    component: Arc<C>,
}

impl<C: ?Sized> Clone for AssembledComponent<C> {
    fn clone(&self) -> Self {
        Self { made_from: self.made_from.clone(), component: self.component.clone() }
    }
}

type AssembledComponents<C> = BTreeMap<Name, AssembledComponent<C>>;

/// All components of a configuration, by name.
#[derive(Clone)]
pub struct Assembly {
    triggers: AssembledComponents<dyn Trigger>,
    selectors: AssembledComponents<dyn Selector>,
    executors: AssembledComponents<dyn Executor>,
    /// What is known beforehand of the answers of selectors.
    pub proofs: BTreeMap<Name, Proof>,
    /// The connections to every etcd, which components share.
    pub etcd: EtcdConnections,
    /// The connections to every queue, which components share.
    pub queues: QueueConnections,
    /// What is known of applications, through all reloads.
    pub memories: AppMemories,
    /// The nodes that get no new jobs, through all reloads.
    pub drained: DrainedNodes,
    /// What is written in the configuration.
    pub written: Arc<WrittenConfiguration>,
    /// Where `http` triggers listen, instead of where the configuration says.
    pub http_host: Option<ListenerOverride>,
    /// What boards show.
    pub boards: Vec<BoardSettings>,
    /// Executors of earlier configurations, whose jobs may still run.
    retired: Vec<Arc<dyn Executor>>,
}

impl Assembly {
    /// The components that the check of the configuration constructed; those that are the same in `before` are taken
    /// from there.
    #[must_use]
    pub fn build(config: &DaemonConfig, before: Option<&Self>) -> Self {
        Self {
            triggers: parts(&config.triggers, &config.trigger_instances, before.map(|b| &b.triggers)),
            selectors: parts(&config.selectors, &config.selector_instances, before.map(|b| &b.selectors)),
            executors: parts(&config.executors, &config.executor_instances, before.map(|b| &b.executors)),
            proofs: BTreeMap::new(),
            etcd: config.etcd.clone(),
            queues: config.queues.clone(),
            memories: config.apps.clone(),
            drained: DrainedNodes::default(),
            written: config.written.clone(),
            http_host: None,
            boards: config.settings.boards.clone(),
            retired: before.map(|before| before.retired.clone()).unwrap_or_default(),
        }
    }

    /// What the dispatcher goes by.
    #[must_use]
    pub fn plan(&self, mut workflow: Workflow, mask: Mask) -> Plan {
        let by_name =
            |(name, part): (&Name, &AssembledComponent<dyn Selector>)| (name.clone(), part.component.clone());
        let max_jobs = self
            .executors
            .iter()
            .filter_map(|(name, part)| Some((name.clone(), executor::max_jobs(&part.made_from.options)?)));
        let selectors = self.selectors.iter().map(by_name).collect::<NameMap<_>>();
        workflow.index(&selectors);
        Plan {
            max_jobs: max_jobs.collect(),
            workflow,
            selectors,
            executors: self
                .executors
                .iter()
                .map(|(name, part)| (name.clone(), part.component.clone()))
                .collect(),
            mask: Arc::new(mask),
            published: Some(Arc::new(self.etcd.clone())),
        }
    }

    /// All triggers.
    #[must_use]
    pub fn triggers(&self) -> Vec<(Name, Arc<dyn Trigger>)> {
        self.triggers.iter().map(|(name, part)| (name.clone(), part.component.clone())).collect()
    }

    /// All triggers, with their types.
    #[must_use]
    pub fn typed_triggers(&self) -> Vec<(Name, String, Arc<dyn Trigger>)> {
        let typed = |(name, part): (&Name, &AssembledComponent<dyn Trigger>)| {
            (name.clone(), part.made_from.type_name.clone(), part.component.clone())
        };
        self.triggers.iter().map(typed).collect()
    }

    /// All applications.
    #[must_use]
    pub fn apps(&self) -> Vec<App> {
        self.executors.values().filter_map(|part| app_of(&*part.component).cloned()).collect()
    }

    /// Looks at all applications from now on. Call it inside the runtime.
    #[must_use]
    pub fn watch_apps(
        &self,
        nodes: &Arc<NodeRegistry>,
        handle: &Handle,
        metrics: &Arc<Metrics>,
    ) -> AppMonitor {
        AppMonitor::start(self.apps(), self.memories.clone(), nodes, handle, metrics)
    }

    /// The names of all executors, with their types.
    #[must_use]
    pub fn typed_executors(&self) -> Vec<(Name, &str)> {
        self.executors.iter().map(|(name, part)| (name.clone(), part.made_from.type_name.as_str())).collect()
    }

    /// What happens to the triggers where `after` takes the place of this.
    #[must_use]
    pub fn trigger_change(&self, after: &Self) -> TriggerChange {
        TriggerChange { gone: self.triggers_without(after), new: after.triggers_without(self) }
    }

    /// The triggers that are not in `other`, or not the same.
    fn triggers_without(&self, other: &Self) -> Vec<ReloadedTrigger> {
        let unlike =
            self.triggers.iter().filter(|(name, part)| !holds(&other.triggers, name, &part.made_from));
        let reloaded = unlike.map(|(name, part)| ReloadedTrigger {
            name: name.clone(),
            type_name: part.made_from.type_name.clone(),
            trigger: part.component.clone(),
        });
        reloaded.collect()
    }

    /// Becomes `next`, and keeps the executors that it has no more: their jobs may still run.
    pub fn retire_into(&mut self, mut next: Self) {
        for (name, part) in &self.executors {
            if !holds(&next.executors, name, &part.made_from) {
                next.retired.push(part.component.clone());
            }
        }
        *self = next;
    }

    /// Lets executors note what they published before, for triggers that are about to start.
    pub async fn note_projects(&self) {
        for part in self.executors.values() {
            if let Some(publisher) = publisher_of(&*part.component) {
                publisher.note_projects().await;
            }
        }
    }

    /// Lets every executor end what outlives its jobs.
    pub async fn close(self) {
        let executors = self.executors.into_values().map(|part| part.component).chain(self.retired);
        let close = executors.map(|executor| async move {
            if tokio::time::timeout(LONGEST_CLOSE, executor.close()).await.is_err() {
                tracing::warn!("an executor did not end in time");
            }
        });
        futures_util::future::join_all(close).await;
    }
}

fn holds<C: ?Sized>(parts: &AssembledComponents<C>, name: &Name, made_from: &ConfiguredComponent) -> bool {
    parts.get(name).is_some_and(|part| part.made_from == *made_from)
}

fn parts<C: ?Sized>(
    wanted: &[ConfiguredComponent],
    instances: &Instances<C>,
    before: Option<&AssembledComponents<C>>,
) -> AssembledComponents<C> {
    let part = |made_from: &ConfiguredComponent| {
        let name = Name::from(made_from.name.as_str());
        let kept = before.and_then(|before| before.get(&name)).filter(|part| part.made_from == *made_from);
        let part = match kept {
            Some(part) => part.clone(),
            None => {
                let component = instances.get(&made_from.name)?.clone();
                AssembledComponent { made_from: made_from.clone(), component }
            }
        };
        Some((name, part))
    };
    wanted.iter().filter_map(part).collect()
}
