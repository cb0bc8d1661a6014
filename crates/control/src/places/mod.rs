//! Where the daemon and its commands look for the same things.

pub mod config_places;
pub mod listening_sockets;
pub mod socket_folder;
pub mod state_dir;
