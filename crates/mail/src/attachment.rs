//! Files that go with a mail: only from folders that the configuration names, since an event may name the file.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Component, Path, PathBuf};

use herald_base::os_error;
use rustix::fs::OFlags;

use crate::error::MailError;

/// The most files that go with a mail.
pub const MOST_ATTACHMENTS: usize = 20;
/// The most bytes of all files of a mail together.
pub const LARGEST_ATTACHMENTS: u64 = 10 << 20;
/// The longest name of a file that is shown.
const LONGEST_NAME: usize = 200;

/// A file that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttachedFile {
    /// Its name, without a folder.
    pub name: String,
    /// Its content.
    pub content: Vec<u8>,
}

/// Where files may be attached from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AttachmentFolders(pub Vec<PathBuf>);

impl AttachmentFolders {
    /// Reads these files, all within the bounds. Blocks.
    ///
    /// # Errors
    /// [`MailError`]: too many, too large, missing, not a regular file, or elsewhere.
    pub fn read(&self, paths: &[PathBuf]) -> Result<Vec<AttachedFile>, MailError> {
        if paths.len() > MOST_ATTACHMENTS {
            let what = format!("attach: {} files, and a mail takes at most {MOST_ATTACHMENTS}", paths.len());
            return Err(MailError::invalid(what));
        }
        let mut left = LARGEST_ATTACHMENTS;
        let mut files = Vec::with_capacity(paths.len());
        for path in paths {
            let content = self.read_one(path, left)?;
            left -= content.len() as u64;
            files.push(AttachedFile { name: file_name(path), content });
        }
        Ok(files)
    }

    fn read_one(&self, path: &Path, most: u64) -> Result<Vec<u8>, MailError> {
        let shown = path.display();
        let failed = |error: std::io::Error| {
            MailError::invalid(format!("attach: {shown}: {}", os_error::plain(&error.to_string())))
        };
        if !path.is_absolute() {
            return Err(MailError::invalid(format!("attach: {shown}: expected an absolute path")));
        }
        let file = self.open(path)?;
        let mut content = Vec::new();
        file.take(most + 1).read_to_end(&mut content).map_err(failed)?;
        if content.len() as u64 > most {
            let what = format!(
                "attach: {shown}: all files of a mail together may have {} MiB; put a link into the mail instead",
                LARGEST_ATTACHMENTS >> 20
            );
            return Err(MailError::invalid(what));
        }
        Ok(content)
    }

    /// Opens a regular file that lies in one of the folders, links followed.
    fn open(&self, path: &Path) -> Result<File, MailError> {
        let shown = path.display();
        let failed = |error: std::io::Error| {
            MailError::invalid(format!("attach: {shown}: {}", os_error::plain(&error.to_string())))
        };
        let real = self.inside(path)?;
        // A pipe would hold the thread up, and a link that has come since then leads elsewhere.
        let flags = OFlags::NONBLOCK | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let flags = i32::try_from(flags.bits()).unwrap_or_default();
        let file = OpenOptions::new().read(true).custom_flags(flags).open(&real).map_err(failed)?;
        let opened = file.metadata().map_err(failed)?;
        if !opened.is_file() {
            return Err(MailError::invalid(format!("attach: {shown} is not a regular file")));
        }
        // A folder of the path may have been exchanged between the check and the opening.
        let now = std::fs::metadata(self.inside(path)?).map_err(failed)?;
        if (now.dev(), now.ino()) != (opened.dev(), opened.ino()) {
            return Err(MailError::invalid(format!("attach: {shown} changed while it was opened")));
        }
        Ok(file)
    }

    /// Where the file really is, if that is in one of the folders. Nothing else of a file elsewhere is said, not even
    /// whether it exists.
    fn inside(&self, path: &Path) -> Result<PathBuf, MailError> {
        let real = path.canonicalize();
        let is_inside = |real: &PathBuf| {
            let folders = self.0.iter().filter_map(|folder| folder.canonicalize().ok());
            folders.into_iter().any(|folder| real.starts_with(&folder) && *real != folder)
        };
        match real {
            Ok(real) if is_inside(&real) => Ok(real),
            Err(error) if !climbs(path) && self.0.iter().any(|folder| path.starts_with(folder)) => {
                let error = os_error::plain(&error.to_string());
                Err(MailError::invalid(format!("attach: {}: {error}", path.display())))
            }
            _ => {
                let folders: Vec<String> = self.0.iter().map(|folder| folder.display().to_string()).collect();
                let folders = if folders.is_empty() { "none".to_owned() } else { folders.join(", ") };
                Err(MailError::invalid(format!(
                    "attach: {} is not in a folder that files may be attached from ({folders}); name its folder in \
                     `attach_from` of the executor",
                    path.display()
                )))
            }
        }
    }
}

/// Whether it has `..` in it, and leads anywhere.
fn climbs(path: &Path) -> bool {
    path.components().any(|part| part == Component::ParentDir)
}

/// The last part of a path, fit for a header.
fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let name: String = name.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    if name.is_empty() { "file".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_from_the_folders_alone_and_within_the_bounds() {
        let dir = tempfile::tempdir().unwrap();
        let (results, elsewhere) = (dir.path().join("results"), dir.path().join("etc"));
        std::fs::create_dir_all(results.join("job")).unwrap();
        std::fs::create_dir_all(&elsewhere).unwrap();
        std::fs::write(results.join("job/report.txt"), "fine").unwrap();
        std::fs::write(elsewhere.join("secret"), "hidden").unwrap();
        std::fs::File::create(results.join("large")).unwrap().set_len(LARGEST_ATTACHMENTS + 1).unwrap();
        std::fs::File::create(results.join("half")).unwrap().set_len(LARGEST_ATTACHMENTS / 2 + 1).unwrap();
        std::os::unix::fs::symlink(elsewhere.join("secret"), results.join("link")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, results.join("linked")).unwrap();
        std::os::unix::fs::symlink(results.join("job/report.txt"), results.join("own")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            results.join("pipe"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR,
            0,
        )
        .unwrap();
        let folders = AttachmentFolders(vec![results.clone()]);
        let read = |names: &[&str]| {
            let paths: Vec<PathBuf> = names.iter().map(|name| results.join(name)).collect();
            folders.read(&paths).map(|files| files.len()).map_err(|error| error.message)
        };
        for (names, expected) in [
            (&["job/report.txt", "own"][..], Ok(2)),
            (&[], Ok(0)),
            (&["half"], Ok(1)),
            (&["half", "half"], Err("together may have 10 MiB")),
            (&["large"], Err("together may have 10 MiB")),
            (&["link"], Err("is not in a folder that files may be attached from")),
            (&["linked/secret"], Err("is not in a folder")),
            (&["../etc/secret"], Err("is not in a folder")),
            (&["../etc/missing"], Err("is not in a folder")),
            (&["missing"], Err("no such file")),
            (&["job"], Err("is not a regular file")),
            (&["."], Err("is not in a folder")),
            (&["pipe"], Err("is not a regular file")),
            (&["job/report.txt"; MOST_ATTACHMENTS + 1], Err("at most 20")),
        ] {
            match (read(names), expected) {
                (Ok(count), Ok(expected)) => assert_eq!(count, expected, "{names:?}"),
                (Err(error), Err(says)) => assert!(error.contains(says), "{names:?}: {error}"),
                (read, _) => panic!("{names:?}: {read:?}"),
            }
        }
        let error = folders.read(&[PathBuf::from("report.txt")]).unwrap_err();
        assert!(error.message.contains("expected an absolute path"), "{error}");
        let error = AttachmentFolders::default().read(&[PathBuf::from("/etc/nothing")]).unwrap_err();
        assert!(error.message.contains("(none)"), "{error}");
    }

    #[test]
    fn names_are_fit_for_a_header() {
        for (path, name) in
            [("/a/b.txt", "b.txt"), ("/a/b\r\nBcc: x", "bBcc: x"), ("/", "file"), ("/a/\u{1}", "file")]
        {
            assert_eq!(file_name(Path::new(path)), name);
        }
    }
}
