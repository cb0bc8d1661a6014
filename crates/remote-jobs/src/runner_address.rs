//! Where the runner of a node is, and the secrets shared with it: the options `host`, `secret` and `tls`.

use herald_core::trigger::ComponentError;
use herald_remote::RunnerAddress;
use herald_wire::secret::Secrets;
use reqwest::Url;
use serde_json::{Map, Value};

use herald_tls_options::TlsClient;

/// Reads the options, which are checked already.
///
/// # Errors
/// The option, and what is wrong with it.
pub fn runner_address(options: &Map<String, Value>) -> Result<RunnerAddress, ComponentError> {
    let given = |name: &str| options.get(name).filter(|value| !value.is_null());
    let host = given("host").and_then(Value::as_str).unwrap_or_default();
    let url = Url::parse(host).map_err(|error| ComponentError::of_option("host", error))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(ComponentError::of_option("host", "expected an http:// or https:// URL"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        let what = "a `?` or `#` and what follows it would not be sent";
        return Err(ComponentError::of_option("host", what));
    }
    let secrets = Secrets::of_value(given("secret").unwrap_or(&Value::Null));
    let secrets = secrets.map_err(|error| ComponentError::of_option("secret", error))?;
    let tls = given("tls").map(TlsClient::read).transpose();
    let tls = tls.map_err(|error| ComponentError::of_option("tls", error))?;
    if tls.is_some() && url.scheme() == "http" {
        return Err(ComponentError::of_option(
            "host",
            "it begins with http://, so `tls` has no effect; write https://",
        ));
    }
    Ok(RunnerAddress { url, secrets, tls: tls.map(|TlsClient(files)| files) })
}
