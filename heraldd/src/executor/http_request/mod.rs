//! `http_request`: sends one HTTP request; the response is the result.

mod options;
mod result;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use herald_core::context::Context;
use herald_core::executor::{DefaultPlaces, Ending, Execution, Executor, Failure, FailureKind, Outcome};
use herald_core::param::Params;
use herald_core::problem::{Path, Problem, Severity};
use herald_core::secret::Mask;
use herald_core::secret_place::SecretPlaces;
use herald_core::spec::{Description, ExecutorType, Options};
use herald_core::trigger::ComponentError;
use herald_core::unit;
use herald_net::client::{ClientSettings, HttpConnector, HttpRequest, RequestContext, exchange};
use herald_net::tls::{ClientFiles, is_loopback};
use reqwest::Url;
use serde_json::Value;
use tokio::sync::OnceCell;

use super::MAX_JOBS_ELSEWHERE;
use crate::tls::{self, TlsClient};

const SETTINGS: ClientSettings = ClientSettings {
    connect_timeout: Duration::from_secs(30),
    user_agent: concat!("heraldd/", env!("CARGO_PKG_VERSION")),
};
/// How long it may take to read where the URL is.
const LONGEST_READ: Duration = Duration::from_secs(30);

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
    .example(options::EXAMPLE)
    .doubts(doubts)
    .params_check(options::conflicts);
    let description = options::specs().into_iter().fold(description, Description::option);
    let description = description.option(tls::client_option());
    let description = options::params().into_iter().fold(description, Description::param);
    ExecutorType::with_context(description, |options, context| {
        Ok(Arc::new(HttpRequests::new(options, context)?))
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

struct HttpRequests {
    /// What a job does not say.
    defaults: Params,
    tls: Option<ClientFiles>,
    places: Arc<SecretPlaces>,
    /// Checks the parameters of a job whose templates are filled in.
    checks: Description,
    /// Made for the first job.
    connector: OnceCell<HttpConnector>,
}

impl HttpRequests {
    fn new(options: &Options, context: &Context) -> Result<Self, ComponentError> {
        if let Some(Problem { path, message, .. }) = options::conflicts(&options.0).into_iter().next() {
            return Err(ComponentError::of_option(&path.to_string(), message));
        }
        let mut defaults = options.0.clone();
        let tls = defaults.shift_remove("tls").map(|tls| TlsClient::read(&tls)).transpose();
        let tls = tls.map_err(|error| ComponentError::of_option("tls", error))?;
        let checks =
            options::params().into_iter().fold(Description::new("http_request", ""), Description::param);
        Ok(Self {
            defaults,
            tls: tls.map(|TlsClient(files)| files),
            places: context.get::<SecretPlaces>().unwrap_or_default(),
            checks: checks.params_check(options::conflicts),
            connector: OnceCell::new(),
        })
    }

    async fn run(&self, execution: &Execution) -> Outcome {
        let params = options::merged(&self.defaults, &execution.job.job_param);
        let problems = self.checks.check_params(&params, &Path::top());
        if let Some(problem) = problems.iter().find(|problem| problem.severity == Severity::Error) {
            return Err(Failure::new(problem));
        }
        let mut mask = execution.mask.clone();
        let url = self.url_from(&params, &mut mask).await?;
        let context = RequestContext { url: url.as_deref(), idempotency_key: &execution.job.id };
        let request = HttpRequest::read(&params, context).map_err(Failure::new)?;
        let (timeout, expect, origin) = (request.timeout, request.expect.clone(), request.origin());
        let exchanged = tokio::time::timeout(timeout, async {
            let connector = self.connector.get_or_try_init(|| HttpConnector::new(SETTINGS, self.tls.clone()));
            let client = connector.await.map_err(Failure::new)?.client().await.map_err(Failure::new)?;
            exchange(&client, request).await.map_err(Failure::new)
        });
        match exchanged.await {
            Ok(Ok(answer)) => result::outcome(&answer, &expect, &mask),
            Ok(Err(failure)) => Err(failure),
            Err(_) => {
                let error =
                    format!("{origin}: no complete response within {} (timeout)", unit::text(timeout));
                Err(Failure { kind: FailureKind::TimedOut, ..Failure::new(error) })
            }
        }
    }

    /// The URL that is kept elsewhere. From now on it is a secret of this job.
    async fn url_from(&self, params: &Params, mask: &mut Arc<Mask>) -> Result<Option<String>, Failure> {
        let Some(Value::Object(place)) = params.get("url_from") else { return Ok(None) };
        let failed = |why: &dyn std::fmt::Display| Failure::new(format!("url_from: {why}"));
        let read = tokio::time::timeout(LONGEST_READ, self.places.read(place)).await;
        let read = read.map_err(|_| failed(&format!("not read within {}", unit::text(LONGEST_READ))))?;
        let url = read.map_err(|error| failed(&error))?;
        let own = Arc::make_mut(mask);
        own.add(&url);
        if let Some(password) = Url::parse(&url).ok().as_ref().and_then(Url::password) {
            own.add(password);
        }
        Ok(Some(url))
    }
}

#[async_trait]
impl Executor for HttpRequests {
    fn default_places(&self) -> DefaultPlaces {
        DefaultPlaces::Elsewhere(MAX_JOBS_ELSEWHERE)
    }

    /// Nobody can know whether a request arrived of which the response is missing, so that `recover` is the usual one.
    async fn execute(&self, execution: Execution) -> Outcome {
        tokio::select! {
            biased;
            outcome = self.run(&execution) => outcome,
            () = execution.stop.asked() => {
                let cancelled = Failure::new(Ending::Cancelled);
                Err(Failure { kind: FailureKind::Cancelled, ..cancelled })
            }
        }
    }
}
