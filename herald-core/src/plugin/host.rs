//! Herald as a plugin sees it: the host's table behind safe functions.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::abi::{self, HOST_TABLE_SIZE, HostTable, result, status, stream};
use super::event_message;
use crate::component::executor::{Output, Stream};
use crate::event::activation::{EventSink, Name, NewEvent, Refused};
use crate::event::position::{Cursor, Position};
use crate::value::param::Params;

/// The host's functions.
#[derive(Clone, Copy)]
pub(super) struct Host(&'static HostTable);

/// How long to wait before another try, where the host accepts nothing more at the moment.
const PAUSE: Duration = Duration::from_millis(20);

/// The result of what was asked of the host.
struct HostResult {
    /// One of [`result`].
    status: u32,
    text: String,
}

impl Host {
    /// The host behind this table; `None` when the table is not of our version.
    ///
    /// # Safety
    /// `table` is null, or points to a table that begins with two 32 bit numbers, that is as long as the second of them
    /// says when the first one is [`abi::ABI`], and that stays for the life of the process.
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

    async fn activate(self, call: u64, json: &[u8]) -> HostResult {
        // SAFETY: the host's own function, with bytes that outlive the call and what `done` expects.
        let asked =
            ask(|context| unsafe { (self.0.activate)(call, json.as_ptr(), json.len(), Some(done), context) });
        asked.result().await
    }

    async fn room(self, call: u64) -> HostResult {
        // SAFETY: the host's own function, with what `done` expects.
        ask(|context| unsafe { (self.0.room)(call, Some(done), context) }).result().await
    }

    async fn reached(self, call: u64, source: &str) -> HostResult {
        // SAFETY: the host's own function, with bytes that outlive the call and what `done` expects.
        let asked = ask(|context| unsafe {
            (self.0.reached)(call, source.as_ptr(), source.len(), Some(done), context)
        });
        asked.result().await
    }

    async fn reach(self, call: u64, json: &[u8]) -> HostResult {
        // SAFETY: the host's own function, with bytes that outlive the call and what `done` expects.
        let asked =
            ask(|context| unsafe { (self.0.reach)(call, json.as_ptr(), json.len(), Some(done), context) });
        asked.result().await
    }

    async fn output(self, call: u64, stream: u32, bytes: &[u8]) -> HostResult {
        // SAFETY: the host's own function, with bytes that outlive the call and what `done` expects.
        let asked = ask(|context| unsafe {
            (self.0.output)(call, stream, bytes.as_ptr(), bytes.len(), Some(done), context)
        });
        asked.result().await
    }
}

/// What was asked of the host: in progress, or rejected with this status.
enum HostRequest {
    Accepted(oneshot::Receiver<HostResult>),
    Rejected(u32),
}

impl HostRequest {
    async fn result(self) -> HostResult {
        match self {
            // The host always calls `done`, unless this plugin blocks the thread for that.
            Self::Accepted(receiver) => receiver
                .await
                .unwrap_or_else(|_| HostResult { status: result::STOPPING, text: String::new() }),
            Self::Rejected(status) => HostResult { status, text: String::new() },
        }
    }
}

/// Calls a function of the host that reports its result through [`done`].
fn ask(function: impl FnOnce(*mut c_void) -> u32) -> HostRequest {
    let (sender, receiver) = oneshot::channel::<HostResult>();
    let context: *mut oneshot::Sender<HostResult> = Box::into_raw(Box::new(sender));
    let status = function(context.cast());
    if status == result::ACCEPTED {
        return HostRequest::Accepted(receiver);
    }
    // SAFETY: the host calls `done` only for what it accepted, so the box is still ours.
    drop(unsafe { Box::from_raw(context) });
    HostRequest::Rejected(status)
}

fn refused(result: HostResult) -> Refused {
    match result.status {
        result::BUSY => Refused::Busy,
        result::UNRECORDED => Refused::Unrecorded(result.text),
        result::INVALID if !result.text.is_empty() => Refused::Unrecorded(result.text),
        result::INVALID => Refused::Unrecorded("its key, its source or its position is too long".to_owned()),
        _ => Refused::Stopping,
    }
}

unsafe extern "C" fn done(context: *mut c_void, status: u32, text: *const u8, len: usize) {
    let report = || {
        // SAFETY: `context` is the box that `ask` gave away, and the host gives it back once.
        let sender = unsafe { Box::from_raw(context.cast::<oneshot::Sender<HostResult>>()) };
        // SAFETY: the host's bytes, valid until this returns.
        let text = String::from_utf8_lossy(unsafe { abi::bytes(text, len) }).into_owned();
        // Nobody waits any more when the trigger or the job was dropped.
        let _ = sender.send(HostResult { status, text });
    };
    let _ = catch_unwind(AssertUnwindSafe(report));
}

/// The way of one running trigger to the dispatcher.
pub(super) struct RemoteAccept {
    pub(super) host: Host,
    pub(super) call: u64,
}

#[async_trait]
impl EventSink for RemoteAccept {
    async fn accept(&self, trigger: Name, trigger_param: Params) -> Result<Name, Refused> {
        self.accept_event(NewEvent::new(trigger, trigger_param)).await
    }

    async fn ready(&self, _: &str) {
        if self.host.room(self.call).await.status == result::BUSY {
            // As many ask as may: their answers make room as well.
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn accept_event(&self, event: NewEvent) -> Result<Name, Refused> {
        let result = self.host.activate(self.call, &event_message::event_json(&event)).await;
        match result.status {
            result::ACCEPTED => Ok(Name::from(result.text)),
            _ => Err(refused(result)),
        }
    }

    async fn reached(&self, source: &str) -> Option<Position> {
        loop {
            let result = self.host.reached(self.call, source).await;
            match result.status {
                result::ACCEPTED => return event_message::read_position(&result.text).ok(),
                result::BUSY => tokio::time::sleep(PAUSE).await,
                _ => return None,
            }
        }
    }

    async fn reach(&self, cursor: Cursor) {
        let json = event_message::cursor_json(&cursor);
        while self.host.reach(self.call, &json).await.status == result::BUSY {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

/// The output of one running job.
pub(super) struct RemoteOutput {
    pub(super) host: Host,
    pub(super) call: u64,
}

impl RemoteOutput {
    /// Returns once it is written, or the job has ended.
    async fn put(&self, stream: u32, bytes: &[u8]) {
        while self.host.output(self.call, stream, bytes).await.status == result::BUSY {
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[async_trait]
impl Output for RemoteOutput {
    async fn write(&self, stream: Stream, bytes: &[u8]) {
        let stream = match stream {
            Stream::Stdout => stream::STDOUT,
            Stream::Stderr => stream::STDERR,
        };
        for piece in bytes.chunks(abi::MAX_OUTPUT) {
            self.put(stream, piece).await;
        }
    }

    async fn restart(&self) {
        self.put(stream::FROM_START, &[]).await;
    }
}
