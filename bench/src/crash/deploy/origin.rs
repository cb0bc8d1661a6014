//! The repositories that are deployed: a bare one of Git, and one of Subversion with its server. Every file of a
//! revision has its number.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::place::free_port;
use crate::program::Program;

/// How many revisions there are.
pub(super) const REVISIONS: usize = 5;
/// Files that all revisions have, and those that one revision has alone.
const COMMON: usize = 285;
const OWN: usize = 15;
/// Lines of each file, so that a cut one is seen.
const LINES: usize = 100;
/// The user of the Subversion server.
pub(super) const USER: &str = "alice";
pub(super) const PASSWORD: &str = "correct horse battery";

/// The files of a tree, by their relative paths.
pub(super) type TreeTexts = BTreeMap<String, String>;

/// Both repositories. The server ends when dropped.
pub(super) struct Origins {
    /// The URL for Git.
    pub(super) git: String,
    /// The URL for Subversion.
    pub(super) svn: String,
    /// Which tree each commit and each revision of Subversion has.
    numbers: HashMap<String, usize>,
    /// The same for the first of each, in their order.
    commits: Vec<String>,
    revisions: Vec<String>,
    /// Where commits are made.
    copy: PathBuf,
    _server: Program,
}

impl Origins {
    /// Makes all revisions of both.
    pub(super) fn make(folder: &Path) -> Result<Self> {
        let bare = folder.join("origin.git");
        let copy = folder.join("git-copy");
        let commits = git_revisions(folder, &bare)?;
        let revisions = svn_revisions(folder)?;
        let of = |all: &[String]| all.iter().cloned().zip(1..).collect::<Vec<_>>();
        let numbers = of(&commits).into_iter().chain(of(&revisions)).collect();
        let address = free_port()?;
        let mut command = Command::new("svnserve");
        command.args(["-d", "--foreground", "--listen-host", "127.0.0.1"]);
        command.args(["--listen-port", &address.port().to_string(), "-r"]).arg(folder.join("svn"));
        let mut server = Program::start(&mut command, "no line")?;
        server.wait_for_port(address)?;
        let (git, svn) = (bare.display().to_string(), format!("svn://{address}/repository/trunk"));
        Ok(Self { git, svn, numbers, commits, revisions, copy, _server: server })
    }

    /// A revision with this tree. With a title it is a new commit, where that is cheap: in Git.
    pub(super) fn revision(&mut self, number: usize, is_git: bool, title: Option<&str>) -> Result<String> {
        let known = if is_git { &self.commits } else { &self.revisions };
        let known = known.get(number - 1).context("there are so many revisions")?.clone();
        let Some(title) = title.filter(|_| is_git) else { return Ok(known) };
        let tree = format!("{known}^{{tree}}");
        let commit = tool(&self.copy, "git", &["commit-tree", &tree, "-p", "HEAD", "-m", title])?;
        tool(&self.copy, "git", &["update-ref", "HEAD", &commit])?;
        tool(&self.copy, "git", &["push", "-q", &self.git, "HEAD:main"])?;
        self.numbers.insert(commit.clone(), number);
        Ok(commit)
    }

    /// Which tree this revision has.
    pub(super) fn number(&self, revision: &str) -> Option<usize> {
        self.numbers.get(revision).copied()
    }
}

/// What the tree of this revision is.
pub(super) fn tree_of(number: usize) -> TreeTexts {
    let text = format!("revision {number}\n").repeat(LINES);
    let common = (0..COMMON).map(|file| format!("d{}/f{file}", file % 15));
    let own = (0..OWN).map(|file| format!("only-{number}/f{file}"));
    common.chain(own).map(|name| (name, text.clone())).collect()
}

/// Writes the files of this revision; those of the one before alone are gone already.
fn write_tree(copy: &Path, number: usize) -> Result<()> {
    for (name, text) in tree_of(number) {
        let path = copy.join(name);
        fs::create_dir_all(path.parent().context("a file is in a folder")?)?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// Runs a program and returns what it prints.
pub(super) fn tool(dir: &Path, program: &str, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(dir).env("LC_ALL", "C.UTF-8");
    for (name, value) in [("NAME", "bench"), ("EMAIL", "bench@example.com")] {
        command.env(format!("GIT_AUTHOR_{name}"), value).env(format!("GIT_COMMITTER_{name}"), value);
    }
    let output = command.output().with_context(|| program.to_owned())?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{program} {}: {}", arguments.join(" "), said.trim());
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn git_revisions(folder: &Path, bare: &Path) -> Result<Vec<String>> {
    let copy = folder.join("git-copy");
    let bare = bare.display().to_string();
    tool(folder, "git", &["init", "-q", "--bare", "-b", "main", &bare])?;
    tool(folder, "git", &["init", "-q", "-b", "main", "git-copy"])?;
    let mut commits = Vec::new();
    for number in 1..=REVISIONS {
        if number > 1 {
            fs::remove_dir_all(copy.join(format!("only-{}", number - 1)))?;
        }
        write_tree(&copy, number)?;
        tool(&copy, "git", &["add", "-A"])?;
        tool(&copy, "git", &["commit", "-q", "-m", &format!("revision {number}")])?;
        commits.push(tool(&copy, "git", &["rev-parse", "HEAD"])?);
    }
    tool(&copy, "git", &["push", "-q", &bare, "HEAD:main"])?;
    Ok(commits)
}

fn svn_revisions(folder: &Path) -> Result<Vec<String>> {
    let (all, copy) = (folder.join("svn"), folder.join("svn-copy"));
    fs::create_dir_all(&all)?;
    tool(&all, "svnadmin", &["create", "repository"])?;
    let conf = all.join("repository/conf");
    let settings = "[general]\nanon-access = none\nauth-access = write\npassword-db = passwd\n";
    fs::write(conf.join("svnserve.conf"), settings)?;
    fs::write(conf.join("passwd"), format!("[users]\n{USER} = {PASSWORD}\n"))?;
    let trunk = format!("file://{}/trunk", all.join("repository").display());
    tool(&all, "svn", &["mkdir", "-q", "-m", "trunk", &trunk])?;
    tool(folder, "svn", &["checkout", "-q", &trunk, "svn-copy"])?;
    let mut numbers = Vec::new();
    for number in 1..=REVISIONS {
        if number > 1 {
            tool(&copy, "svn", &["rm", "-q", &format!("only-{}", number - 1)])?;
        }
        write_tree(&copy, number)?;
        tool(&copy, "svn", &["add", "-q", "--force", "."])?;
        tool(&copy, "svn", &["commit", "-q", "-m", &format!("revision {number}"), "--username", USER])?;
        tool(&copy, "svn", &["update", "-q"])?;
        numbers.push(tool(&copy, "svn", &["info", "--show-item", "last-changed-revision"])?);
    }
    Ok(numbers)
}

/// All files below a folder, but those of a working copy's administration.
pub(super) fn read_tree(root: &Path) -> Result<TreeTexts> {
    let (mut found, mut folders) = (TreeTexts::new(), vec![PathBuf::new()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            if entry.file_name() == ".git" || entry.file_name() == ".svn" {
                continue;
            }
            if entry.file_type()?.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read(entry.path())?;
                found.insert(path.display().to_string(), String::from_utf8_lossy(&text).into_owned());
            }
        }
    }
    Ok(found)
}

/// Which revision a tree wholly is; else what it is a mixture of.
pub(super) fn number_of(tree: &TreeTexts) -> Result<usize, String> {
    if let Some(number) = (1..=REVISIONS).find(|number| *tree == tree_of(*number)) {
        return Ok(number);
    }
    let mut mixture = BTreeMap::<&str, usize>::new();
    for text in tree.values() {
        *mixture.entry(text.lines().next().unwrap_or("nothing")).or_default() += 1;
    }
    let parts: Vec<String> = mixture.iter().map(|(what, count)| format!("{count} files of {what}")).collect();
    Err(format!("{} files: {}", tree.len(), parts.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixture_is_seen() {
        assert_eq!(tree_of(2).len(), 300);
        assert_eq!(number_of(&tree_of(2)), Ok(2));
        let mut tree = tree_of(2);
        tree.insert("d0/f0".to_owned(), "revision 1\n".to_owned());
        assert_eq!(
            number_of(&tree),
            Err("300 files: 1 files of revision 1, 299 files of revision 2".to_owned())
        );
        let mut tree = tree_of(3);
        tree.remove("d0/f0");
        assert_eq!(number_of(&tree), Err("299 files: 299 files of revision 3".to_owned()));
    }
}
