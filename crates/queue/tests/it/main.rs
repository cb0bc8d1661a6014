//! The conformance suite: what every engine must do, against real servers, which each test starts.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests fail by panicking")]

mod access;
mod cluster;
mod compete;
mod every;
mod faults;
mod fixture;
mod inspection;
mod lanes;
mod leases;
mod networks;
mod origin;
mod plain_list;
mod promotion;
mod results;
mod signatures;
mod soak;
mod withdrawal;
