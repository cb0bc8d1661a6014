//! Calls that plugins have not answered yet.
//!
//! Plugins name a call by its number only. A number that does not exist any more (answered, given up, made up) is
//! rejected.

use std::collections::HashMap;
use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use herald_core::activation::NewEvent;
use herald_core::executor::Stream;
use herald_core::plugin::abi::{Done, result};
use herald_core::position::Cursor;
use tokio::sync::mpsc;

use super::thread_pool::ThreadPool;

/// How many requests of one running trigger may be in progress.
pub(super) const MAX_REQUESTS: usize = 64;
/// How many pieces of output of one job may be unwritten.
pub(super) const MAX_PIECES: usize = 8;

/// What a plugin answered.
#[derive(Debug)]
pub(super) enum CallResult {
    /// What was asked for, as JSON.
    Ok(Vec<u8>),
    /// Why not, as JSON.
    Error(Vec<u8>),
    /// More than anybody wants to read.
    TooLong,
    /// Neither: a status that there is not.
    Odd(u32),
}

/// What a running trigger asks for.
pub(super) struct TriggerRequest {
    pub(super) act: TriggerAct,
    /// Whom to report the result to.
    pub(super) done: Option<DoneCallback>,
}

/// What a running trigger can ask for.
pub(super) enum TriggerAct {
    /// To create an event.
    Activate(Box<NewEvent>),
    /// To know when there is room for an event.
    AwaitRoom,
    /// To know up to which position this source was followed.
    Reached(String),
    /// To record up to which position a source was followed.
    Reach(Cursor),
}

/// Output of a running job.
pub(super) struct PluginOutput {
    pub(super) act: OutputAct,
    /// Whom to report to once it is written.
    pub(super) done: Option<DoneCallback>,
}

/// What a running job does to its output.
pub(super) enum OutputAct {
    /// It writes these bytes.
    Write(Stream, Vec<u8>),
    /// It writes from the beginning what an earlier process wrote.
    FromStart,
}

/// What a plugin may ask for while a call is not answered.
pub(super) enum Requests {
    /// Nothing.
    None,
    /// What a running trigger may.
    Trigger(mpsc::Sender<TriggerRequest>),
    /// To write output of a job.
    Job(mpsc::Sender<PluginOutput>),
}

/// Reports the result of a request to a plugin: exactly once.
pub(super) struct DoneCallback {
    done: Done,
    context: PluginPointer,
    notes: ThreadPool,
    /// The status for a request that is dropped; nothing once a result was reported.
    if_dropped: Option<u32>,
}

/// A pointer of the plugin's, which we only hand back.
#[derive(Clone, Copy)]
struct PluginPointer(*mut c_void);

// SAFETY: it is never followed here, and the header says that `done` may be called from any thread.
unsafe impl Send for PluginPointer {}
// SAFETY: as above; a shared one gives nothing but a copy.
unsafe impl Sync for PluginPointer {}

impl PluginPointer {
    fn pointer(self) -> *mut c_void {
        self.0
    }
}

impl DoneCallback {
    /// Reports it, on a thread of the plugin's, so that a `done` that blocks holds up only the plugin.
    pub(super) fn report(mut self, status: u32, text: &str) {
        self.send(status, text.to_owned());
    }

    fn send(&mut self, status: u32, text: String) {
        self.if_dropped = None;
        let (done, context) = (self.done, self.context);
        let call = move || {
            let context = context.pointer();
            // SAFETY: the plugin gave the function and the pointer for this one call; the text outlives it.
            unsafe { done(context, status, text.as_ptr(), text.len()) }
        };
        // When so many notes wait that the pool accepts no more, the plugin has blocked the thread for them.
        let _ = self.notes.submit(call);
    }
}

impl Drop for DoneCallback {
    fn drop(&mut self) {
        if let Some(status) = self.if_dropped {
            self.send(status, String::new());
        }
    }
}

/// A call that waits for its answer.
pub(super) struct Waiting {
    /// Who gets the answer.
    pub(super) answer: Box<dyn FnOnce(CallResult) + Send>,
    /// Where the plugin's requests go.
    pub(super) requests: Requests,
    /// The pool for notes to the plugin.
    pub(super) notes: ThreadPool,
    /// One of [`herald_core::plugin::abi::state`].
    pub(super) state: u32,
}

static CALLS: LazyLock<Mutex<HashMap<u64, Waiting>>> = LazyLock::new(Mutex::default);
static NEXT: AtomicU64 = AtomicU64::new(1);

fn calls() -> MutexGuard<'static, HashMap<u64, Waiting>> {
    CALLS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Gives the call a number.
pub(super) fn register(waiting: Waiting) -> u64 {
    let call = NEXT.fetch_add(1, Ordering::Relaxed);
    calls().insert(call, waiting);
    call
}

/// Whether the call still waits.
pub(super) fn waits(call: u64) -> bool {
    calls().contains_key(&call)
}

/// The call is given up. Returns whether it was still waiting.
pub(super) fn forget(call: u64) -> bool {
    let waiting = calls().remove(&call);
    waiting.is_some()
}

/// Removes the call, which is answered now.
pub(super) fn take(call: u64) -> Option<Waiting> {
    calls().remove(&call)
}

/// Whether the call is to end: one of [`herald_core::plugin::abi::state`]. `None`: it was answered or given up.
pub(super) fn stop_state(call: u64) -> Option<u32> {
    calls().get(&call).map(|waiting| waiting.state)
}

/// The function that a plugin wants to be called with a result, and what it is called with.
#[derive(Clone, Copy)]
pub(super) struct ReportTo {
    pub(super) done: Option<Done>,
    pub(super) context: *mut c_void,
}

impl ReportTo {
    fn callback(self, notes: &ThreadPool, if_dropped: u32) -> Option<DoneCallback> {
        let (context, notes, if_dropped) = (PluginPointer(self.context), notes.clone(), Some(if_dropped));
        self.done.map(|done| DoneCallback { done, context, notes, if_dropped })
    }
}

/// Passes on a request of a running trigger. Returns one of [`result`]; its result is reported only when this is
/// [`result::ACCEPTED`].
pub(super) fn ask(call: u64, act: TriggerAct, to: ReportTo) -> u32 {
    let calls = calls();
    let Some(waiting) = calls.get(&call) else { return result::STOPPING };
    let Requests::Trigger(requests) = &waiting.requests else { return result::ENDED };
    match requests.try_reserve() {
        Ok(place) => {
            place.send(TriggerRequest { act, done: to.callback(&waiting.notes, result::STOPPING) });
            result::ACCEPTED
        }
        Err(mpsc::error::TrySendError::Full(())) => result::BUSY,
        Err(mpsc::error::TrySendError::Closed(())) => result::STOPPING,
    }
}

/// Passes on output of a running job, as [`ask`] does.
pub(super) fn put(call: u64, act: OutputAct, to: ReportTo) -> u32 {
    let calls = calls();
    let Some(Waiting { requests: Requests::Job(pieces), notes, .. }) = calls.get(&call) else {
        return result::ENDED;
    };
    match pieces.try_reserve() {
        Ok(place) => {
            place.send(PluginOutput { act, done: to.callback(notes, result::ENDED) });
            result::ACCEPTED
        }
        Err(mpsc::error::TrySendError::Full(())) => result::BUSY,
        Err(mpsc::error::TrySendError::Closed(())) => result::ENDED,
    }
}

/// Says that the call is to end, for those who ask.
pub(super) fn set_state(call: u64, state: u32) {
    if let Some(waiting) = calls().get_mut(&call) {
        waiting.state = state;
    }
}
