//! Repositories of both kinds, and an application that is deployed from them.

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use herald_deploy::{
    DeployAction, DeployError, DeployHook, DeployHooks, DeployMode, DeployOrigin, DeployRequest,
    DeployTarget, Deployer, DeployerSettings, LocalChanges, OriginAuth, SourceKind, StepRun,
};
use herald_exec::program::Restrictions;
use herald_exec::{NoOutput, Stop};
use tokio::time::Instant;

pub const KINDS: [SourceKind; 2] = [SourceKind::Git, SourceKind::Svn];
pub const MODES: [DeployMode; 3] = [DeployMode::InPlace, DeployMode::Releases, DeployMode::Exchange];
pub const PASSWORD: &str = "s3cret pass\"word %ü";

/// What a tree has: path and text.
pub type Files = BTreeMap<String, String>;

pub fn files(list: &[(&str, &str)]) -> Files {
    list.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

pub fn command(dir: &Path, program: &str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    command.args(args).current_dir(dir).env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
    for (name, value) in [("AUTHOR", "a.b-c"), ("COMMITTER", "a.b-c")] {
        command.env(format!("GIT_{name}_NAME"), value).env(format!("GIT_{name}_EMAIL"), "a@example.com");
    }
    let output = command.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(
        output.status.success(),
        "{program} {args:?}: {text} {}",
        String::from_utf8_lossy(&output.stderr)
    );
    text
}

/// A repository, and the copy from which it is committed to.
pub struct Repository {
    pub kind: SourceKind,
    pub url: String,
    pub copy: PathBuf,
    pub server: Option<Child>,
    pub revisions: Vec<String>,
}

impl Repository {
    pub fn new(kind: SourceKind, root: &Path) -> Self {
        let copy = root.join("commits");
        match kind {
            SourceKind::Git => {
                let bare = root.join("origin.git");
                command(root, "git", &["init", "-q", "--bare", "-b", "main", bare.to_str().unwrap()]);
                command(root, "git", &["init", "-q", "-b", "main", "commits"]);
                command(&copy, "git", &["remote", "add", "origin", bare.to_str().unwrap()]);
                let url = bare.display().to_string();
                Self { kind, url, copy, server: None, revisions: Vec::new() }
            }
            SourceKind::Svn => {
                command(root, "svnadmin", &["create", "repository"]);
                let repository = root.join("repository");
                let conf = "[general]\nanon-access = none\nauth-access = write\npassword-db = passwd\n";
                fs::write(repository.join("conf/svnserve.conf"), conf).unwrap();
                fs::write(repository.join("conf/passwd"), format!("[users]\nalice = {PASSWORD}\n")).unwrap();
                let file = format!("file://{}", repository.display());
                command(root, "svn", &["mkdir", "-q", "-m", "trunk", &format!("{file}/trunk")]);
                command(root, "svn", &["checkout", "-q", &format!("{file}/trunk"), "commits"]);
                let (server, port) = serve(root);
                let url = format!("svn://127.0.0.1:{port}/repository/trunk");
                Self { kind, url, copy, server: Some(server), revisions: Vec::new() }
            }
        }
    }

    /// Makes the tree exactly these files, commits it, and returns the revision.
    pub fn commit(&mut self, message: &str, tree: &Files) -> String {
        let copy = self.copy.clone();
        let is_git = self.kind == SourceKind::Git;
        for path in read(&copy).keys().filter(|path| !tree.contains_key(*path)) {
            let name = if is_git { path.clone() } else { format!("{path}@") };
            let (program, force) = if is_git { ("git", "-f") } else { ("svn", "--force") };
            command(&copy, program, &["rm", "-q", force, "--", &name]);
        }
        for (path, text) in tree {
            fs::create_dir_all(copy.join(path).parent().unwrap()).unwrap();
            fs::write(copy.join(path), text).unwrap();
        }
        let revision = if is_git {
            command(&copy, "git", &["add", "-A"]);
            command(&copy, "git", &["commit", "-q", "--allow-empty", "-m", message]);
            command(&copy, "git", &["push", "-q", "-f", "origin", "HEAD:main"]);
            command(&copy, "git", &["rev-parse", "HEAD"])
        } else {
            command(&copy, "svn", &["add", "-q", "--force", "--no-ignore", "."]);
            command(&copy, "svn", &["commit", "-q", "-m", message, "--username", "alice"]);
            command(&copy, "svn", &["update", "-q"]);
            command(&copy, "svn", &["info", "--show-item", "last-changed-revision"])
        };
        self.revisions.push(revision.clone());
        revision
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = server.kill();
            let _ = server.wait();
        }
    }
}

fn serve(root: &Path) -> (Child, u16) {
    for _ in 0..10 {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut server = Command::new("svnserve")
            .args([
                "-d",
                "--foreground",
                "--listen-host",
                "127.0.0.1",
                "--listen-port",
                &port.to_string(),
                "-r",
            ])
            .arg(root)
            .spawn()
            .unwrap();
        for _ in 0..200 {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return (server, port);
            }
            if server.try_wait().unwrap().is_some() {
                break;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = server.kill();
    }
    panic!("svnserve does not start");
}

/// All files below a folder but those of a working copy's administration.
pub fn read(root: &Path) -> Files {
    let mut found = Files::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).into_iter().flatten() {
            let entry = entry.unwrap();
            let path = folder.join(entry.file_name());
            if entry.file_name() == ".git" || entry.file_name() == ".svn" {
                continue;
            }
            if entry.file_type().unwrap().is_dir() {
                folders.push(path);
            } else {
                let text = fs::read(entry.path()).unwrap_or_default();
                found.insert(path.display().to_string(), String::from_utf8_lossy(&text).into_owned());
            }
        }
    }
    found
}

/// An application, its repository and its folder.
pub struct App {
    pub folder: tempfile::TempDir,
    pub repository: Repository,
    pub target: DeployTarget,
    pub number: usize,
}

impl App {
    pub fn new(kind: SourceKind, mode: DeployMode) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::new(kind, folder.path());
        let target = target(kind, mode, &repository.url, folder.path());
        Self { folder, repository, target, number: 0 }
    }

    pub fn deployer(&self) -> Deployer {
        deployer(&self.target, self.folder.path())
    }

    pub fn served(&self) -> PathBuf {
        match self.target.mode {
            DeployMode::Releases => self.target.path.join("current"),
            _ => self.target.path.clone(),
        }
    }

    pub fn live(&self) -> Files {
        read(&self.served())
    }

    pub fn request(&mut self, revision: &str) -> DeployRequest {
        self.number += 1;
        request(&format!("d{}", self.number), revision)
    }

    /// Prepares, switches, verifies and finishes.
    pub async fn deploy(&mut self, revision: &str) -> Result<(), DeployError> {
        let request = self.request(revision);
        deploy(&self.deployer(), &request).await
    }

    pub fn after(&mut self, script: &str) {
        self.target.hooks.after = Some(shell(script));
    }
}

pub fn target(kind: SourceKind, mode: DeployMode, url: &str, root: &Path) -> DeployTarget {
    let mut origin = DeployOrigin::new(kind, url);
    if kind == SourceKind::Svn {
        origin.auth = OriginAuth::Password { username: "alice".to_owned(), password: PASSWORD.to_owned() };
    }
    fs::create_dir_all(root.join("www")).unwrap();
    DeployTarget {
        app: "shop".to_owned(),
        node: "web1".to_owned(),
        path: root.join("www/shop"),
        mode,
        origin,
        shared: Vec::new(),
        keep: 3,
        hooks: DeployHooks::default(),
        local_changes: LocalChanges::Refuse,
        reserve: 0,
    }
}

pub fn deployer(target: &DeployTarget, root: &Path) -> Deployer {
    Deployer::new(target.clone(), settings(root)).unwrap()
}

pub fn settings(root: &Path) -> DeployerSettings {
    let (kill_grace, restrictions) = (Duration::from_millis(500), Restrictions::default());
    DeployerSettings { work_dir: root.join("work"), owner: None, kill_grace, restrictions }
}

pub fn request(id: &str, revision: &str) -> DeployRequest {
    DeployRequest {
        id: id.to_owned(),
        action: DeployAction::Deploy,
        revision: revision.to_owned(),
        by: "ann".to_owned(),
    }
}

pub fn shell(script: &str) -> DeployHook {
    DeployHook {
        cmd: "sh".to_owned(),
        arg: vec!["-c".to_owned(), script.to_owned()],
        ..DeployHook::default()
    }
}

/// What steps need, for a minute.
pub struct Minute(Stop);

impl Minute {
    pub fn new() -> Self {
        Self(Stop::new())
    }

    pub fn run(&self) -> StepRun<'_> {
        StepRun { stop: &self.0, output: &NoOutput, deadline: Instant::now() + Duration::from_secs(60) }
    }
}

pub async fn deploy(deployer: &Deployer, request: &DeployRequest) -> Result<(), DeployError> {
    let minute = Minute::new();
    deployer.prepare(request, &minute.run()).await?;
    deployer.switch(&request.id, &minute.run()).await?;
    deployer.verify(&request.id, &minute.run()).await?;
    deployer.finish(&request.id, &minute.run()).await
}
