//! Contract, section 2: the configuration. The components that it configures: [`crate::components`].

mod forms;
mod hostile;
mod presets;
mod secrets;
mod validation;
