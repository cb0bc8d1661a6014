//! Calls that plugins have not answered yet, and the host's table: the functions that plugins call.
//!
//! Plugins name a call by its number only. What a plugin says about a number that is not there any more (answered, given up,
//! made up) is ignored.

use std::collections::HashMap;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use herald_core::param::Params;
use herald_core::plugin::abi::{self, Done, HostTable, activation, state, status};
use serde_json::Value;
use tokio::sync::mpsc;
use tracing::level_filters::LevelFilter;

use super::lane::Lane;

/// The most bytes that a plugin may pass at once.
const LONGEST_MESSAGE: usize = 64 << 20;
/// The most bytes of a line that a plugin logs.
const LONGEST_LINE: usize = 8 << 10;
/// How many activations of one running trigger may be in hand.
pub(super) const MOST_WANTS: usize = 64;

/// What a plugin answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// What was asked for, as JSON.
    Ok(Vec<u8>),
    /// Why not, as JSON.
    Error(Vec<u8>),
    /// More than anybody wants to read.
    TooLong,
    /// Neither: a status that there is not.
    Odd(u32),
}

/// What a running trigger wants.
pub(super) struct Want {
    /// The activation's parameters, or nothing: then it wants to know when there is room.
    pub(super) params: Option<Params>,
    /// Whom to tell.
    pub(super) told: Option<Told>,
}

/// Tells a plugin what became of an activation: once, and whatever happens.
pub(super) struct Told {
    done: Done,
    context: Context,
    notes: Lane,
    open: bool,
}

/// A pointer of the plugin's, which we only hand back.
#[derive(Clone, Copy)]
struct Context(*mut c_void);

// SAFETY: it is never followed here, and the header says that `done` may be called from any thread.
unsafe impl Send for Context {}
// SAFETY: as above; a shared one gives nothing but a copy.
unsafe impl Sync for Context {}

impl Context {
    fn pointer(self) -> *mut c_void {
        self.0
    }
}

impl Told {
    /// Tells it. On a thread of the plugin's, so that a `done` that blocks holds up only the plugin.
    pub(super) fn tell(mut self, status: u32, text: &str) {
        self.send(status, text.to_owned());
    }

    fn send(&mut self, status: u32, text: String) {
        self.open = false;
        let (done, context) = (self.done, self.context);
        let call = move || {
            let context = context.pointer();
            // SAFETY: the plugin gave the function and the pointer for this one call; the text outlives it.
            unsafe { done(context, status, text.as_ptr(), text.len()) }
        };
        // When so many notes wait that none is taken any more, the plugin has blocked the thread that tells it.
        let _ = self.notes.submit(call);
    }
}

impl Drop for Told {
    fn drop(&mut self) {
        if self.open {
            self.send(activation::STOPPING, String::new());
        }
    }
}

/// A call that waits for its answer.
pub(super) struct Waiting {
    /// Who gets the answer.
    pub(super) answer: Box<dyn FnOnce(Answer) + Send>,
    /// For running triggers: where what they want goes.
    pub(super) wants: Option<mpsc::Sender<Want>>,
    /// The lane for notes to the plugin.
    pub(super) notes: Lane,
    /// One of [`state`].
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

/// Says that the call is to end, for those who ask.
pub(super) fn set_state(call: u64, state: u32) {
    if let Some(waiting) = calls().get_mut(&call) {
        waiting.state = state;
    }
}

/// What Herald offers to plugins.
pub(super) static HOST: HostTable = HostTable {
    abi: abi::ABI,
    size: abi::HOST_TABLE_SIZE,
    answer,
    stop_state,
    activate,
    room,
    log_level,
    log,
};

/// Nothing may unwind into a plugin.
fn guarded<T>(fallback: T, what: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(what)).unwrap_or(fallback)
}

unsafe extern "C" fn answer(call: u64, status: u32, json: *const u8, len: usize) {
    guarded((), || {
        let Some(waiting) = ({ calls().remove(&call) }) else { return };
        if len > LONGEST_MESSAGE {
            return (waiting.answer)(Answer::TooLong);
        }
        // SAFETY: the plugin vouches for its bytes until this returns.
        let json = unsafe { abi::bytes(json, len) }.to_vec();
        (waiting.answer)(match status {
            status::OK => Answer::Ok(json),
            status::ERROR => Answer::Error(json),
            odd => Answer::Odd(odd),
        });
    });
}

unsafe extern "C" fn stop_state(call: u64) -> u32 {
    guarded(state::GONE, || calls().get(&call).map_or(state::GONE, |waiting| waiting.state))
}

unsafe extern "C" fn activate(
    call: u64,
    json: *const u8,
    len: usize,
    done: Option<Done>,
    context: *mut c_void,
) -> u32 {
    guarded(activation::STOPPING, || {
        if len > LONGEST_MESSAGE {
            return activation::NOT_AN_OBJECT;
        }
        // SAFETY: the plugin vouches for its bytes until this returns.
        let json = unsafe { abi::bytes(json, len) };
        let Ok(Value::Object(params)) = serde_json::from_slice(json) else {
            return activation::NOT_AN_OBJECT;
        };
        want(call, Some(params), done, Context(context))
    })
}

unsafe extern "C" fn room(call: u64, done: Option<Done>, context: *mut c_void) -> u32 {
    guarded(activation::STOPPING, || want(call, None, done, Context(context)))
}

fn want(call: u64, params: Option<Params>, done: Option<Done>, context: Context) -> u32 {
    let calls = calls();
    let Some(waiting) = calls.get(&call) else { return activation::STOPPING };
    let Some(wants) = &waiting.wants else { return activation::STOPPING };
    match wants.try_reserve() {
        Ok(place) => {
            let notes = waiting.notes.clone();
            let told = done.map(|done| Told { done, context, notes, open: true });
            place.send(Want { params, told });
            activation::ACCEPTED
        }
        Err(mpsc::error::TrySendError::Full(())) => activation::BUSY,
        Err(mpsc::error::TrySendError::Closed(())) => activation::STOPPING,
    }
}

unsafe extern "C" fn log_level() -> u32 {
    match LevelFilter::current() {
        LevelFilter::OFF => 0,
        LevelFilter::ERROR => 1,
        LevelFilter::WARN => 2,
        LevelFilter::INFO => 3,
        LevelFilter::DEBUG => 4,
        _ => 5,
    }
}

unsafe extern "C" fn log(level: u32, text: *const u8, len: usize) {
    guarded((), || {
        // SAFETY: the plugin vouches for its bytes until this returns; a part of them is as good.
        let text = unsafe { abi::bytes(text, len.min(LONGEST_LINE)) };
        let text = String::from_utf8_lossy(text);
        match level {
            0 => {}
            1 => tracing::error!("{text}"),
            2 => tracing::warn!("{text}"),
            3 => tracing::info!("{text}"),
            4 => tracing::debug!("{text}"),
            _ => tracing::trace!("{text}"),
        }
    });
}
