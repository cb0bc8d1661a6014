//! A real nginx in front of a server of a test.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;

use crate::http::free_port;
use crate::place::Place;
use crate::program::{Program, clean};
use crate::wait::until;

/// An nginx; it is killed when this is dropped.
pub struct Nginx {
    /// Where it listens.
    pub address: SocketAddr,
    _program: Program,
}

impl Nginx {
    /// Starts one with these lines in its `server`, which listens on a free port of 127.0.0.1; its files are in this
    /// place.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start(place: &Place, server: &str) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        Self::start_at(place, address, server)
    }

    /// The same at this address.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_at(place: &Place, address: SocketAddr, server: &str) -> Self {
        Self::begin(place, address, "", server)
    }

    /// The same with TLS: `server` names the certificate and its key.
    ///
    /// # Panics
    /// When it does not start.
    #[must_use]
    pub fn start_with_tls(place: &Place, address: SocketAddr, server: &str) -> Self {
        Self::begin(place, address, " ssl", server)
    }

    fn begin(place: &Place, address: SocketAddr, options: &str, server: &str) -> Self {
        let folder = format!("nginx-{}", address.port());
        let dir = place.path(&folder);
        std::fs::create_dir_all(&dir).unwrap();
        let temporary: String = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("{kind}_temp_path {}/{kind};\n", dir.display()))
            .concat();
        let config = format!(
            "daemon off;\nmaster_process off;\npid {dir}/pid;\nerror_log stderr;\nevents {{}}\n\
             http {{\naccess_log off;\n{temporary}server {{\nlisten {address}{options};\n{server}\n}}\n}}\n",
            dir = dir.display(),
        );
        let file = place.write(&format!("{folder}/nginx.conf"), &config);
        let mut command = Command::new("nginx");
        clean(&mut command, &dir);
        // Debian has it where only root's path leads.
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{path}:/usr/sbin"));
        let program = Program::start(command.arg("-p").arg(&dir).arg("-c").arg(file));
        until("nginx", || TcpStream::connect(address).ok());
        Self { address, _program: program }
    }
}
