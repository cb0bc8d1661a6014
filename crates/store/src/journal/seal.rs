//! Seals what only this machine may read again: parameters of events that hold secrets.
//!
//! ChaCha20-Poly1305 under a key that lies beside the journal (`seal.key`, 0600). It keeps secrets out of the
//! journal's file, its copies and its backups; it does not protect from someone who can read the key as well.

use std::fs::OpenOptions;
use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};

use crate::lock::{self, OpenError};

const KEY: usize = 32;

/// Seals and opens.
pub(crate) struct Seal {
    key: LessSafeKey,
    random: SystemRandom,
}

impl Seal {
    /// Reads the key. `None`: there is none.
    pub(crate) fn read(folder: &Path) -> Result<Option<Self>, OpenError> {
        let path = file(folder);
        let mut bytes = [0_u8; KEY];
        match std::fs::File::open(&path) {
            Ok(mut file) => file.read_exact(&mut bytes).map_err(|error| match error.kind() {
                std::io::ErrorKind::UnexpectedEof => too_short(&path),
                _ => wrong(&path, &error),
            })?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(wrong(&path, &error)),
        }
        Self::of(&path, &bytes).map(Some)
    }

    /// Makes a key.
    pub(crate) fn create(folder: &Path) -> Result<Self, OpenError> {
        let path = file(folder);
        let mut bytes = [0_u8; KEY];
        let filled = SystemRandom::new().fill(&mut bytes);
        filled.map_err(|_| wrong(&path, &"there are no random numbers"))?;
        make(&path, &bytes).map_err(|error| wrong(&path, &error))?;
        Self::of(&path, &bytes)
    }

    fn of(path: &Path, bytes: &[u8; KEY]) -> Result<Self, OpenError> {
        let key = UnboundKey::new(&CHACHA20_POLY1305, bytes).map_err(|_| wrong(path, &"it is not a key"))?;
        Ok(Self { key: LessSafeKey::new(key), random: SystemRandom::new() })
    }

    /// Seals a text. `None`: there are no random numbers.
    pub(crate) fn seal(&self, text: &str) -> Option<Vec<u8>> {
        let mut nonce = [0_u8; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut bytes = text.as_bytes().to_vec();
        let sealed = Nonce::assume_unique_for_key(nonce);
        self.key.seal_in_place_append_tag(sealed, Aad::empty(), &mut bytes).ok()?;
        Some([&nonce[..], &bytes].concat())
    }

    /// Opens what was sealed. `None`: with another key, or it was changed.
    pub(crate) fn unseal(&self, sealed: &[u8]) -> Option<String> {
        let (nonce, rest) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut bytes = rest.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::empty(), &mut bytes).ok()?;
        String::from_utf8(opened.to_vec()).ok()
    }
}

/// The file of the key.
pub(crate) fn file(folder: &Path) -> PathBuf {
    folder.join("seal.key")
}

fn too_short(path: &Path) -> OpenError {
    OpenError(format!(
        "{} is damaged: it is the key that seals the secrets of events in journal.db, and has fewer than {KEY} bytes; \
         restore the file (it belongs together with journal.db, also in a backup), then start heraldd again; where it is \
         lost for good, remove it: heraldd makes another one, or says which events wait for the old one",
        path.display()
    ))
}

fn wrong(path: &Path, why: &dyn std::fmt::Display) -> OpenError {
    OpenError(format!("the key {}: {why}", path.display()))
}

/// Whole or not at all: a torn key would make what it sealed unreadable.
fn make(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let aside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&aside, path)
}

/// Says so where an earlier process left other files, and the history that it had is gone. Its key is made after it,
/// and stays as long as it does.
pub(crate) fn lost_history(folder: &Path) -> Option<String> {
    let path = lock::file(folder);
    let what = match std::fs::metadata(&path) {
        Ok(about) if about.len() == 0 => "is empty",
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "is missing",
        _ => return None,
    };
    file(folder).exists().then(|| {
        format!(
            "{} {what}, although seal.key is there: the history, the jobs that waited, pauses and positions are lost; \
             stop heraldd and put a backup back with `heraldd state restore`",
            path.display()
        )
    })
}
