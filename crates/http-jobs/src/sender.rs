//! Sends the request of a job.

use std::sync::Arc;
use std::time::Duration;

use herald_core::executor::{Ending, Execution, Failure, FailureKind, Outcome};
use herald_core::param::Params;
use herald_core::problem::{Path, Problem, Severity};
use herald_core::secret::Mask;
use herald_core::secret_place::SecretPlaces;
use herald_core::spec::Description;
use herald_core::trigger::ComponentError;
use herald_core::unit;
use herald_net::client::{ClientSettings, HttpConnector, HttpRequest, RequestContext, exchange};
use herald_net::tls::ClientFiles;
use reqwest::Url;
use serde_json::Value;
use tokio::sync::OnceCell;

use crate::{options, result};

const SETTINGS: ClientSettings = ClientSettings {
    connect_timeout: Duration::from_secs(30),
    user_agent: concat!("heraldd/", env!("CARGO_PKG_VERSION")),
    keep_idle: None,
};
/// How long it may take to read where the URL is.
const LONGEST_READ: Duration = Duration::from_secs(30);

/// Sends requests with the same options.
pub struct HttpSender {
    /// What a job does not say.
    defaults: Params,
    tls: Option<ClientFiles>,
    places: Arc<SecretPlaces>,
    /// Checks the parameters of a job whose templates are filled in.
    checks: Description,
    /// Made for the first job.
    connector: OnceCell<HttpConnector>,
}

impl HttpSender {
    /// Of checked options without `tls`, and of what that says.
    ///
    /// # Errors
    /// When options cannot be given together.
    pub fn new(
        defaults: Params,
        tls: Option<ClientFiles>,
        places: Arc<SecretPlaces>,
    ) -> Result<Self, ComponentError> {
        if let Some(Problem { path, message, .. }) = options::conflicts(&defaults).into_iter().next() {
            return Err(ComponentError::of_option(&path.to_string(), message));
        }
        let checks =
            options::params().into_iter().fold(Description::new("http_request", ""), Description::param);
        Ok(Self {
            defaults,
            tls,
            places,
            checks: checks.params_check(options::conflicts),
            connector: OnceCell::new(),
        })
    }

    /// Sends the request of this job, unless the job is stopped before there is a response. Nobody can know whether a
    /// request arrived of which the response is missing.
    ///
    /// # Errors
    /// Why there is no response, or none that is a success.
    pub async fn run(&self, execution: &Execution) -> Outcome {
        tokio::select! {
            biased;
            outcome = self.send(execution) => outcome,
            () = execution.stop.asked() => {
                let cancelled = Failure::new(Ending::Cancelled);
                Err(Failure { kind: FailureKind::Cancelled, ..cancelled })
            }
        }
    }

    async fn send(&self, execution: &Execution) -> Outcome {
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
