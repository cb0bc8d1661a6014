//! The name under which a daemon works on queues.

use std::io::{ErrorKind, Write};
use std::path::Path;

use herald_base::system::host_name::host_name;

/// The file in `state_dir` that keeps the part of the name that differs on one host.
const FILE: &str = "queue-node";
/// The digits of that part.
const DIGITS: usize = 8;

/// The name of this daemon on queues.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueueNode(pub String);

/// The name: `-id`; else the one of the configuration before; else the host's name and a part that is kept in
/// `state_dir`, so that two daemons on one host differ.
#[must_use]
pub fn node_name(id: Option<&str>, state_dir: Option<&Path>, before: &QueueNode) -> QueueNode {
    if let Some(id) = id {
        return QueueNode(id.to_owned());
    }
    if !before.0.is_empty() {
        return before.clone();
    }
    let kept = state_dir.and_then(|folder| std::fs::read_to_string(folder.join(FILE)).ok());
    let is_part = |part: &String| part.len() == DIGITS && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    let part = kept.map(|kept| kept.trim_end().to_owned()).filter(is_part).unwrap_or_else(random_part);
    let host: String =
        host_name().chars().map(|c| if c.is_ascii_graphic() && c != '/' { c } else { '-' }).collect();
    QueueNode(format!("{host}-{part}"))
}

fn random_part() -> String {
    let mut bytes = [0; DIGITS / 2];
    match getrandom::fill(&mut bytes) {
        Ok(()) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        // Without randomness, processes differ at least.
        Err(_) => format!("{:08x}", std::process::id()),
    }
}

/// Keeps the name for the next process. One that is kept already stays.
///
/// # Errors
/// The file cannot be written.
pub(crate) fn keep_node_name(state_dir: &Path, name: &QueueNode) -> std::io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let Some((_, part)) = name.0.rsplit_once('-') else { return Ok(()) };
    let mut new = std::fs::OpenOptions::new();
    match new.write(true).create_new(true).mode(0o600).open(state_dir.join(FILE)) {
        Ok(mut file) => {
            writeln!(file, "{part}")?;
            file.sync_all()
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_and_two_daemons_differ() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let none = QueueNode::default();
        let first = node_name(None, Some(one.path()), &none);
        assert!(first.0.starts_with(&host_name()) && first != node_name(None, Some(other.path()), &none));
        assert_eq!(node_name(None, Some(one.path()), &first), first);
        keep_node_name(one.path(), &first).unwrap();
        keep_node_name(one.path(), &QueueNode("other-00000000".to_owned())).unwrap();
        assert_eq!(node_name(None, Some(one.path()), &none), first);
        assert_eq!(node_name(Some("web1"), Some(one.path()), &first).0, "web1");
        assert_ne!(node_name(None, None, &none), node_name(None, None, &none));
    }
}
