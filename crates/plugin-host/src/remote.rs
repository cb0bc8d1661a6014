//! A plugin and its components as seen from the daemon: calls with deadlines, on threads that the plugin may block.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use herald_core::param::Params;
use herald_core::plugin::abi::{op, state};
use herald_core::plugin::message::{self, CallError, Check, ComponentKind, Create, Of};
use herald_core::spec::OptionCheck;
use herald_core::trigger::ComponentError;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::calls::{self, CallResult, Requests, Waiting};
use super::library::Table;
use super::thread_pool::{NotTaken, ThreadPool};

/// The longest sentence of a plugin that is passed on, in characters.
const LONGEST_SENTENCE: usize = 2000;
/// How many threads descriptions, checks and new components may block.
const DESK_THREADS: usize = 4;

/// How long a plugin may take.
#[derive(Debug, Clone, Copy)]
pub struct CallTimeouts {
    /// To describe its types, make a component or check a value.
    pub setup: Duration,
    /// To answer as a selector, to prepare a trigger, to close an executor.
    pub answer: Duration,
    /// To get a thread for a job or a trigger while others block theirs.
    pub thread: Duration,
    /// To end a job at once when it is asked to.
    pub end: Duration,
}

impl Default for CallTimeouts {
    fn default() -> Self {
        Self {
            setup: Duration::from_secs(10),
            // Below the dispatcher's own 60 s and the supervisor's 30 s, whose sentences say less.
            answer: Duration::from_secs(25),
            thread: Duration::from_secs(60),
            end: Duration::from_secs(2),
        }
    }
}

/// A loaded plugin.
pub(super) struct Remote {
    name: String,
    table: Table,
    timeouts: CallTimeouts,
    next_instance: AtomicU64,
    /// For all that belongs to no component.
    desk: ThreadPool,
    desk_notes: ThreadPool,
}

impl Remote {
    pub(super) fn new(name: &str, table: Table, timeouts: CallTimeouts) -> Self {
        let (desk, desk_notes) = (ThreadPool::new(name, DESK_THREADS), ThreadPool::new(name, 1));
        Self { name: name.to_owned(), table, timeouts, next_instance: AtomicU64::new(1), desk, desk_notes }
    }

    /// Asks what the plugin is; blocks.
    pub(super) fn describe(&self) -> Result<Vec<u8>, ComponentError> {
        self.wait("describe itself", op::DESCRIBE, 0, b"{}".to_vec())
    }

    /// A check that asks the plugin; it blocks.
    pub(super) fn check(
        self: &Arc<Self>,
        kind: ComponentKind,
        type_name: &str,
        of: Of,
        name: &str,
    ) -> OptionCheck {
        let (remote, type_name, name) = (self.clone(), type_name.to_owned(), name.to_owned());
        Arc::new(move |value| {
            let check =
                Check { kind, type_name: type_name.clone(), of, name: name.clone(), value: value.clone() };
            let answer = remote.wait("check a value", op::CHECK, 0, message::json(&check));
            answer.map(|_| ()).map_err(|error| error.message.into())
        })
    }

    /// Blocks until the plugin has answered, or for as long as it may take.
    fn wait(&self, what: &str, op: u32, instance: u64, json: Vec<u8>) -> Result<Vec<u8>, ComponentError> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        let answer = Box::new(move |answer| drop(sender.send(answer)));
        let notes = self.desk_notes.clone();
        let call = calls::register(Waiting { answer, requests: Requests::None, notes, state: state::GO_ON });
        let table = self.table;
        let task = move || {
            if calls::waits(call) {
                table.call(call, op, instance, &json);
            }
        };
        self.desk.submit(task).map_err(|why| self.not_taken(&self.desk, why))?;
        match receiver.recv_timeout(self.timeouts.setup) {
            Ok(answer) => self.read(answer),
            Err(_) => {
                calls::forget(call);
                let seconds = self.timeouts.setup.as_secs_f32();
                Err(ComponentError::new(format!(
                    "plugin \"{}\" did not {what} within {seconds} s",
                    self.name
                )))
            }
        }
    }

    /// What was asked for, or why not as a sentence.
    fn read(&self, answer: CallResult) -> Result<Vec<u8>, ComponentError> {
        match answer {
            CallResult::Ok(json) => Ok(json),
            wrong => Err(ComponentError::new(self.wrong(wrong).error)),
        }
    }

    fn wrong(&self, answer: CallResult) -> CallError {
        let name = &self.name;
        let error = match answer {
            CallResult::Error(json) => match message::read::<CallError>(&json) {
                Ok(wrong) => return CallError { error: shortened(wrong.error), ..wrong },
                Err(error) => format!("plugin \"{name}\" failed, and why it did is {error}"),
            },
            CallResult::TooLong => format!("the answer of plugin \"{name}\" is too long"),
            CallResult::Odd(status) => {
                format!("plugin \"{name}\" answered with status {status}, which does not exist")
            }
            CallResult::Ok(_) => format!("plugin \"{name}\" failed"),
        };
        CallError { error, ..CallError::default() }
    }

    fn not_taken(&self, pool: &ThreadPool, why: NotTaken) -> ComponentError {
        ComponentError::new(match why {
            NotTaken::Full => format!("too many calls wait for {}", self.held(pool)),
            NotTaken::NoThread => format!("the machine gives no thread for plugin \"{}\"", self.name),
        })
    }

    fn held(&self, pool: &ThreadPool) -> String {
        format!(
            "plugin \"{}\", whose {} threads are held by calls that do not return",
            self.name,
            pool.most_threads()
        )
    }
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(LONGEST_SENTENCE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// One component of a plugin. The plugin is notified when it is dropped.
pub(super) struct Instance {
    remote: Arc<Remote>,
    number: u64,
    /// `selector of type "x"`.
    what: String,
    /// For calls, which may block.
    pool: ThreadPool,
    /// For notes, which may not.
    notes: ThreadPool,
}

impl Instance {
    /// Makes the component; blocks.
    pub(super) fn create(
        remote: &Arc<Remote>,
        kind: ComponentKind,
        type_name: &str,
        options: &Params,
    ) -> Result<Self, ComponentError> {
        let number = remote.next_instance.fetch_add(1, Ordering::Relaxed);
        let create = Create { kind, type_name: type_name.to_owned(), options: options.clone() };
        let what = format!("{kind} of type \"{type_name}\"");
        remote
            .wait(&format!("make a {what}"), op::CREATE, number, message::json(&create))
            .map_err(|error| ComponentError::of_text(&error.message, options))?;
        let threads = match kind {
            ComponentKind::Executor => 64,
            ComponentKind::Selector => 8,
            ComponentKind::Trigger => 4,
        };
        let thread_name = format!("{} {type_name}", remote.name);
        let (pool, notes) = (ThreadPool::new(&thread_name, threads), ThreadPool::new(&thread_name, 1));
        Ok(Self { remote: remote.clone(), number, what, pool, notes })
    }

    /// How many calls may block at once.
    pub(super) fn threads(&self) -> usize {
        self.pool.most_threads()
    }

    /// How long the plugin may take.
    pub(super) fn timeouts(&self) -> CallTimeouts {
        self.remote.timeouts
    }

    /// Whose fault it is.
    pub(super) fn who(&self) -> String {
        format!("the {} of plugin \"{}\"", self.what, self.remote.name)
    }

    /// Begins a call on a thread that it may block.
    pub(super) fn begin(
        self: &Arc<Self>,
        op: u32,
        json: Vec<u8>,
        requests: Requests,
    ) -> Result<Pending, ComponentError> {
        let (answer_to, answer) = oneshot::channel();
        let (begun_to, begun) = oneshot::channel();
        let notes = self.notes.clone();
        let answer_to = Box::new(move |answer| drop(answer_to.send(answer)));
        let call = calls::register(Waiting { answer: answer_to, requests, notes, state: state::GO_ON });
        let pending = Pending { instance: self.clone(), call, answer, begun, has_begun: false };
        let (table, number) = (self.remote.table, self.number);
        let task = move || {
            // Given up while it was waiting: the plugin never hears of it.
            if calls::waits(call) && begun_to.send(()).is_ok() {
                table.call(call, op, number, &json);
            }
        };
        self.pool.submit(task).map_err(|why| self.remote.not_taken(&self.pool, why))?;
        Ok(pending)
    }

    /// Asks and waits for the answer, for as long as the plugin may take.
    pub(super) async fn ask(self: &Arc<Self>, op: u32, json: Vec<u8>) -> Result<Vec<u8>, ComponentError> {
        let mut pending = self.begin(op, json, Requests::None)?;
        let limit = self.timeouts().answer;
        match tokio::time::timeout(limit, pending.answer()).await {
            Ok(answer) => self.remote.read(answer),
            Err(_) if pending.has_begun() => Err(ComponentError::new(format!(
                "{} did not answer within {} s",
                self.who(),
                limit.as_secs_f32()
            ))),
            Err(_) => Err(self.no_thread(limit)),
        }
    }

    /// Says that the call had no chance.
    pub(super) fn no_thread(&self, waited: Duration) -> ComponentError {
        let held = self.remote.held(&self.pool);
        ComponentError::new(format!("waited {} s for a thread of {held}", waited.as_secs_f32()))
    }

    /// What was asked for, from JSON.
    pub(super) fn understand<'a, T: Deserialize<'a>>(&self, json: &'a [u8]) -> Result<T, ComponentError> {
        message::read(json).map_err(|error| self.misunderstood(&error))
    }

    /// Says that an answer makes no sense.
    pub(super) fn misunderstood(&self, error: &ComponentError) -> ComponentError {
        ComponentError::new(shortened(format!("{} answered with {error}", self.who())))
    }

    /// What was asked for, or why not.
    pub(super) fn read(&self, answer: CallResult) -> Result<Vec<u8>, CallError> {
        match answer {
            CallResult::Ok(json) => Ok(json),
            wrong => Err(self.remote.wrong(wrong)),
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // Nobody waits for an answer, so the call has no number.
        let (table, number) = (self.remote.table, self.number);
        let _ = self.pool.submit(move || table.call(0, op::DESTROY, number, b"null"));
    }
}

/// A call that was begun. Dropped before its answer, it is given up, and the plugin is notified.
pub(super) struct Pending {
    instance: Arc<Instance>,
    call: u64,
    answer: oneshot::Receiver<CallResult>,
    begun: oneshot::Receiver<()>,
    has_begun: bool,
}

impl Pending {
    /// The answer. May be dropped and called again until it has come.
    pub(super) async fn answer(&mut self) -> CallResult {
        // The sender is dropped unused only when the call is given up, and then nobody asks.
        (&mut self.answer).await.unwrap_or(CallResult::Odd(u32::MAX))
    }

    /// Whether a thread has started the call.
    pub(super) fn has_begun(&mut self) -> bool {
        self.has_begun = self.has_begun || self.begun.try_recv().is_ok();
        self.has_begun
    }

    /// Waits until a thread has started the call. May be dropped and called again.
    pub(super) async fn begun(&mut self) {
        if !self.has_begun {
            let _ = (&mut self.begun).await;
            self.has_begun = true;
        }
    }

    /// Asks the call to end.
    pub(super) fn signal(&self, state: u32) {
        calls::set_state(self.call, state);
        let (table, call) = (self.instance.remote.table, self.call);
        if table.has_signal() {
            // The order is kept: one thread sends the signals. When it is blocked, the plugin has blocked it.
            let _ = self.instance.notes.submit(move || table.signal(call, state));
        }
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // Without a thread yet, it never begins.
        if calls::forget(self.call) && self.has_begun() {
            self.signal(state::GONE);
        }
    }
}
