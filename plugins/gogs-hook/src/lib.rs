//! Webhooks of [Gogs](https://gogs.io): a trigger that receives them, and a selector by repository, branch and event.
//! Both are of type `gogs_hook`.

mod delivery;
mod selector;
mod trigger;

pub use selector::selector;
pub use trigger::trigger;

#[cfg(feature = "export")]
herald_core::plugin! {
    name: "gogs-hook",
    triggers: [trigger],
    selectors: [selector],
}
