//! Failures of the file system of the `state_dir`: power loss, a full disk, a disk that turns read-only. All use images
//! that the program creates and mounts as root.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::Signal;

use super::load::{Clients, Sent, connect};
use super::random::Random;
use super::rig::{self, Rig};
use super::socket;
use super::verdict::{self, Verdict};
use crate::place::Place;

/// Time limit for a daemon to report that it accepts no events, and that it accepts them again.
const SOON: Duration = Duration::from_secs(20);
/// The ioctl that stops a file system like a power cut, `FS_IOC_SHUTDOWN`, and its flag: nothing more is written.
const SHUTDOWN: &str =
    "import fcntl,os,struct,sys; fcntl.ioctl(os.open(sys.argv[1], 0), 0x8004587D, struct.pack('I', 2))";

fn tool(program: &str, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).args(arguments).output().with_context(|| program.to_owned())?;
    ensure!(
        output.status.success(),
        "{program} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr).trim()
    );
    Ok(())
}

/// A mounted file system; unmounted when dropped.
struct Mount {
    image: Option<PathBuf>,
    at: PathBuf,
}

impl Mount {
    /// An ext4 image of this size on a loop device.
    fn ext4(place: &Place, name: &str, size: &str) -> Result<Self> {
        let image = place.path(&format!("{name}.img"));
        let at = place.path(&format!("{name}-mount"));
        fs::create_dir_all(&at)?;
        let path = image.display().to_string();
        tool("truncate", &["-s", size, &path])?;
        tool("mkfs.ext4", &["-q", "-F", &path])?;
        let mount = Self { image: Some(image), at };
        mount.mount()?;
        Ok(mount)
    }

    fn mount(&self) -> Result<()> {
        let image = self.image.as_ref().context("there is an image")?;
        tool(
            "mount",
            &["-o", "loop,errors=remount-ro", &image.display().to_string(), &self.at.display().to_string()],
        )
    }

    fn unmount(&self) -> Result<()> {
        tool("umount", &[&self.at.display().to_string()])
    }

    fn cut_power(&self) -> Result<()> {
        tool("python3", &["-c", SHUTDOWN, &self.at.display().to_string()])
    }

    /// What an administrator does before a file system with errors is mounted again.
    fn repair(&self) -> Result<()> {
        let image = self.image.as_ref().context("there is an image")?.display().to_string();
        let status = Command::new("e2fsck").args(["-fy", &image]).output()?.status;
        // 1: errors were corrected.
        ensure!(matches!(status.code(), Some(0 | 1)), "e2fsck {image}: {status}");
        Ok(())
    }

    /// Like an error that the file system found in itself.
    fn turn_read_only(&self) -> Result<()> {
        let at = self.at.display().to_string();
        let mounts = fs::read_to_string("/proc/mounts")?;
        let device = mounts
            .lines()
            .filter_map(|line| line.split_once(' '))
            .find_map(|(device, rest)| rest.starts_with(&format!("{at} ")).then(|| device.to_owned()))
            .context("it is mounted")?;
        let name = device.rsplit('/').next().unwrap_or_default();
        fs::write(format!("/sys/fs/ext4/{name}/trigger_fs_error"), "bench")?;
        Ok(())
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // It may be unmounted already.
        let _ = self.unmount();
    }
}

/// Power loss under load, repeatedly.
pub(crate) fn power(place: &Place, rounds: u64, random: &mut Random) -> Result<Verdict> {
    let mount = Mount::ext4(place, "power", "600M")?;
    let rig = Rig::local(place, "power", Some(&mount.at.join("state")))?;
    for round in 0..rounds {
        let mut daemon = rig.start()?;
        let clients = Clients::start(rig.address, &rig.sent);
        if round == 0 {
            clients.wait_for_one(&rig.sent);
        }
        std::thread::sleep(random.millis(0, 150));
        // A machine without power says nothing more.
        rig::halt(&mut daemon)?;
        mount.cut_power()?;
        rig::end(daemon, Signal::KILL)?;
        clients.stop();
        mount.unmount()?;
        mount.mount()?;
        super::kill::progress("power", round, rounds, &rig);
    }
    verdict::reach(&rig, rounds)
}

/// A full disk under load, and free space again: no event is accepted that cannot be recorded, and the daemon continues
/// by itself.
pub(crate) fn full(place: &Place, rounds: u64, random: &mut Random) -> Result<Verdict> {
    let mount = Mount::ext4(place, "full", "400M")?;
    let rig = Rig::local(place, "full", Some(&mount.at.join("state")))?;
    let filler = mount.at.join("filler");
    let daemon = rig.start()?;
    for round in 0..rounds {
        let clients = Clients::start(rig.address, &rig.sent);
        std::thread::sleep(random.millis(0, 60));
        fill(&filler)?;
        until(&rig, 503).context("the disk is full")?;
        ensure!(ready(&rig)? == 503, "/readyz reports ready with a full disk");
        fs::remove_file(&filler)?;
        until(&rig, 200).context("there is room again")?;
        clients.stop();
        super::kill::progress("full", round, rounds, &rig);
    }
    rig::end(daemon, Signal::TERM)?;
    ensure!(rig.sent.refused() >= rounds, "no event was rejected with a full disk");
    verdict::reach(&rig, rounds)
}

/// A file system that turns read-only: no event is accepted, and once it is mounted again all data is there.
pub(crate) fn read_only(place: &Place, rounds: u64, random: &mut Random) -> Result<Verdict> {
    let mount = Mount::ext4(place, "read-only", "600M")?;
    let rig = Rig::local(place, "read-only", Some(&mount.at.join("state")))?;
    for round in 0..rounds {
        let daemon = rig.start()?;
        let clients = Clients::start(rig.address, &rig.sent);
        clients.wait_for_one(&rig.sent);
        std::thread::sleep(random.millis(0, 60));
        mount.turn_read_only()?;
        until(&rig, 503).context("the disk is read-only")?;
        ensure!(ready(&rig)? == 503, "/readyz reports ready with a read-only disk");
        clients.stop();
        rig::end(daemon, Signal::KILL)?;
        mount.unmount()?;
        mount.repair()?;
        mount.mount()?;
        super::kill::progress("read-only", round, rounds, &rig);
    }
    verdict::reach(&rig, rounds)
}

/// Writes until nothing more fits.
fn fill(path: &Path) -> Result<()> {
    use std::io::Write as _;
    let mut file = fs::File::create(path)?;
    let mut chunk = vec![1_u8; 1 << 20];
    loop {
        match file.write(&chunk) {
            Ok(1..) => {}
            Ok(0) => return Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull && chunk.len() > 1024 => {
                chunk.truncate(chunk.len() / 4);
            }
            Err(error) if error.kind() == std::io::ErrorKind::StorageFull => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

fn ready(rig: &Rig) -> Result<u16> {
    Ok(socket::get(&rig.socket(), "/readyz")?.0)
}

/// Posts until the answer has this status.
fn until(rig: &Rig, status: u16) -> Result<()> {
    let began = Instant::now();
    let sent: &Arc<Sent> = &rig.sent;
    let mut last = None;
    while began.elapsed() < SOON {
        if let Some(mut stream) = connect(rig.address) {
            last = sent.send(&mut stream);
            if last == Some(status) {
                return Ok(());
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("the response is {last:?} and not {status}, {SOON:?} later")
}

/// Why the machine does not allow this, if so.
pub(crate) fn not_here() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("it takes root".to_owned());
    }
    let missing = |program: &str| Command::new(program).arg("--version").output().is_err();
    if let Some(program) =
        ["mkfs.ext4", "mount", "umount", "python3"].into_iter().find(|program| missing(program))
    {
        return Some(format!("there is no {program}"));
    }
    let place = tempfile::tempdir().ok()?;
    let (image, at) = (place.path().join("image"), place.path().join("mount"));
    fs::create_dir(&at).ok()?;
    let mount = Mount { image: Some(image.clone()), at };
    let path = image.display().to_string();
    let tried = tool("truncate", &["-s", "8M", &path])
        .and_then(|()| tool("mkfs.ext4", &["-q", "-F", &path]))
        .and_then(|()| mount.mount());
    tried.err().map(|error| format!("{error:#}"))
}
