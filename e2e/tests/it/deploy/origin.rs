//! Repositories of both kinds on this machine: Git by a file's path, Subversion by `svnserve` with passwords.

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use e2e::http::free_port;
use e2e::place::Place;
use e2e::program::{Program, clean, tool};
use serde_json::{Value, json};

/// The programs that speak to a repository.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Git,
    Svn,
}

pub const KINDS: [Kind; 2] = [Kind::Git, Kind::Svn];
pub const PASSWORD: &str = "s3cret pass\"word %ü";

/// What is at a path of a tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    File { bytes: Vec<u8>, mode: u32 },
    Link(PathBuf),
}

/// A tree, by path.
pub type Tree = BTreeMap<PathBuf, Entry>;

/// Plain files with these texts.
pub fn tree(list: &[(&str, &str)]) -> Tree {
    let file = |text: &str| Entry::File { bytes: text.as_bytes().to_vec(), mode: 0o644 };
    list.iter().map(|(path, text)| (PathBuf::from(path), file(text))).collect()
}

/// What is below a folder, without the administration of a working copy.
pub fn read_tree(root: &Path) -> Tree {
    let mut found = Tree::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            let path = folder.join(entry.file_name());
            if matches!(entry.file_name().as_bytes(), b".git" | b".svn") {
                continue;
            }
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_symlink() {
                found.insert(path, Entry::Link(fs::read_link(entry.path()).unwrap()));
            } else if let (Ok(bytes), Ok(meta)) = (fs::read(entry.path()), entry.metadata()) {
                found.insert(path, Entry::File { bytes, mode: meta.permissions().mode() & 0o777 });
            }
        }
    }
    found
}

/// Runs a tool in this folder, and fails where it does.
pub fn run(dir: &Path, program: &str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    clean(&mut command, &std::env::temp_dir().join("herald-e2e-home"));
    command.args(args).current_dir(dir).env("LC_ALL", "C.UTF-8");
    for name in ["AUTHOR", "COMMITTER"] {
        command.env(format!("GIT_{name}_NAME"), "a.b-c").env(format!("GIT_{name}_EMAIL"), "a@example.com");
    }
    tool(&mut command)
}

/// A repository, and the copy from which it is committed to.
pub struct Origin {
    pub kind: Kind,
    pub root: PathBuf,
    pub copy: PathBuf,
    port: u16,
    server: Option<Program>,
}

impl Origin {
    pub fn new(kind: Kind, place: &Place) -> Self {
        let (root, copy) = (place.path(""), place.path("commits"));
        if kind == Kind::Git {
            run(&root, "git", &["init", "-q", "--bare", "-b", "main", "origin.git"]);
            run(&root, "git", &["init", "-q", "-b", "main", "commits"]);
            run(&copy, "git", &["remote", "add", "origin", "../origin.git"]);
            return Self { kind, root, copy, port: 0, server: None };
        }
        run(&root, "svnadmin", &["create", "repository"]);
        let conf = "[general]\nanon-access = none\nauth-access = write\npassword-db = passwd\n";
        place.write("repository/conf/svnserve.conf", conf);
        place.write("repository/conf/passwd", &format!("[users]\nalice = {PASSWORD}\n"));
        let file = format!("file://{}", place.text_path("repository"));
        run(&root, "svn", &["mkdir", "-q", "-m", "trunk", &format!("{file}/trunk")]);
        run(&root, "svn", &["checkout", "-q", &format!("{file}/trunk"), "commits"]);
        let mut origin = Self { kind, root, copy, port: free_port(), server: None };
        origin.serve();
        origin
    }

    /// Starts the server, of Subversion.
    pub fn serve(&mut self) {
        let mut command = Command::new("svnserve");
        clean(&mut command, &self.root);
        let port = self.port.to_string();
        let listen = ["-d", "--foreground", "--listen-host", "127.0.0.1", "--listen-port", &port, "-r"];
        let server = Program::start(command.args(listen).arg(&self.root));
        let address = SocketAddr::from(([127, 0, 0, 1], self.port));
        e2e::wait::until("svnserve", || TcpStream::connect(address).is_ok().then_some(()));
        self.server = Some(server);
    }

    /// The repository cannot be reached any more.
    pub fn vanish(&mut self) {
        match self.server.take() {
            Some(server) => drop(server),
            None => fs::rename(self.root.join("origin.git"), self.root.join("away.git")).unwrap(),
        }
    }

    /// And again it can.
    pub fn appear(&mut self) {
        match self.kind {
            Kind::Svn => self.serve(),
            Kind::Git => fs::rename(self.root.join("away.git"), self.root.join("origin.git")).unwrap(),
        }
    }

    pub fn url(&self) -> String {
        match self.kind {
            Kind::Git => self.root.join("origin.git").display().to_string(),
            Kind::Svn => format!("svn://127.0.0.1:{}/repository/trunk", self.port),
        }
    }

    /// What an application says of it.
    pub fn options(&self) -> Value {
        match self.kind {
            Kind::Git => json!({"repo": self.url(), "type": "git", "revision": "main"}),
            Kind::Svn => json!({"repo": self.url(), "auth": {"username": "alice", "password": PASSWORD}}),
        }
    }

    /// Makes the tree exactly these entries, commits it, and returns the revision.
    pub fn commit(&self, message: &str, entries: &Tree) -> String {
        let (copy, is_git) = (&self.copy, self.kind == Kind::Git);
        for path in read_tree(copy).into_keys().filter(|path| !entries.contains_key(path)) {
            let name = path.to_str().unwrap();
            match is_git {
                true => run(copy, "git", &["rm", "-q", "-f", "--", name]),
                false => run(copy, "svn", &["rm", "-q", "--force", "--", &format!("{name}@")]),
            };
        }
        for (path, entry) in entries {
            let path = copy.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match entry {
                Entry::File { bytes, mode } => {
                    fs::write(&path, bytes).unwrap();
                    fs::set_permissions(&path, fs::Permissions::from_mode(*mode)).unwrap();
                }
                Entry::Link(to) if fs::symlink_metadata(&path).is_err() => {
                    std::os::unix::fs::symlink(to, &path).unwrap()
                }
                Entry::Link(_) => {}
            }
        }
        if is_git { self.commit_git(message) } else { self.commit_svn(message) }
    }

    fn commit_git(&self, message: &str) -> String {
        run(&self.copy, "git", &["add", "-A"]);
        run(&self.copy, "git", &["commit", "-q", "--allow-empty", "--allow-empty-message", "-m", message]);
        run(&self.copy, "git", &["push", "-q", "-f", "origin", "HEAD:main"]);
        run(&self.copy, "git", &["rev-parse", "HEAD"])
    }

    pub fn commit_svn(&self, message: &str) -> String {
        run(&self.copy, "svn", &["add", "-q", "--force", "--no-ignore", "."]);
        run(&self.copy, "svn", &["commit", "-q", "--force-log", "-m", message, "--username", "a.b-c"]);
        run(&self.copy, "svn", &["update", "-q", "--ignore-externals"]);
        run(&self.copy, "svn", &["info", "--show-item", "last-changed-revision"])
    }

    /// What the repository's own program gives out for a revision.
    pub fn exported(&self, revision: &str) -> Tree {
        let folder = tempfile_in(&self.root);
        let to = folder.to_str().unwrap();
        match self.kind {
            Kind::Git => {
                let script = format!("git -c tar.umask=0022 archive {revision} | tar -x -C '{to}'");
                run(&self.copy, "sh", &["-c", &script]);
            }
            Kind::Svn => {
                let from = format!("file://{}/repository/trunk@{revision}", self.root.display());
                run(&self.root, "svn", &["export", "-q", "--force", "--ignore-externals", &from, to]);
            }
        }
        let found = read_tree(&folder);
        fs::remove_dir_all(folder).unwrap();
        found
    }
}

fn tempfile_in(root: &Path) -> PathBuf {
    let free = (0..).map(|n| root.join(format!("exported-{n}"))).find(|path| !path.exists()).unwrap();
    fs::create_dir(&free).unwrap();
    free
}
