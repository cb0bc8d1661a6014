//! What is secret, and how it is hidden.

pub use herald_base::secret_name::{MASKED, is_secret_name};
pub use herald_config::secret::{Mask, REQUEST};

pub(crate) use herald_config::secret::SHORTEST_WITHIN;
