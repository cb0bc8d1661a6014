//! Repositories on servers of their own: behind HTTPS (Apache, for Subversion and Git) and behind sshd.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use e2e::http::free_port;
use e2e::place::Place;
use e2e::program::{Program, clean, run_to_end};

use super::origin::{Kind, Origin, PASSWORD, run};

const MODULES: [&str; 11] = [
    "mpm_event",
    "authn_core",
    "authn_file",
    "authz_core",
    "authz_user",
    "auth_basic",
    "alias",
    "ssl",
    "dav",
    "dav_svn",
    "socache_shmcb",
];

/// Makes an authority `NAME.pem` and a certificate of it for 127.0.0.1, `NAME-server.pem` with its key.
pub fn certificates(dir: &Path, name: &str) {
    let script = format!(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}.key -out {name}.pem \
         -days 2 -subj /CN={name} -addext basicConstraints=critical,CA:TRUE && \
         openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout {name}-server.key -out {name}.csr \
         -subj /CN=127.0.0.1 && \
         printf 'subjectAltName=IP:127.0.0.1' >{name}.ext && \
         openssl x509 -req -in {name}.csr -CA {name}.pem -CAkey {name}.key -CAcreateserial -days 2 \
         -extfile {name}.ext -out {name}-server.pem"
    );
    run(dir, "sh", &["-c", &script]);
}

/// Apache, which serves what a repository had when [`Apache::serve`] was called.
pub struct Apache {
    dir: PathBuf,
    port: u16,
    _program: Program,
}

impl Apache {
    /// Files of it are in this place; its certificate is of an authority in `ca.pem` there.
    pub fn start(place: &Place) -> Self {
        let (dir, port) = (place.path("apache"), free_port());
        fs::create_dir_all(dir.join("served")).unwrap();
        // It runs as nobody.
        for folder in [place.path(""), dir.clone()] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).unwrap();
        }
        certificates(&place.path(""), "ca");
        let hash = run(&dir, "openssl", &["passwd", "-apr1", PASSWORD]);
        fs::write(dir.join("users"), format!("alice:{}\n", hash.trim())).unwrap();
        fs::set_permissions(dir.join("users"), fs::Permissions::from_mode(0o644)).unwrap();
        let modules = MODULES
            .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"))
            .concat();
        let config = format!(
            "{modules}ServerRoot {dir}\nServerName 127.0.0.1\nListen 127.0.0.1:{port}\nUser nobody\nGroup nogroup\n\
             PidFile {dir}/pid\nErrorLog {dir}/errors\nDefaultRuntimeDir {dir}\nStartServers 1\n\
             SSLEngine on\nSSLCertificateFile {dir}/../ca-server.pem\nSSLCertificateKeyFile {dir}/../ca-server.key\n\
             <Location /svn>\nDAV svn\nSVNPath {dir}/served/repository\nAuthType Basic\nAuthName herald\n\
             AuthUserFile {dir}/users\nRequire valid-user\n</Location>\n\
             Alias /git {dir}/served/origin.git\n<Directory {dir}/served>\nRequire all granted\n</Directory>\n\
             <Location /git>\nAuthType Basic\nAuthName herald\nAuthUserFile {dir}/users\nRequire valid-user\n</Location>\n",
            dir = dir.display(),
        );
        let file = place.write("apache/httpd.conf", &config);
        let mut command = Command::new("apache2");
        clean(&mut command, &dir);
        let program = Program::start(command.args(["-DFOREGROUND", "-f"]).arg(file));
        e2e::wait::until("Apache", || TcpStream::connect(("127.0.0.1", port)).ok());
        Self { dir, port, _program: program }
    }

    /// Serves what the repository has now.
    pub fn serve(&self, origin: &Origin) {
        let served = self.dir.join("served");
        let of_kind = match origin.kind {
            Kind::Git => {
                "rm -rf origin.git; git clone -q --mirror ../../origin.git origin.git; git -C origin.git update-server-info"
            }
            Kind::Svn => "rm -rf repository; svnadmin hotcopy ../../repository repository",
        };
        run(&served, "sh", &["-ec", &format!("{of_kind}; chown -R nobody:nogroup .; chmod -R go+rX .")]);
    }

    pub fn url(&self, kind: Kind) -> String {
        match kind {
            Kind::Git => format!("https://127.0.0.1:{}/git", self.port),
            Kind::Svn => format!("https://127.0.0.1:{}/svn/trunk", self.port),
        }
    }
}

/// sshd, one process for each connection, at the port of ssh on an address of this machine: Subversion knows no other.
/// It ends with the test's process.
pub struct Sshd {
    dir: PathBuf,
}

impl Sshd {
    const ADDRESS: &str = "127.0.7.22";

    /// `None`: only root can have that port, and not everywhere.
    pub fn start(place: &Place) -> Option<Self> {
        let listener = TcpListener::bind((Self::ADDRESS, 22)).ok()?;
        let dir = place.path("ssh files");
        fs::create_dir_all(&dir).unwrap();
        for name in ["host", "key", "other"] {
            run(&dir, "ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", name]);
        }
        let read = |name: &str| fs::read_to_string(dir.join(name)).unwrap();
        fs::write(dir.join("known"), format!("{} {}", Self::ADDRESS, read("host.pub"))).unwrap();
        fs::write(dir.join("wrong"), format!("{} {}", Self::ADDRESS, read("other.pub"))).unwrap();
        let config = format!(
            "HostKey \"{dir}/host\"\nAuthorizedKeysFile \"{dir}/key.pub\"\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\nPidFile none\n\
             SetEnv PATH={}\n",
            std::env::var("PATH").unwrap(),
            dir = dir.display(),
        );
        fs::write(dir.join("config"), config).unwrap();
        // Where sshd puts its unprivileged half; Debian makes it at boot.
        let _ = fs::create_dir_all("/run/sshd");
        let config = dir.join("config");
        std::thread::spawn(move || {
            listener.incoming().flatten().for_each(|stream| Self::serve(stream, &config));
        });
        Some(Self { dir })
    }

    #[expect(clippy::disallowed_methods, reason = "sshd speaks to the connection that it is given")]
    fn serve(stream: TcpStream, config: &Path) {
        let other = OwnedFd::from(stream.try_clone().unwrap());
        let mut sshd = Command::new("/usr/sbin/sshd");
        sshd.arg("-i").arg("-f").arg(config).stdin(OwnedFd::from(stream)).stdout(other);
        let sshd = sshd.stderr(Stdio::null()).spawn();
        std::thread::spawn(move || sshd.unwrap().wait());
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    pub fn url(&self, origin: &Origin) -> String {
        let mut id = Command::new("id");
        let user = run_to_end(id.arg("-un")).stdout;
        let (user, root) = (user.trim(), origin.root.display());
        match origin.kind {
            Kind::Git => format!("ssh://{user}@{}{root}/origin.git", Self::ADDRESS),
            Kind::Svn => format!("svn+ssh://{user}@{}{root}/repository/trunk", Self::ADDRESS),
        }
    }
}
