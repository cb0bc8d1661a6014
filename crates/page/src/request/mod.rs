//! What is checked of a browser's request, and what every response to it says.

mod cookie;
mod elsewhere;
mod headers;
mod origin;
mod return_path;
mod way;

/// The longest form that is accepted, in bytes as it is sent.
pub const MAX_FORM: u64 = 1 << 20;

pub use cookie::{SessionCookie, instance_id};
pub use elsewhere::elsewhere;
pub use headers::{FRAGMENT, security_headers};
pub use origin::{OwnAddress, is_same_origin};
pub use return_path::return_path;
pub use way::RequestWay;
