//! The C table, version 1: what `include/herald_plugin.h` says, in Rust. Its documentation is there.

use std::ffi::c_void;

/// The version of the table. Any other is refused.
pub const ABI: u32 = 1;

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
    /// It is to end in good order.
    pub const STOP: u32 = 1;
    /// It is to end at once.
    pub const STOP_NOW: u32 = 2;
    /// Nobody waits for the answer any more.
    pub const GONE: u32 = 3;
}

/// What became of an activation.
pub mod activation {
    /// Taken.
    pub const ACCEPTED: u32 = 0;
    /// Too much is waiting.
    pub const BUSY: u32 = 1;
    /// Herald or the trigger stops.
    pub const STOPPING: u32 = 2;
    /// The journal could not record it.
    pub const UNRECORDED: u32 = 3;
    /// The parameters are no JSON object.
    pub const NOT_AN_OBJECT: u32 = 4;
}

/// Told once what became of an activation.
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

/// Tells a plugin that a call is to end.
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
    /// Activates a trigger.
    pub activate: unsafe extern "C" fn(
        call: u64,
        json: *const u8,
        len: usize,
        done: Option<Done>,
        context: *mut c_void,
    ) -> u32,
    /// Tells when there is room for an activation.
    pub room: unsafe extern "C" fn(call: u64, done: Option<Done>, context: *mut c_void) -> u32,
    /// The most talkative level that is logged.
    pub log_level: unsafe extern "C" fn() -> u32,
    /// Logs a line.
    pub log: unsafe extern "C" fn(level: u32, text: *const u8, len: usize),
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
    /// Tells it that a call is to end.
    pub signal: Option<Signal>,
}

/// The bytes of [`PluginTable`] in version 1.
pub const PLUGIN_TABLE_SIZE: u32 = size_u32::<PluginTable>();
/// The bytes of [`HostTable`] in version 1.
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
