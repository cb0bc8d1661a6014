//! What lies beside a tree: the kernel's lock, the record, other trees; and how trees change places.

pub(crate) mod layout;
pub(crate) mod lock;
pub(crate) mod record;
pub(crate) mod seen;
pub(crate) mod swap;
pub(crate) mod tree;
