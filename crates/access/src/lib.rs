//! Who may do what: how a caller proves who it is, which role it has, and what it may act on.
//!
//! [`Authenticator`] finds the [`AuthenticatedCaller`] of a request by what the request carries;
//! [`AuthenticatedCaller::require`] and [`AuthenticatedCaller::may`] decide what it may do. [`users`] is the file with
//! the passwords.

mod authenticator;
mod caller;
mod grants;
mod jwt;
mod login;
pub mod options;
mod refused;
mod role;
mod settings;
mod throttle;
pub mod users;

pub use authenticator::{Authenticator, NotAuthenticated, PresentedProof};
pub use caller::{AuthenticatedCaller, Forbidden, Via};
pub use grants::{Grant, Grantee, Grants};
pub use login::UserLogin;
pub use refused::RefusedLogins;
pub use role::{Role, UnknownRole};
pub use settings::{AccessSettings, JwtSettings, ProxySettings, TokenDigest, TokenSettings};
