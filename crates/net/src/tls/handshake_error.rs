//! Why a TLS handshake failed, for people.

use std::io;

use rustls::{AlertDescription as Alert, CertificateError, Error, InvalidMessage};

use crate::tls::clock::shown;

/// What an error of a client says of TLS, for the client's user; `None` when it is about something else.
#[must_use]
pub fn explain(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    find(error).map(describe)
}

/// Whether the server accepted this client only to reject its certificate, or the lack of one: in TLS 1.3
/// the client hears of that after the handshake, when it has asked for something. The server has done nothing of it.
#[must_use]
pub fn is_client_rejected(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(
        find(error),
        Some(Error::AlertReceived(
            Alert::CertificateRequired
                | Alert::CertificateExpired
                | Alert::CertificateRevoked
                | Alert::CertificateUnknown
                | Alert::BadCertificate
                | Alert::UnsupportedCertificate
                | Alert::UnknownCA
                | Alert::AccessDenied
        ))
    )
}

fn find<'a>(error: &'a (dyn std::error::Error + 'static)) -> Option<&'a Error> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<Error>() {
            return Some(found);
        }
        // An I/O error holds the error itself, which its `source` leaves out.
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

fn describe(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(why) => certificate(why),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            "it does not speak TLS: is its address http:// rather than https://?".to_owned()
        }
        other => format!("TLS: {other}"),
    }
}

fn certificate(why: &CertificateError) -> String {
    match why {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("its TLS certificate expired at {}", shown(*not_after))
        }
        CertificateError::Expired => "its TLS certificate has expired".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("its TLS certificate is not valid before {}; are the clocks right?", shown(*not_before))
        }
        CertificateError::UnknownIssuer => {
            "its TLS certificate is of an authority that is not trusted; name the authority's certificate in `tls: {ca}`"
                .to_owned()
        }
        CertificateError::NotValidForNameContext { expected, presented } => {
            let names: Vec<String> = presented.iter().map(|name| plain(name)).collect();
            let names = if names.is_empty() { "no name at all".to_owned() } else { names.join(", ") };
            format!("its TLS certificate is for {names}, not for {}", expected.to_str())
        }
        CertificateError::BadSignature => {
            "its TLS certificate is not signed by the authority that it names: another one may bear the same name"
                .to_owned()
        }
        CertificateError::Other(other) if other.to_string().contains("CaUsedAsEndEntity") => {
            "its TLS certificate is that of an authority, which no server may use; make one without `CA:TRUE`"
                .to_owned()
        }
        other => format!("its TLS certificate is not right: {other}"),
    }
}

/// `DnsName("a.example")` is `a.example`.
fn plain(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    inner.trim_matches('"').to_owned()
}

/// What the server says of the client.
fn of_alert(alert: Alert) -> String {
    match alert {
        Alert::CertificateRequired => {
            "it wants a client certificate: give `tls: {client_cert, client_key}`".to_owned()
        }
        Alert::CertificateExpired => {
            "it refuses our client certificate as expired, or not valid yet".to_owned()
        }
        Alert::UnknownCA => {
            "it refuses our client certificate, which is of an authority that it does not trust".to_owned()
        }
        Alert::CertificateRevoked => "it refuses our client certificate as revoked".to_owned(),
        Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateUnknown
        | Alert::AccessDenied
        | Alert::DecryptError => format!("it refuses our client certificate ({alert:?})"),
        other => format!("it ended the TLS handshake with the alert {other:?}"),
    }
}
