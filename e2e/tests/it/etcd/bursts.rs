//! Many changes at once: a publication sees a project at one revision, one after the other, and the last one wins.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use e2e::etcd::{EtcdChange, EtcdServer};
use e2e::wait::{stays, until, until_within};

use super::site::{Site, result};

/// A command that notes its start and its end.
const NOTED: &str = "echo start >>@DIR@/ran; sleep 0.01; echo end >>@DIR@/ran";

fn noted(site: &Site) -> String {
    format!(", \"afterCmd\": \"{}\"", site.place.fill(NOTED))
}

/// How often it ran; never two at once.
fn runs(site: &Site) -> usize {
    let ran = site.place.read("ran").unwrap_or_default();
    let lines: Vec<&str> = ran.lines().collect();
    for pair in lines.chunks(2) {
        assert!(pair == ["start", "end"] || pair == ["start"], "two at once: {lines:?}");
    }
    lines.len().div_ceil(2)
}

#[test]
fn one_transaction_is_one_publication() {
    let site = Site::new();
    let daemon = site.start();
    let commands =
        ", \"beforeCmd\": \"echo before >>@DIR@/before\", \"afterCmd\": \"echo after >>@DIR@/after\"";
    let put = |name: &str, value: &str| EtcdChange::put(&Site::key(name), value);
    site.server.change_all(&[
        put("a.com/config", &site.policy_text("a.com", &site.place.fill(commands))),
        put("a.com/config.d/one", "1"),
        put("a.com/config.d/two", "2"),
        put("a.com/config.d/three", "3"),
    ]);
    let published = result(&daemon, "the publication", |result| result["state"] == "published");
    assert_eq!(published["files"].as_array().unwrap().len(), 3);
    for (file, content) in [("one", "1"), ("two", "2"), ("three", "3")] {
        assert_eq!(site.place.read(&format!("a.com/{file}")).as_deref(), Some(content));
    }
    stays(Duration::from_secs(1), "one of each", || {
        (site.place.count("before"), site.place.count("after"), daemon.printed().len()) == (1, 1, 1)
    });
}

#[test]
fn two_thousand_values_of_one_key() {
    let site = Site::new();
    let _daemon = site.start();
    site.policy("a.com", &noted(&site));
    site.put("a.com/config.d/x", "first");
    site.wait("a.com/x", Some("first"));
    let began = Instant::now();
    let writer = |number: usize, server: &EtcdServer| {
        for n in 0..500 {
            server.put_bytes(&Site::key("a.com/config.d/x"), format!("{number}-{n}").as_bytes());
        }
    };
    std::thread::scope(|scope| {
        for number in 0..4 {
            let server = &site.server;
            scope.spawn(move || writer(number, server));
        }
    });
    let wrote = began.elapsed();
    site.put("a.com/config.d/x", "last");
    site.wait("a.com/x", Some("last"));
    until("the end of the last command", || (site.state("a.com") == "in_sync").then_some(()));
    let most = 40 * usize::try_from(wrote.as_secs()).unwrap().div_ceil(2).max(1);
    let ran = runs(&site);
    assert!((2..=most).contains(&ran), "{ran} publications, {wrote:?}");
}

/// Numbers that are the same in each run.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        // xorshift64
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

#[test]
fn after_each_burst_the_disk_equals_etcd() {
    let site = Site::with(", settle: 10ms", "");
    let _daemon = site.start();
    site.policy("a.com", "");
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut wanted = BTreeMap::new();
    for burst in 0..200 {
        // Each of the keys is written by one thread, so that the last value is known.
        let writes: Vec<Vec<EtcdChange>> = (0..4)
            .map(|thread| {
                let change = |n: u64, dice: &mut Dice| {
                    let key = thread * 5 + dice.below(5);
                    let value = (dice.below(8) > 0).then(|| format!("{burst}-{n}"));
                    EtcdChange { key: format!("key{key}"), value }
                };
                (0..1 + dice.below(6)).map(|n| change(n, &mut dice)).collect()
            })
            .collect();
        wanted.extend(writes.iter().flatten().map(|change| (change.key.clone(), change.value.clone())));
        std::thread::scope(|scope| {
            for writes in &writes {
                scope.spawn(|| {
                    for EtcdChange { key, value } in writes.iter().cloned() {
                        let key = Site::key(&format!("a.com/config.d/{key}"));
                        site.server.change_all(&[EtcdChange { key, value }]);
                    }
                });
            }
        });
        until_within(Duration::from_secs(10), &format!("burst {burst}"), || {
            let is_there =
                |(key, value): (&String, &Option<String>)| site.place.read(&format!("a.com/{key}")) == *value;
            wanted.iter().all(is_there).then_some(())
        });
    }
    let (folder, count) = (site.place.path("a.com"), wanted.values().flatten().count());
    until("no temporary file", || (super::names_in(&folder).len() == count).then_some(()));
}
