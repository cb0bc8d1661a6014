//! Many simulated nodes: like runners they answer signed jobs, each after the same time, and run nothing.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result};
use bytes::Bytes;
use herald_base::ending::Ending;
use herald_wire::answer::Signer;
use herald_wire::heartbeat::{HEARTBEAT, Heartbeat, RunnerState};
use herald_wire::log::{LOG, LogAnswer};
use herald_wire::manifest::{AnswerManifest, HEADER};
use herald_wire::request::{RequestView, Verified, verify};
use herald_wire::runner_id::RunnerId;
use herald_wire::secret::Secrets;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

/// The result of a job.
const RESULT: &[u8] = br#"{"exit_code":0}"#;
const MAX_BODY: usize = 1 << 20;

/// Nodes on one thread, which ends with the program.
pub(crate) struct Nodes {
    /// One for each node.
    pub(crate) addresses: Vec<SocketAddr>,
    shared: Arc<Shared>,
}

struct Shared {
    secrets: Secrets,
    /// All nodes are one runner.
    id: RunnerId,
    takes: Duration,
    /// How long each job took on its node, from the request to the answer.
    took: Mutex<Vec<Duration>>,
}

/// When the last job of a node ends.
type Ends = Mutex<Option<Instant>>;

impl Nodes {
    /// Starts this many nodes; each takes this long for a job.
    pub(crate) fn start(count: usize, secret: &str, takes: Duration) -> Result<Self> {
        let (secrets, id) = (Secrets::new([secret])?, RunnerId::random()?);
        let shared = Arc::new(Shared { secrets, id, takes, took: Mutex::new(Vec::new()) });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listeners = runtime.block_on(async {
            let mut listeners = Vec::new();
            for _ in 0..count {
                listeners.push(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?);
            }
            anyhow::Ok(listeners)
        })?;
        let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
        let here = shared.clone();
        std::thread::spawn(move || {
            runtime.block_on(async {
                for listener in listeners {
                    tokio::spawn(serve(listener, here.clone()));
                }
                std::future::pending::<()>().await;
            });
        });
        Ok(Self { addresses, shared })
    }

    /// How long each job took since the last call.
    pub(crate) fn took(&self) -> Vec<Duration> {
        std::mem::take(&mut self.shared.took.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let ends = Arc::new(Ends::default());
    while let Ok((stream, _)) = listener.accept().await {
        let (shared, ends) = (shared.clone(), ends.clone());
        let answer = service_fn(move |request| {
            let (shared, ends) = (shared.clone(), ends.clone());
            async move { Ok::<_, Infallible>(answer(request, &shared, &ends).await) }
        });
        tokio::spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new();
            // A connection that breaks is over; the node goes on.
            drop(connection.serve_connection(TokioIo::new(stream), answer).await);
        });
    }
}

async fn answer(request: Request<Incoming>, shared: &Shared, ends: &Ends) -> Response<Full<Bytes>> {
    let came = Instant::now();
    let path = request.uri().path().to_owned();
    if request.method() != Method::POST || !["/", LOG, HEARTBEAT].contains(&path.as_str()) {
        return plain(StatusCode::NOT_FOUND, "nothing here");
    }
    let verified = match verified(request, shared).await {
        Ok(verified) => verified,
        Err(error) => return plain(StatusCode::UNAUTHORIZED, &error.to_string()),
    };
    if path == HEARTBEAT {
        return status(shared, &verified)
            .unwrap_or_else(|error| plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()));
    }
    let ended = {
        let mut ends = ends.lock().unwrap_or_else(PoisonError::into_inner);
        // Jobs write nothing: the only output to report is its end.
        if path != LOG {
            *ends = Some(came + shared.takes);
        }
        *ends
    };
    tokio::time::sleep_until(ended.unwrap_or(came).into()).await;
    let body = if path == LOG {
        serde_json::to_vec(&LogAnswer { end: true, ..LogAnswer::default() }).unwrap_or_default()
    } else {
        RESULT.to_vec()
    };
    let ending = (path != LOG).then_some(Ending::Exited(0));
    let response = signed(body, ending, &signer(shared, &verified))
        .unwrap_or_else(|error| plain(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()));
    if path != LOG {
        shared.took.lock().unwrap_or_else(PoisonError::into_inner).push(came.elapsed());
    }
    response
}

/// Which node this is: daemons ask before they send a job.
fn status(shared: &Shared, verified: &Verified) -> Result<Response<Full<Bytes>>> {
    let heartbeat = Heartbeat {
        state: RunnerState::Ready,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        running: 0,
        time_ms: now()? * 1000,
        id: Some(shared.id.clone()),
    };
    signed(serde_json::to_vec(&heartbeat)?, None, &signer(shared, verified))
}

fn signer(shared: &Shared, verified: &Verified) -> Signer {
    Signer::new(&shared.secrets, verified).of_runner(&shared.id)
}

async fn verified(request: Request<Incoming>, shared: &Shared) -> Result<Verified> {
    let (head, body) = request.into_parts();
    let body = Limited::new(body, MAX_BODY).collect().await.map_err(|error| anyhow::anyhow!(error))?;
    let view = RequestView {
        method: head.method.as_str(),
        path: head.uri.path(),
        query: head.uri.query(),
        authority: None,
        headers: &head.headers,
    };
    Ok(verify(&view, &body.to_bytes(), &shared.secrets, now()?)?)
}

fn signed(body: Vec<u8>, ending: Option<Ending>, signer: &Signer) -> Result<Response<Full<Bytes>>> {
    let manifest = signer.manifest_text(AnswerManifest::of_body(&body, ending));
    let signature = signer.sign(200, &manifest, now()?)?;
    let mut response = Response::new(Full::new(Bytes::from(body)));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(HEADER, HeaderValue::try_from(manifest)?);
    headers.insert("signature-input", HeaderValue::try_from(signature.input)?);
    headers.insert("signature", HeaderValue::try_from(signature.signature)?);
    Ok(response)
}

fn plain(status: StatusCode, why: &str) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(format!("{why}\n"))));
    *response.status_mut() = status;
    response
}

#[expect(clippy::disallowed_methods, reason = "a node has a clock of its own")]
fn now() -> Result<i64> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock is set before 1970")?;
    Ok(i64::try_from(since.as_secs())?)
}

#[cfg(test)]
mod tests {
    use herald_wire::answer::{self, Claim};
    use herald_wire::request::{Outgoing, nonce, sign};

    use super::*;
    use crate::program::ask;

    const SECRET: &str = "for-the-length-of-a-test";

    fn ask_signed(address: SocketAddr, path: &str, secret: &str) -> (String, bool) {
        let secrets = Secrets::new([secret]).unwrap();
        let body = r#"{"job_id":"a","attempt":1}"#;
        let nonce = nonce().unwrap();
        let outgoing = Outgoing {
            method: "POST",
            path,
            body: body.as_bytes(),
            to: None,
            join: path == LOG,
            now: now().unwrap(),
            nonce: &nonce,
        };
        let signed = sign(&outgoing, &secrets).unwrap();
        let headers: String = signed
            .headers
            .iter()
            .map(|(name, value)| format!("{name}: {}\r\n", value.to_str().unwrap()))
            .collect();
        let length = body.len();
        let text = ask(
            address,
            &format!(
                "POST {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}"
            ),
        )
        .unwrap();
        let header = |name: &str| {
            text.lines()
                .find_map(|line| line.strip_prefix(&format!("{name}: ")))
                .unwrap_or_default()
                .to_owned()
        };
        let (manifest, input, signature) = (header(HEADER), header("signature-input"), header("signature"));
        let claim =
            Claim { status: 200, manifest: &manifest, input: Some(&input), signature: Some(&signature) };
        let proven = answer::verify(&claim, &signed.tie, &secrets).is_ok();
        (text, proven)
    }

    #[test]
    fn nodes_answer_signed_after_a_while() {
        let takes = Duration::from_millis(30);
        let nodes = Nodes::start(3, SECRET, takes).unwrap();
        for address in &nodes.addresses {
            let began = Instant::now();
            for (path, secret, status, body, proven) in [
                ("/", SECRET, "200", "{\"exit_code\":0}", true),
                (LOG, SECRET, "200", "\"end\":true", true),
                (HEARTBEAT, SECRET, "200", "\"id\":", true),
                ("/", "for-somebody-who-is-not-known", "401", "signature", false),
                ("/elsewhere", SECRET, "404", "nothing here", false),
            ] {
                let (text, is_proven) = ask_signed(*address, path, secret);
                assert!(text.starts_with(&format!("HTTP/1.1 {status}")) && text.contains(body), "{text}");
                assert_eq!(is_proven, proven, "{path}: {text}");
            }
            assert!(began.elapsed() >= takes);
        }
        let took = nodes.took();
        assert_eq!(took.len(), 3);
        assert!(took.iter().all(|took| *took >= takes), "{took:?}");
        assert!(nodes.took().is_empty());
    }
}
