//! Other file systems: full ones, other ones, mount points.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::fixture::{Site, files, under};

/// Something mounted for a test.
struct Mount(PathBuf);

impl Mount {
    /// None where this user cannot mount.
    fn new(arguments: &[&str], at: &Path) -> Option<Self> {
        let mounted = Command::new("mount").args(arguments).arg(at).output();
        match mounted {
            Ok(output) if output.status.success() => Some(Self(at.to_owned())),
            other => {
                eprintln!("skipped: this test mounts a file system, which is not possible here: {other:?}");
                None
            }
        }
    }

    fn tmpfs(at: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(at).unwrap();
        Self::new(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"], at)
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[test]
fn a_full_disk_changes_nothing() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    let Some(_mount) = Mount::tmpfs(&site.site(), "256k") else { return };
    site.publish(&files(&[("a", "1"), ("b", "1")])).unwrap();
    let large = "x".repeat(100 << 10);
    let wanted = files(&[("a", &large), ("b", &large), ("c", &large)]);
    for _ in 0..2 {
        let error = site.publish(&wanted).unwrap_err();
        assert!(error.passes_by_itself() && error.to_string().contains("no space left"), "{error}");
        assert_eq!(site.on_disk(), files(&[("a", "1"), ("b", "1")]));
        assert!(site.leftovers().is_empty() && !site.ledger().is_interrupted());
    }
    let resized = Command::new("mount").args(["-o", "remount,size=1m"]).arg(site.site()).status();
    assert!(resized.unwrap().success());
    site.publish(&wanted).unwrap();
    assert_eq!(site.on_disk(), wanted);
}

#[test]
fn a_backup_on_another_file_system_is_copied() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    let Some(_mount) = Mount::tmpfs(&site.top.join("backup"), "64k") else { return };
    site.publish(&files(&[("sub/a", "1")])).unwrap();
    site.publish(&files(&[])).unwrap();
    assert_eq!(site.backups().into_values().collect::<Vec<_>>(), ["1"]);
    assert!(site.on_disk().is_empty());
    // No room for it: the file stays.
    let large = files(&[("large", &"x".repeat(100 << 10))]);
    site.publish(&large).unwrap();
    let error = site.publish(&files(&[])).unwrap_err();
    assert!(error.passes_by_itself(), "{error}");
    assert_eq!(site.on_disk(), large);
    assert_eq!(site.backups().len(), 1, "no half of a backup is left");
}

#[test]
fn a_mount_point_is_written_in_place() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    site.publish(&files(&[("mounted", "1"), ("plain", "1")])).unwrap();
    let outside = site.top.join("outside");
    std::fs::write(&outside, "of the host").unwrap();
    let mounted = site.site().join("mounted");
    let Some(_mount) = Mount::new(&["--bind", outside.to_str().unwrap()], &mounted) else { return };
    let wanted = files(&[("mounted", "2"), ("plain", "2")]);
    let swapped = site.stage(&wanted).unwrap().swap().unwrap();
    assert_eq!(swapped.in_place(), [mounted.display().to_string()]);
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "2");
    swapped.undo().unwrap().settle().unwrap();
    assert_eq!(std::fs::read_to_string(&outside).unwrap(), "of the host");
    assert_eq!(site.on_disk(), files(&[("mounted", "of the host"), ("plain", "1")]));
    site.publish(&wanted).unwrap();
    assert_eq!(under(&site.site()), wanted);
    assert!(site.leftovers().is_empty(), "{:?}", site.leftovers());
}

#[test]
fn a_read_only_disk_changes_nothing() {
    let top = tempfile::tempdir().unwrap();
    let site = Site::new(top.path());
    let Some(_mount) = Mount::tmpfs(&site.site(), "64k") else { return };
    site.publish(&files(&[("a", "1")])).unwrap();
    let remounted = Command::new("mount").args(["-o", "remount,ro"]).arg(site.site()).status();
    assert!(remounted.unwrap().success());
    let error = site.publish(&files(&[("a", "2")])).unwrap_err();
    assert!(error.passes_by_itself() && error.to_string().contains("read-only"), "{error}");
    assert_eq!(site.on_disk(), files(&[("a", "1")]));
}
