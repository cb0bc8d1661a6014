//! `http_request`: sends one HTTP request; the response is the result.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use herald_core::executor::{DefaultPlaces, Execution, Executor, Outcome};
use herald_core::problem::{Path, Problem};
use herald_core::secret_place::SecretPlaces;
use herald_core::spec::{Description, ExecutorType, Options};
use herald_core::trigger::ComponentError;
use herald_http_jobs::{self as http_jobs, HttpSender};
use herald_net::tls::is_loopback;
use reqwest::Url;
use serde_json::Value;

use super::MAX_JOBS_ELSEWHERE;
use herald_tls_options::{self as tls, TlsClient};

/// A whole configuration.
const EXAMPLE: &str = "
trigger:
  nightly:
    type: cron
    cron: '0 3 * * *'

executor:
  chat:
    type: http_request
    url: ${file:/etc/heraldd/chat-url}
    timeout: 10s

router:
  backup:
    trigger: nightly
    selector: all
    task:
      backup: local
    job_param:
      cmd: /usr/local/bin/backup

  report:
    trigger: exe_done
    selector: expr
    select_param:
      expr: trigger_param.router == \"backup\" && !trigger_param.success
    task:
      report: chat
    job_param:
      json:
        text: 'backup: {{ trigger_param.error }}'
    policy:
      retry: {max: 5}
";

/// The component type `http_request`.
#[must_use]
pub fn component() -> ExecutorType {
    let description = Description::new(
        "http_request",
        "Sends an HTTP request: to a chat, to an API, to what watches this machine. All options but `tls` can be parameters \
         of a job as well, which win key by key. The result has `status`, `headers` (names in small letters), and `json` for \
         a JSON response, else `body` (`body_base64` where it is not text). A request may arrive more than once: one that \
         was under way when Herald was killed ends as `lost`, and `policy.retry` can send it again (`on: [failed, timed_out, \
         lost]`) with the same `Idempotency-Key`. Proxies of the environment are not used.",
    )
    .example(EXAMPLE)
    .doubts(doubts)
    .params_check(http_jobs::conflicts);
    let description = http_jobs::specs().into_iter().fold(description, Description::option);
    let description = description.option(tls::client_option());
    let description = http_jobs::params().into_iter().fold(description, Description::param);
    ExecutorType::with_context(description, |options, context| {
        let mut defaults = options.0.clone();
        let tls = defaults.shift_remove("tls").map(|tls| TlsClient::read(&tls)).transpose();
        let tls = tls.map_err(|error| ComponentError::of_option("tls", error))?;
        let places = context.get::<SecretPlaces>().unwrap_or_default();
        let sender = HttpSender::new(defaults, tls.map(|TlsClient(files)| files), places)?;
        Ok(Arc::new(HttpRequests(sender)))
    })
}

/// A password or a token that is sent unencrypted to another machine.
fn doubts(options: &Options) -> Vec<Problem> {
    let mut doubts = tls::client_file_doubts(options);
    let url = options.0.get("url").and_then(Value::as_str).and_then(|url| Url::parse(url).ok());
    let in_the_clear = |url: &Url| {
        url.scheme() == "http"
            && url.host_str().is_some_and(|host| !is_loopback(host.trim_matches(['[', ']'])))
    };
    let proves = |url: &Url| options.0.contains_key("auth") || url.password().is_some();
    if url.is_some_and(|url| in_the_clear(&url) && proves(&url)) {
        let what = "this is another machine, and passwords and tokens are sent there without encryption";
        doubts.push(Problem::warning(Path::top().key("url"), what).help("write https://"));
    }
    doubts
}

/// Sends a request for each job.
struct HttpRequests(HttpSender);

#[async_trait]
impl Executor for HttpRequests {
    fn default_places(&self) -> DefaultPlaces {
        DefaultPlaces::Elsewhere(MAX_JOBS_ELSEWHERE)
    }

    /// A request may have arrived before Herald was killed, so that `recover` is the usual one.
    async fn execute(&self, execution: Execution) -> Outcome {
        self.0.run(&execution).await
    }
}
