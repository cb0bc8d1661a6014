//! The control sockets on which daemons of this machine listen: for a daemon whose `state_dir` is not the one that its
//! configuration names by now.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the kernel lists them.
const LIST: &str = "/proc/net/unix";
/// So much of the list is read, and so many sockets are looked at.
const LARGEST: u64 = 4 << 20;
const MOST: usize = 16;
/// The flag of a socket that listens.
const LISTENS: u32 = 0x0001_0000;

/// Sockets with the name of a control socket, other than this one. Those of other users do not count: what they say
/// could be made up to get what is typed.
#[must_use]
pub fn others(than: &Path) -> Vec<PathBuf> {
    let mut list = Vec::new();
    let read = File::open(LIST).and_then(|file| file.take(LARGEST).read_to_end(&mut list));
    if read.is_err() {
        return Vec::new();
    }
    let mut found = in_list(&String::from_utf8_lossy(&list), than);
    found.retain(|path| is_trusted(path));
    found
}

/// Whether the socket and its folder are this user's, or root's.
fn is_trusted(socket: &Path) -> bool {
    let is_own = |path: &Path| {
        let owner = std::fs::symlink_metadata(path).map(|found| found.uid());
        owner.is_ok_and(|owner| owner == 0 || owner == rustix::process::geteuid().as_raw())
    };
    is_own(socket) && socket.parent().is_some_and(is_own)
}

fn in_list(list: &str, than: &Path) -> Vec<PathBuf> {
    let listening = list.lines().skip(1).filter_map(|line| {
        // Num RefCount Protocol Flags Type St Inode Path
        let mut words = line.split_whitespace();
        let flags = u32::from_str_radix(words.nth(3)?, 16).ok()?;
        let inode = words.nth(2)?;
        let path = line.split_once(&format!(" {inode} "))?.1.trim_start();
        (flags & LISTENS != 0).then(|| PathBuf::from(path))
    });
    let is_other = |path: &PathBuf| {
        path.is_absolute() && path.ends_with(than.file_name().unwrap_or_default()) && path != than
    };
    listening.filter(is_other).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_of_daemons() {
        let list = "Num       RefCount Protocol Flags    Type St Inode Path\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01 27104 /run/one/heraldd.sock\n\
                    0000000000000000: 00000003 00000000 00000000 0001 03 27105 /run/one/heraldd.sock\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01  9 /run/a b/heraldd.sock\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01 27106 /run/other.sock\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01 27107 @heraldd.sock\n\
                    0000000000000000: 00000002 00000000 00010000 0001 01 27108\n\
                    not a line\n";
        let found = |than: &str| in_list(list, Path::new(than));
        assert_eq!(
            found("/x/heraldd.sock"),
            ["/run/one/heraldd.sock", "/run/a b/heraldd.sock"].map(PathBuf::from)
        );
        assert_eq!(found("/run/one/heraldd.sock"), [PathBuf::from("/run/a b/heraldd.sock")]);
        assert_eq!(in_list("", Path::new("/x/heraldd.sock")), Vec::<PathBuf>::new());
        let many: String =
            (0..99).map(|n| format!("0: 2 0 00010000 1 1 {n} /run/{n}/heraldd.sock\n")).collect();
        assert_eq!(in_list(&format!("Num\n{many}"), Path::new("/x/heraldd.sock")).len(), MOST);
    }

    #[test]
    fn sockets_of_others_are_not_asked() {
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("heraldd.sock");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        assert!(is_trusted(&socket) && !is_trusted(&folder.path().join("missing.sock")));
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::lchown(&socket, Some(4711), None).unwrap();
            assert!(!is_trusted(&socket));
            std::os::unix::fs::lchown(&socket, Some(0), None).unwrap();
            std::os::unix::fs::chown(folder.path(), Some(4711), None).unwrap();
            assert!(!is_trusted(&socket));
        }
    }
}
