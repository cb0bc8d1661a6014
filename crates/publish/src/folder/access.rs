//! Single files of an open folder: written, read, moved. Nothing here follows a link.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{
    AtFlags, Gid, Mode, OFlags, Uid, fchmod, fchown, fsync, linkat, openat, renameat, statat, unlinkat,
};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::{FileStat, OnDisk, look_in};

/// Mode and owner of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Attributes {
    pub(crate) mode: u32,
    /// None leaves it as the system makes it.
    pub(crate) uid: Option<u32>,
    pub(crate) gid: Option<u32>,
    /// Whether an owner that cannot be set is an error.
    pub(crate) owner_is_needed: bool,
}

/// Writes a new file, readable by nobody else until its owner and mode are set, and syncs it. What is left of an
/// earlier try in its place is removed.
pub(crate) fn write_new(
    folder: &OwnedFd,
    name: &str,
    content: &[u8],
    attributes: Attributes,
) -> io::Result<()> {
    let how = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let private = Mode::from_raw_mode(0o600);
    let opened = match openat(folder, name, how, private) {
        Err(Errno::EXIST) => {
            unlinkat(folder, name, AtFlags::empty())?;
            openat(folder, name, how, private)
        }
        other => other,
    };
    let mut file = File::from(opened?);
    file.write_all(content)?;
    set_attributes(&file, attributes)?;
    file.sync_data()
}

fn set_attributes(file: impl AsFd, attributes: Attributes) -> io::Result<()> {
    let Attributes { mode, uid, gid, owner_is_needed } = attributes;
    if uid.is_some() || gid.is_some() {
        let changed = fchown(&file, uid.map(Uid::from_raw), gid.map(Gid::from_raw));
        if let Err(error) = changed
            && owner_is_needed
        {
            return Err(error.into());
        }
    }
    fchmod(&file, Mode::from_raw_mode(mode)).map_err(Into::into)
}

/// Opens a regular file for reading.
pub(crate) fn open(folder: &OwnedFd, name: &str) -> io::Result<File> {
    let how = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(openat(folder, name, how, Mode::empty())?))
}

/// Its SHA-256 in hex.
pub(crate) fn sha256_of(folder: &OwnedFd, name: &str) -> io::Result<String> {
    let mut file = open(folder, name)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 64 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hex::encode(hasher.finalize())),
            Ok(read) => hasher.update(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// At most so many bytes of it; none where it has more.
pub(crate) fn read_up_to(folder: &OwnedFd, name: &str, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut content = Vec::new();
    open(folder, name)?.take(most + 1).read_to_end(&mut content)?;
    Ok((content.len() as u64 <= most).then_some(content))
}

/// Keeps a second name for a file; where the file system has no hard links, a copy.
pub(crate) fn keep(from: &OwnedFd, name: &str, to: &OwnedFd, new_name: &str) -> io::Result<()> {
    match linkat(from, name, to, new_name, AtFlags::empty()) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(Errno::NOENT) => Err(Errno::NOENT.into()),
        Err(_) => copy(from, name, to, new_name),
    }
}

/// Copies a file with its mode and, where possible, its owner, and syncs the copy. It appears whole or not at all.
pub(crate) fn copy(from: &OwnedFd, name: &str, to: &OwnedFd, new_name: &str) -> io::Result<()> {
    if let OnDisk::Link = look_in(from, name)? {
        let target = rustix::fs::readlinkat(from, name, Vec::new())?;
        return rustix::fs::symlinkat(&*target, to, new_name).map_err(Into::into);
    }
    let mut source = open(from, name)?;
    let stat = FileStat::of(&rustix::fs::fstat(&source)?);
    let partial = format!("{new_name}.part");
    let partial = partial.as_str();
    let how = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut target = File::from(openat(to, partial, how, Mode::from_raw_mode(0o600))?);
    let attributes = Attributes {
        mode: stat.mode & 0o777,
        uid: Some(stat.uid),
        gid: Some(stat.gid),
        owner_is_needed: false,
    };
    let copied = io::copy(&mut source, &mut target)
        .and_then(|_| set_attributes(&target, attributes))
        .and_then(|()| target.sync_data())
        .and_then(|()| Ok(renameat(to, partial, to, new_name)?));
    if copied.is_err() {
        // What is left of it would take room.
        let _ = unlinkat(to, partial, AtFlags::empty());
    }
    copied
}

/// Replaces the content of a file that cannot be renamed over, such as the target of a bind mount.
pub(crate) fn write_in_place(
    folder: &OwnedFd,
    name: &str,
    from: &OwnedFd,
    from_name: &str,
) -> io::Result<()> {
    let mut source = open(from, from_name)?;
    let stat = FileStat::of(&rustix::fs::fstat(&source)?);
    let how = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut target = File::from(openat(folder, name, how, Mode::empty())?);
    io::copy(&mut source, &mut target)?;
    fchmod(&target, Mode::from_raw_mode(stat.mode))?;
    target.sync_data()
}

/// Moves a file onto another one; where the other one is a mount point, its content is replaced.
pub(crate) fn replace(from: &OwnedFd, from_name: &str, to: &OwnedFd, name: &str) -> io::Result<bool> {
    match renameat(from, from_name, to, name) {
        Ok(()) => Ok(false),
        Err(Errno::BUSY) => {
            write_in_place(to, name, from, from_name)?;
            unlinkat(from, from_name, AtFlags::empty())?;
            Ok(true)
        }
        Err(error) => Err(error.into()),
    }
}

/// Removes a file; one that is missing is removed already.
pub(crate) fn remove(folder: &OwnedFd, name: &str) -> io::Result<()> {
    match unlinkat(folder, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Removes a folder if it is empty, and says whether it did.
pub(crate) fn remove_empty(folder: &OwnedFd, name: &str) -> bool {
    unlinkat(folder, name, AtFlags::REMOVEDIR).is_ok()
}

/// Makes the names in a folder durable.
pub(crate) fn sync(folder: &OwnedFd) -> io::Result<()> {
    fsync(folder).map_err(Into::into)
}

/// Whether something has this name.
pub(crate) fn exists(folder: &OwnedFd, name: &str) -> bool {
    statat(folder, name, AtFlags::SYMLINK_NOFOLLOW).is_ok()
}
