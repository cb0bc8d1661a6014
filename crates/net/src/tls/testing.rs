//! Certificates made on the spot, for tests.

use std::path::{Path, PathBuf};

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};

/// An authority that signs what it is asked to.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

/// When a certificate is valid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Now and for long.
    Good,
    /// It expired in 2001.
    Expired,
}

/// The files of a certificate.
#[derive(Debug, Clone)]
pub struct Pair {
    /// The certificate.
    pub cert: PathBuf,
    /// Its key, which only its owner can read.
    pub key: PathBuf,
}

impl Authority {
    /// One of this name.
    ///
    /// # Panics
    /// Whenever something goes wrong, as everything here: tests fail by that.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = params(name, &[], Validity::Good);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = made(KeyPair::generate());
        let pem = made(params.self_signed(&key)).pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Its certificate as PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Writes its certificate.
    pub fn write(&self, file: &Path) {
        made(std::fs::write(file, &self.pem));
    }

    /// A certificate for these names and addresses, and its key, as PEM.
    #[must_use]
    pub fn sign(&self, names: &[&str], validity: Validity) -> (String, String) {
        let mut params = params(names.first().unwrap_or(&"nobody"), names, validity);
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        let key = made(KeyPair::generate());
        let cert = made(params.signed_by(&key, &self.issuer));
        (cert.pem(), key.serialize_pem())
    }

    /// As [`Self::sign`], written as `NAME.crt` and `NAME.key` in this folder.
    pub fn issue(&self, folder: &Path, name: &str, names: &[&str], validity: Validity) -> Pair {
        let (cert, key) = self.sign(names, validity);
        write_pair(folder, name, &cert, &key)
    }

    /// A valid certificate with a common name or without one, for servers alone or for clients as well, written as
    /// `NAME.crt` and `NAME.key` in this folder.
    pub fn issue_as(&self, folder: &Path, name: &str, names: &[&str], purpose: &CertificatePurpose) -> Pair {
        let mut params = params("", names, Validity::Good);
        params.distinguished_name = DistinguishedName::new();
        if let Some(common_name) = &purpose.common_name {
            params.distinguished_name.push(DnType::CommonName, common_name);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        if purpose.for_clients {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        }
        let key = made(KeyPair::generate());
        let cert = made(params.signed_by(&key, &self.issuer));
        write_pair(folder, name, &cert.pem(), &key.serialize_pem())
    }
}

/// What a certificate is for.
#[derive(Debug, Clone, Default)]
pub struct CertificatePurpose {
    /// Its common name.
    pub common_name: Option<String>,
    /// Whether clients can present it; servers always can.
    pub for_clients: bool,
}

fn write_pair(folder: &Path, name: &str, cert: &str, key: &str) -> Pair {
    let pair = Pair { cert: folder.join(format!("{name}.crt")), key: folder.join(format!("{name}.key")) };
    made(std::fs::write(&pair.cert, cert));
    write_private(&pair.key, key);
    pair
}

/// Writes what only its owner may read.
pub fn write_private(file: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    made(std::fs::write(file, text));
    made(std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)));
}

fn params(name: &str, names: &[&str], validity: Validity) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = made(CertificateParams::new(names));
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = match validity {
        Validity::Good => date_time_ymd(2100, 1, 1),
        Validity::Expired => date_time_ymd(2001, 1, 1),
    };
    params
}

#[expect(clippy::panic, reason = "for tests, which fail by panicking")]
fn made<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("a test certificate could not be made: {error}"))
}
