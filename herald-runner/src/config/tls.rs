//! What is in the files of `tls`, and what about it deserves a warning.

use herald_config::problem::Problem;
use herald_config::spec::{CheckError, OptionSpec, Options};
use herald_config::tls::{self, TlsListenerChecks, TlsListenerOptions};
use herald_net::tls::{ServerFiles, is_loopback};

const CHECKS: TlsListenerChecks = TlsListenerChecks {
    usable: |tls| {
        let checked = files(tls).check();
        checked.map_err(|error| CheckError::new(error.to_string()).of_option(error.option))
    },
    warnings: |tls| files(tls).warnings(),
    is_loopback,
    in_the_clear: "without `tls` requests are signed but not encrypted",
};

/// The option `tls`.
pub(super) fn option() -> OptionSpec {
    tls::listener_option(CHECKS)
}

/// What deserves to be said of where the runner listens.
pub(super) fn doubts(options: &Options) -> Vec<Problem> {
    tls::listener_doubts(options, &CHECKS)
}

/// The files as herald-net takes them.
pub(super) fn files(tls: &TlsListenerOptions) -> ServerFiles {
    ServerFiles { cert: tls.cert.clone(), key: tls.key.clone(), client_ca: tls.client_ca.clone() }
}
