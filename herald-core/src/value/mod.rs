//! Values that events and jobs carry, and how secrets in them are hidden.

pub mod param;
pub mod secret;
pub mod secret_stream;
