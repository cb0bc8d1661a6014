//! A runner of the tests' own, which can lie in every way.

use std::sync::Arc;

use herald_base::ending::Ending;
use herald_wire::answer::Signer;
use herald_wire::disposition::Disposition;
use herald_wire::heartbeat::{HEARTBEAT, Heartbeat, RunnerState};
use herald_wire::manifest::{AnswerManifest, FileSum, Sum};
use herald_wire::multipart;
use herald_wire::request::{self, RequestView, Verified};
use herald_wire::runner_id::RunnerId;
use herald_wire::secret::Secrets;
use http::HeaderMap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(super) const SECRET: &str = "the_secret_should_be_strong_enough";

/// The id of every runner here.
pub(super) fn id() -> RunnerId {
    RunnerId::try_from("the-fake-runner".to_owned()).unwrap()
}

/// A request as the fake runner got it.
pub(super) struct Got {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

impl Got {
    pub(super) async fn read(stream: &mut TcpStream) -> Option<Self> {
        let mut bytes = Vec::new();
        let head = loop {
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
            if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                break at;
            }
        };
        let text = String::from_utf8(bytes[..head].to_vec()).unwrap();
        let mut lines = text.split("\r\n");
        let path = lines.next().unwrap().split(' ').nth(1).unwrap().to_owned();
        let mut headers = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            headers.append(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.trim().parse().unwrap(),
            );
        }
        let length: usize = headers["content-length"].to_str().unwrap().parse().unwrap();
        let mut body = bytes[head + 4..].to_vec();
        while body.len() < length {
            stream.read_buf(&mut body).await.ok().filter(|n| *n > 0)?;
        }
        Some(Self { path, headers, body })
    }

    /// As the runner verifies it.
    pub(super) fn verified(&self) -> Verified {
        let path = self.path.split('?').next().unwrap();
        let view = RequestView { method: "POST", path, query: None, authority: None, headers: &self.headers };
        let created = view.headers["signature-input"].to_str().unwrap();
        let created = created.split_once("created=").unwrap().1.split(';').next().unwrap().parse().unwrap();
        request::verify(&view, &self.body, &secrets(), created).unwrap()
    }

    pub(super) fn signer(&self) -> Signer {
        Signer::new(&secrets(), &self.verified())
    }
}

pub(super) fn secrets() -> Secrets {
    Secrets::new([SECRET]).unwrap()
}

pub(super) fn raw(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    [format!("{head}\r\n").as_bytes(), body].concat()
}

/// An answer without files as a good runner gives it.
pub(super) fn short(signer: &Signer, status: u16, body: &str, ending: Option<Ending>) -> Vec<u8> {
    let manifest = signer.manifest_text(AnswerManifest::of_body(body.as_bytes(), ending));
    let signed = signer.sign(status, &manifest, 0).unwrap();
    let headers = [
        ("Content-Type", "application/json"),
        ("Herald-Manifest", &manifest),
        ("Signature-Input", &signed.input),
        ("Signature", &signed.signature),
    ];
    raw(status, &headers, body.as_bytes())
}

pub(super) type File<'a> = (&'a str, &'a str, &'a [u8]);

/// An answer with files: `sent` are sent, `named` are what the signed manifest says.
pub(super) fn with_files(
    signer: &Signer,
    sent: &[File<'_>],
    named: &[File<'_>],
    after: &[File<'_>],
) -> Vec<u8> {
    let result = b"{\"exit_code\":0}";
    let mut manifest = AnswerManifest::of_body(result, Some(Ending::Exited(0)));
    for (name, filename, content) in named {
        let Sum { size, sha256 } = Sum::of(content);
        manifest.file.insert((*name).to_owned(), FileSum { filename: (*filename).to_owned(), size, sha256 });
    }
    let text = manifest.to_text();
    let signed = signer.sign(200, &text, 0).unwrap();
    let mut body =
        multipart::part_head("b", true, &Disposition::field("result"), "application/json", &[]).to_vec();
    body.extend_from_slice(result);
    let push = |body: &mut Vec<u8>, files: &[File<'_>]| {
        for (name, filename, content) in files {
            let disposition = Disposition {
                name: (*name).to_owned(),
                filename: Some((*filename).to_owned()),
                sha256sum: Some(Sum::of(content).sha256),
            };
            body.extend_from_slice(&multipart::part_head(
                "b",
                false,
                &disposition,
                "application/octet-stream",
                &[],
            ));
            body.extend_from_slice(content);
        }
    };
    push(&mut body, sent);
    let headers = [("Signature-Input", signed.input.as_str()), ("Signature", signed.signature.as_str())];
    let manifest = Disposition::field("manifest");
    body.extend_from_slice(&multipart::part_head("b", false, &manifest, "application/json", &headers));
    body.extend_from_slice(text.as_bytes());
    push(&mut body, after);
    body.extend_from_slice(&multipart::end("b"));
    raw(200, &[("Content-Type", &multipart::content_type("b"))], &body)
}

/// What a runner says that keeps no output. The tests about output have one that does.
pub(super) fn without_output(got: &Got) -> Option<Vec<u8>> {
    got.path.ends_with("/log").then(|| short(&got.signer(), 404, "unknown", None))
}

/// The answer of a good runner that is asked who it is.
pub(super) fn about_itself(got: &Got) -> Option<Vec<u8>> {
    got.path.ends_with(HEARTBEAT).then(|| {
        let version = "1".to_owned();
        let beat = Heartbeat { state: RunnerState::Ready, version, running: 0, time_ms: 0, id: Some(id()) };
        short(&got.signer(), 200, &serde_json::to_string(&beat).unwrap(), None)
    })
}

/// A runner that says who it is, and else answers with what the closure says; nothing closes the connection.
pub(super) async fn fake(answer: impl Fn(Got) -> Vec<u8> + Send + Sync + 'static) -> u16 {
    fake_without_id(move |got| about_itself(&got).unwrap_or_else(|| answer(got))).await
}

/// A runner that answers everything but requests for output with what the closure says.
pub(super) async fn fake_without_id(answer: impl Fn(Got) -> Vec<u8> + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = Arc::new(answer);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                if let Some(got) = Got::read(&mut stream).await {
                    let bytes = without_output(&got).unwrap_or_else(|| answer(got));
                    let _ = stream.write_all(&bytes).await;
                }
            });
        }
    });
    port
}
