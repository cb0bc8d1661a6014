//! A minimal plugin: one trigger, one selector, one executor, all of type `hello`. A template for your own plugin; see
//! its README.md.

mod executor;
mod selector;
mod trigger;

pub use executor::executor;
pub use selector::selector;
pub use trigger::trigger;

#[cfg(feature = "export")]
herald_core::plugin! {
    name: "hello",
    triggers: [trigger],
    selectors: [selector],
    executors: [executor],
}
