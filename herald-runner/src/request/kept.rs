//! Which connections carry another request.

use std::time::Duration;

use http::Response;
use http_body::Body as _;

use crate::request::answer::Body;

/// How long a connection is of use: certificates and addresses that were changed count for every job after that.
const LONGEST: Duration = Duration::from_secs(10);
/// The longest answer after which it goes on. A longer one may take its time, and meanwhile the connection must not be
/// taken for one that is idle.
const LARGEST: u64 = 64 * 1024;

/// Whether a connection of this age goes on after this answer. Only a daemon that has proved who it is, and speaks
/// version 2, sends another request: version 1 has nothing by which one that was sent twice is known.
pub(super) fn may_go_on(response: &Response<Body>, age: Duration) -> bool {
    let is_signed = response.headers().contains_key("signature");
    let is_short = response.body().size_hint().upper().is_some_and(|length| length <= LARGEST);
    response.status().is_success() && is_signed && is_short && age < LONGEST
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http::HeaderValue;
    use http_body_util::{BodyExt as _, Full};

    use super::*;

    #[test]
    fn short_signed_answers_on_young_connections() {
        for (what, status, signed, length, age, goes_on) in [
            ("a result", 200, true, 20, Duration::ZERO, true),
            ("the longest", 200, true, 64 * 1024, LONGEST / 2, true),
            ("a longer one", 200, true, 64 * 1024 + 1, Duration::ZERO, false),
            ("version 1, or result files", 200, false, 20, Duration::ZERO, false),
            ("busy", 503, true, 20, Duration::ZERO, false),
            ("another runner", 401, true, 20, Duration::ZERO, false),
            ("an old connection", 200, true, 20, LONGEST, false),
        ] {
            let body = Full::new(Bytes::from(vec![b'x'; length])).map_err(|never| match never {});
            let mut response = Response::new(body.boxed_unsync());
            *response.status_mut() = http::StatusCode::from_u16(status).unwrap();
            if signed {
                response.headers_mut().insert("signature", HeaderValue::from_static("sig1=:AA==:"));
            }
            assert_eq!(may_go_on(&response, age), goes_on, "{what}");
        }
    }
}
