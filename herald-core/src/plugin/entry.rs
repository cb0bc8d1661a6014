//! The functions of the table of a plugin in Rust. Nothing unwinds out of them.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::abi::{self, HostTable};
use super::author::{PANICKED, Plugin};
use super::host::Host;
use super::message::CallError;

/// What the macro puts behind [`abi::PluginTable::call`].
///
/// # Safety
/// As `include/herald_plugin.h` says: `host` points to the host's table, `json` to `len` bytes that stay until this
/// returns.
pub unsafe fn call(
    plugin: fn() -> &'static Plugin,
    host: *const HostTable,
    call: u64,
    op: u32,
    instance: u64,
    json: *const u8,
    len: usize,
) {
    // SAFETY: the caller vouches for the table. A host of another version cannot be answered.
    let Some(host) = (unsafe { Host::new(host) }) else { return };
    // SAFETY: the caller vouches for the bytes.
    let json = unsafe { abi::bytes(json, len) };
    let reply = catch_unwind(AssertUnwindSafe(|| plugin().call(host, call, op, instance, json)));
    if let Some(reply) = reply.unwrap_or_else(|_| Some(Err(CallError::json(PANICKED)))) {
        host.answer(call, &reply);
    }
}

/// What the macro puts behind [`abi::PluginTable::signal`].
pub fn signal(plugin: fn() -> &'static Plugin, call: u64, state: u32) {
    // A waker that panics ends here; the call itself goes on.
    let _ = catch_unwind(AssertUnwindSafe(|| plugin().signal(call, state)));
}
