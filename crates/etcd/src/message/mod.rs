//! The JSON messages of etcd's gateway: keys and values are base64, 64-bit numbers are strings, defaults are left out.

pub(crate) mod field;
pub(crate) mod response;
pub(crate) mod transaction;
