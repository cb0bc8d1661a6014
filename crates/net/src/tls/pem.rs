//! Certificates and keys out of PEM files, with errors for people.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use herald_base::os_error;
use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::{PemObject as _, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime};

use crate::tls::clock;
use crate::tls::provider::provider;

/// The largest file that is read, in bytes: all authorities of a machine together take a fifth of it.
const MOST: u64 = 1 << 20;

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {what}", file.display())]
pub struct TlsError {
    /// The option that names the file: `cert`, say.
    pub option: &'static str,
    /// The file.
    pub file: PathBuf,
    /// What is wrong with it, and what to do.
    pub what: String,
}

/// A file and the option that names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TlsFile<'a> {
    pub(crate) option: &'static str,
    pub(crate) file: &'a Path,
}

impl TlsFile<'_> {
    fn wrong(&self, what: impl Into<String>) -> TlsError {
        TlsError { option: self.option, file: self.file.to_owned(), what: what.into() }
    }

    fn read(&self) -> Result<Vec<u8>, TlsError> {
        let unreadable = |error: std::io::Error| {
            self.wrong(format!("cannot be read: {}", os_error::plain(&error.to_string())))
        };
        let mut bytes = Vec::new();
        let file = File::open(self.file).map_err(unreadable)?;
        file.take(MOST + 1).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > MOST {
            return Err(self.wrong("is larger than 1 MiB: not a certificate or key"));
        }
        Ok(bytes)
    }

    /// Everything in the file that bears a name we know.
    fn sections(&self, bytes: &[u8]) -> Result<Vec<(SectionKind, Vec<u8>)>, TlsError> {
        if !contains(bytes, "-----BEGIN ") {
            let advice = match bytes.first() {
                None => "is empty".to_owned(),
                // What DER begins with.
                Some(0x30) => {
                    let file = self.file.display();
                    format!(
                        "is not PEM but looks like DER; turn it into PEM:  openssl x509 -inform der -in {file}"
                    )
                }
                Some(_) => "is not PEM: it has no line that begins with `-----BEGIN `".to_owned(),
            };
            return Err(self.wrong(advice));
        }
        <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes)
            .collect::<Result<_, _>>()
            .map_err(|error| self.wrong(format!("is not whole as PEM: {error}")))
    }

    /// All certificates of the file, at least one; each is at least shaped like one.
    pub(crate) fn certificates(&self) -> Result<Vec<CertificateDer<'static>>, TlsError> {
        let sections = self.sections(&self.read()?)?;
        let found: Vec<SectionKind> = sections.iter().map(|(kind, _)| *kind).collect();
        let certificates: Vec<CertificateDer<'static>> = sections
            .into_iter()
            .filter(|(kind, _)| *kind == SectionKind::Certificate)
            .map(|(_, der)| CertificateDer::from(der))
            .collect();
        if certificates.is_empty() {
            let instead = match found.first() {
                Some(SectionKind::Csr) => ", but a request for one; it is yet to be signed",
                Some(_) => ", but a key or something else",
                None => "",
            };
            return Err(self.wrong(format!("holds no certificate (`-----BEGIN CERTIFICATE-----`){instead}")));
        }
        for (n, certificate) in certificates.iter().enumerate() {
            webpki::EndEntityCert::try_from(certificate)
                .map_err(|error| self.wrong(format!("certificate {} in it is broken: {error}", n + 1)))?;
        }
        Ok(certificates)
    }

    fn key(&self) -> Result<PrivateKeyDer<'static>, TlsError> {
        let bytes = self.read()?;
        if contains(&bytes, "ENCRYPTED") {
            let advice = "the key in it is encrypted with a passphrase, for which Herald cannot ask; write it again \
                          without one, for nobody else to read:  openssl pkey -in OLD -out NEW";
            return Err(self.wrong(advice));
        }
        let keys =
            self.sections(&bytes)?.into_iter().find_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der));
        keys.ok_or_else(|| self.wrong("holds no private key (`-----BEGIN PRIVATE KEY-----`)"))
    }

    /// The authorities of the file.
    pub(crate) fn authorities(&self) -> Result<RootCertStore, TlsError> {
        let mut store = RootCertStore::empty();
        for (n, certificate) in self.certificates()?.into_iter().enumerate() {
            store.add(certificate).map_err(|error| {
                self.wrong(format!("certificate {} in it is not a certificate authority: {error}", n + 1))
            })?;
        }
        Ok(store)
    }

    /// What deserves to be said of the certificates in the file.
    pub(crate) fn doubtful_certificates(&self) -> Vec<String> {
        let now = clock::now();
        let certificates = self.certificates().unwrap_or_default();
        let said = |certificate: &CertificateDer<'_>| {
            Some(format!("{} {}", self.file.display(), out_of_date(certificate, now)?))
        };
        certificates.iter().filter_map(said).collect()
    }

    /// Whether everybody on this machine can read the key.
    pub(crate) fn doubtful_key(&self) -> Option<String> {
        let open = std::fs::metadata(self.file).is_ok_and(|meta| meta.is_file() && meta.mode() & 0o004 != 0);
        let file = self.file.display();
        open.then(|| format!("{file} holds a private key, and everybody on this machine can read it; run: chmod o-rwx {file}"))
    }
}

/// A certificate, those that link it to its authority, and the key that fits it.
pub(crate) fn pair(cert: TlsFile<'_>, key: TlsFile<'_>) -> Result<CertifiedKey, TlsError> {
    let chain = cert.certificates()?;
    let der = key.key()?;
    let signing = provider()
        .key_provider
        .load_private_key(der)
        .map_err(|error| key.wrong(format!("the key in it cannot be used: {error}")))?;
    let pair = CertifiedKey::new(chain, signing);
    match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::Unknown)) => Ok(pair),
        Err(rustls::Error::InconsistentKeys(_)) => Err(key.wrong(format!(
            "the key does not match the certificate in {}; the server's own certificate must be the first one there",
            cert.file.display()
        ))),
        Err(error) => Err(cert.wrong(format!("the certificate cannot be used: {error}"))),
    }
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// Whether it has expired, or is not valid yet.
fn out_of_date(certificate: &CertificateDer<'_>, now: UnixTime) -> Option<String> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    // Trusting nobody: of the certificate itself its time is what is looked at first.
    let verdict = certificate.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        &[],
        &[],
        now,
        webpki::KeyUsage::server_auth(),
        None,
        None,
    );
    match verdict.err()? {
        webpki::Error::CertExpired { not_after, .. } => {
            Some(format!("holds a certificate that expired at {}", clock::shown(not_after)))
        }
        webpki::Error::CertNotValidYet { not_before, .. } => {
            Some(format!("holds a certificate that is not valid before {}", clock::shown(not_before)))
        }
        _ => None,
    }
}
