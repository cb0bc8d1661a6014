//! Requests that get no further.

use herald_wire::answer::Signer;
use http::StatusCode;

use super::answer::{SimpleResponse, Wire};
use super::nonce::NonceError;

/// The answer to a request that gets no further.
pub(super) struct RequestRejection {
    pub(super) short: SimpleResponse,
    /// Signed once the caller is known, and the request is not a replay.
    pub(super) wire: Wire,
}

/// The answer to one who did not prove to know the secret, or sends what was seen before.
pub(super) fn denied(reason: &dyn std::fmt::Display) -> RequestRejection {
    let short = SimpleResponse::text(StatusCode::UNAUTHORIZED, reason);
    RequestRejection { short, wire: Wire::Plain }
}

/// The same, of a caller who knows the secret: nothing runs, and the answer is signed.
pub(super) fn rejection(
    status: StatusCode,
    reason: &dyn std::fmt::Display,
    signer: &Signer,
) -> RequestRejection {
    RequestRejection { short: SimpleResponse::text(status, reason), wire: Wire::Signed(signer.clone()) }
}

/// The answer to one whose nonce is not taken.
pub(super) fn of_nonce(error: &NonceError, signer: &Signer) -> RequestRejection {
    match error {
        NonceError::Seen => denied(error),
        // Signed, so that a daemon whose clock is a little behind comes again.
        NonceError::Forgotten => rejection(StatusCode::UNAUTHORIZED, error, signer),
        // Unsigned it would pass for a proxy's answer, after which nobody knows whether the job runs.
        NonceError::Full | NonceError::Disk(_) => rejection(StatusCode::SERVICE_UNAVAILABLE, error, signer),
    }
}
