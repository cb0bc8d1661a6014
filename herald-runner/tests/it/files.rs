//! Result files on the wire.

use herald_wire::answer::{self, Claim};
use herald_wire::manifest::AnswerManifest;
use herald_wire::multipart::MultipartReader;
use herald_wire::request::SignedRequest;
use serde_json::json;

use crate::client::{Answer, Runner, now, read, secrets, v2};

#[derive(Debug)]
struct Part {
    name: String,
    filename: Option<String>,
    sha256sum: Option<String>,
    content: Vec<u8>,
    input: Option<String>,
    signature: Option<String>,
}

fn parts(answer: &Answer) -> Vec<Part> {
    let kind = answer.headers["content-type"].to_str().unwrap().to_owned();
    let body = bytes::Bytes::from(answer.body.clone());
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let stream = futures_util::stream::iter([Ok::<_, std::io::Error>(body)]);
        let mut reader = MultipartReader::new(&kind, stream).unwrap();
        let mut parts = Vec::new();
        while let Some(mut part) = reader.next_part().await.unwrap() {
            let header =
                |name: &str| part.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
            let (input, signature) = (header("signature-input"), header("signature"));
            let disposition = part.disposition.clone();
            parts.push(Part {
                name: disposition.name,
                filename: disposition.filename,
                sha256sum: disposition.sha256sum,
                content: part.bytes(1 << 30).await.unwrap(),
                input,
                signature,
            });
        }
        parts
    })
}

fn verified(answer: &Answer, signed: &SignedRequest) -> (Vec<Part>, AnswerManifest) {
    let mut parts = parts(answer);
    let last = parts.pop().unwrap();
    assert_eq!(last.name, "manifest");
    let claim = Claim {
        status: answer.status,
        manifest: std::str::from_utf8(&last.content).unwrap(),
        input: last.input.as_deref(),
        signature: last.signature.as_deref(),
    };
    let manifest = answer::verify(&claim, &signed.tie, &secrets()).unwrap();
    (parts, manifest)
}

/// Names that break a careless reader or writer of headers.
const HOSTILE: [&str; 8] =
    ["quo\"te", "back\\slash", "new\nline", "ü 日本.dat", "a;b=\"c", "%22", "-rf", "..."];

#[test]
fn files_come_with_a_signed_manifest_in_version_2() {
    let runner = Runner::start("");
    let mut file = serde_json::Map::new();
    for (n, name) in HOSTILE.iter().enumerate() {
        let path = runner.path(name);
        std::fs::write(&path, format!("content {n}")).unwrap();
        file.insert(format!("{name}{n}"), path.to_str().into());
    }
    std::fs::write(runner.path("result.json"), json!({"file": file, "more": 1}).to_string()).unwrap();
    let body = runner.job("a", "cat $0/result.json").to_string();
    let (request, signed) = v2("/", &body, now(), &secrets(), false);
    let answer = runner.send(&request);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let (parts, manifest) = verified(&answer, &signed);
    assert_eq!(parts.len(), 1 + HOSTILE.len());
    assert_eq!(parts[0].name, "result");
    let result: serde_json::Value = serde_json::from_slice(&parts[0].content).unwrap();
    assert_eq!((&result["more"], result.get("file")), (&json!(1), None));
    assert_eq!(manifest.result, herald_wire::manifest::Sum::of(&parts[0].content));
    for part in &parts[1..] {
        let n = HOSTILE.iter().position(|name| part.filename.as_deref() == Some(name)).unwrap();
        assert_eq!(part.content, format!("content {n}").as_bytes());
        let sum = &manifest.file[&part.name];
        assert_eq!(Some(sum.filename.as_str()), part.filename.as_deref());
        assert_eq!(sum.sha256, herald_wire::manifest::Sum::of(&part.content).sha256);
        assert_eq!(sum.size, part.content.len() as u64);
    }
}

#[test]
fn files_come_with_checksums_in_version_1() {
    let runner = Runner::start("allow_v1: true\n");
    std::fs::write(runner.path("file1.dat"), "one").unwrap();
    std::fs::write(runner.path("file2.dat"), "").unwrap();
    let script = r#"printf '{"file": {"file1": "%s", "file2": "%s"}, "k": "v"}' $0/file1.dat $0/file2.dat"#;
    let answer = runner.v1(&runner.job("a", script));
    let parts = parts(&answer);
    let shown: Vec<_> = parts
        .iter()
        .map(|part| {
            (part.name.as_str(), part.filename.as_deref(), part.sha256sum.as_deref(), part.content.as_slice())
        })
        .collect();
    assert_eq!(
        shown[1..],
        [
            (
                "file1",
                Some("file1.dat"),
                Some("7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed"),
                &b"one"[..]
            ),
            (
                "file2",
                Some("file2.dat"),
                Some("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
                b""
            ),
        ]
    );
    let head = answer.text();
    assert!(head.contains(
        "Content-Disposition: form-data; name=\"file1\"; filename=\"file1.dat\"; sha256sum=\"7692"
    ));
}

#[test]
fn a_file_that_cannot_be_sent_fails_the_job_with_its_name() {
    let runner = Runner::start("");
    std::fs::create_dir(runner.path("folder")).unwrap();
    for (id, path) in [("a", "no-such-file"), ("b", "folder")] {
        let script = format!(r#"printf '{{"file": {{"f": "%s/{path}"}}}}' $0"#);
        let answer = runner.v2("/", &runner.job(id, &script));
        assert_eq!(answer.status, 500, "{}", answer.text());
        assert!(answer.text().contains(path), "{}", answer.text());
    }
}

/// In kB.
fn peak_memory(runner: &Runner) -> u64 {
    let status = read(format!("/proc/{}/status", runner.child.id()).as_ref());
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn memory_does_not_grow_with_a_file_or_a_client_that_does_not_read() {
    use std::io::{Read, Write};
    let runner = Runner::start("allow_v1: true\n");
    let file = std::fs::File::create(runner.path("big")).unwrap();
    file.set_len(256 << 20).unwrap();
    let script = r#"printf '{"file": {"big": "%s/big"}}' $0"#;
    let idle = peak_memory(&runner);

    let body = runner.job("a", script).to_string();
    let mut still = runner.connect();
    still.write_all(&v2("/", &body, now(), &secrets(), false).0).unwrap();
    for attempt in 1..=2 {
        let mut job = runner.job("b", script);
        job["attempt"] = attempt.into();
        let mut stream = runner.connect();
        stream.write_all(&v2("/", &job.to_string(), now(), &secrets(), false).0).unwrap();
        let mut buffer = vec![0; 1 << 20];
        let mut total = 0_u64;
        loop {
            match stream.read(&mut buffer).unwrap() {
                0 => break,
                n => total += n as u64,
            }
        }
        assert!(total > 256 << 20, "{total}");
    }
    let grown = peak_memory(&runner) - idle;
    assert!(grown < 32 << 10, "{grown} kB more than idle");
}
