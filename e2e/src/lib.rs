//! The support library of the end-to-end tests: the built programs, a folder for each test, an HTTP client and servers
//! on bare sockets, and signers of both wire versions that were written only from the contract and the RFCs, so that
//! the programs are never checked against their own code.
//!
//! Every wait has a deadline. `HERALD_E2E_BIN` names a folder with other builds of the programs.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test harness fails by panicking"
)]

pub mod daemon;
pub mod etcd;
pub mod fake;
pub mod git;
pub mod http;
pub mod nginx;
pub mod place;
pub mod program;
pub mod recorded;
pub mod redis;
pub mod runner;
pub mod sign;
pub mod smtp;
pub mod wait;
