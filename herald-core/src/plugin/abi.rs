//! The C table, version 2: what `include/herald_plugin.h` says, in Rust. Its documentation is there.

use std::ffi::c_void;

/// The version of the table. A plugin of any other version is rejected.
pub const ABI: u32 = 2;

/// The symbol that a plugin exports: a [`PluginTable`].
pub const SYMBOL: &str = "herald_plugin";

/// What is wanted of a plugin.
pub mod op {
    /// What types it gives.
    pub const DESCRIBE: u32 = 1;
    /// Makes a component.
    pub const CREATE: u32 = 2;
    /// A component is used no more.
    pub const DESTROY: u32 = 3;
    /// Whether the value of an option is right.
    pub const CHECK: u32 = 4;
    /// Asks a selector.
    pub const SELECT: u32 = 5;
    /// Prepares a trigger.
    pub const PREPARE: u32 = 6;
    /// Runs a trigger.
    pub const RUN: u32 = 7;
    /// Runs a job.
    pub const EXECUTE: u32 = 8;
    /// An executor ends what outlives its jobs.
    pub const CLOSE: u32 = 9;
    /// Finds out how a job ended that ran when an earlier process of Herald ended.
    pub const RECOVER: u32 = 10;
}

/// How a call went.
pub mod status {
    /// The answer is what was asked for.
    pub const OK: u32 = 0;
    /// The answer says why not.
    pub const ERROR: u32 = 1;
}

/// Whether a call is to end.
pub mod state {
    /// It may go on.
    pub const GO_ON: u32 = 0;
    /// It is to end with a grace period.
    pub const STOP: u32 = 1;
    /// It is to end at once.
    pub const STOP_NOW: u32 = 2;
    /// Nobody waits for the answer any more.
    pub const GONE: u32 = 3;
}

/// The result of what a plugin asks of Herald.
pub mod result {
    /// Done, or in progress.
    pub const ACCEPTED: u32 = 0;
    /// The queue is full; for output: as many pieces as allowed are not written yet.
    pub const BUSY: u32 = 1;
    /// Herald or the trigger stops.
    pub const STOPPING: u32 = 2;
    /// The journal could not record it.
    pub const UNRECORDED: u32 = 3;
    /// What was passed is not as the header describes it, or is too long.
    pub const INVALID: u32 = 4;
    /// No position of this source is recorded.
    pub const NEW_SOURCE: u32 = 5;
    /// The call was answered or abandoned, or is not of the right operation.
    pub const ENDED: u32 = 6;
}

/// What a plugin does to the output of a job.
pub mod stream {
    /// Writes to standard output.
    pub const STDOUT: u32 = 1;
    /// Writes to standard error.
    pub const STDERR: u32 = 2;
    /// What an earlier process wrote is written again from its beginning.
    pub const FROM_START: u32 = 3;
}

/// The longest key of an event, in bytes.
pub const MAX_KEY: usize = 1024;
/// The longest name of a source of events, in bytes.
pub const MAX_SOURCE: usize = 1024;
/// The longest position in a source of events, in bytes.
pub const MAX_POSITION: usize = 1024;
/// The longest piece of output that is accepted at once, in bytes.
pub const MAX_OUTPUT: usize = 64 << 10;

/// Called once with a result: one of [`result`].
pub type Done = unsafe extern "C" fn(context: *mut c_void, status: u32, text: *const u8, len: usize);

/// Calls a plugin.
pub type Call = unsafe extern "C" fn(
    host: *const HostTable,
    call: u64,
    op: u32,
    instance: u64,
    json: *const u8,
    len: usize,
);

/// Notifies a plugin that a call is to end.
pub type Signal = unsafe extern "C" fn(call: u64, state: u32);

/// What Herald offers to plugins.
#[repr(C)]
pub struct HostTable {
    /// [`ABI`].
    pub abi: u32,
    /// Bytes of this table.
    pub size: u32,
    /// Answers a call.
    pub answer: unsafe extern "C" fn(call: u64, status: u32, json: *const u8, len: usize),
    /// Whether a call is to end.
    pub stop_state: unsafe extern "C" fn(call: u64) -> u32,
    /// Activates a trigger with an event.
    pub activate: unsafe extern "C" fn(
        call: u64,
        json: *const u8,
        len: usize,
        done: Option<Done>,
        context: *mut c_void,
    ) -> u32,
    /// Reports when there is room for an activation.
    pub room: unsafe extern "C" fn(call: u64, done: Option<Done>, context: *mut c_void) -> u32,
    /// The most talkative level that is logged.
    pub log_level: unsafe extern "C" fn() -> u32,
    /// Logs a line.
    pub log: unsafe extern "C" fn(level: u32, text: *const u8, len: usize),
    /// Asks up to which position a source was followed.
    pub reached: unsafe extern "C" fn(
        call: u64,
        source: *const u8,
        len: usize,
        done: Option<Done>,
        context: *mut c_void,
    ) -> u32,
    /// Records up to which position a source was followed, without an event.
    pub reach: unsafe extern "C" fn(
        call: u64,
        json: *const u8,
        len: usize,
        done: Option<Done>,
        context: *mut c_void,
    ) -> u32,
    /// Writes to the output of a job.
    pub output: unsafe extern "C" fn(
        call: u64,
        stream: u32,
        bytes: *const u8,
        len: usize,
        done: Option<Done>,
        context: *mut c_void,
    ) -> u32,
}

/// What a plugin offers. The functions may be missing in a table that was written by hand.
#[repr(C)]
pub struct PluginTable {
    /// [`ABI`].
    pub abi: u32,
    /// Bytes of this table.
    pub size: u32,
    /// Calls the plugin.
    pub call: Option<Call>,
    /// Notifies it that a call is to end.
    pub signal: Option<Signal>,
}

/// The bytes of [`PluginTable`] in version 2.
pub const PLUGIN_TABLE_SIZE: u32 = size_u32::<PluginTable>();
/// The bytes of [`HostTable`] in version 2.
pub const HOST_TABLE_SIZE: u32 = size_u32::<HostTable>();

const fn size_u32<T>() -> u32 {
    let size = size_of::<T>();
    assert!(size < 4096, "a table of functions is small");
    #[expect(clippy::cast_possible_truncation, reason = "it is below 4096")]
    let size = size as u32;
    size
}

/// The bytes that the other side passed.
///
/// # Safety
/// `data` is null, or points to `len` bytes that stay as they are for `'a`.
#[must_use]
pub unsafe fn bytes<'a>(data: *const u8, len: usize) -> &'a [u8] {
    if data.is_null() || len == 0 || isize::try_from(len).is_err() {
        return &[];
    }
    // SAFETY: not null, and the caller vouches for the rest.
    unsafe { std::slice::from_raw_parts(data, len) }
}
