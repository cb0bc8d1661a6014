//! URLs as options.

use super::check_error::CheckError;

const EXAMPLE: &str = "write a URL such as https://runner.example.com:8124/";

/// Whether it is a URL that a program can connect to.
pub(super) fn url(text: &str) -> Result<(), CheckError> {
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(CheckError::new("this is not a valid URL").help(EXAMPLE));
    };
    if !["http", "https"].iter().any(|known| scheme.eq_ignore_ascii_case(known)) {
        return Err(CheckError::new("a URL here begins with http:// or https://").help(EXAMPLE));
    }
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(CheckError::new("a URL cannot hold spaces"));
    }
    let authority = rest.split(['/', '?', '#']).next().unwrap_or("");
    let host_port = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match host_port.strip_prefix('[') {
        Some(v6) => {
            let Some((host, after)) = v6.split_once(']') else {
                return Err(CheckError::new("the closing `]` of the address is missing"));
            };
            if host.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(CheckError::new("the address in `[]` is not a valid IPv6 address"));
            }
            (host, after.strip_prefix(':'))
        }
        None => match host_port.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (host_port, None),
        },
    };
    if host.is_empty() {
        return Err(CheckError::new("this URL names no host").help(EXAMPLE));
    }
    match port {
        Some(port) if port.parse::<u16>().is_err() => {
            Err(CheckError::new("the port of this URL is not a valid port"))
        }
        _ => Ok(()),
    }
}
