//! Plugins: components in a shared library of their own, loaded by the daemon.
//!
//! An author writes components with the same traits as everybody else ([`Trigger`](crate::trigger::Trigger),
//! [`Selector`](crate::selector::Selector), [`Executor`](crate::executor::Executor)), describes their types with
//! [`spec`](crate::spec), and names these types in one macro, [`plugin!`](crate::plugin!). The crate is built as a
//! `cdylib`.
//!
//! Behind the macro is a C table with JSON in and out ([`abi`], and `include/herald_plugin.h` for authors in other
//! languages). A plugin shares neither runtime nor allocator nor log with the daemon, so it may come from another
//! version of the compiler. What the author need not care for:
//!
//! - Asynchronous code runs on a runtime of the plugin's own, made at the first call, which lives as long as the
//!   process.
//! - A panic fails the call in which it happens, and nothing else. This needs `panic = "unwind"`, which is the default.
//! - What is logged with [`tracing`] goes to the daemon's log.
//! - Dropped futures: when the daemon gives a call up, its future is dropped.
//! - The [`Activator`](crate::trigger::Activator) passes on keys and positions, and the
//!   [`Output`](crate::executor::Output) of a job writes to its log.

#![expect(unsafe_code, reason = "the plugin boundary is a table of C functions")]

pub mod abi;
mod author;
pub mod description;
mod entry;
pub mod event_message;
mod host;
mod logging;
pub mod message;

pub use author::Plugin;
pub use entry::{call, signal};

/// Makes a crate a plugin: exports its table. Once in each crate, which is built with `crate-type = ["cdylib"]`.
///
/// Each list names functions without arguments that return a type. Lists without any may be left out.
///
/// ```
/// # use herald_core::spec::{Description, SelectorType};
/// # use herald_core::selector::{Answer, Question, Selector};
/// # use herald_core::trigger::ComponentError;
/// struct Never;
///
/// #[async_trait::async_trait]
/// impl Selector for Never {
///     async fn select(&self, _: &Question) -> Result<Answer, ComponentError> {
///         Ok(Answer::no("never"))
///     }
/// }
///
/// fn never() -> SelectorType {
///     SelectorType::new(Description::new("never", "Says no."), |_| Ok(std::sync::Arc::new(Never)))
/// }
///
/// herald_core::plugin! { name: "never", selectors: [never] }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! plugin {
    (
        name: $name:literal
        $(, triggers: [$($trigger:path),* $(,)?])?
        $(, selectors: [$($selector:path),* $(,)?])?
        $(, executors: [$($executor:path),* $(,)?])?
        $(,)?
    ) => {
        const _: () = {
            static PLUGIN: ::std::sync::LazyLock<$crate::plugin::Plugin> =
                ::std::sync::LazyLock::new(|| $crate::plugin::Plugin::new(
                    $name,
                    ::std::env!("CARGO_PKG_VERSION"),
                    ::std::vec![$($($trigger()),*)?],
                    ::std::vec![$($($selector()),*)?],
                    ::std::vec![$($($executor()),*)?],
                ));

            fn plugin() -> &'static $crate::plugin::Plugin {
                &PLUGIN
            }

            unsafe extern "C" fn call(
                host: *const $crate::plugin::abi::HostTable,
                call: u64,
                op: u32,
                instance: u64,
                json: *const u8,
                len: usize,
            ) {
                // SAFETY: what the host passes is passed on.
                unsafe { $crate::plugin::call(plugin, host, call, op, instance, json, len) }
            }

            unsafe extern "C" fn signal(call: u64, state: u32) {
                $crate::plugin::signal(plugin, call, state);
            }

            #[unsafe(no_mangle)]
            #[used]
            static herald_plugin: $crate::plugin::abi::PluginTable = $crate::plugin::abi::PluginTable {
                abi: $crate::plugin::abi::ABI,
                size: $crate::plugin::abi::PLUGIN_TABLE_SIZE,
                call: ::std::option::Option::Some(call),
                signal: ::std::option::Option::Some(signal),
            };
        };
    };
}
