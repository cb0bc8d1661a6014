//! Contract, section 2: the configuration. The components that it configures: [`crate::components`].

mod forms;
mod presets;
mod secrets;
mod validation;
