//! Git and Subversion behind one trait.

mod busy;
mod git;
mod git_copy;
mod git_locks;
mod git_mirror;
mod ssh_command;
mod surface;
mod svn;
mod svn_client;
mod svn_copy;
mod svn_externals;
mod svn_xml;

pub use git::GitRepository;
pub use surface::{Commit, CopyState, LogRange, Source};
pub use svn::SvnRepository;
