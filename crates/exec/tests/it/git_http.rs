//! Git over http: the real `git http-backend` behind a small server.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;

use crate::fixture::{Bench, Repo, list, merged};

/// `user:secret-word` in Base64.
const BASIC: &str = "Basic dXNlcjpzZWNyZXQtd29yZA==";

#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Open,
    Login,
    /// Accepts, and never answers.
    Silent,
    /// Sends everybody to another port.
    Elsewhere(u16),
}

struct Server {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn start(root: &Path, manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (root, log) = (root.to_owned(), seen.clone());
        // It ends with the test process.
        std::thread::spawn(move || {
            let mut silent = Vec::new();
            for stream in listener.incoming().flatten() {
                if manner == Manner::Silent {
                    silent.push(stream);
                    continue;
                }
                let (root, log) = (root.clone(), log.clone());
                std::thread::spawn(move || serve(stream, &root, manner, &log));
            }
        });
        Self { port, seen }
    }

    fn url(&self, login: &str) -> String {
        format!("http://{login}127.0.0.1:{}/repo/.git", self.port)
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(stream: TcpStream, root: &Path, manner: Manner, log: &Mutex<Vec<String>>) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut reader = BufReader::new(stream.try_clone().ok()?);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut parts = line.split_whitespace().map(str::to_owned);
    let (method, target) = (parts.next()?, parts.next()?);
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let header = |name: &str| headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
    log.lock().unwrap().push(format!("{method} {target} {}", header("authorization").unwrap_or_default()));
    let body = body(&mut reader, &header)?;
    let answer = match manner {
        Manner::Login if header("authorization").as_deref() != Some(BASIC) => {
            "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".into()
        }
        Manner::Elsewhere(port) => format!(
            "HTTP/1.1 302 Found\r\nLocation: http://localhost:{port}{target}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )
        .into_bytes(),
        _ => cgi(root, &method, &target, &header, &body)?,
    };
    (&stream).write_all(&answer).ok()
}

fn body(reader: &mut impl BufRead, header: &dyn Fn(&str) -> Option<String>) -> Option<Vec<u8>> {
    let mut body = Vec::new();
    if header("transfer-encoding").is_some() {
        loop {
            let mut size = String::new();
            reader.read_line(&mut size).ok()?;
            let size = u64::from_str_radix(size.trim(), 16).ok()?;
            reader.by_ref().take(size).read_to_end(&mut body).ok()?;
            reader.read_line(&mut String::new()).ok()?;
            if size == 0 {
                return Some(body);
            }
        }
    }
    let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    reader.take(length).read_to_end(&mut body).ok()?;
    Some(body)
}

fn cgi(
    root: &Path,
    method: &str,
    target: &str,
    header: &dyn Fn(&str) -> Option<String>,
    body: &[u8],
) -> Option<Vec<u8>> {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut child = Command::new("git")
        .arg("http-backend")
        .env("GIT_PROJECT_ROOT", root)
        .env("GIT_HTTP_EXPORT_ALL", "1")
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("PATH_INFO", path)
        .env("QUERY_STRING", query)
        .env("REQUEST_METHOD", method)
        .env("CONTENT_TYPE", header("content-type").unwrap_or_default())
        .env("CONTENT_LENGTH", body.len().to_string())
        .env("HTTP_CONTENT_ENCODING", header("content-encoding").unwrap_or_default())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    child.stdin.take()?.write_all(body).ok()?;
    let output = child.wait_with_output().ok()?.stdout;
    let end = output.windows(4).position(|four| four == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&output[..end]).into_owned();
    let status = head.lines().find_map(|line| line.strip_prefix("Status: ")).unwrap_or("200 OK");
    let rest: Vec<&str> = head.lines().filter(|line| !line.starts_with("Status: ")).collect();
    let content = &output[end + 4..];
    let mut answer = format!(
        "HTTP/1.1 {status}\r\n{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        rest.join("\r\n"),
        content.len()
    )
    .into_bytes();
    answer.extend_from_slice(content);
    Some(answer)
}

/// A repository at `<root>/repo`.
fn rooted(repo: &Repo) -> (tempfile::TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(repo.path(), root.path().join("repo")).unwrap();
    let path = root.path().to_owned();
    (root, path)
}

#[tokio::test]
async fn clone_and_fetch_over_http() {
    let bench = Bench::new();
    let repo = Repo::printing("one");
    let (_root, root) = rooted(&repo);
    let server = Server::start(&root, Manner::Open);
    let job = json!({"repo": server.url(""), "cmd": "run.sh"});
    assert_eq!(bench.result(job.clone()).await["output"], json!("one\n"));
    let posts = || server.seen().iter().filter(|line| line.starts_with("POST")).count();
    let cloned = posts();
    bench.result(job.clone()).await;
    assert_eq!(posts(), cloned, "nothing new: only the list is asked for");
    let second = repo.commit("two");
    assert_eq!(bench.result(job.clone()).await["output"], json!("two\n"));
    let asked = server.seen().len();
    bench.result(merged(job, json!({"git_commit": second}))).await;
    assert_eq!(server.seen().len(), asked, "an exact commit that is here needs no request");
}

#[tokio::test]
async fn passwords() {
    let repo = Repo::printing("one");
    let (_root, root) = rooted(&repo);
    let server = Server::start(&root, Manner::Login);
    let given = json!({"git_username": "user", "git_password": "secret-word"});
    for (url, more) in [
        (server.url(""), given.clone()),
        (server.url("user:secret-word@"), json!({})),
        (server.url("user@"), json!({"git_password": "secret-word"})),
        (server.url("other:wrong@"), given),
    ] {
        let bench = Bench::new();
        let result = bench.result(merged(json!({"repo": url, "cmd": "run.sh"}), more)).await;
        assert_eq!(result["output"], json!("one\n"));
        let mut files = vec![bench.dir.path().join("gitrepo")];
        while let Some(path) = files.pop() {
            files.extend(list(&path));
            let text = std::fs::read(&path).unwrap_or_default();
            assert!(!text.windows(11).any(|part| part == b"secret-word"), "{}", path.display());
        }
    }
    for (url, more) in [
        (server.url(""), json!({})),
        (server.url(""), json!({"git_username": "user", "git_password": "wrong-word"})),
        (server.url("user:wrong-word@"), json!({})),
    ] {
        let bench = Bench::new();
        let before = server.seen().len();
        let error = bench.error(merged(json!({"repo": url, "cmd": "run.sh"}), more)).await;
        assert!(error.contains("check git_username and git_password"), "{error}");
        assert!(!error.contains("wrong-word"), "{error}");
        assert!(server.seen().len() - before < 5, "it gives up soon");
    }
}

#[tokio::test]
async fn a_redirect_to_another_host_gets_no_password() {
    let repo = Repo::printing("one");
    let (_root, root) = rooted(&repo);
    let thief = Server::start(&root, Manner::Login);
    let server = Server::start(&root, Manner::Elsewhere(thief.port));
    let bench = Bench::new();
    let job = json!({"repo": server.url(""), "cmd": "run.sh", "git_username": "user", "git_password": "secret-word"});
    let error = bench.error(job).await;
    assert!(error.contains("redirect"), "{error}");
    assert_eq!(thief.seen(), Vec::<String>::new());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up() {
    let bench = Bench::with(|settings| settings.git_timeout = Duration::from_millis(300));
    let root = tempfile::tempdir().unwrap();
    let server = Server::start(root.path(), Manner::Silent);
    let job = json!({"repo": server.url(""), "cmd": "run.sh"});
    let begun = std::time::Instant::now();
    for _ in 0..2 {
        let error = bench.run(job.clone()).await.unwrap_err();
        assert_eq!(error.ending(), Some(herald_exec::Ending::TimedOut), "{error}");
    }
    let stop = herald_exec::Stop::default();
    stop.asked.cancel();
    assert!(bench.run_with(job, &stop).await.unwrap_err().ending() == Some(herald_exec::Ending::Cancelled));
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(bench.leftovers().len(), 0);
    // Others are not held up.
    let repo = Repo::printing("other");
    assert_eq!(bench.result(json!({"repo": repo.url(), "cmd": "run.sh"})).await["output"], json!("other\n"));
}

/// A connection that hangs ends by itself, so that a bad hour of a server does not last until a restart.
#[test]
fn a_server_that_hangs_holds_no_thread_for_ever() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        // The first job sets what is too long for a test.
        let repo = Repo::printing("first");
        let result = Bench::new().result(json!({"repo": repo.url(), "cmd": "run.sh"})).await;
        assert_eq!(result["output"], json!("first\n"));
        herald_spawn::limit_git_silence(1_000, 1_000);
        let root = tempfile::tempdir().unwrap();
        let server = Server::start(root.path(), Manner::Silent);
        let error = Bench::new().run(json!({"repo": server.url(""), "cmd": "run.sh"})).await.unwrap_err();
        assert_eq!(error.ending(), None, "before `git_timeout`: {error}");
        assert!(error.to_string().contains("timeout") || error.to_string().contains("timed out"), "{error}");
    });
}

#[tokio::test]
async fn nobody_listens() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let error = Bench::new()
        .error(json!({"repo": format!("http://u:secret-word@127.0.0.1:{port}/x"), "cmd": "x"}))
        .await;
    assert!(error.contains(&format!("Git repository http://127.0.0.1:{port}/x")), "{error}");
    assert!(!error.contains("secret-word"), "{error}");
}

#[tokio::test]
async fn a_certificate_that_nobody_vouches_for_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let made = Command::new("openssl")
        .args([
            "req", "-x509", "-newkey", "ed25519", "-nodes", "-keyout", "key", "-out", "cert", "-days", "2",
        ])
        .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
        .current_dir(dir.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // s_server names the port that it got.
    let mut server = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-key", "key", "-cert", "cert", "-www"])
        .current_dir(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(server.stdout.take().unwrap()).lines();
    let port = lines
        .map_while(Result::ok)
        .find_map(|line| Some(line.strip_prefix("ACCEPT ")?.rsplit_once(':')?.1.to_owned()));
    let url = format!("https://localhost:{}/x", port.unwrap());
    let error = Bench::new().error(json!({"repo": url, "cmd": "x", "git_password": "secret-word"})).await;
    server.kill().unwrap();
    server.wait().unwrap();
    assert!(error.contains("certificate"), "{error}");
}
