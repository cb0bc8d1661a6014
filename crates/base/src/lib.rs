//! The floor that every crate of Herald is built on: words and rules that all of them share. No network, no
//! runtime.

pub mod clock;
pub mod ending;
pub mod log_target;
pub mod name;
pub mod output;
pub mod secret_name;
pub mod stop;
pub mod system;
pub mod template_mark;
pub mod unit;
pub mod value;

pub use name::{name_pattern, near_miss};
pub use system::{failpoint, file_lock, os_error, private_file, service_manager, side_by_side};
pub use value::depth;
