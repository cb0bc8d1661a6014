//! Measures the transfer of a large file from the runner to the daemon.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::bare;
use crate::options::Options;
use crate::place::Place;
use crate::remote::Pair;
use crate::spread::Spread;
use crate::table::{Goal, Row, Unit};

const MIB: usize = 1 << 20;
/// The goals of the project: the share of the slower of hashing and loopback, and memory on either side in MiB.
const SHARE: f64 = 0.8;
const MEMORY: f64 = 64.0;
/// Time limit for one transfer.
const LIMIT: Duration = Duration::from_secs(300);

/// Measures the rows of this section.
pub(crate) fn measure(place: &Place, options: &Options) -> Result<Vec<Row>> {
    let size = options.pick(32, 1024);
    let source = place.path("large.bin");
    write_large(&source, size)?;
    let job = format!("{{cmd: echo, arg: '{{\"file\": {{\"large\": \"{}\"}}}}'}}", source.display());
    let pair = Pair::start(place, "file", &job)?;
    let data = place.path("file-data");

    let (mut ours, mut hashed, mut sent, mut synced) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let rate = |time: Duration| size as f64 / time.as_secs_f64();
    for _ in 0..options.runs.min(3) {
        let (sum, time) = bare::hash(&source)?;
        hashed.push(rate(time));
        sent.push(rate(bare::loopback(&source)?));
        synced.push(rate(bare::copy_and_sync(&source, &place.path("copy.bin"))?));
        ours.push(rate(pair.job("there", LIMIT)?));
        let arrived = only_file(&data)?;
        ensure!(bare::hash(&arrived)?.0 == sum, "{} differs from the file that was sent", arrived.display());
        fs::remove_dir_all(&data)?;
        fs::create_dir(&data)?;
    }
    fs::remove_file(&source)?;

    let ours = Spread::of(&ours);
    let (hashed, sent) = (Spread::of(&hashed), Spread::of(&sent));
    let slower = if hashed.median < sent.median { ("SHA-256", hashed) } else { ("loopback", sent) };
    let what = format!("a file of {size} MiB, runner to daemon");
    let row = |name: &str, other| Row::new(&what, Unit::MebibytesPerSecond, ours).against(name, other);
    let memory =
        |what: &str, peak| Row::new(what, Unit::Mebibytes, Spread::one(peak)).goal(Goal::AtMost(MEMORY));
    Ok(vec![
        row(&format!("{} (the slower)", slower.0), slower.1).goal(Goal::Share(SHARE)),
        row("SHA-256", hashed),
        row("loopback TCP", sent),
        row("copy and sync to disk", Spread::of(&synced)),
        memory("heraldd's memory at the peak of that", pair.daemon.peak()?),
        memory("herald-runner's memory at the peak of that", pair.runner.peak()?),
    ])
}

/// Bytes that cannot be compressed or skipped.
fn write_large(path: &Path, mebibytes: usize) -> Result<()> {
    let mut file = BufWriter::with_capacity(MIB, File::create(path)?);
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut block = vec![0_u8; MIB];
    for _ in 0..mebibytes {
        for word in block.chunks_exact_mut(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            word.copy_from_slice(&state.to_le_bytes());
        }
        file.write_all(&block)?;
    }
    file.into_inner()?.sync_all()?;
    Ok(())
}

/// The one file under `<data_dir>/<job_id>/<name>/`.
fn only_file(folder: &Path) -> Result<PathBuf> {
    let mut path = folder.to_owned();
    while path.is_dir() {
        let entries: Vec<_> = fs::read_dir(&path)?.collect::<std::io::Result<_>>()?;
        let visible = entries.into_iter().find(|entry| !entry.file_name().to_string_lossy().starts_with('.'));
        path = visible.with_context(|| format!("nothing is in {}", path.display()))?.path();
    }
    Ok(path)
}
