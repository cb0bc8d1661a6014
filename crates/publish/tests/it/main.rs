//! Publications in temporary folders, as the daemon makes them.

mod crash;
mod directory;
mod fixture;
mod hostile;
mod mounts;
mod publishing;
mod restoring;
