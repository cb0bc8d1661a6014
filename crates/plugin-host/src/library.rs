//! Opens the file of a plugin and looks at its table before anything in it is called.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use herald_base::private_file::ForeignAccess;
use herald_core::plugin::abi::{self, Call, PLUGIN_TABLE_SIZE, PluginTable, Signal};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::elf::{self, ElfCheck};
use super::host::HOST;

/// A plugin's functions. The library behind them is never unloaded.
#[derive(Clone, Copy)]
pub(super) struct Table {
    call: Call,
    signal: Option<Signal>,
}

impl Table {
    /// Calls the plugin. It may block, and must answer sooner or later.
    pub(super) fn call(self, call: u64, op: u32, instance: u64, json: &[u8]) {
        // SAFETY: the table was checked when it was opened, ours lives for ever, and the bytes outlive the call. That
        // the plugin keeps the rules of the header is what loading it trusts it with.
        unsafe { (self.call)(&raw const HOST, call, op, instance, json.as_ptr(), json.len()) }
    }

    /// Signals the plugin that a call is to end.
    pub(super) fn signal(self, call: u64, state: u32) {
        if let Some(signal) = self.signal {
            // SAFETY: as above.
            unsafe { signal(call, state) }
        }
    }

    /// Whether the plugin takes signals.
    pub(super) fn has_signal(self) -> bool {
        self.signal.is_some()
    }
}

/// What makes a file itself: device and inode. A file that was replaced has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

/// Why a file cannot be used as a plugin. Each is a sentence to be put behind the path.
#[derive(Debug, thiserror::Error)]
pub(super) enum LibraryError {
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    #[error("is not a regular file")]
    NotAFile,
    #[error(
        "can be written by everybody, who could then run code as Herald; `chmod o-w` the file after you have \
         checked what it is"
    )]
    Writable,
    #[error(
        "is in a folder that can be written by everybody, who could then replace it; `chmod o-w` the folder"
    )]
    WritableFolder,
    #[error(
        "belongs to another user (uid {0}), who could then run code as Herald; `chown {own}` the file after you have \
         checked what it is",
        own = rustix::process::geteuid().as_raw()
    )]
    OtherOwner(u32),
    #[error(
        "is in a folder that belongs to another user (uid {0}), who could then replace it; `chown {own}` the folder",
        own = rustix::process::geteuid().as_raw()
    )]
    FolderOwner(u32),
    #[error("is not a plugin: it is not a shared library (ELF)")]
    NotALibrary,
    #[error("is not a plugin: it is a shared library whose end is missing; is it still being copied?")]
    Truncated,
    #[error("is not a plugin: it cannot be loaded as a shared library ({0})")]
    NotLoaded(#[source] libloading::Error),
    #[error("is a shared library, but not a plugin: it does not export `{}`", abi::SYMBOL)]
    NoSymbol,
    #[error("is not a plugin: its `{}` is not a table", abi::SYMBOL)]
    NotATable,
    #[error(
        "was built for version {0} of the plugin ABI, and this heraldd has version {ours}; rebuild the plugin \
         for this heraldd",
        ours = abi::ABI
    )]
    OtherVersion(u32),
    #[error(
        "says that its table has {0} bytes, and version {version} of the plugin ABI has {least}; rebuild the \
         plugin with the header of this heraldd",
        version = abi::ABI,
        least = PLUGIN_TABLE_SIZE
    )]
    ShortTable(u32),
    #[error("is not a plugin: the function `call` is missing in its table")]
    NoCall,
}

/// Checks a file before any code of it runs.
pub(super) fn inspect(path: &Path) -> Result<FileId, LibraryError> {
    let metadata = std::fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(LibraryError::NotAFile);
    }
    if metadata.permissions().mode() & 0o002 != 0 {
        return Err(LibraryError::Writable);
    }
    if let Some(ForeignAccess::Owner { uid }) = ForeignAccess::of(&metadata) {
        return Err(LibraryError::OtherOwner(uid));
    }
    if let Some(folder) = path.parent().and_then(|folder| std::fs::metadata(folder).ok()) {
        if folder.permissions().mode() & 0o1002 == 0o002 {
            return Err(LibraryError::WritableFolder);
        }
        if let Some(ForeignAccess::Owner { uid }) = ForeignAccess::of(&folder) {
            return Err(LibraryError::FolderOwner(uid));
        }
    }
    match elf::check(&mut File::open(path)?, metadata.len())? {
        ElfCheck::Foreign if cfg!(target_os = "linux") => Err(LibraryError::NotALibrary),
        ElfCheck::Cut => Err(LibraryError::Truncated),
        ElfCheck::Foreign | ElfCheck::Mappable => Ok(FileId(metadata.dev(), metadata.ino())),
    }
}

/// Loads the library and checks its table.
pub(super) fn open(path: &Path) -> Result<Table, LibraryError> {
    // SAFETY: loading runs the library's constructors; listing a file under `plugin` means to trust it with that.
    let library =
        unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.map_err(LibraryError::NotLoaded)?;
    // Taken out of the library's hands: it stays for the life of the process. Unloading would not unmap it while
    // its threads live, and would leave dangling what they use.
    let library = std::mem::ManuallyDrop::new(library);
    // SAFETY: only the address is taken, whatever is there.
    let symbol = unsafe { library.get::<*const PluginTable>(abi::SYMBOL.as_bytes()) }
        .map_err(|_| LibraryError::NoSymbol)?;
    checked(*symbol)
}

fn checked(table: *const PluginTable) -> Result<Table, LibraryError> {
    if table.is_null() || !table.is_aligned() {
        return Err(LibraryError::NotATable);
    }
    // SAFETY: every version begins with these two numbers; they are read without a reference to the rest, which
    // another version may not have.
    let (version, size) = unsafe { ((*table).abi, (*table).size) };
    if version != abi::ABI {
        return Err(LibraryError::OtherVersion(version));
    }
    if size < PLUGIN_TABLE_SIZE {
        return Err(LibraryError::ShortTable(size));
    }
    // SAFETY: version and size are right, so all fields are there; each field is valid with any bits of a C table.
    let table = unsafe { &*table };
    match table.call {
        Some(call) => Ok(Table { call, signal: table.signal }),
        None => Err(LibraryError::NoCall),
    }
}
