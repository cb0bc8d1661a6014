//! Who may call: tokens, Basic, HMACs, and the schemes of those that send web hooks.
//!
//! Each scheme is a pure check of a request in a file of its own. Any secret may be a list: all are accepted, for
//! rotation without downtime. Secrets and signatures are compared in constant time.

mod basic;
mod bitbucket;
mod forge;
mod generic;
mod github;
mod gitlab;
mod options;
mod proof;
mod scheme;
mod slack;
mod standard_webhooks;
mod stripe;
mod token;

pub(super) use options::spec;
pub(super) use proof::{AuthError, RequestCredentials};
pub(super) use scheme::Auth;

#[cfg(test)]
mod tests;
