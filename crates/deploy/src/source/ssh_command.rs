//! The command line of ssh, as Git and Subversion take it from their environment.

use std::path::Path;

/// The arguments of ssh for this key, and for these known hosts where they are not those of the user.
fn arguments(key_file: &Path, known_hosts: Option<&Path>) -> Vec<String> {
    // ssh replaces `%` and a letter in both.
    let literal = |path: &Path| path.display().to_string().replace('%', "%%");
    let mut all: Vec<String> =
        ["ssh", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-i"].map(str::to_owned).into();
    all.push(literal(key_file));
    if let Some(file) = known_hosts {
        // A list of files, separated by spaces.
        let file = literal(file).replace('\\', r"\\").replace('"', r#"\""#);
        all.extend(["-o", "StrictHostKeyChecking=yes", "-o"].map(str::to_owned));
        all.push(format!("UserKnownHostsFile=\"{file}\""));
    }
    all
}

/// For `GIT_SSH_COMMAND`, which a shell reads.
pub(super) fn for_git(key_file: &Path, known_hosts: Option<&Path>) -> String {
    let quoted = |word: &String| format!("'{}'", word.replace('\'', r"'\''"));
    arguments(key_file, known_hosts).iter().map(quoted).collect::<Vec<_>>().join(" ")
}

/// For `SVN_SSH`, which svn splits at spaces outside of quotes.
pub(super) fn for_svn(key_file: &Path, known_hosts: Option<&Path>) -> String {
    let quoted = |word: &String| format!("\"{}\"", word.replace('\\', r"\\").replace('"', r#"\""#));
    arguments(key_file, known_hosts).iter().map(quoted).collect::<Vec<_>>().join(" ")
}
