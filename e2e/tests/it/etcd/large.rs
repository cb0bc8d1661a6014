//! Ten thousand keys.

use std::path::Path;
use std::time::{Duration, Instant};

use e2e::etcd::EtcdChange;
use e2e::wait::{stays, until_within};

use super::site::Site;

const PROJECTS: usize = 10;
const FILES: usize = 1000;

fn written(site: &Site) -> usize {
    let folder = |project| site.place.path(&format!("p{project}"));
    let files = |path: &Path| super::names_in(path).iter().filter(|name| !name.starts_with('.')).count();
    (0..PROJECTS).map(|project| files(&folder(project))).sum()
}

/// When each file was written last.
fn times(site: &Site) -> Vec<std::time::SystemTime> {
    let time = |project: usize, n: usize| {
        let file = site.place.path(&format!("p{project}/f{n}"));
        std::fs::metadata(file).unwrap().modified().unwrap()
    };
    (0..PROJECTS).flat_map(|project| (0..FILES).map(move |n| time(project, n))).collect()
}

#[test]
fn ten_thousand_keys() {
    let site = Site::new();
    for project in 0..PROJECTS {
        let file = |n: usize| {
            EtcdChange::put(&Site::key(&format!("p{project}/config.d/f{n}")), &format!("{n} ").repeat(100))
        };
        let files: Vec<EtcdChange> = (0..FILES).map(file).collect();
        files.chunks(100).for_each(|chunk| site.server.change_all(chunk));
        site.policy(&format!("p{project}"), "");
    }
    let began = Instant::now();
    let daemon = site.start();
    until_within(Duration::from_secs(60), "all files", || (written(&site) == PROJECTS * FILES).then_some(()));
    let took = began.elapsed();
    let all_in_sync = || {
        let shown = site.heraldd(&["published", "--json"]).text();
        (shown.matches("\"in_sync\"").count() == PROJECTS).then_some(())
    };
    until_within(Duration::from_secs(30), "in sync", all_in_sync);
    let peak = daemon.peak_mib();
    assert!(took < Duration::from_secs(30), "{took:?}");
    // A build for development; it says whether memory grows with the work.
    assert!(peak <= 256, "{peak} MiB");
    let before = times(&site);
    daemon.signal("TERM");
    assert_eq!(daemon.wait_end(), Some(0));
    drop(daemon);
    let daemon = site.start();
    let jobs = || daemon.printed().len();
    until_within(Duration::from_secs(20), "every project was looked at", || {
        (jobs() >= PROJECTS).then_some(())
    });
    stays(Duration::from_secs(3), "nothing is written", || times(&site) == before);
}
