//! The time that a mail has: for each step, and for each address of the server.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use herald_base::{os_error, unit};
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::{MailError, MailErrorKind};
use crate::server::MailServer;

/// The most addresses of a server that are tried.
const MOST_ADDRESSES: usize = 8;

/// A step that is over by the deadline.
pub(crate) async fn within<T>(
    server: &MailServer,
    deadline: Instant,
    what: &str,
    step: impl Future<Output = T>,
) -> Result<T, MailError> {
    timeout_at(deadline, step).await.map_err(|_| {
        let (address, after) = (server.address(), unit::text(server.timeout));
        let message = format!("{address}: no answer within {after}, when it was {what} (timeout)");
        MailError::new(MailErrorKind::TimedOut, message)
    })
}

/// Why none of the addresses could be connected to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoneAccepts {
    /// Each with its error.
    pub(crate) why: String,
    /// Whether none of them answered.
    pub(crate) timed_out: bool,
}

/// The first that accepts. One that does not answer leaves an equal part of the time to each that follows.
pub(crate) async fn first_that_accepts<T>(
    addresses: &[SocketAddr],
    deadline: Instant,
    connect: impl AsyncFn(SocketAddr) -> io::Result<T>,
) -> Result<(T, SocketAddr), NoneAccepts> {
    let addresses = &addresses[..addresses.len().min(MOST_ADDRESSES)];
    let (mut errors, mut timed_out) = (Vec::new(), true);
    for (left, &address) in (1..=addresses.len()).rev().zip(addresses) {
        let remaining = deadline.saturating_duration_since(Instant::now());
        let part = remaining / u32::try_from(left).unwrap_or(u32::MAX);
        let why = match timeout(part, connect(address)).await {
            Ok(Ok(connected)) => return Ok((connected, address)),
            Ok(Err(error)) => {
                timed_out = false;
                os_error::plain(&error.to_string())
            }
            Err(_) => format!("no answer within {}", unit::text(to_the_second(part))),
        };
        errors.push((address.ip(), why));
    }
    Err(NoneAccepts { why: sentence(&errors), timed_out })
}

/// `192.0.2.1: no answer within 10s, 192.0.2.2: connection refused`.
fn sentence(errors: &[(IpAddr, String)]) -> String {
    let each: Vec<String> = errors.iter().map(|(ip, why)| format!("{ip}: {why}")).collect();
    each.join(", ")
}

/// Rounded, unless it is short.
fn to_the_second(time: Duration) -> Duration {
    let rounded = Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX));
    if time < Duration::from_secs(2) { rounded } else { Duration::from_secs(time.as_secs()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_address_that_does_not_answer_leaves_time_to_the_others() {
        let of = |last: u8| SocketAddr::from(([192, 0, 2, last], 587));
        // 1 does not answer, 2 refuses, 3 accepts.
        let connect = async |address: SocketAddr| match address.ip() {
            ip if ip == of(1).ip() => std::future::pending().await,
            ip if ip == of(2).ip() => Err(io::Error::from(io::ErrorKind::ConnectionRefused)),
            _ => Ok(()),
        };
        for (addresses, accepts, seconds, why, timed_out) in [
            (&[3, 1][..], Some(3), 0, "", false),
            (&[1, 3], Some(3), 15, "", false),
            (&[1, 2, 3], Some(3), 10, "", false),
            (&[1], None, 30, "192.0.2.1: no answer within 30s", true),
            (
                &[1, 1, 1],
                None,
                30,
                "192.0.2.1: no answer within 10s, 192.0.2.1: no answer within 10s, 192.0.2.1: no answer within 10s",
                true,
            ),
            (&[1, 2], None, 15, "192.0.2.1: no answer within 15s, 192.0.2.2: connection refused", false),
        ] {
            let (begin, all) = (Instant::now(), addresses.iter().copied().map(of).collect::<Vec<_>>());
            let first = first_that_accepts(&all, begin + Duration::from_secs(30), connect).await;
            assert_eq!(begin.elapsed().as_secs(), seconds, "{addresses:?}");
            let expected = match accepts {
                Some(last) => Ok(((), of(last))),
                None => Err(NoneAccepts { why: why.to_owned(), timed_out }),
            };
            assert_eq!(first, expected);
        }
    }
}
