//! Against real servers of etcd, which each test starts.

#![expect(clippy::unwrap_used, reason = "tests fail by panicking")]

mod announcing;
mod beginning;
mod faults;
mod publication;
mod reports;
mod site;
