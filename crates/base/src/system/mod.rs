//! The process and the operating system below it.

pub mod failpoint;
pub mod file_lock;
pub mod host_name;
pub mod os_error;
pub mod private_file;
pub mod service_manager;
pub mod side_by_side;
pub mod user;
