//! The host's table: the functions that plugins call.

use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};

use herald_core::executor::Stream;
use herald_core::plugin::abi::{
    self, Done, HostTable, MAX_OUTPUT, MAX_SOURCE, result, state, status, stream,
};
use herald_core::plugin::event_message::{self, EventMessageError};
use tracing::level_filters::LevelFilter;

use super::calls::{self, CallResult, OutputAct, ReportTo, TriggerAct};

/// The most bytes that a plugin may pass at once.
const MAX_MESSAGE: usize = 64 << 20;
/// The most bytes of a line that a plugin logs.
const MAX_LOG_LINE: usize = 8 << 10;

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
    reached,
    reach,
    output,
};

/// Nothing may unwind into a plugin.
fn guarded<T>(fallback: T, function: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(function)).unwrap_or(fallback)
}

unsafe extern "C" fn answer(call: u64, status: u32, json: *const u8, len: usize) {
    guarded((), || {
        let Some(waiting) = calls::take(call) else { return };
        if len > MAX_MESSAGE {
            return (waiting.answer)(CallResult::TooLong);
        }
        // SAFETY: the plugin vouches for its bytes until this returns.
        let json = unsafe { abi::bytes(json, len) }.to_vec();
        (waiting.answer)(match status {
            status::OK => CallResult::Ok(json),
            status::ERROR => CallResult::Error(json),
            odd => CallResult::Odd(odd),
        });
    });
}

unsafe extern "C" fn stop_state(call: u64) -> u32 {
    guarded(state::GONE, || calls::stop_state(call).unwrap_or(state::GONE))
}

unsafe extern "C" fn activate(
    call: u64,
    json: *const u8,
    len: usize,
    done: Option<Done>,
    context: *mut c_void,
) -> u32 {
    guarded(result::STOPPING, || {
        // SAFETY: the plugin vouches for its bytes until this returns.
        let Some(json) = (unsafe { within(json, len, MAX_MESSAGE) }) else { return result::INVALID };
        match event_message::read_event(json) {
            Ok(event) => calls::ask(call, TriggerAct::Activate(Box::new(event)), ReportTo { done, context }),
            Err(error) => invalid(&error),
        }
    })
}

unsafe extern "C" fn room(call: u64, done: Option<Done>, context: *mut c_void) -> u32 {
    guarded(result::STOPPING, || calls::ask(call, TriggerAct::AwaitRoom, ReportTo { done, context }))
}

unsafe extern "C" fn reached(
    call: u64,
    source: *const u8,
    len: usize,
    done: Option<Done>,
    context: *mut c_void,
) -> u32 {
    guarded(result::STOPPING, || {
        // SAFETY: the plugin vouches for its bytes until this returns.
        let source = unsafe { within(source, len, MAX_SOURCE) };
        match source.map(str::from_utf8) {
            Some(Ok(source)) if done.is_some() => {
                calls::ask(call, TriggerAct::Reached(source.to_owned()), ReportTo { done, context })
            }
            _ => result::INVALID,
        }
    })
}

unsafe extern "C" fn reach(
    call: u64,
    json: *const u8,
    len: usize,
    done: Option<Done>,
    context: *mut c_void,
) -> u32 {
    guarded(result::STOPPING, || {
        // SAFETY: the plugin vouches for its bytes until this returns.
        let Some(json) = (unsafe { within(json, len, MAX_MESSAGE) }) else { return result::INVALID };
        match event_message::read_cursor(json) {
            Ok(cursor) => calls::ask(call, TriggerAct::Reach(cursor), ReportTo { done, context }),
            Err(error) => invalid(&error),
        }
    })
}

unsafe extern "C" fn output(
    call: u64,
    stream: u32,
    bytes: *const u8,
    len: usize,
    done: Option<Done>,
    context: *mut c_void,
) -> u32 {
    guarded(result::ENDED, || {
        // SAFETY: the plugin vouches for its bytes until this returns.
        let Some(bytes) = (unsafe { within(bytes, len, MAX_OUTPUT) }) else { return result::INVALID };
        let act = match stream {
            stream::STDOUT => OutputAct::Write(Stream::Stdout, bytes.to_vec()),
            stream::STDERR => OutputAct::Write(Stream::Stderr, bytes.to_vec()),
            stream::FROM_START => OutputAct::FromStart,
            _ => return result::INVALID,
        };
        calls::put(call, act, ReportTo { done, context })
    })
}

/// The bytes that a plugin passed, unless they are more than `most`.
///
/// # Safety
/// As [`abi::bytes`].
unsafe fn within<'a>(data: *const u8, len: usize, most: usize) -> Option<&'a [u8]> {
    // SAFETY: the caller vouches for the bytes.
    (len <= most).then(|| unsafe { abi::bytes(data, len) })
}

fn invalid(error: &EventMessageError) -> u32 {
    tracing::warn!("a plugin's trigger passed an invalid event: {error}");
    result::INVALID
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
        let text = unsafe { abi::bytes(text, len.min(MAX_LOG_LINE)) };
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
