//! Whether a TCP port could be listened on.

use std::io::ErrorKind;
use std::net::TcpListener;

/// Why the address cannot be listened on now; the program that is asked for is one reason, where it runs. Blocks.
#[must_use]
pub fn not_free(host: &str, port: u16) -> Option<String> {
    let error = TcpListener::bind((host.trim_matches(['[', ']']), port)).err()?;
    Some(match error.kind() {
        ErrorKind::AddrInUse => {
            format!("port {port} on {host} is in use; if that is not this service, take another port")
        }
        ErrorKind::AddrNotAvailable => format!("{host} is not an address of this machine; see  ip address"),
        ErrorKind::PermissionDenied => {
            format!("port {port} on {host} needs more rights: permission denied; take one from 1024 on")
        }
        kind => format!("cannot listen on {host} port {port}: {kind}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_that_cannot_be_had_are_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let why = not_free("127.0.0.1", port).unwrap();
        assert!(why.contains("is in use"), "{why}");
        drop(taken);
        assert_eq!(not_free("127.0.0.1", port), None);
        let why = not_free("192.0.2.1", 1).unwrap();
        assert!(why.contains("not an address of this machine"), "{why}");
    }
}
