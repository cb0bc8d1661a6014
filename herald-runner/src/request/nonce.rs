//! Nonces that were seen, on disk, so that no request runs twice: not after a restart, not after a crash, not when the
//! clock is set back.
//!
//! One file, `nonces` in the work folder, of lines `<created> <hash>`. A line is on the disk before the job it belongs
//! to starts, and written, but not synced, before a request that only reads is answered. A line `floor <created>` says
//! that everything signed up to then has been forgotten and is therefore refused. Where the file is missing though the
//! work folder was in use, is damaged, or is not as this runner left it (`nonce_mark`), that is the time of the start.
//! One thread owns the file and writes what waits in one go.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use herald_base::os_error;
use herald_wire::digest;
use herald_wire::request::{MAX_AGE, MAX_SKEW};
use tokio::sync::{mpsc, oneshot};

use super::nonce_mark::NonceMark;

/// How long a nonce is kept after its request was signed, in seconds: longer than any such request is taken.
const KEEP: i64 = MAX_AGE + 2 * MAX_SKEW;
/// The most nonces that are kept. More requests than this within [`KEEP`] are rejected.
const MOST: usize = 500_000;
/// The most that is written in one go.
const BATCH: usize = 1024;
/// Lines beyond twice what is alive, after which the file is rewritten.
const SLACK: usize = 4096;

/// The most of a file that is read, in bytes: far more than the runner writes.
const LARGEST: u64 = 256 << 20;

type Hash = [u8; 16];

/// Why a nonce was not taken.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NonceError {
    /// Seen before.
    #[error("replayed request: its nonce was used before")]
    Seen,
    /// So old that whether it was seen is no longer known.
    #[error("the request is older than the nonces that this runner keeps: check the clocks")]
    Forgotten,
    /// Too many requests within a few minutes.
    #[error("too many requests within a few minutes; try again later")]
    Full,
    /// It could not be written down.
    #[error("the request's nonce could not be written to the work folder: {0}")]
    Disk(String),
}

/// What a nonce is asked about for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// It is only looked up.
    None,
    /// By a request that changes nothing.
    Read,
    /// By one that may start or stop a job.
    Act,
}

struct Ask {
    hash: Hash,
    created: i64,
    now: i64,
    used: Use,
    answer: oneshot::Sender<Result<(), NonceError>>,
}

/// Remembers nonces.
#[derive(Debug, Clone)]
pub struct Nonces {
    asks: mpsc::Sender<Ask>,
    /// The floor at the start.
    floor: i64,
    /// Of requests whose bodies are on their way.
    arriving: Arc<Mutex<HashSet<Hash>>>,
}

/// A request whose body is on its way: until this is dropped, no other one with its nonce may send a body.
#[derive(Debug)]
pub struct ArrivingBody {
    hash: Hash,
    arriving: Arc<Mutex<HashSet<Hash>>>,
}

impl Drop for ArrivingBody {
    fn drop(&mut self) {
        self.arriving.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.hash);
    }
}

impl Nonces {
    /// Opens the file in this folder, which must exist, and starts the thread that owns it. The thread ends when
    /// the last clone is gone. `was_used`: an earlier runner used the folder, so that the file should be there.
    ///
    /// # Errors
    /// When the file cannot be read or written.
    pub fn open(folder: &Path, now: i64, was_used: bool) -> io::Result<Self> {
        let mut store = NonceStore::open(folder, now, was_used, MOST)?;
        let floor = store.floor;
        let (asks, mut waiting) = mpsc::channel(BATCH);
        std::thread::Builder::new().name("nonces".to_owned()).spawn(move || {
            let mut batch = Vec::new();
            while waiting.blocking_recv_many(&mut batch, BATCH) > 0 {
                store.serve(std::mem::take(&mut batch));
            }
        })?;
        Ok(Self { asks, floor, arriving: Arc::default() })
    }

    /// Where the floor is the current second, waits for the next one: requests that are signed from now on, by clocks
    /// that agree, are then not rejected for it. `now_ms`: the time, in milliseconds since 1970.
    pub async fn wait_for_floor(&self, now_ms: i64) {
        let left = self.floor.saturating_add(1).saturating_mul(1000).saturating_sub(now_ms);
        if let Ok(left @ 1..=1000) = u64::try_from(left) {
            tokio::time::sleep(Duration::from_millis(left)).await;
        }
    }

    /// Takes a nonce that was never seen, and returns once that is on disk.
    ///
    /// # Errors
    /// [`NonceError`] says why the request must not run.
    pub async fn remember(&self, nonce: &str, created: i64, now: i64) -> Result<(), NonceError> {
        self.ask(hash_of(nonce), created, now, Use::Act).await
    }

    /// The same for a request that only reads: it returns once the nonce is written, and not synced. A power cut may
    /// make it acceptable again; nobody learns anything from it then.
    ///
    /// # Errors
    /// [`NonceError`] says why the request must not be answered.
    pub async fn remember_read(&self, nonce: &str, created: i64, now: i64) -> Result<(), NonceError> {
        self.ask(hash_of(nonce), created, now, Use::Read).await
    }

    /// Lets a body come whose head has this nonce, without using it: a head that was captured must not have one body
    /// after another read.
    ///
    /// # Errors
    /// [`NonceError`] says why it is not read.
    pub async fn expect_body(&self, nonce: &str, created: i64, now: i64) -> Result<ArrivingBody, NonceError> {
        let hash = hash_of(nonce);
        self.ask(hash, created, now, Use::None).await?;
        if !self.arriving.lock().unwrap_or_else(PoisonError::into_inner).insert(hash) {
            return Err(NonceError::Seen);
        }
        Ok(ArrivingBody { hash, arriving: self.arriving.clone() })
    }

    async fn ask(&self, hash: Hash, created: i64, now: i64, used: Use) -> Result<(), NonceError> {
        let gone = || NonceError::Disk("its writer has stopped".to_owned());
        let (answer, answered) = oneshot::channel();
        self.asks.send(Ask { hash, created, now, used, answer }).await.map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

fn hash_of(nonce: &str) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(&digest::sha256(nonce.as_bytes())[..16]);
    hash
}

#[cfg(test)]
impl Nonces {
    /// Takes none, for this reason.
    pub(crate) fn refusing(refusal: fn() -> NonceError) -> Self {
        let (asks, mut waiting) = mpsc::channel::<Ask>(1);
        tokio::spawn(async move {
            while let Some(ask) = waiting.recv().await {
                let _ = ask.answer.send(Err(refusal()));
            }
        });
        Self { asks, floor: i64::MIN, arriving: Arc::default() }
    }
}

struct NonceStore {
    folder: PathBuf,
    file: File,
    mark: NonceMark,
    /// The length of the file up to which its lines are whole.
    length: u64,
    lines: usize,
    most: usize,
    floor: i64,
    pruned: i64,
    seen: HashMap<Hash, i64>,
    /// How often the file was synced since it was opened.
    #[cfg(test)]
    syncs: u64,
}

impl NonceStore {
    fn open(folder: &Path, now: i64, was_used: bool, most: usize) -> io::Result<Self> {
        let place = folder.join("nonces");
        let missing = was_used && !place.try_exists()?;
        let mut file = open_file(&place)?;
        let mark = NonceMark::open(folder)?;
        let changed = mark.differs(&file)?;
        let mut bytes = Vec::new();
        Read::by_ref(&mut file).take(LARGEST).read_to_end(&mut bytes)?;
        let mut store = Self {
            folder: folder.to_owned(),
            file,
            mark,
            length: 0,
            lines: 0,
            most,
            floor: i64::MIN,
            pruned: now,
            seen: HashMap::new(),
            #[cfg(test)]
            syncs: 0,
        };
        // What follows the last newline was not finished, so its request was never answered for.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let lines = bytes.get(..whole).unwrap_or_default().split_inclusive(|byte| *byte == b'\n');
        let mut damaged = false;
        for line in lines {
            damaged |= store.load(line).is_none();
        }
        let lost = match () {
            () if missing => Some("is missing"),
            () if damaged => Some("is damaged"),
            () if changed => Some("is not as this runner left it"),
            () => None,
        };
        if let Some(what) = lost {
            tracing::warn!(file = %place.display(), "the file of nonces {what}; requests signed before now are rejected");
            store.floor = store.floor.max(now);
        }
        if store.floor > now.saturating_add(MAX_SKEW) {
            let seconds = store.floor.saturating_sub(now);
            tracing::warn!(
                file = %place.display(), seconds,
                "the clock was ahead when the nonces were written: requests are rejected until it is that far again; if \
                 the clock is right now, stop the runner and remove the file"
            );
        }
        store.prune(now);
        store.rewrite()?;
        Ok(store)
    }

    fn load(&mut self, line: &[u8]) -> Option<()> {
        let (first, second) = std::str::from_utf8(line).ok()?.trim_end().split_once(' ')?;
        if first == "floor" {
            self.floor = self.floor.max(second.parse().ok()?);
            return Some(());
        }
        let mut hash = Hash::default();
        hex_into(second, &mut hash)?;
        self.seen.insert(hash, first.parse().ok()?);
        Some(())
    }

    /// Decides on all, writes the new ones in one go, and only then answers.
    fn serve(&mut self, batch: Vec<Ask>) {
        let now = batch.iter().map(|ask| ask.now).max().unwrap_or_default();
        if now.saturating_sub(self.pruned) > MAX_SKEW {
            self.prune(now);
        }
        let mut text = String::new();
        let mut fresh = Vec::new();
        let mut acts = false;
        let mut answers = Vec::with_capacity(batch.len());
        for ask in batch {
            let verdict = self.judge(&ask);
            if verdict.is_ok() && ask.used != Use::None {
                acts |= ask.used == Use::Act;
                self.seen.insert(ask.hash, ask.created);
                fresh.push(ask.hash);
                text.push_str(&line(ask.created, &ask.hash));
            }
            answers.push((ask.answer, verdict));
        }
        let written = self.append(&text, fresh.len(), acts);
        if let Err(error) = &written {
            tracing::error!(%error, "cannot write nonces; rejecting requests until they can be written");
            for hash in &fresh {
                self.seen.remove(hash);
            }
        }
        for (answer, verdict) in answers {
            let verdict = match (&verdict, &written) {
                (Ok(()), Err(error)) => Err(NonceError::Disk(os_error::plain(&error.to_string()))),
                _ => verdict,
            };
            // The client may be gone; the nonce stays used.
            let _ = answer.send(verdict);
        }
    }

    fn judge(&self, ask: &Ask) -> Result<(), NonceError> {
        if self.seen.contains_key(&ask.hash) {
            return Err(NonceError::Seen);
        }
        if ask.created <= self.floor {
            return Err(NonceError::Forgotten);
        }
        if self.seen.len() >= self.most {
            return Err(NonceError::Full);
        }
        Ok(())
    }

    fn append(&mut self, text: &str, lines: usize, synced: bool) -> io::Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        if self.lines > 2 * self.seen.len() + SLACK {
            // The new ones are in memory already and go out with the rest.
            return self.rewrite();
        }
        // A write that failed may have left half a line behind.
        self.file.set_len(self.length)?;
        self.file.seek(SeekFrom::Start(self.length))?;
        self.file.write_all(text.as_bytes())?;
        self.mark.note(&self.file);
        if synced {
            self.file.sync_data()?;
            #[cfg(test)]
            (self.syncs += 1);
        }
        self.length += text.len() as u64;
        self.lines += lines;
        Ok(())
    }

    /// Forgets what is too old to be taken anyway, and remembers that it did: a clock that is set back must not make
    /// it acceptable again.
    fn prune(&mut self, now: i64) {
        self.pruned = now;
        let mut floor = self.floor;
        self.seen.retain(|_, created| {
            let alive = created.saturating_add(KEEP) >= now;
            if !alive {
                floor = floor.max(*created);
            }
            alive
        });
        self.floor = floor;
    }

    /// Writes the file again, aside, and moves it into place.
    fn rewrite(&mut self) -> io::Result<()> {
        let (aside, place) = (self.folder.join("nonces.new"), self.folder.join("nonces"));
        let _ = std::fs::remove_file(&aside);
        let mut writer = BufWriter::new(open_file(&aside)?);
        if self.floor > i64::MIN {
            writer.write_all(format!("floor {}\n", self.floor).as_bytes())?;
        }
        for (hash, created) in &self.seen {
            writer.write_all(line(*created, hash).as_bytes())?;
        }
        let mut file = writer.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        std::fs::rename(&aside, &place)?;
        File::open(&self.folder)?.sync_all()?;
        self.length = file.stream_position()?;
        self.lines = self.seen.len();
        self.file = file;
        self.mark.note(&self.file);
        Ok(())
    }
}

fn open_file(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt as _;
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn line(created: i64, hash: &Hash) -> String {
    use std::fmt::Write as _;
    let mut line = format!("{created} ");
    for byte in hash {
        // Writing to a String cannot fail.
        let _ = write!(line, "{byte:02x}");
    }
    line.push('\n');
    line
}

fn hex_into(text: &str, bytes: &mut [u8]) -> Option<()> {
    if text.len() != bytes.len() * 2 || !text.is_ascii() {
        return None;
    }
    for (byte, at) in bytes.iter_mut().zip((0..).step_by(2)) {
        *byte = u8::from_str_radix(text.get(at..at + 2)?, 16).ok()?;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn ask(store: &mut NonceStore, nonce: &str, created: i64, now: i64) -> Result<(), NonceError> {
        ask_for(store, Use::Act, nonce, created, now)
    }

    fn ask_for(
        store: &mut NonceStore,
        used: Use,
        nonce: &str,
        created: i64,
        now: i64,
    ) -> Result<(), NonceError> {
        let mut hash = Hash::default();
        hash.copy_from_slice(&digest::sha256(nonce.as_bytes())[..16]);
        let (answer, mut answered) = oneshot::channel();
        store.serve(vec![Ask { hash, created, now, used, answer }]);
        answered.try_recv().unwrap()
    }

    #[test]
    fn a_nonce_passes_once_across_restarts() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = NonceStore::open(folder.path(), NOW, false, MOST).unwrap();
        assert_eq!(ask(&mut store, "a", NOW, NOW), Ok(()));
        assert_eq!(ask(&mut store, "a", NOW, NOW), Err(NonceError::Seen));
        drop(store);
        let mut store = NonceStore::open(folder.path(), NOW, true, MOST).unwrap();
        assert_eq!(ask(&mut store, "a", NOW + 9, NOW), Err(NonceError::Seen));
        assert_eq!(ask(&mut store, "b", NOW, NOW), Ok(()));
    }

    /// Only what may start or stop a job waits for the disk; what only reads is known after a restart all the same.
    #[test]
    fn a_read_is_written_and_not_synced() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = NonceStore::open(folder.path(), NOW, false, MOST).unwrap();
        for (nonce, used, verdict, syncs) in [
            ("read", Use::Read, Ok(()), 0),
            ("read", Use::Read, Err(NonceError::Seen), 0),
            ("read", Use::Act, Err(NonceError::Seen), 0),
            ("looked up", Use::None, Ok(()), 0),
            ("act", Use::Act, Ok(()), 1),
            ("act", Use::Read, Err(NonceError::Seen), 1),
            ("another read", Use::Read, Ok(()), 1),
        ] {
            assert_eq!(ask_for(&mut store, used, nonce, NOW, NOW), verdict, "{nonce}");
            assert_eq!(store.syncs, syncs, "{nonce}");
        }
        drop(store);
        let mut store = NonceStore::open(folder.path(), NOW, true, MOST).unwrap();
        for nonce in ["read", "act", "another read"] {
            assert_eq!(ask(&mut store, nonce, NOW, NOW), Err(NonceError::Seen), "{nonce}");
        }
        assert_eq!(ask(&mut store, "looked up", NOW, NOW), Ok(()));
    }

    #[test]
    fn a_clock_set_back_makes_nothing_acceptable_again() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = NonceStore::open(folder.path(), NOW, false, MOST).unwrap();
        assert_eq!(ask(&mut store, "a", NOW, NOW), Ok(()));
        assert_eq!(ask(&mut store, "b", NOW + 1000, NOW + 1000), Ok(()));
        assert_eq!(store.seen.len(), 1, "the old one is forgotten");
        assert_eq!(ask(&mut store, "a", NOW, NOW), Err(NonceError::Forgotten));
        drop(store);
        let mut store = NonceStore::open(folder.path(), NOW, true, MOST).unwrap();
        assert_eq!(ask(&mut store, "a", NOW, NOW), Err(NonceError::Seen), "the file still has it");
        assert_eq!(ask(&mut store, "c", NOW + 1, NOW), Ok(()));
        drop(store);
        drop(NonceStore::open(folder.path(), NOW + 1000, true, MOST).unwrap());
        let mut store = NonceStore::open(folder.path(), NOW, true, MOST).unwrap();
        assert_eq!(ask(&mut store, "a", NOW, NOW), Err(NonceError::Forgotten), "and now what was forgotten");
    }

    #[test]
    fn half_a_line_is_dropped_and_damage_is_safe() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("nonces");
        let mut store = NonceStore::open(folder.path(), NOW, false, MOST).unwrap();
        assert_eq!(ask(&mut store, "a", NOW, NOW), Ok(()));
        drop(store);
        let good = std::fs::read(&path).unwrap();

        // As an older version leaves it: without a mark.
        std::fs::write(&path, [&good[..], b"1800000000 00ff"].concat()).unwrap();
        std::fs::remove_file(folder.path().join("nonces.mark")).unwrap();
        let mut store = NonceStore::open(folder.path(), NOW, true, MOST).unwrap();
        assert_eq!(ask(&mut store, "a", NOW, NOW), Err(NonceError::Seen));
        assert_eq!(ask(&mut store, "b", NOW, NOW), Ok(()));

        for damage in [&b"\0\0\0\0\n"[..], b"x y\n", b"1800000000 zz\n", b"\xff\n"] {
            std::fs::write(&path, [damage, &good[..]].concat()).unwrap();
            let mut store = NonceStore::open(folder.path(), NOW, true, MOST).unwrap();
            assert_eq!(ask(&mut store, "a", NOW, NOW), Err(NonceError::Seen));
            assert_eq!(ask(&mut store, "c", NOW, NOW), Err(NonceError::Forgotten));
            assert_eq!(ask(&mut store, "c", NOW + 1, NOW), Ok(()));
        }
    }

    /// What is done to the files while the runner is stopped, and whether requests from before are rejected then.
    #[test]
    fn a_file_that_is_missing_or_was_put_back_makes_nothing_acceptable_again() {
        type Meddle = fn(&Path, &[u8]);
        let nonces = |folder: &Path| folder.join("nonces");
        let cases: [(&str, Meddle, bool); 6] = [
            ("nothing", |_, _| {}, false),
            ("removed", |folder, _| std::fs::remove_file(folder.join("nonces")).unwrap(), true),
            ("emptied", |folder, _| std::fs::write(folder.join("nonces"), "").unwrap(), true),
            ("an old copy put back", |folder, old| std::fs::write(folder.join("nonces"), old).unwrap(), true),
            (
                "its own copy put back, with its times",
                |folder, _| {
                    let (place, aside) = (folder.join("nonces"), folder.join("copy"));
                    let times = std::fs::metadata(&place).unwrap();
                    std::fs::copy(&place, &aside).unwrap();
                    std::fs::rename(&aside, &place).unwrap();
                    let file = File::options().write(true).open(&place).unwrap();
                    file.set_modified(times.modified().unwrap()).unwrap();
                },
                true,
            ),
            (
                "all removed",
                |folder, _| {
                    for name in ["nonces", "nonces.mark"] {
                        std::fs::remove_file(folder.join(name)).unwrap();
                    }
                },
                true,
            ),
        ];
        for (what, meddle, is_lost) in cases {
            let folder = tempfile::tempdir().unwrap();
            let mut store = NonceStore::open(folder.path(), NOW, false, MOST).unwrap();
            assert_eq!(store.floor, i64::MIN, "{what}: a new folder has nothing to lose");
            let old = std::fs::read(nonces(folder.path())).unwrap();
            assert_eq!(ask(&mut store, "a", NOW - 200, NOW), Ok(()), "{what}");
            drop(store);
            meddle(folder.path(), &old);
            let mut store = NonceStore::open(folder.path(), NOW + 5, true, MOST).unwrap();
            assert!(ask(&mut store, "a", NOW - 200, NOW + 5).is_err(), "{what}");
            let other = ask(&mut store, "b", NOW + 5, NOW + 5);
            assert_eq!(other, if is_lost { Err(NonceError::Forgotten) } else { Ok(()) }, "{what}");
            assert_eq!(ask(&mut store, "c", NOW + 6, NOW + 6), Ok(()), "{what}");
            drop(store);
            // It is kept for the starts after this one, and warned of once.
            let mut store = NonceStore::open(folder.path(), NOW + 7, true, MOST).unwrap();
            assert_eq!(store.floor, if is_lost { NOW + 5 } else { i64::MIN }, "{what}");
            assert_eq!(ask(&mut store, "c", NOW + 6, NOW + 7), Err(NonceError::Seen), "{what}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_floor_is_waited_for() {
        for (floor, now_ms, waits) in [
            (NOW, NOW * 1000 + 250, 750),
            (NOW, NOW * 1000, 1000),
            (NOW, NOW * 1000 + 999, 1),
            (NOW, NOW * 1000 + 1000, 0),
            (NOW, NOW * 1000 + 90_000, 0),
            (NOW + 3600, NOW * 1000, 0),
            (i64::MIN, NOW * 1000, 0),
            (i64::MAX, NOW * 1000, 0),
        ] {
            let nonces = Nonces { floor, ..Nonces::refusing(|| NonceError::Full) };
            let begun = tokio::time::Instant::now();
            nonces.wait_for_floor(now_ms).await;
            assert_eq!(begun.elapsed().as_millis(), waits, "{floor} {now_ms}");
        }
    }

    #[test]
    fn the_file_and_the_memory_stay_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = NonceStore::open(folder.path(), NOW, false, 3).unwrap();
        for n in 0..3 {
            assert_eq!(ask(&mut store, &n.to_string(), NOW, NOW), Ok(()));
        }
        assert_eq!(ask(&mut store, "3", NOW, NOW), Err(NonceError::Full));
        store.lines = 10_000;
        let later = NOW + KEEP + MAX_SKEW;
        assert_eq!(ask(&mut store, "4", later, later), Ok(()));
        assert_eq!(store.lines, 1, "the file was written anew");
        assert_eq!(std::fs::read_to_string(folder.path().join("nonces")).unwrap().lines().count(), 2);
        drop(store);
        let mut store = NonceStore::open(folder.path(), later, true, 3).unwrap();
        assert_eq!(ask(&mut store, "4", later, later), Err(NonceError::Seen));
    }

    #[test]
    fn what_cannot_be_written_is_refused_and_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let mut store = NonceStore::open(folder.path(), NOW, false, MOST).unwrap();
        let good = std::mem::replace(&mut store.file, File::open(folder.path().join("nonces")).unwrap());
        assert!(matches!(ask(&mut store, "a", NOW, NOW), Err(NonceError::Disk(_))));
        store.file = good;
        assert_eq!(ask(&mut store, "a", NOW, NOW), Ok(()), "it may be sent again");
        assert_eq!(ask(&mut store, "a", NOW, NOW), Err(NonceError::Seen));
    }

    #[tokio::test]
    async fn a_captured_head_has_no_body_read() {
        let folder = tempfile::tempdir().unwrap();
        let nonces = Nonces::open(folder.path(), 1000, false).unwrap();
        let first = nonces.expect_body("n", 1000, 1000).await.unwrap();
        assert_eq!(nonces.expect_body("n", 1000, 1000).await.unwrap_err(), NonceError::Seen, "one at a time");
        nonces.expect_body("other", 1000, 1000).await.unwrap();
        drop(first);
        // What was only looked up is not used.
        let again = nonces.expect_body("n", 1000, 1000).await.unwrap();
        nonces.remember("n", 1000, 1000).await.unwrap();
        drop(again);
        assert_eq!(nonces.expect_body("n", 1000, 1000).await.unwrap_err(), NonceError::Seen);
    }

    #[tokio::test]
    async fn many_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let nonces = Nonces::open(folder.path(), NOW, false).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..100 {
            let nonces = nonces.clone();
            tasks.spawn(async move { nonces.remember(&(n % 50).to_string(), NOW, NOW).await });
        }
        let results = tasks.join_all().await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 50);
        assert_eq!(results.iter().filter(|result| **result == Err(NonceError::Seen)).count(), 50);
    }
}
