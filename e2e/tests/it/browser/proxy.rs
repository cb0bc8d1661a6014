//! A proxy that lets everything through but the stream, as those do that wait for the end of a response.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::thread;

const REFUSED: &[u8] = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Where it listens; it ends with the test's process.
pub fn without_stream(page: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for client in listener.incoming().map_while(Result::ok) {
            thread::spawn(move || forward(client, page));
        }
    });
    address
}

/// Forwards a connection. Browsers wait for a response before they send the next request, which therefore is at the
/// beginning of what is read.
fn forward(mut client: TcpStream, page: SocketAddr) {
    let Ok(mut server) = TcpStream::connect(page) else { return };
    let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Both);
    });
    let mut bytes = vec![0; 1 << 16];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let line = bytes[..count].split(|byte| *byte == b'\r').next().unwrap();
        if line.windows(11).any(|part| part == b"/v1/stream ") {
            let _ = client.write_all(REFUSED);
            break;
        }
        if server.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Both);
}
