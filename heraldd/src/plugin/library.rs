//! Opens the file of a plugin and looks at its table before anything in it is called.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use herald_core::plugin::abi::{self, Call, PLUGIN_TABLE_SIZE, PluginTable, Signal};
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};

use super::calls::HOST;
use super::elf::{self, Verdict};

/// A plugin's functions. The library behind them is never unloaded.
#[derive(Clone, Copy)]
pub(super) struct Table {
    call: Call,
    signal: Option<Signal>,
}

impl Table {
    /// Calls the plugin. It may block, and must answer sooner or later.
    pub(super) fn call(self, call: u64, op: u32, instance: u64, json: &[u8]) {
        // SAFETY: the table was checked when it was opened, ours lives for ever, and the bytes outlive the call. That the
        // plugin keeps the rules of the header is what loading it trusts it with.
        unsafe { (self.call)(&raw const HOST, call, op, instance, json.as_ptr(), json.len()) }
    }

    /// Tells the plugin that a call is to end.
    pub(super) fn signal(self, call: u64, state: u32) {
        if let Some(signal) = self.signal {
            // SAFETY: as above.
            unsafe { signal(call, state) }
        }
    }

    /// Whether the plugin can be told.
    pub(super) fn has_signal(self) -> bool {
        self.signal.is_some()
    }
}

/// What makes a file itself: device and inode. A file that was replaced has another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

/// Whether this may be loaded at all, before the machine runs anything of it.
///
/// # Errors
/// One sentence, to be put behind the path.
pub(super) fn inspect(path: &Path) -> Result<FileId, String> {
    let metadata = std::fs::metadata(path).map_err(|error| format!("cannot be read: {error}"))?;
    if !metadata.is_file() {
        return Err("is not a regular file".to_owned());
    }
    if metadata.permissions().mode() & 0o002 != 0 {
        return Err("may be written by everybody, who could then run code as Herald; \
                    `chmod o-w` it after you have made sure of what it is"
            .to_owned());
    }
    let folder = path.parent().and_then(|folder| std::fs::metadata(folder).ok());
    if folder.is_some_and(|folder| folder.permissions().mode() & 0o1002 == 0o002) {
        return Err("lies in a folder that may be written by everybody, who could then replace it; \
                    `chmod o-w` the folder"
            .to_owned());
    }
    let verdict = File::open(path).and_then(|mut file| elf::verdict(&mut file, metadata.len()));
    match verdict.map_err(|error| format!("cannot be read: {error}"))? {
        Verdict::Foreign if cfg!(target_os = "linux") => {
            Err("is no plugin: it is not a shared library (ELF) at all".to_owned())
        }
        Verdict::Cut => Err("is no plugin: it is a shared library whose end is missing; is it still being \
                             copied?"
            .to_owned()),
        Verdict::Foreign | Verdict::Mappable => Ok(FileId(metadata.dev(), metadata.ino())),
    }
}

/// Loads the library and checks its table.
///
/// # Errors
/// One sentence, to be put behind the path.
pub(super) fn open(path: &Path) -> Result<Table, String> {
    // SAFETY: loading runs the library's constructors; whoever lists it under `plugin` trusts it with that.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }
        .map_err(|error| format!("is no plugin: it cannot be loaded as a shared library ({error})"))?;
    // Taken out of the library's hands: it stays for the life of the process. Unloading would not unmap it while
    // its threads live, and would leave dangling what they use.
    let library = std::mem::ManuallyDrop::new(library);
    // SAFETY: only the address is taken, whatever stands there.
    let symbol = unsafe { library.get::<*const PluginTable>(abi::SYMBOL.as_bytes()) }
        .map_err(|_| format!("is a shared library, but no plugin: it does not export `{}`", abi::SYMBOL))?;
    checked(*symbol)
}

fn checked(table: *const PluginTable) -> Result<Table, String> {
    if table.is_null() || !table.is_aligned() {
        return Err(format!("is no plugin: its `{}` is not a table", abi::SYMBOL));
    }
    // SAFETY: every version begins with these two numbers; they are read without a reference to the rest, which
    // another version may not have.
    let (version, size) = unsafe { ((*table).abi, (*table).size) };
    if version != abi::ABI {
        return Err(format!(
            "speaks version {version} of the plugin ABI, and this heraldd speaks version {}; \
             build it for this heraldd",
            abi::ABI
        ));
    }
    if size < PLUGIN_TABLE_SIZE {
        return Err(format!(
            "says that its table has {size} bytes, and version {version} of the plugin ABI has {PLUGIN_TABLE_SIZE}; \
             build it with the header of this heraldd"
        ));
    }
    // SAFETY: version and size are right, so all fields are there; each field is valid with any bits of a C table.
    let table = unsafe { &*table };
    match table.call {
        Some(call) => Ok(Table { call, signal: table.signal }),
        None => Err("is no plugin: the function `call` is missing in its table".to_owned()),
    }
}
