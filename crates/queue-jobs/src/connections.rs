//! The connections to every queue of the configuration. All components that name one share it.

use std::sync::Arc;

use herald_base::near_miss::expected;
use herald_core::clock::SystemClock;
use herald_core::context::Context;
use herald_core::spec::{OptionKind, OptionSpec};
use herald_core::trigger::ComponentError;
use herald_queue::{InvalidQueueSettings, Queue, QueueOrigin, QueueSettings, RedisQueue};

use crate::node_name::QueueNode;
use crate::workers::QueueWorkers;

/// One queue.
#[derive(Clone)]
pub struct QueueConnection {
    /// The queue.
    pub queue: Arc<dyn Queue>,
    /// What this node puts into it.
    pub origin: Arc<QueueOrigin>,
    /// The workers of this process.
    pub workers: QueueWorkers,
    settings: QueueSettings,
}

/// Every queue of the configuration. Two are equal when they were made from the same settings.
#[derive(Clone, Default)]
pub struct QueueConnections {
    all: Vec<QueueConnection>,
    /// The name of this node on them.
    pub node: QueueNode,
    /// The workers of this process.
    pub workers: QueueWorkers,
}

impl PartialEq for QueueConnections {
    fn eq(&self, other: &Self) -> bool {
        let settings = |own: &Self| own.all.iter().map(|own| own.settings.clone()).collect::<Vec<_>>();
        self.node == other.node && settings(self) == settings(other)
    }
}

impl QueueConnections {
    /// Connections with these settings; those that `self` has already are kept. Reads the files of TLS.
    ///
    /// # Errors
    /// What is wrong with which of the settings, by its place.
    pub fn updated(
        &self,
        settings: &[QueueSettings],
        node: QueueNode,
    ) -> Result<Self, Vec<(usize, InvalidQueueSettings)>> {
        let (mut all, mut wrong) = (Vec::new(), Vec::new());
        for (n, settings) in settings.iter().enumerate() {
            let kept = self.all.iter().find(|own| own.settings == *settings && self.node == node);
            match kept.cloned().map_or_else(|| self.connect(settings, &node), Ok) {
                Ok(connection) => all.push(connection),
                Err(why) => wrong.push((n, why)),
            }
        }
        match wrong.is_empty() {
            true => Ok(Self { all, node, workers: self.workers.clone() }),
            false => Err(wrong),
        }
    }

    fn connect(
        &self,
        settings: &QueueSettings,
        node: &QueueNode,
    ) -> Result<QueueConnection, InvalidQueueSettings> {
        let queue: Arc<dyn Queue> = Arc::new(RedisQueue::new(settings, &node.0, Arc::new(SystemClock))?);
        let origin = Arc::new(QueueOrigin::new(queue.clone()));
        Ok(QueueConnection { queue, origin, workers: self.workers.clone(), settings: settings.clone() })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &QueueConnection> {
        self.all.iter()
    }

    /// The one of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&QueueConnection> {
        self.all.iter().find(|own| own.settings.name == name)
    }

    /// Why a queue cannot be used, for each of which that is known: its name, and why.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let problem = |own: &QueueConnection| {
            let status = own.queue.status();
            let why = match (status.unfit, status.problem) {
                (Some(unfit), _) => format!("must not be used: {unfit}"),
                (None, problem) if status.unreachable_since.is_some() => {
                    format!("unreachable: {}", problem.unwrap_or_default())
                }
                (None, _) => return None,
            };
            Some(format!("queue {}: {why}", own.settings.name))
        };
        self.all.iter().filter_map(problem).collect()
    }

    /// The queue that the option `queue` of a component names.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn named(context: &Context, name: &str) -> Result<QueueConnection, ComponentError> {
        Self::named_by(context, "queue", name)
    }

    /// The queue that this option of a component names.
    ///
    /// # Errors
    /// There is none of this name.
    pub fn named_by(context: &Context, option: &str, name: &str) -> Result<QueueConnection, ComponentError> {
        let all = context.get::<Self>().unwrap_or_default();
        if let Some(found) = all.get(name) {
            return Ok(found.clone());
        }
        let wrong = format!("there is no queue \"{name}\" under `queue`");
        let help = match all.all.as_slice() {
            [] => {
                format!("add it:  queue: {{{name}: {{url: 'redis://localhost:6379', sign: \"${{env:…}}\"}}}}")
            }
            all => expected(name, all.iter().map(|own| own.settings.name.as_str())),
        };
        Err(ComponentError::of_option(option, format!("{wrong}; {help}")))
    }
}

impl std::fmt::Debug for QueueConnections {
    /// Names only: settings hold passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.all.iter().map(|own| &own.settings.name)).finish()
    }
}

/// The option of a component that names a queue.
#[must_use]
pub(crate) fn queue_option() -> OptionSpec {
    OptionSpec::new("queue", OptionKind::Text, "The name of a queue under `queue`.").required()
}
