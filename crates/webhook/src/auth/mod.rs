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
mod identity;
mod proof;
mod scheme;
mod slack;
mod standard_webhooks;
mod stripe;
mod token;

pub use basic::Basic;
pub use generic::HmacHeader;
pub use proof::{AuthError, RequestCredentials};
pub use scheme::{Auth, Provider};
pub use standard_webhooks::{SecretEncodingError, check_secret};
pub use token::{Token, TokenLocation};
