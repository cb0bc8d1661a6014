//! A whole folder that changes places with another one, or a link that is replaced.

use std::path::Path;

use herald_base::failpoint;
use rustix::fs::{AtFlags, fstat};
use rustix::fs::{RenameFlags, readlinkat, renameat, renameat_with, statat, symlinkat};
use rustix::io::Errno;

use super::carry::carry;
use super::files::{self, Moved};
use crate::error::PublishError;
use crate::folder::tree::remove_at;
use crate::folder::{BaseFolder, OnDisk, access};
use crate::ledger::data::{ChangeKind, ExchangeKind, ExchangeRecord, PublicationProgress};

/// The two names and the folder that they are in.
struct Names {
    above: BaseFolder,
    fresh: String,
    place: String,
}

impl Names {
    fn of(exchange: &ExchangeRecord) -> Result<Option<Self>, PublishError> {
        let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let Some(above) = exchange.place.parent() else { return Ok(None) };
        let above = BaseFolder::open(above)?;
        Ok(above.map(|above| Self { above, fresh: name(&exchange.fresh), place: name(&exchange.place) }))
    }

    /// Whether the new folder is in its place.
    fn is_exchanged(&self, exchange: &ExchangeRecord) -> bool {
        match exchange.kind {
            ExchangeKind::Link => {
                let target = readlinkat(self.above.fd(), &*self.place, Vec::new());
                target.is_ok_and(|target| target.to_str() == Ok(&self.fresh))
            }
            ExchangeKind::Folders | ExchangeKind::New => {
                statat(self.above.fd(), &*self.place, AtFlags::SYMLINK_NOFOLLOW)
                    .is_ok_and(|found| found.st_ino == exchange.fresh_ino && exchange.fresh_ino != 0)
            }
        }
    }
}

/// Whether the new folder is in its place.
pub(crate) fn is_exchanged(exchange: &ExchangeRecord) -> Result<bool, PublishError> {
    Ok(Names::of(exchange)?.is_some_and(|names| names.is_exchanged(exchange)))
}

pub(crate) fn forward(
    progress: &PublicationProgress,
    exchange: &ExchangeRecord,
) -> Result<Moved, PublishError> {
    let cannot = |error: Errno| PublishError::io("cannot exchange", &exchange.place, error);
    let names = Names::of(exchange)?.ok_or_else(|| cannot(Errno::NOENT))?;
    if !names.is_exchanged(exchange) {
        let fresh = BaseFolder::required(&exchange.fresh)?;
        let ino = fstat(fresh.fd()).map_err(cannot)?.st_ino;
        if ino != exchange.fresh_ino {
            return Err(PublishError::Changed(exchange.fresh.clone()));
        }
        if exchange.kind != ExchangeKind::New {
            let old = BaseFolder::required(&progress.folder)?;
            files::check_unchanged(progress, &old)?;
            carry(progress, &old, &fresh)?;
            failpoint!("publish-carried");
        }
        let Names { above, fresh, place } = &names;
        let fd = above.fd();
        match exchange.kind {
            ExchangeKind::New => renameat_with(fd, &**fresh, fd, &**place, RenameFlags::NOREPLACE),
            ExchangeKind::Folders => renameat_with(fd, &**fresh, fd, &**place, RenameFlags::EXCHANGE),
            ExchangeKind::Link => {
                keep_link(above, place, fresh)?;
                point(above, place, fresh)
            }
        }
        .map_err(cannot)?;
        failpoint!("publish-exchanged");
    }
    access::sync(names.above.fd())
        .map_err(|error| PublishError::io("cannot sync", names.above.path(), error))?;
    stamps(progress, exchange)
}

fn stamps(progress: &PublicationProgress, exchange: &ExchangeRecord) -> Result<Moved, PublishError> {
    let base = BaseFolder::required(real(exchange))?;
    let mut moved = Moved::default();
    for change in progress.changes.iter().filter(|change| change.kind == ChangeKind::Write) {
        if let OnDisk::File(stat) = base.look(&change.name)? {
            moved.stamps.insert(change.name.clone(), stat.stamp);
        }
    }
    Ok(moved)
}

/// Where the new files are after the exchange.
pub(crate) fn real(exchange: &ExchangeRecord) -> &Path {
    match exchange.kind {
        ExchangeKind::Link => &exchange.fresh,
        ExchangeKind::New | ExchangeKind::Folders => &exchange.place,
    }
}

/// Where the previous files are after the exchange.
fn previous(
    progress: &PublicationProgress,
    exchange: &ExchangeRecord,
) -> Result<Option<BaseFolder>, PublishError> {
    match exchange.kind {
        ExchangeKind::New => Ok(None),
        ExchangeKind::Folders => BaseFolder::open(&exchange.fresh),
        ExchangeKind::Link => BaseFolder::open(&progress.folder),
    }
}

/// The name that keeps the previous link.
fn kept_link(fresh: &str) -> String {
    format!("{fresh}.old")
}

fn keep_link(above: &BaseFolder, place: &str, fresh: &str) -> Result<(), PublishError> {
    let cannot = |error: Errno| PublishError::io("cannot read", above.path().join(place), error);
    let target = readlinkat(above.fd(), place, Vec::new()).map_err(cannot)?;
    match symlinkat(&*target, above.fd(), kept_link(fresh)) {
        Ok(()) | Err(Errno::EXIST) => Ok(()),
        Err(error) => Err(cannot(error)),
    }
}

/// Replaces a link by one that leads to this name.
fn point(above: &BaseFolder, place: &str, target: &str) -> Result<(), Errno> {
    let beside = format!("{target}.link");
    match symlinkat(target, above.fd(), &*beside) {
        Ok(()) | Err(Errno::EXIST) => renameat(above.fd(), &*beside, above.fd(), place),
        Err(error) => Err(error),
    }
}

/// Changes back, and removes the new folder. What others wrote into it goes back, too. `is_placed`: it may be in its
/// place.
pub(crate) fn undo(
    progress: &PublicationProgress,
    exchange: &ExchangeRecord,
    is_placed: bool,
) -> Result<(), PublishError> {
    let cannot = |error: Errno| PublishError::io("cannot put back", &exchange.place, error);
    let Some(names) = Names::of(exchange)? else { return Ok(()) };
    let Names { above, fresh, place } = &names;
    let fd = above.fd();
    if names.is_exchanged(exchange) {
        if !is_placed {
            return Ok(());
        }
        if let Some(previous) = previous(progress, exchange)? {
            carry(progress, &BaseFolder::required(real(exchange))?, &previous)?;
        }
        match exchange.kind {
            ExchangeKind::New => renameat_with(fd, &**place, fd, &**fresh, RenameFlags::NOREPLACE),
            ExchangeKind::Folders => renameat_with(fd, &**place, fd, &**fresh, RenameFlags::EXCHANGE),
            ExchangeKind::Link => renameat(fd, kept_link(fresh), fd, &**place),
        }
        .map_err(cannot)?;
    }
    for name in [kept_link(fresh), format!("{fresh}.link")] {
        access::remove(fd, &name)
            .map_err(|error| PublishError::io("cannot remove", &exchange.fresh, error))?;
    }
    remove_at(&exchange.fresh)?;
    access::sync(fd).map_err(|error| PublishError::io("cannot sync", above.path(), error))
}

/// Removes the previous folder. `previous` is where the files were: a link leads to it, and it goes only where Herald
/// made it.
pub(crate) fn remove_old(exchange: &ExchangeRecord) -> Result<(), PublishError> {
    let Some(names) = Names::of(exchange)? else { return Ok(()) };
    let Names { above, fresh, place } = &names;
    match exchange.kind {
        ExchangeKind::New => Ok(()),
        ExchangeKind::Folders => remove_at(&exchange.fresh),
        ExchangeKind::Link => {
            let kept = kept_link(fresh);
            let target = readlinkat(above.fd(), &*kept, Vec::new());
            let ours = format!(".{place}.herald-");
            if let Ok(target) = target.map(|target| target.to_string_lossy().into_owned())
                && target.starts_with(&ours)
                && !target.contains('/')
            {
                remove_at(&above.path().join(target))?;
            }
            access::remove(above.fd(), &kept)
                .map_err(|error| PublishError::io("cannot remove", &exchange.fresh, error))
        }
    }
}
