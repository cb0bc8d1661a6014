//! Externals of a repository that has a password. `svn` answers every server with a password of its command line, and
//! who commits names the servers of externals. So commands that have it leave externals out; those that fetch
//! them have a private configuration, in which `svn` finds the password by server and realm.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::svn_client::SvnClient;
use super::svn_xml;
use crate::command::{StepRun, ToolCommand};
use crate::error::{DeployError, SourceError};
use crate::target::OriginAuth;

/// At most so many other repositories of the same server are asked for their realm.
const MOST_REPOSITORIES: usize = 50;

/// The URLs of the externals that a working copy defines, as they are written; none where nothing is to be kept from
/// their servers. Only this machine is asked.
pub(super) async fn defined(
    svn: &SvnClient,
    copy: &Path,
    run: &StepRun<'_>,
) -> Result<Vec<String>, DeployError> {
    if !svn.has_scoped_externals() {
        return Ok(Vec::new());
    }
    let list = svn.command(copy, "propget").args(["svn:externals", "-R", "--xml", "."]);
    let end = svn.must(list, "", run).await?;
    let texts = svn_xml::properties(&end.stdout.text())?;
    Ok(texts.iter().flat_map(|text| text.lines()).filter_map(external_url).collect())
}

/// Fetches the externals of a copy that was brought to a revision without them, and removes those of `before` that are
/// gone.
pub(super) async fn fetch(
    svn: &SvnClient,
    copy: &Path,
    before: &[String],
    switch: impl FnOnce(ToolCommand<'static>) -> ToolCommand<'static>,
    run: &StepRun<'_>,
) -> Result<(), DeployError> {
    let defined = defined(svn, copy, run).await?;
    if defined.is_empty() && before.is_empty() {
        return Ok(());
    }
    let own = server(&svn.origin.url);
    let is_foreign = |external: &&String| server(&absolute(external, &svn.origin.url, "")) != own;
    if let Some(external) = defined.iter().find(is_foreign) {
        let external = external.chars().take(200).collect();
        return Err(SourceError::ForeignExternal { external, url: svn.origin.url.clone() }.into());
    }
    let scope = ScopedConfig::learn(svn, copy, &defined, run).await?;
    svn.must(switch(scope.command(svn, copy, "switch")).shown(), "", run).await.map(drop)
}

/// A private configuration with the password for some realms of one server. It is removed with it.
pub(super) struct ScopedConfig(PathBuf);

impl ScopedConfig {
    /// Asks the repository, and others of its server that externals name, which realms they have.
    pub(super) async fn learn(
        svn: &SvnClient,
        copy: &Path,
        externals: &[String],
        run: &StepRun<'_>,
    ) -> Result<Self, DeployError> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("svn-auth-{}-{number}", std::process::id());
        let scope = Self(svn.config.with_file_name(name));
        remove_left(scope.0.parent().unwrap_or(&scope.0));
        let _ = std::fs::remove_dir_all(&scope.0);
        let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&scope.0);
        made.map_err(|error| DeployError::io("create", &scope.0, error))?;
        let OriginAuth::Password { username, password } = &svn.origin.auth else { return Ok(scope) };
        let info = svn.must(svn.command(copy, "info").args(["--xml", "."]), "", run).await?;
        let root = svn_xml::info(&info.stdout.text())?.root;
        let mut urls = vec![svn.origin.url.clone()];
        // A web server could redirect this question, and the answer with the password, to another one.
        if svn.origin.url.starts_with("svn://") {
            let others = externals.iter().map(|external| absolute(external, &svn.origin.url, &root));
            let is_own = |url: &String| url.strip_prefix(&*root).is_some_and(|rest| rest.starts_with('/'));
            urls.extend(others.filter(|url| url.starts_with("svn://") && !is_own(url)));
            urls.dedup();
            urls.truncate(MOST_REPOSITORIES);
        }
        for url in urls.iter().filter(|url| server(url) == server(&svn.origin.url)) {
            let ask = svn.command(Path::new("/"), "info").arg("--config-dir").arg(&scope.0);
            let ask = ask.args(["--config-option", "servers:global:store-auth-creds=yes"]);
            let ask = ask.args(["--config-option", "servers:global:store-passwords=no"]);
            let ask = ask.args(["--config-option", "config:auth:password-stores="]);
            let mut ask = ask.arg("--username").arg(username).args(["--password-from-stdin", "--", url]);
            ask.input = Some(format!("{password}\n"));
            // What fails here fails again, with its words, where it is needed.
            svn.run(ask, run).await?;
        }
        let folder = scope.0.join("auth/svn.simple");
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            give(&entry.path(), &svn.origin.url, username, password)?;
        }
        Ok(scope)
    }

    /// `svn COMMAND`, which has the password for these realms alone.
    pub(super) fn command(&self, svn: &SvnClient, dir: &Path, command: &str) -> ToolCommand<'static> {
        svn.command(dir, command).arg("--no-auth-cache").arg("--config-dir").arg(&self.0)
    }
}

impl Drop for ScopedConfig {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Removes the configurations of processes that were killed.
fn remove_left(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let process = name.strip_prefix("svn-auth-").and_then(|rest| rest.split_once('-'));
        if process.is_some_and(|(process, _)| !Path::new("/proc").join(process).exists()) {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Adds the password to what `svn` noted of a realm, where that is one of the server.
fn give(file: &Path, url: &str, username: &str, password: &str) -> Result<(), DeployError> {
    let failed = |error| DeployError::io("write", file, error);
    let text = String::from_utf8_lossy(&std::fs::read(file).map_err(failed)?).into_owned();
    let realm = text.split_once("K 15\nsvn:realmstring\nV ").and_then(|(_, rest)| rest.lines().nth(1));
    let of = realm.and_then(|realm| realm.strip_prefix('<')?.split_once('>')).map(|(of, _)| of);
    let (Some(realm), true) = (realm, of.is_some_and(|of| server(of) == server(url))) else {
        return std::fs::remove_file(file).map_err(failed);
    };
    let values =
        [("svn:realmstring", realm), ("username", username), ("password", password), ("passtype", "simple")];
    let text = values.iter().fold(String::new(), |text, (key, value)| {
        text + &format!("K {}\n{key}\nV {}\n{value}\n", key.len(), value.len())
    });
    std::fs::write(file, text + "END\n").map_err(failed)
}

/// The URL of a line of `svn:externals`: `[-r N] URL[@PEG] PATH`, or `PATH [-r N] URL`.
fn external_url(line: &str) -> Option<String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return None;
    }
    let mut words = words(line);
    if let Some(at) = words.iter().position(|word| word.starts_with("-r")) {
        let option = words.remove(at);
        if option == "-r" && at < words.len() {
            words.remove(at);
        }
    }
    let last = words.iter().position(|word| word.contains("://")).unwrap_or(0);
    (last < words.len()).then(|| words.swap_remove(last))
}

/// The words of a line, of which `"`, `'` and `\` can keep spaces.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    let mut rest = line.chars();
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('\\', _) => word.get_or_insert_default().extend(rest.next()),
            (_, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ' | '\t', None) => words.extend(word.take()),
            _ => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// What an external's URL is, for a repository with this URL and this root.
fn absolute(external: &str, url: &str, root: &str) -> String {
    let scheme = url.split_once("://").map_or("", |(scheme, _)| scheme);
    let after =
        |at: usize| url.get(at..).and_then(|rest| rest.find('/')).map_or(url.len(), |slash| at + slash);
    let own = url.get(..after(scheme.len() + 3)).unwrap_or(url);
    let root = if root.is_empty() { url } else { root };
    if let Some(path) = external.strip_prefix("^/") {
        let mut root = root;
        let mut path = path;
        while let Some(rest) = path.strip_prefix("../") {
            root = root.rsplit_once('/').map_or(own, |(above, _)| above);
            path = rest;
        }
        return format!("{}/{path}", if root.len() < own.len() { own } else { root });
    }
    match external {
        _ if external.contains("://") => external.to_owned(),
        _ if external.starts_with("//") => format!("{scheme}:{external}"),
        _ if external.starts_with('/') => format!("{own}{external}"),
        // `../PATH` stays in the repository.
        _ => format!("{root}/{external}"),
    }
}

/// Scheme, host and port of a URL.
fn server(url: &str) -> Option<(String, String, String)> {
    let (scheme, rest) = url.split_once("://")?;
    let scheme = scheme.to_ascii_lowercase();
    let authority = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host).to_ascii_lowercase();
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host.to_owned(), port.to_owned()),
        _ => (authority, String::new()),
    };
    let usual = match &*scheme {
        "http" => "80",
        "https" => "443",
        "svn" => "3690",
        _ => "",
    };
    let port = if port.is_empty() { usual.to_owned() } else { port };
    Some((scheme, host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "svn://svn.example.com/shop/trunk";

    #[test]
    fn lines_of_externals() {
        for (line, expected) in [
            ("^/trunk/lib vendor", Some("^/trunk/lib")),
            ("-r12 ^/trunk/lib@5 vendor", Some("^/trunk/lib@5")),
            ("-r 12 //host/lib vendor", Some("//host/lib")),
            ("vendor -r 12 http://host/lib", Some("http://host/lib")),
            ("vendor/x -r12 http://host/lib", Some("http://host/lib")),
            ("\"^/a b\" 'c d'", Some("^/a b")),
            (r"^/a\ b c", Some("^/a b")),
            ("# http://host/lib x", None),
            ("  ", None),
            ("-r", None),
        ] {
            assert_eq!(external_url(line).as_deref(), expected, "{line}");
        }
    }

    #[test]
    fn servers_of_externals() {
        for (external, url, is_own) in [
            ("^/trunk/lib", "svn://svn.example.com/shop/trunk/lib", true),
            ("^/../other/lib", "svn://svn.example.com/other/lib", true),
            ("^/../../../other", "svn://svn.example.com/other", true),
            ("/other/lib", "svn://svn.example.com/other/lib", true),
            ("../lib", "svn://svn.example.com/shop/../lib", true),
            ("//SVN.example.com/lib", "svn://SVN.example.com/lib", true),
            ("svn://bob@svn.example.com:3690/lib", "svn://bob@svn.example.com:3690/lib", true),
            ("//evil.example.org/lib", "svn://evil.example.org/lib", false),
            ("svn://svn.example.com@evil.example.org/x", "svn://svn.example.com@evil.example.org/x", false),
            ("svn://svn.example.com:3691/x", "svn://svn.example.com:3691/x", false),
            ("http://svn.example.com/x", "http://svn.example.com/x", false),
            ("file:///srv/svn/x", "file:///srv/svn/x", false),
        ] {
            let absolute = absolute(external, URL, "svn://svn.example.com/shop");
            assert_eq!(absolute, url, "{external}");
            assert_eq!(server(&absolute) == server(URL), is_own, "{external}");
        }
    }
}
