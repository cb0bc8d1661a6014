//! A reader that opens files without pause sees no missing file and no mixture.

use std::fs::{self, File};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use herald_deploy::{DeployMode, SourceKind};
use rustix::fs::{Mode, OFlags, open, openat};

use crate::fixture::{App, files};

/// Deployments, of which 30 change the tree while somebody reads it.
const ROUNDS: usize = 30;

/// Reads both files through one opened folder, as often as it can; returns how often.
fn read_both(served: PathBuf, stop: Arc<AtomicBool>) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let folder = open(&served, OFlags::DIRECTORY | OFlags::RDONLY, Mode::empty()).unwrap();
        let text = |name: &str| {
            let mut text = String::new();
            let opened = openat(&folder, name, OFlags::RDONLY, Mode::empty()).unwrap();
            File::from(opened).read_to_string(&mut text).unwrap();
            text
        };
        assert_eq!(text("one"), text("sub/other"), "a mixture");
        fs::read(served.join("one")).unwrap();
        count += 1;
    }
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn no_missing_file_and_no_mixture() {
    for (kind, mode) in [
        (SourceKind::Git, DeployMode::Exchange),
        (SourceKind::Svn, DeployMode::Exchange),
        (SourceKind::Git, DeployMode::Releases),
        (SourceKind::Svn, DeployMode::Releases),
    ] {
        let mut app = App::new(kind, mode);
        app.target.keep = 2;
        let revisions = [0, 1].map(|text: i32| {
            let text = text.to_string();
            app.repository.commit(&text, &files(&[("one", &text), ("sub/other", &text)]))
        });
        app.deploy(&revisions[0]).await.unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let (served, stopped) = (app.served(), stop.clone());
        let reader = std::thread::spawn(move || read_both(served, stopped));
        for round in 0..ROUNDS {
            app.deploy(&revisions[(round + 1) % 2]).await.unwrap();
        }
        stop.store(true, Ordering::Relaxed);
        let count = reader.join().unwrap();
        assert!(count > ROUNDS, "{kind:?} {mode:?}: only {count} reads");
    }
}
