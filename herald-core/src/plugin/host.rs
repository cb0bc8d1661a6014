//! Herald as a plugin sees it: the host's table behind safe functions.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::abi::{self, HOST_TABLE_SIZE, HostTable, activation, status};
use super::message;
use crate::event::activation::{EventSink, Name, Refused};
use crate::value::param::Params;

/// The host's functions.
#[derive(Clone, Copy)]
pub(super) struct Host(&'static HostTable);

/// What became of an activation: the status and a text.
type Told = (u32, String);

impl Host {
    /// The host behind this table; `None` when the table is not of our version.
    ///
    /// # Safety
    /// `table` is null, or points to a table that begins with two 32 bit numbers, that is as long as the second of them says
    /// when the first one is [`abi::ABI`], and that stays for the life of the process.
    pub(super) unsafe fn new(table: *const HostTable) -> Option<Self> {
        if table.is_null() {
            return None;
        }
        // SAFETY: not null, and the caller vouches for the two numbers; they are read without making a reference to
        // what may be shorter than ours.
        let (version, size) = unsafe { ((*table).abi, (*table).size) };
        if version != abi::ABI || size < HOST_TABLE_SIZE {
            return None;
        }
        // SAFETY: the version and the size are right, and the caller vouches for the life of the table.
        Some(Self(unsafe { &*table }))
    }

    /// Answers a call.
    pub(super) fn answer(self, call: u64, answer: &Result<Vec<u8>, Vec<u8>>) {
        let (status, json) = match answer {
            Ok(json) => (status::OK, json),
            Err(json) => (status::ERROR, json),
        };
        // SAFETY: the host's own function, with bytes that outlive the call.
        unsafe { (self.0.answer)(call, status, json.as_ptr(), json.len()) }
    }

    /// Whether the call is to end: one of [`abi::state`].
    pub(super) fn stop_state(self, call: u64) -> u32 {
        // SAFETY: the host's own function.
        unsafe { (self.0.stop_state)(call) }
    }

    /// The most talkative level that is logged.
    pub(super) fn log_level(self) -> u32 {
        // SAFETY: the host's own function.
        unsafe { (self.0.log_level)() }
    }

    /// Logs a line.
    pub(super) fn log(self, level: u32, text: &str) {
        // SAFETY: the host's own function, with bytes that outlive the call.
        unsafe { (self.0.log)(level, text.as_ptr(), text.len()) }
    }

    fn activate(self, call: u64, json: &[u8]) -> Result<oneshot::Receiver<Told>, Refused> {
        // SAFETY: the host's own function, with bytes that outlive the call and what `done` expects.
        self.told(|context| unsafe {
            (self.0.activate)(call, json.as_ptr(), json.len(), Some(done), context)
        })
    }

    fn room(self, call: u64) -> Result<oneshot::Receiver<Told>, Refused> {
        // SAFETY: the host's own function, with what `done` expects.
        self.told(|context| unsafe { (self.0.room)(call, Some(done), context) })
    }

    fn told(self, ask: impl FnOnce(*mut c_void) -> u32) -> Result<oneshot::Receiver<Told>, Refused> {
        let (sender, receiver) = oneshot::channel::<Told>();
        let context: *mut oneshot::Sender<Told> = Box::into_raw(Box::new(sender));
        let status = ask(context.cast());
        if status == activation::ACCEPTED {
            return Ok(receiver);
        }
        // SAFETY: the host has not taken it, so the box is still ours.
        drop(unsafe { Box::from_raw(context) });
        Err(refused(status, String::new()))
    }
}

fn refused(status: u32, text: String) -> Refused {
    match status {
        activation::BUSY => Refused::Busy,
        activation::UNRECORDED => Refused::Unrecorded(text),
        activation::NOT_AN_OBJECT => Refused::Unrecorded("the parameters are no JSON object".to_owned()),
        _ => Refused::Stopping,
    }
}

unsafe extern "C" fn done(context: *mut c_void, status: u32, text: *const u8, len: usize) {
    let tell = || {
        // SAFETY: `context` is the box that `told` gave away, and the host gives it back once.
        let sender = unsafe { Box::from_raw(context.cast::<oneshot::Sender<Told>>()) };
        // SAFETY: the host's bytes, valid until this returns.
        let text = String::from_utf8_lossy(unsafe { abi::bytes(text, len) }).into_owned();
        // Nobody may wait any more: the trigger was dropped.
        let _ = sender.send((status, text));
    };
    let _ = catch_unwind(AssertUnwindSafe(tell));
}

/// The way of one running trigger to the dispatcher.
pub(super) struct RemoteAccept {
    pub(super) host: Host,
    pub(super) call: u64,
}

#[async_trait]
impl EventSink for RemoteAccept {
    async fn accept(&self, _: Name, trigger_param: Params) -> Result<Name, Refused> {
        let told = self.host.activate(self.call, &message::json(&trigger_param))?;
        match told.await {
            Ok((activation::ACCEPTED, event_id)) => Ok(Name::from(event_id.as_str())),
            Ok((status, text)) => Err(refused(status, text)),
            Err(_) => Err(Refused::Stopping),
        }
    }

    async fn ready(&self) {
        match self.host.room(self.call) {
            Ok(told) => drop(told.await),
            // As many ask as may: their answers make room as well.
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(20)).await,
        }
    }
}
