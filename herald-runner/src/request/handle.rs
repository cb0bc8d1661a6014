//! One request: received whole within its time, authenticated, and only then looked at.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use herald_base::clock::{Clock as _, SystemClock};
use herald_net::repeated_log::RepeatedLog;
use herald_net::serve::{ClientBody, Handler, Peer};
use herald_wire::answer::Signer;
use herald_wire::digest::BodyDigest;
use herald_wire::job::{CANCEL, JOIN, JobKey};
use herald_wire::log::LOG;
use herald_wire::request::{self, RequestView, Verified};
use herald_wire::runner_id::RecipientRule;
use herald_wire::secret::Secrets;
use herald_wire::signature::SignatureError;
use herald_wire::v1;
use http::header::{ALLOW, CONNECTION};
use http::request::Parts;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt as _;
use tokio::sync::Semaphore;
use tokio::time::Instant;

use crate::job::jobs::{JobHandle, Jobs, Submission, SubmitError};
use crate::request::answer::{self, Body, SimpleResponse, Wire};
use crate::request::kept;
use crate::request::nonce::{ArrivingBody, Nonces};
use crate::request::queries::{self, object};
use crate::request::rejection::{RequestRejection, denied, of_nonce, rejection};
use crate::request::room::{ROOM_STEP, ROOM_UNIT, announced};

/// How much of a body that is too long is read and thrown away, so that the answer can be read on the other side.
const DISCARD: usize = 64 << 20;

/// What all requests share.
pub struct Service {
    /// The secrets; changed by a reload.
    pub secrets: RwLock<Secrets>,
    /// The jobs.
    pub jobs: Jobs,
    /// The nonces.
    pub nonces: Nonces,
    /// The id of this runner, and whether requests that name none are accepted.
    pub recipient: RecipientRule,
    /// Whether version 1 is spoken.
    pub allow_v1: bool,
    /// How long a whole request may take to arrive, head and body.
    pub request_timeout: Duration,
    /// The longest body, in bytes.
    pub max_body: usize,
    /// Room for the bodies of all requests that are arriving, beyond the first `ROOM_STEP` of each, in
    /// `ROOM_UNIT`s: unauthenticated clients can send, but not fill the memory.
    pub room: Semaphore,
    /// Requests that got no further.
    pub rejections: RepeatedLog,
}

/// Stops the job of a version 1 connection when that closes.
struct StopOnDrop(Option<JobHandle>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        if let Some(handle) = &self.0 {
            handle.stop();
        }
    }
}

/// Who asks, as far as the head of the request shows it.
enum Caller {
    /// Its signature is over the body alone.
    V1 { signature: Vec<u8> },
    /// The head is verified, and not seen before; the body must fit the digest.
    V2 { verified: Verified, signer: Signer, digest: Box<BodyDigest> },
}

/// Who asks.
enum Sender {
    V1,
    V2 { join: bool, signer: Signer },
}

impl Service {
    /// Answers one request.
    async fn answer(&self, request: Request<ClientBody>, peer: &Peer) -> Response<Body> {
        let deadline = peer.request_began() + self.request_timeout;
        let (parts, body) = request.into_parts();
        if parts.method != Method::POST {
            let mut response =
                SimpleResponse::text(StatusCode::METHOD_NOT_ALLOWED, "method not allowed; use POST")
                    .send(&Wire::Plain);
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
            return response;
        }
        // Nobody sends a body before the head shows who it is.
        let mut caller = match self.caller(&parts) {
            Ok(caller) => caller,
            Err(rejection) => return self.rejected(&parts, rejection),
        };
        let arriving = match self.expect_body(&parts, &caller).await {
            Ok(arriving) => arriving,
            Err(rejection) => return self.rejected(&parts, rejection),
        };
        let body = match self.receive(&parts, body, &mut caller, deadline).await {
            Ok(body) => body,
            Err(short) => return short.send(&Wire::Plain),
        };
        drop(arriving);
        match self.sender(&parts, caller, &body).await {
            Ok(Sender::V1) => {
                peer.authenticated();
                tokio::select! {
                    response = self.job(&body, &Wire::Plain, false) => response,
                    // In version 1 that is how a job is given up.
                    () = peer.closed() => SimpleResponse::text(StatusCode::BAD_REQUEST, "closed").send(&Wire::Plain),
                }
            }
            Ok(Sender::V2 { join, signer }) => {
                peer.authenticated();
                let wire = Wire::Signed(signer);
                if parts.uri.path().ends_with(CANCEL) {
                    return queries::cancel(&self.jobs, &body).send(&wire);
                }
                if parts.uri.path().ends_with(LOG) {
                    return queries::log(&self.jobs, &body).await.send(&wire);
                }
                if queries::is_heartbeat(&parts, join) {
                    return queries::heartbeat(&self.jobs, &self.recipient.id).send(&wire);
                }
                self.job(&body, &wire, join).await
            }
            Err(rejection) => self.rejected(&parts, rejection),
        }
    }

    /// Says why a request gets no further.
    fn rejected(&self, parts: &Parts, rejection: RequestRejection) -> Response<Body> {
        let RequestRejection { short, wire } = rejection;
        let (status, path) = (short.status.as_u16(), parts.uri.path().to_owned());
        let reason = String::from_utf8_lossy(&short.body).trim_end().to_owned();
        self.rejections.write(move |others| {
            let others = (others > 0).then_some(others);
            tracing::warn!(status, path, reason = %reason, others, "request rejected");
        });
        short.send(&wire)
    }

    async fn receive(
        &self,
        parts: &Parts,
        body: ClientBody,
        caller: &mut Caller,
        deadline: Instant,
    ) -> Result<Bytes, SimpleResponse> {
        let too_long = announced(&parts.headers).is_some_and(|length| length > self.max_body as u64);
        match tokio::time::timeout_at(deadline, self.collect(body, too_long, caller)).await {
            Ok(Ok(Some(body))) => Ok(body),
            Ok(Ok(None)) => Err(SimpleResponse::text(
                StatusCode::PAYLOAD_TOO_LARGE,
                format_args!("the request is longer than {} bytes (max_body)", self.max_body),
            )),
            Ok(Err(error)) => Err(SimpleResponse::text(
                StatusCode::BAD_REQUEST,
                format_args!("the request broke off: {error}"),
            )),
            Err(_) => {
                Err(SimpleResponse::text(StatusCode::REQUEST_TIMEOUT, "the request took too long to arrive"))
            }
        }
    }

    /// The whole body, or `None` when it is longer than allowed; then a good part of the rest is thrown away.
    /// It is hashed meanwhile.
    async fn collect(
        &self,
        mut body: ClientBody,
        mut too_long: bool,
        caller: &mut Caller,
    ) -> Result<Option<Bytes>, hyper::Error> {
        let mut all = BytesMut::new();
        let mut room = Vec::new();
        let mut discarded = 0;
        while let Some(frame) = body.frame().await {
            let Ok(data) = frame?.into_data() else { continue };
            if too_long || all.len() + data.len() > self.max_body {
                too_long = true;
                (all, room) = (BytesMut::new(), Vec::new());
                discarded += data.len();
                if discarded > DISCARD {
                    break;
                }
                continue;
            }
            let taken = (1 + room.len()) * ROOM_STEP;
            if all.len() + data.len() > taken {
                let steps = (all.len() + data.len() - taken).div_ceil(ROOM_STEP);
                for _ in 0..steps {
                    let units = u32::try_from(ROOM_STEP / ROOM_UNIT).unwrap_or(1);
                    room.extend(self.room.acquire_many(units).await.ok());
                }
            }
            if let Caller::V2 { digest, .. } = caller {
                digest.update(&data);
            }
            all.extend_from_slice(&data);
        }
        Ok((!too_long).then(|| all.freeze()))
    }

    /// The head of a request, before its body is read.
    fn caller(&self, parts: &Parts) -> Result<Caller, RequestRejection> {
        let secrets = self.secrets();
        if !request::is_signed(&parts.headers) {
            let Some(signature) = parts.headers.get(v1::SIGNATURE) else {
                return Err(denied(&"the request is not signed"));
            };
            if !self.allow_v1 {
                return Err(denied(&"protocol version 1 is disabled (allow_v1)"));
            }
            let signature = signature.as_bytes().to_vec();
            if !v1::is_signature(&signature) {
                return Err(denied(&"signature mismatch: it is not the HMAC-SHA256 of a body"));
            }
            return Ok(Caller::V1 { signature });
        }
        let view = RequestView {
            method: parts.method.as_str(),
            path: parts.uri.path(),
            query: parts.uri.query(),
            authority: parts.uri.authority().map(http::uri::Authority::as_str),
            headers: &parts.headers,
        };
        let now = SystemClock.unix_seconds();
        let (verified, digest) =
            request::verify_head(&view, &secrets, now).map_err(|error| denied(&error))?;
        let signer = Signer::new(&secrets, &verified).of_runner(&self.recipient.id);
        // A daemon asks this way which runner this is. It starts nothing.
        let asks_who = verified.to.is_none() && queries::is_heartbeat(parts, verified.join);
        if !asks_who && let Err(error) = self.recipient.check(verified.to.as_deref()) {
            return Err(rejection(StatusCode::UNAUTHORIZED, &error, &signer));
        }
        Ok(Caller::V2 { verified, signer, digest: Box::new(digest) })
    }

    /// The whole request, once its body is there. Only then is its nonce used: who sends a captured head with another
    /// body must not be able to use it up.
    async fn sender(&self, parts: &Parts, caller: Caller, body: &[u8]) -> Result<Sender, RequestRejection> {
        match caller {
            Caller::V1 { signature } if v1::verify(&self.secrets(), &signature, body) => Ok(Sender::V1),
            Caller::V1 { .. } => {
                Err(denied(&"signature mismatch: the secrets differ, or the message was altered"))
            }
            Caller::V2 { verified, signer, digest } => {
                digest.finish().map_err(|error| denied(&SignatureError::from(error)))?;
                self.remember(&verified, &signer, queries::is_read(parts, verified.join)).await?;
                Ok(Sender::V2 { join: verified.join, signer })
            }
        }
    }

    /// A long body is read only for a nonce that was not used yet, and for one request with it at a time.
    async fn expect_body(
        &self,
        parts: &Parts,
        caller: &Caller,
    ) -> Result<Option<ArrivingBody>, RequestRejection> {
        let Caller::V2 { verified, signer, .. } = caller else { return Ok(None) };
        if announced(&parts.headers).is_some_and(|length| length <= ROOM_STEP as u64) {
            return Ok(None);
        }
        let now = SystemClock.unix_seconds();
        let expected = self.nonces.expect_body(&verified.nonce, verified.created, now).await;
        expected.map(Some).map_err(|error| of_nonce(&error, signer))
    }

    /// Uses the nonce of a request.
    async fn remember(
        &self,
        verified: &Verified,
        signer: &Signer,
        reads: bool,
    ) -> Result<(), RequestRejection> {
        let Verified { nonce, created, .. } = verified;
        let now = SystemClock.unix_seconds();
        let remembered = match reads {
            true => self.nonces.remember_read(nonce, *created, now).await,
            false => self.nonces.remember(nonce, *created, now).await,
        };
        remembered.map_err(|error| of_nonce(&error, signer))
    }

    fn secrets(&self) -> Secrets {
        self.secrets.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn job(&self, body: &[u8], wire: &Wire, join: bool) -> Response<Body> {
        let signed = matches!(wire, Wire::Signed(_));
        let params = match object(body) {
            Ok(params) => params,
            Err(short) => return short.send(wire),
        };
        // Version 1 has no way to ask again, and its peers may use an id more than once.
        let key = match JobKey::of(&params) {
            Ok(key) => key.filter(|_| signed),
            Err(error) if signed => return SimpleResponse::text(StatusCode::BAD_REQUEST, error).send(wire),
            Err(_) => None,
        };
        if join && key.is_none() {
            let reason = format!("a request with {JOIN} must name a job_id");
            return SimpleResponse::text(StatusCode::BAD_REQUEST, reason).send(wire);
        }
        let mut handle = match self.jobs.submit(Submission { key: key.clone(), params, join }) {
            Ok(handle) => handle,
            Err(refused) => {
                let status = match refused {
                    SubmitError::Unknown => StatusCode::NOT_FOUND,
                    SubmitError::Full | SubmitError::Stopping => StatusCode::SERVICE_UNAVAILABLE,
                };
                return SimpleResponse::text(status, refused).send(wire);
            }
        };
        let mut guard = StopOnDrop((!signed).then(|| handle.clone()));
        let ended = handle.ended().await;
        guard.0 = None;
        let output = key.and_then(|key| self.jobs.log(&key)).and_then(|log| log.summary());
        answer::of_job(ended, output, wire).await
    }
}

impl Handler for Service {
    type Body = Body;

    async fn handle(&self, request: Request<ClientBody>, peer: &Peer) -> Response<Body> {
        let mut response = self.answer(request, peer).await;
        if self.jobs.is_stopping() || !kept::may_go_on(&response, peer.connected.elapsed()) {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }
}

/// Shared by all connections.
pub type SharedService = Arc<Service>;

#[cfg(test)]
mod tests {
    use crate::job::jobs::OutputLimits;
    use crate::request::room::room;
    use herald_exec::{ExecEngine, ExecSettings};
    use herald_wire::answer::Claim;
    use herald_wire::manifest::{self, AnswerManifest};
    use herald_wire::request::{Outgoing, SignedRequest};
    use herald_wire::runner_id::RunnerId;
    use http::HeaderMap;

    use super::*;
    use crate::request::nonce::NonceError;

    const BODY: &[u8] = b"{}";

    fn secrets() -> Secrets {
        Secrets::new(["the_secret_should_be_strong_enough"]).unwrap()
    }

    fn signed() -> SignedRequest {
        let nonce = request::nonce().unwrap();
        let outgoing = Outgoing {
            method: "POST",
            path: "/",
            body: BODY,
            to: Some(&id()),
            join: false,
            now: SystemClock.unix_seconds(),
            nonce: &nonce,
        };
        request::sign(&outgoing, &secrets()).unwrap()
    }

    fn id() -> RunnerId {
        RunnerId::try_from("the-id-of-this-runner".to_owned()).unwrap()
    }

    fn service(folder: &std::path::Path, nonces: Nonces) -> Service {
        Service {
            secrets: RwLock::new(secrets()),
            jobs: Jobs::new(
                ExecEngine::new(ExecSettings::new(folder)),
                1,
                Duration::from_secs(1),
                OutputLimits { folder: folder.to_owned(), bytes: 1024 },
            ),
            nonces,
            recipient: RecipientRule { id: id(), allow_unbound: false },
            allow_v1: false,
            request_timeout: Duration::from_secs(1),
            max_body: 1024,
            room: room(1024),
            rejections: RepeatedLog::new(),
        }
    }

    async fn denial(service: &Service, headers: &HeaderMap) -> Response<Body> {
        let mut parts = Request::post("/").body(()).unwrap().into_parts().0;
        parts.headers = headers.clone();
        let Ok(mut caller) = service.caller(&parts) else { panic!("its head is in order") };
        if let Caller::V2 { digest, .. } = &mut caller {
            digest.update(BODY);
        }
        let Err(RequestRejection { short, wire }) = service.sender(&parts, caller, BODY).await else {
            panic!("the request was let in")
        };
        short.send(&wire)
    }

    /// A daemon comes back after a signed 503. An unsigned one would be a proxy's to it, and the job lost.
    #[tokio::test]
    async fn a_nonce_that_cannot_be_kept_is_a_signed_503_and_a_replay_an_unsigned_401() {
        type Refusal = fn() -> NonceError;
        let cases: [(Refusal, u16, bool); 4] = [
            (|| NonceError::Full, 503, true),
            (|| NonceError::Disk("No space left on device".to_owned()), 503, true),
            (|| NonceError::Seen, 401, false),
            // Not a replay as far as is known: the daemon signs it again.
            (|| NonceError::Forgotten, 401, true),
        ];
        let folder = tempfile::tempdir().unwrap();
        for (refusal, status, is_signed) in cases {
            let service = service(folder.path(), Nonces::refusing(refusal));
            let request = signed();
            let response = denial(&service, &request.headers).await;
            let (head, body) = response.into_parts();
            let body = body.collect().await.unwrap().to_bytes();
            assert_eq!((head.status.as_u16(), &body[..]), (status, format!("{}\n", refusal()).as_bytes()));
            assert_eq!(head.headers.contains_key("retry-after"), status == 503);
            let header = |name: &str| head.headers.get(name).map(|value| value.to_str().unwrap());
            if !is_signed {
                assert_eq!((header("signature"), header(manifest::HEADER)), (None, None));
                continue;
            }
            let manifest = header(manifest::HEADER).expect("a manifest");
            let (input, signature) = (header("signature-input"), header("signature"));
            let claim = Claim { status, manifest, input, signature };
            let manifest = herald_wire::answer::verify(&claim, &request.tie, &secrets()).unwrap();
            assert_eq!(
                manifest,
                AnswerManifest { runner: Some(id()), ..AnswerManifest::of_body(&body, None) }
            );
        }
    }
}
