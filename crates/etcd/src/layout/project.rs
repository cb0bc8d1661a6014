//! The keys of projects: `PREFIX/HOST/PROJECT/config` is the policy, `PREFIX/HOST/PROJECT/config.d/NAME` are the files.

use crate::key::KeyRange;

/// Where the projects of a host are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectLayout {
    /// What the keys of all hosts begin with, without a slash at its end.
    pub prefix: String,
    /// The host.
    pub host: String,
}

/// The keys of one project.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ProjectKeys {
    /// Where the projects of its host are.
    pub layout: ProjectLayout,
    /// Its name: one segment of the key.
    pub project: String,
}

impl ProjectLayout {
    /// A slash at the end of the prefix does not count.
    #[must_use]
    pub fn new(prefix: &str, host: &str) -> Self {
        Self { prefix: prefix.trim_end_matches('/').to_owned(), host: host.to_owned() }
    }

    fn start(&self) -> String {
        format!("{}/{}/", self.prefix, self.host)
    }

    /// All keys of the host.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        KeyRange::prefix(self.start())
    }

    /// A project of this host.
    #[must_use]
    pub fn project(&self, project: &str) -> ProjectKeys {
        ProjectKeys { layout: self.clone(), project: project.to_owned() }
    }

    /// The project that this key is of, and what follows its name: `config`, or `config.d/NAME`. `None`: it is not of a
    /// project.
    #[must_use]
    pub fn split<'a>(&self, key: &'a [u8]) -> Option<(ProjectKeys, &'a [u8])> {
        let below = key.strip_prefix(self.start().as_bytes())?;
        let end = below.iter().position(|byte| *byte == b'/')?;
        let (project, rest) = (&below[..end], &below[end + 1..]);
        let project = std::str::from_utf8(project).ok().filter(|project| !project.is_empty())?;
        let is_of_project = rest == b"config" || rest.starts_with(b"config.d/");
        is_of_project.then(|| (self.project(project), rest))
    }
}

impl ProjectKeys {
    /// What its keys begin with, the last slash included.
    #[must_use]
    pub fn start(&self) -> String {
        format!("{}{}/", self.layout.start(), self.project)
    }

    /// All its keys.
    #[must_use]
    pub fn range(&self) -> KeyRange {
        KeyRange::prefix(self.start())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_of_projects() {
        let layout = ProjectLayout::new("/watcher/", "web01.local");
        for (key, found) in [
            (&b"/watcher/web01.local/a.com/config"[..], Some(("a.com", &b"config"[..]))),
            (b"/watcher/web01.local/a.com/config.d/ngx.conf", Some(("a.com", b"config.d/ngx.conf"))),
            (b"/watcher/web01.local/a.com/config.d/../x", Some(("a.com", b"config.d/../x"))),
            (b"/watcher/web01.local/a.com/config.d/\xff", Some(("a.com", b"config.d/\xff"))),
            (b"/watcher/web01.local/a.com/config.d/", Some(("a.com", b"config.d/"))),
            (b"/watcher/web01.local/a.com/status", None),
            (b"/watcher/web01.local/a.com", None),
            (b"/watcher/web01.local//config", None),
            (b"/watcher/web01.local/\xff/config", None),
            (b"/watcher/web01/a.com/config", None),
            (b"/other", None),
        ] {
            let split = layout.split(key);
            let split = split.as_ref().map(|(project, rest)| (project.project.as_str(), *rest));
            assert_eq!(split, found, "{key:?}");
        }
        let project = layout.project("a.com");
        assert_eq!(project.start(), "/watcher/web01.local/a.com/");
        assert!(project.range().contains(b"/watcher/web01.local/a.com/config"));
        assert!(layout.range().contains(project.start().as_bytes()));
    }
}
