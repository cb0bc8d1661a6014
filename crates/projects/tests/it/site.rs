//! A project in a real etcd, and what publishes it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use e2e::etcd::{EtcdChange, EtcdServer};
use herald_core::conformance;
use herald_core::context::Context;
use herald_core::executor::{Execution, NoOutput, Outcome, Stop};
use herald_core::job::Job;
use herald_core::param::Params;
use herald_core::problem::Path;
use herald_core::secret::Mask;
use herald_core::secret_place::{SecretPlaceError, SecretReader as _};
use herald_core::spec::{Description, Options};
use herald_etcd::EtcdSettings;
use herald_projects::{
    EtcdConnection, EtcdConnections, EtcdTextReader, FileDifference, ProjectState, Publisher,
};
use serde_json::{Value, json};

/// The connections to one etcd, which is named `main`.
pub fn connections(url: &str) -> EtcdConnections {
    let settings = EtcdSettings {
        name: "main".to_owned(),
        endpoints: vec![url.parse().unwrap()],
        timeout: Duration::from_secs(5),
        credentials: None,
        tls: None,
    };
    EtcdConnections::default().updated(&[settings])
}

pub fn connection(url: &str) -> EtcdConnection {
    connections(url).iter().next().unwrap().clone()
}

/// One etcd, one folder to publish into, and one publisher with its ledgers.
pub struct Site {
    pub server: EtcdServer,
    pub top: PathBuf,
    connections: EtcdConnections,
    publisher: Arc<Publisher>,
    options: Value,
    _top: tempfile::TempDir,
}

impl Site {
    pub fn new() -> Self {
        Self::with(json!({}))
    }

    /// With further options of the executor.
    pub fn with(options: Value) -> Self {
        let (server, top) = (EtcdServer::start(), tempfile::tempdir().unwrap());
        let connections = connections(&server.url());
        let publisher = publisher(&connections, &options, top.path());
        let path = top.path().canonicalize().unwrap();
        Self { server, top: path, connections, publisher, options, _top: top }
    }

    /// As after a restart of the daemon.
    pub fn restart(&mut self) {
        self.connections = connections(&self.server.url());
        self.publisher = publisher(&self.connections, &self.options, &self.top);
    }

    /// The ledgers as they are on the disk.
    pub fn ledgers(&self) -> Vec<String> {
        let (mut open, mut found) = (vec![self.top.clone()], Vec::new());
        while let Some(folder) = open.pop() {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                if entry.file_type().unwrap().is_dir() {
                    open.push(entry.path());
                } else if entry.file_name() == "ledger.json" {
                    found.push(std::fs::read_to_string(entry.path()).unwrap());
                }
            }
        }
        found
    }

    pub fn key(name: &str) -> String {
        format!("/w/h/{name}")
    }

    pub fn put(&self, name: &str, value: &str) {
        self.server.put_bytes(&Self::key(name), value.as_bytes());
    }

    pub fn delete(&self, name: &str) {
        self.server.change_all(&[EtcdChange { key: Self::key(name), value: None }]);
    }

    /// The policy of a project, which is published into a folder of its name.
    pub fn policy(&self, project: &str, more: &Value) {
        let mut policy = json!({
            "deployPath": self.top.join(project),
            "backupDir": self.top.join(format!("backup-{project}")),
        });
        for (name, value) in more.as_object().unwrap() {
            policy[name] = value.clone();
        }
        self.put(&format!("{project}/config"), &policy.to_string());
    }

    /// A command that notes that it ran.
    pub fn noting(&self, name: &str) -> String {
        format!("echo {name} >>{}", self.top.join("ran").display())
    }

    /// What was noted since the last time.
    pub fn ran(&self) -> Vec<String> {
        let text = std::fs::read_to_string(self.top.join("ran")).unwrap_or_default();
        let _ = std::fs::remove_file(self.top.join("ran"));
        text.lines().map(str::to_owned).collect()
    }

    /// The content of a file below the top.
    pub fn read(&self, name: &str) -> Option<String> {
        std::fs::read_to_string(self.top.join(name)).ok()
    }

    pub fn write(&self, name: &str, content: &str) {
        let path = self.top.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// What is in the backups of a project.
    pub fn backups(&self, project: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.top.join(format!("backup-{project}"))).into_iter().flatten();
        let mut found: Vec<String> =
            entries.map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
        found.sort_unstable();
        found
    }

    /// A job for an event with this reason and further parameters.
    pub async fn publish_as(&self, project: &str, reason: &str, more: &Value) -> Outcome {
        let mut event = json!({"project": project, "host": "h", "prefix": "/w", "reason": reason});
        for (name, value) in more.as_object().unwrap() {
            event[name] = value.clone();
        }
        self.publisher.publish(&execution(event.as_object().unwrap().clone()), false).await
    }

    /// A job for a change that ends with its process once `when` says so, and its recovery by the next one.
    pub async fn crash_and_recover(&mut self, project: &str, when: impl Fn(&Self) -> bool) -> Outcome {
        let job = self.crash(project, when).await;
        self.attempt(&job, true).await
    }

    /// One attempt of a job, or its recovery.
    pub async fn attempt(&self, job: &Arc<Job>, is_recovery: bool) -> Outcome {
        self.publisher.publish(&of(job.clone()), is_recovery).await
    }

    /// A job for a change.
    pub fn job(project: &str) -> Arc<Job> {
        let event = json!({"project": project, "host": "h", "prefix": "/w", "reason": "change"});
        execution(event.as_object().unwrap().clone()).job
    }

    /// A job for a change that ends with its process once `when` says so.
    pub async fn crash(&mut self, project: &str, when: impl Fn(&Self) -> bool) -> Arc<Job> {
        let execution = of(Self::job(project));
        let (publisher, job) = (self.publisher.clone(), execution.job.clone());
        let running = tokio::spawn(async move { publisher.publish(&execution, false).await });
        while !when(self) {
            assert!(!running.is_finished(), "the job ended before that");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        running.abort();
        let _ = running.await;
        self.restart();
        job
    }

    /// A job for a change, of whose end nothing was recorded, and its recovery.
    pub async fn publish_and_recover(&mut self, project: &str) -> [Outcome; 2] {
        let event = json!({"project": project, "host": "h", "prefix": "/w", "reason": "change"});
        let execution = execution(event.as_object().unwrap().clone());
        let first = self.publisher.publish(&execution, false).await;
        self.restart();
        [first, self.publisher.publish(&of(execution.job), true).await]
    }

    /// For an event that something changed.
    pub async fn publish(&self, project: &str) -> Outcome {
        self.publish_as(project, "change", &json!({})).await
    }

    /// What a publication would change now, and why the project keeps its files all the same.
    pub async fn preview(&self, project: &str) -> (Vec<String>, Option<String>) {
        let keys = herald_etcd::ProjectLayout::new("/w", "h").project(project);
        let preview =
            self.publisher.preview(&conformance::job("preview"), &keys, &Mask::new()).await.unwrap();
        let file = |file: FileDifference| format!("{} {}", file.action, file.file);
        (preview.files.into_iter().map(file).collect(), preview.held)
    }

    /// The text at a place, as `url_from` of a request reads it.
    pub async fn text_at(&self, place: &Value) -> Result<String, SecretPlaceError> {
        let reader = EtcdTextReader(self.connections.clone());
        reader.read(place.as_object().unwrap()).await
    }

    /// How a project is, as the trigger sees it: its state, and whether a failure may pass by itself.
    pub fn standing(&self, project: &str) -> (ProjectState, bool) {
        let connection = self.connections.iter().next().unwrap();
        let keys = herald_etcd::ProjectLayout::new("/w", "h").project(project);
        let standing = connection.standings.of(&keys).unwrap();
        (standing.state, standing.passes)
    }
}

fn publisher(connections: &EtcdConnections, given: &Value, state: &std::path::Path) -> Arc<Publisher> {
    let mut options = json!({"etcd": "main", "policy_from": "etcd"});
    for (name, value) in given.as_object().unwrap() {
        options[name] = value.clone();
    }
    let description =
        herald_projects::specs().into_iter().fold(Description::new("publish", ""), Description::option);
    let (options, problems) = description.check(options.as_object().unwrap(), &Path::top());
    assert!(problems.is_empty(), "{problems:?}");
    let mut context = Context::default();
    context.share(connections.clone());
    Publisher::new(&Options(options.0), &context, state).unwrap()
}

fn execution(event: Params) -> Execution {
    static COUNT: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let id = format!("job-{:012}", COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed));
    let job = Job { trigger_param: Arc::new(event.into()), ..conformance::job(&id) };
    of(Arc::new(job))
}

fn of(job: Arc<Job>) -> Execution {
    let (mask, stop) = (Arc::new(Mask::new()), Stop::new());
    Execution { job, mask, stop, output: Arc::new(NoOutput), earlier: None }
}

/// How a job ended: the state of its result; its error, or else none; whether there is a report.
pub fn ended(outcome: &Outcome) -> (String, String, bool) {
    let (result, error) = match outcome {
        Ok(result) => (result, String::new()),
        Err(failure) => (&failure.result, failure.error.clone()),
    };
    (result["state"].as_str().unwrap().to_owned(), error, result["callback"] != "")
}
