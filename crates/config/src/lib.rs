//! How Herald reads configurations, for heraldd and herald-runner: YAML with the place of everything, descriptions of
//! options, and problems that are shown where the user wrote them.

pub mod bounded_file;
pub mod component_error;
pub mod file;
pub mod flat;
pub mod include;
pub mod listener;
pub mod listener_override;
pub mod log;
pub mod problem;
pub mod secret;
pub mod spec;
pub mod tls;
pub mod yaml;

pub use herald_base::unit;
pub use herald_base::value::Params;
