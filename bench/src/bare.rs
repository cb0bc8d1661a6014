//! What the machine can do without Herald: the reference for Herald's figures.

use std::convert::Infallible;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::{Request, Response, service::service_fn};
use hyper_util::rt::TokioIo;
use sha2::{Digest, Sha256};

use crate::program::Program;

/// The mark of the line with the address of the bare server.
pub(crate) const LISTENS: &str = "listens on ";

/// Runs as a server that reads each request and answers 200 with a constant of the size of heraldd's response. Prints
/// its address to standard error, and returns only on errors.
pub(crate) fn serve() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    eprintln!("{LISTENS}{}", listener.local_addr()?);
    serve_on(listener)
}

fn serve_on(listener: TcpListener) -> Result<()> {
    listener.set_nonblocking(true)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            let connection = hyper::server::conn::http1::Builder::new()
                .pipeline_flush(true)
                .serve_connection(TokioIo::new(stream), service_fn(answer));
            // A connection that breaks is over; the server goes on.
            tokio::spawn(async move { drop(connection.await) });
        }
    })
}

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    // What cannot be read is not answered otherwise: this server is only asked by us.
    drop(Limited::new(request.into_body(), 1 << 20).collect().await);
    let mut response = Response::new(Full::new(Bytes::from_static(
        br#"{"event_id":"0193479a-0000-7000-8000-000000000000"}"#,
    )));
    response
        .headers_mut()
        .insert(hyper::header::CONTENT_TYPE, hyper::header::HeaderValue::from_static("application/json"));
    Ok(response)
}

/// Starts the bare server as a separate process, like heraldd.
pub(crate) fn server() -> Result<(Program, std::net::SocketAddr)> {
    let program = Program::start(Command::new(std::env::current_exe()?).arg("--serve-bare"), LISTENS)?;
    let (_, line) = program.line(Duration::from_secs(10))?;
    let address = line.strip_prefix(LISTENS).context("no address")?.parse()?;
    Ok((program, address))
}

/// Starts `/bin/true` this often, this many at once, and waits for each. Returns the time.
pub(crate) fn spawn_and_wait(count: usize, at_once: usize) -> Result<Duration> {
    let left = AtomicUsize::new(count);
    let started = Instant::now();
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once)
            .map(|_| {
                scope.spawn(|| {
                    while left
                        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1))
                        .is_ok()
                    {
                        true_once()?;
                    }
                    anyhow::Ok(())
                })
            })
            .collect();
        workers
            .into_iter()
            .try_for_each(|worker| worker.join().map_err(|_| anyhow::anyhow!("a worker panicked"))?)
    })?;
    Ok(started.elapsed())
}

/// Starts `/bin/true` and waits for it.
#[expect(clippy::disallowed_methods, reason = "this is the bare loop that herald-exec is measured against")]
pub(crate) fn true_once() -> Result<()> {
    let mut command = Command::new("/bin/true");
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?.wait()?;
    ensure!(status.success(), "/bin/true failed");
    Ok(())
}

/// SHA-256 of a file, and how long that took.
pub(crate) fn hash(path: &Path) -> Result<([u8; 32], Duration)> {
    let started = Instant::now();
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0_u8; 256 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Ok((hasher.finalize().into(), started.elapsed()));
        }
        hasher.update(&buffer[..read]);
    }
}

/// How long it takes to send a file's bytes to this machine itself, through TCP.
pub(crate) fn loopback(path: &Path) -> Result<Duration> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let mut sender = TcpStream::connect(listener.local_addr()?)?;
    let (mut receiver, _) = listener.accept()?;
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    let started = Instant::now();
    let reader = std::thread::spawn(move || -> Result<u64> {
        let mut buffer = vec![0_u8; 256 * 1024];
        let mut total = 0;
        loop {
            let read = receiver.read(&mut buffer)?;
            if read == 0 {
                return Ok(total);
            }
            total += read as u64;
        }
    });
    let mut buffer = vec![0_u8; 256 * 1024];
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        sender.write_all(&buffer[..read])?;
    }
    drop(sender);
    let total = reader.join().map_err(|_| anyhow::anyhow!("the reader panicked"))??;
    ensure!(total == length, "{total} of {length} bytes arrived");
    Ok(started.elapsed())
}

/// How long it takes to copy a file and to have the copy on disk.
pub(crate) fn copy_and_sync(from: &Path, to: &Path) -> Result<Duration> {
    let started = Instant::now();
    let (mut source, mut copy) = (File::open(from)?, File::create(to)?);
    let mut buffer = vec![0_u8; 256 * 1024];
    loop {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        copy.write_all(&buffer[..read])?;
    }
    copy.sync_all()?;
    let took = started.elapsed();
    std::fs::remove_file(to)?;
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::{Load, Until, run};
    use crate::program::request;

    #[test]
    fn the_load_counts_what_is_answered() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        std::thread::spawn(move || serve_on(listener));
        let load = |pipeline| Load {
            address,
            request: request(address, "/", "{}", false),
            connections: 3,
            pipeline,
        };
        for pipeline in [1, 16] {
            let answers = run(&load(pipeline), Until::Count(100)).unwrap();
            assert_eq!((answers.accepted, answers.refused), (100, 0), "{pipeline}");
            let answers = run(&load(pipeline), Until::Time(Duration::from_millis(100))).unwrap();
            assert!(answers.accepted > 0 && answers.took <= Duration::from_millis(80), "{answers:?}");
        }
    }

    #[test]
    fn measures_agree_with_what_they_measure() {
        let folder = tempfile::tempdir().unwrap();
        let (path, copy) = (folder.path().join("a"), folder.path().join("b"));
        std::fs::write(&path, vec![7_u8; 1 << 20]).unwrap();
        let expected: [u8; 32] = Sha256::digest(vec![7_u8; 1 << 20]).into();
        assert_eq!(hash(&path).unwrap().0, expected);
        assert!(loopback(&path).unwrap() > Duration::ZERO);
        assert!(copy_and_sync(&path, &copy).unwrap() > Duration::ZERO);
        assert!(spawn_and_wait(20, 4).unwrap() > Duration::ZERO);
    }
}
