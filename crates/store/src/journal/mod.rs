//! The journal: a log in the folder `journal/` of the `state_dir`, to which every batch of records is appended and
//! synced before it counts.

pub(crate) mod disk_space;
pub(crate) mod entry;
pub(crate) mod log;
pub(crate) mod packed;
pub(crate) mod seal;
pub(crate) mod segment;
pub(crate) mod stored_actor;
