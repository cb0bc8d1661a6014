//! The environment of a run: the programs, a temporary folder, free ports.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// The programs and a folder.
pub(crate) struct Place {
    programs: PathBuf,
    folder: TempDir,
}

impl Place {
    /// Builds missing programs; they are in the folder of this one.
    pub(crate) fn new() -> Result<Self> {
        let this = std::env::current_exe()?;
        let target = this.parent().and_then(Path::parent).context("bench is not in a target folder")?;
        let programs = target.join("release");
        if !programs.join("heraldd").exists() || !programs.join("herald-runner").exists() {
            eprintln!("building heraldd and herald-runner…");
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let built = Command::new(cargo)
                .args(["build", "--release", "-p", "heraldd", "-p", "herald-runner"])
                .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
                .status()?;
            ensure!(built.success(), "the programs could not be built");
        }
        let folder = tempfile::Builder::new().prefix("herald-bench-").tempdir()?;
        Ok(Self { programs, folder })
    }

    /// Uses the programs in the folder of this one, built the same way; the temporary folder can be kept.
    pub(crate) fn beside_this_program(keep: bool) -> Result<Self> {
        let this = std::env::current_exe()?;
        let programs = this.parent().context("a program lies in a folder")?.to_owned();
        for name in ["heraldd", "herald-runner"] {
            ensure!(
                programs.join(name).exists(),
                "{name} is not built: run `cargo build --workspace`, with the same profile"
            );
        }
        let mut folder = tempfile::Builder::new().prefix("herald-crash-").tempdir()?;
        if keep {
            folder.disable_cleanup(true);
            eprintln!("{}", folder.path().display());
        }
        Ok(Self { programs, folder })
    }

    /// One of the programs.
    pub(crate) fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a configuration and gives its path. `@DIR@` in it is the folder.
    pub(crate) fn write(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        fs::write(&path, text.replace("@DIR@", &self.folder.path().display().to_string()))?;
        Ok(path)
    }
}

/// A port of this machine that was free a moment ago.
pub(crate) fn free_port() -> Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}
