//! Signatures: of requests and answers as RFC 9421 says, with the digests of RFC 9530, and the secrets that make them.

pub mod answer;
pub mod digest;
pub mod request;
pub mod runner_id;
pub mod secret;
pub mod signature;
