//! Processes below those that this program started, and what works in its folder.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// A process, as /proc shows it.
#[derive(Debug, Clone)]
pub(super) struct SeenProcess {
    pub(super) id: i32,
    parent: i32,
    /// Its program and arguments.
    pub(super) line: String,
    is_ended: bool,
}

impl SeenProcess {
    /// Whether it is a program that changes working copies and repositories.
    fn is_git_or_svn(&self) -> bool {
        let program = self.line.split(' ').next().unwrap_or_default();
        let name = program.rsplit('/').next().unwrap_or_default();
        name == "git" || name.starts_with("git-") || name.starts_with("svn")
    }

    /// The program and its first words.
    pub(super) fn short(&self) -> String {
        let words = self.line.split(' ').filter(|word| !word.starts_with('-') && !word.contains(['/', '=']));
        let name = self.line.split(' ').next().unwrap_or_default().rsplit('/').next().unwrap_or_default();
        let skipped = words.skip_while(|word| *word == name);
        std::iter::once(name).chain(skipped.take(2)).collect::<Vec<_>>().join(" ")
    }
}

/// All processes of this machine.
fn all() -> Vec<SeenProcess> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| seen(entry.file_name().to_str()?.parse().ok()?)).collect()
}

fn seen(id: i32) -> Option<SeenProcess> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut after = stat.rsplit(") ").next()?.split(' ');
    let (state, parent) = (after.next()?, after.next()?.parse().ok()?);
    let line = fs::read(format!("/proc/{id}/cmdline")).ok()?;
    let line = String::from_utf8_lossy(&line).replace('\0', " ").trim().to_owned();
    Some(SeenProcess { id, parent, line, is_ended: matches!(state, "Z" | "X") })
}

/// What runs below this process.
pub(super) fn below(id: i32) -> Vec<SeenProcess> {
    let all = all();
    let parents: HashMap<i32, i32> = all.iter().map(|process| (process.id, process.parent)).collect();
    let is_below = |process: &SeenProcess| {
        let mut at = process.parent;
        for _ in 0..parents.len() {
            if at == id {
                return true;
            }
            let Some(above) = parents.get(&at) else { return false };
            at = *above;
        }
        false
    };
    all.iter().filter(|process| !process.is_ended && is_below(process)).cloned().collect()
}

/// Ends one of the programs `git` and `svn` below this process, as `pick` chooses among so many; returns which.
pub(super) fn kill_one(id: i32, pick: impl FnOnce(usize) -> usize) -> Option<String> {
    let mut found = if id > 0 { below(id) } else { Vec::new() };
    found.retain(SeenProcess::is_git_or_svn);
    let chosen = found.get(pick(found.len()))?;
    let pid = Pid::from_raw(chosen.id)?;
    kill_process(pid, Signal::KILL).ok()?;
    Some(chosen.short())
}

/// What works in this folder, or names it: all but these.
pub(super) fn works_in(folder: &Path, but: &[i32]) -> Vec<SeenProcess> {
    let mut found = all();
    let text = folder.display().to_string();
    found.retain(|process| {
        let in_it = || {
            fs::read_link(format!("/proc/{}/cwd", process.id)).is_ok_and(|cwd| cwd.starts_with(folder))
                || process.line.contains(&text)
        };
        !process.is_ended && !but.contains(&process.id) && !process.line.starts_with("svnserve ") && in_it()
    });
    found
}
