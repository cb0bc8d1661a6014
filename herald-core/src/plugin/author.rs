//! What is behind the macro: a plugin's types, its components and its calls.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};

use futures_util::FutureExt;
use tokio::runtime::Runtime;
use tokio::task::AbortHandle;

use super::abi::{op, state};
use super::description::{Manifest, TypeMessage};
use super::host::{Host, RemoteAccept, RemoteOutput};
use super::logging;
use super::message::{self, CallError, Check, ComponentKind, Create, Of, Run};
use crate::clock::SystemClock;
use crate::component::executor::{Execution, Executor, Stop};
use crate::component::selector::Selector;
use crate::component::spec::{ComponentType, ExecutorType, Options, SelectorType, TriggerType};
use crate::component::trigger::{Activator, ComponentError, Trigger};

/// The error of a call that panicked. The message of the panic is on standard error only: it may hold secrets.
pub(super) const PANICKED: &str = "the plugin panicked; its message is on the standard error of Herald";

/// An answer: JSON of what was asked for, or of why not.
pub(super) type CallAnswer = Result<Vec<u8>, Vec<u8>>;
type Work = Pin<Box<dyn Future<Output = CallAnswer> + Send>>;

/// A plugin in Rust. Made by [`crate::plugin!`].
pub struct Plugin {
    name: &'static str,
    version: &'static str,
    triggers: Vec<TriggerType>,
    selectors: Vec<SelectorType>,
    executors: Vec<ExecutorType>,
    runtime: OnceLock<Runtime>,
    instances: Mutex<HashMap<u64, ComponentInstance>>,
    calls: Mutex<HashMap<u64, Running>>,
}

#[derive(Clone)]
enum ComponentInstance {
    Trigger(Arc<dyn Trigger>),
    Selector(Arc<dyn Selector>),
    Executor(Arc<dyn Executor>),
}

/// A call that was not answered at once.
struct Running {
    stop: Stop,
    /// Nobody waits for it any more.
    gone: bool,
    task: Option<AbortHandle>,
}

impl Plugin {
    /// A plugin with these types.
    #[must_use]
    pub fn new(
        name: &'static str,
        version: &'static str,
        triggers: Vec<TriggerType>,
        selectors: Vec<SelectorType>,
        executors: Vec<ExecutorType>,
    ) -> Self {
        Self {
            name,
            version,
            triggers,
            selectors,
            executors,
            runtime: OnceLock::new(),
            instances: Mutex::default(),
            calls: Mutex::default(),
        }
    }

    /// Begins a call. The answer is returned, or comes later.
    pub(super) fn call(
        &'static self,
        host: Host,
        call: u64,
        op: u32,
        instance: u64,
        json: &[u8],
    ) -> Option<CallAnswer> {
        let runtime = match self.runtime() {
            Ok(runtime) => runtime,
            Err(error) => return Some(Err(CallError::json(error))),
        };
        // For what an author does at once: a timer, a task.
        let _inside = runtime.enter();
        let reply = match op {
            op::DESCRIBE => Ok(self.describe(host)),
            op::CREATE => self.create(instance, json),
            op::DESTROY => {
                let gone = locked(&self.instances).remove(&instance);
                drop(gone);
                Ok(b"null".to_vec())
            }
            op::CHECK => self.check(json),
            _ => {
                let stop = Stop::new();
                match self.work(host, call, op, instance, json, &stop) {
                    Ok(work) => return self.begin(runtime, host, call, work, stop),
                    Err(error) => Err(error),
                }
            }
        };
        Some(reply.map_err(|error| CallError::json(error.to_string())))
    }

    /// A call is to end.
    pub(super) fn signal(&self, call: u64, state: u32) {
        let mut calls = locked(&self.calls);
        let Some(running) = calls.get_mut(&call) else { return };
        if state >= state::STOP {
            running.stop.asked.cancel();
        }
        if state >= state::STOP_NOW {
            running.stop.forced.cancel();
        }
        if state >= state::GONE {
            running.gone = true;
            if let Some(task) = running.task.take() {
                task.abort();
                calls.remove(&call);
            }
        }
    }

    /// One runtime for the whole plugin, made at the first call. It lives as long as the process: a plugin is never
    /// unloaded.
    fn runtime(&self) -> Result<&Runtime, ComponentError> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name(self.name)
            .enable_all()
            .build()
            .map_err(|error| {
                ComponentError::new(format!("the plugin's runtime could not be created: {error}"))
            })?;
        // When two make one at once, the other one ends here, unused.
        Ok(self.runtime.get_or_init(|| runtime))
    }

    fn describe(&self, host: Host) -> Vec<u8> {
        logging::install(host, self.name);
        fn messages<C: ?Sized>(types: &[ComponentType<C>]) -> Vec<TypeMessage> {
            types.iter().map(|component| TypeMessage::of(&component.description)).collect()
        }
        message::json(&Manifest {
            name: self.name.to_owned(),
            version: self.version.to_owned(),
            triggers: messages(&self.triggers),
            selectors: messages(&self.selectors),
            executors: messages(&self.executors),
        })
    }

    fn create(&self, instance: u64, json: &[u8]) -> Result<Vec<u8>, ComponentError> {
        let Create { kind, type_name, options } = message::read(json)?;
        let options = Options(options);
        // Nothing is shared over the boundary: a plugin has its options alone.
        let context = crate::component::context::Context::default();
        let made = match kind {
            ComponentKind::Trigger => {
                ComponentInstance::Trigger((find(&self.triggers, &type_name)?.factory)(&options, &context)?)
            }
            ComponentKind::Selector => {
                ComponentInstance::Selector((find(&self.selectors, &type_name)?.factory)(&options, &context)?)
            }
            ComponentKind::Executor => {
                ComponentInstance::Executor((find(&self.executors, &type_name)?.factory)(&options, &context)?)
            }
        };
        locked(&self.instances).insert(instance, made);
        Ok(b"null".to_vec())
    }

    fn check(&self, json: &[u8]) -> Result<Vec<u8>, ComponentError> {
        let Check { kind, type_name, of, name, value } = message::read(json)?;
        let description = match kind {
            ComponentKind::Trigger => &find(&self.triggers, &type_name)?.description,
            ComponentKind::Selector => &find(&self.selectors, &type_name)?.description,
            ComponentKind::Executor => &find(&self.executors, &type_name)?.description,
        };
        let list = match of {
            Of::Options => &description.options,
            Of::Params => &description.params,
        };
        let check = list.iter().find(|option| option.name == name).and_then(|option| option.check.as_ref());
        match check {
            Some(check) => check(&value)
                .map(|()| b"null".to_vec())
                .map_err(|error| ComponentError::new(error.to_string())),
            None => Err(ComponentError::new(format!("\"{type_name}\" has no check for \"{name}\""))),
        }
    }

    /// What a component does for a call.
    fn work(
        &self,
        host: Host,
        call: u64,
        op: u32,
        instance: u64,
        json: &[u8],
        stop: &Stop,
    ) -> Result<Work, ComponentError> {
        let component = locked(&self.instances).get(&instance).cloned();
        let component = component.ok_or_else(|| ComponentError::new("the plugin has no such component"))?;
        Ok(match (op, component) {
            (op::SELECT, ComponentInstance::Selector(selector)) => {
                let question = message::read_question(json)?;
                Box::pin(async move { reply(selector.select(&question).await.map(message::answer_json)) })
            }
            (op::PREPARE, ComponentInstance::Trigger(trigger)) => {
                Box::pin(async move { reply(trigger.prepare().await.map(|()| b"null".to_vec())) })
            }
            (op::RUN, ComponentInstance::Trigger(trigger)) => {
                let Run { trigger: name } = message::read(json)?;
                let accept = Arc::new(RemoteAccept { host, call });
                let activator = Activator::new(name.as_str().into(), accept, Arc::new(SystemClock));
                let stop = stop.asked.clone();
                Box::pin(async move {
                    trigger.begin(&activator).await;
                    reply(trigger.run(activator, stop).await.map(|()| b"null".to_vec()))
                })
            }
            (op::EXECUTE | op::RECOVER, ComponentInstance::Executor(executor)) => {
                let (job, mask) = message::read_execution(json)?;
                let execution = Execution {
                    job: Arc::new(job),
                    mask: Arc::new(mask),
                    stop: stop.clone(),
                    output: Arc::new(RemoteOutput { host, call }),
                    earlier: None,
                };
                Box::pin(async move {
                    message::outcome_json(match op {
                        op::RECOVER => executor.recover(execution).await,
                        _ => executor.execute(execution).await,
                    })
                })
            }
            (op::CLOSE, ComponentInstance::Executor(executor)) => Box::pin(async move {
                executor.close().await;
                Ok(b"null".to_vec())
            }),
            (op, _) => {
                return Err(ComponentError::new(format!("the plugin does not know operation {op} here")));
            }
        })
    }

    /// Polls the work once on the host's thread, which is enough for most; what waits goes on in the runtime.
    fn begin(
        &'static self,
        runtime: &Runtime,
        host: Host,
        call: u64,
        work: Work,
        stop: Stop,
    ) -> Option<CallAnswer> {
        let caught = AssertUnwindSafe(work).catch_unwind();
        let mut work: Work =
            Box::pin(caught.map(|reply| reply.unwrap_or_else(|_| Err(CallError::json(PANICKED)))));
        if let Poll::Ready(reply) = work.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(reply);
        }
        locked(&self.calls).insert(call, Running { stop, gone: false, task: None });
        // What was signalled before the call was in the map.
        self.signal(call, host.stop_state(call));
        let task = runtime.spawn(async move {
            let reply = work.await;
            locked(&self.calls).remove(&call);
            host.answer(call, &reply);
        });
        let mut calls = locked(&self.calls);
        if let Some(running) = calls.get_mut(&call) {
            if running.gone {
                task.abort();
                calls.remove(&call);
            } else {
                running.task = Some(task.abort_handle());
            }
        }
        None
    }
}

fn reply(outcome: Result<Vec<u8>, ComponentError>) -> CallAnswer {
    outcome.map_err(|error| CallError::json(error.to_string()))
}

fn find<'a, C: ?Sized>(
    types: &'a [ComponentType<C>],
    type_name: &str,
) -> Result<&'a ComponentType<C>, ComponentError> {
    types
        .iter()
        .find(|component| component.description.type_name == type_name)
        .ok_or_else(|| ComponentError::new(format!("the plugin has no type \"{type_name}\"")))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // What a panic interrupted here is a whole insert or remove.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
