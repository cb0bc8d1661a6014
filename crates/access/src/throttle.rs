//! Slows down those who guess passwords, by where they come from, within bounded memory.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

/// Wrong passwords for one name from one network before the next one has to wait.
const FREE: u32 = 5;
/// The same for all names together.
const FREE_OF_NETWORK: u32 = 50;
/// The longest wait for one name from one network.
const LONGEST: Duration = Duration::from_secs(60);
/// The longest wait for all names from one network: others may be behind the same address.
const LONGEST_OF_NETWORK: Duration = Duration::from_secs(2);
/// After so long without a wrong password all is forgotten.
const FORGET: Duration = Duration::from_secs(15 * 60);
/// The most entries.
const MOST: usize = 10_000;

/// Where a client is: an IPv4 address, or the IPv6 network that one client may have all of; none on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct SourceNetwork(Option<IpAddr>);

impl SourceNetwork {
    fn of(address: Option<IpAddr>) -> Self {
        let network = |address: IpAddr| match address.to_canonical() {
            IpAddr::V6(v6) => {
                let [a, b, c, d, ..] = v6.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
            v4 => v4,
        };
        Self(address.map(network))
    }
}

/// What wrong passwords are counted for. Not for a name from everywhere: who has the right password and comes from
/// elsewhere never waits, so that nobody can lock the owner of an account out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Attempted {
    /// One name from one network.
    Own(SourceNetwork, String),
    /// All names from one network.
    Network(SourceNetwork),
}

impl Attempted {
    /// All that an attempt counts for.
    fn all(name: &str, address: Option<IpAddr>) -> [Self; 2] {
        let network = SourceNetwork::of(address);
        [Self::Own(network, name.to_owned()), Self::Network(network)]
    }

    /// So many are free, and so long is the longest wait.
    fn bounds(&self) -> (u32, Duration) {
        match self {
            Self::Own(..) => (FREE, LONGEST),
            Self::Network(_) => (FREE_OF_NETWORK, LONGEST_OF_NETWORK),
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Instant,
}

/// How many wrong passwords came from where.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    failures: HashMap<Attempted, Failures>,
}

impl Throttle {
    /// How long this client has to wait before its next attempt for this name counts.
    pub(crate) fn wait(&self, name: &str, address: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let waits = Attempted::all(name, address).into_iter().filter_map(|key| {
            let (free, longest) = key.bounds();
            let Failures { count, last } = *self.failures.get(&key)?;
            let beyond = count.checked_sub(free)?;
            let wait = Duration::from_secs(1 << beyond.min(6)).min(longest);
            (last + wait).checked_duration_since(now).filter(|wait| !wait.is_zero())
        });
        waits.max()
    }

    /// The password was wrong.
    pub(crate) fn failed(&mut self, name: &str, address: Option<IpAddr>, now: Instant) {
        for key in Attempted::all(name, address) {
            self.make_room(now);
            let failures = self.failures.entry(key).or_insert(Failures { count: 0, last: now });
            let is_old = now.duration_since(failures.last) >= FORGET;
            *failures =
                Failures { count: if is_old { 1 } else { failures.count.saturating_add(1) }, last: now };
        }
    }

    /// The password was right. What else came from that network is not forgotten.
    pub(crate) fn passed(&mut self, name: &str, address: Option<IpAddr>) {
        let [own, _] = Attempted::all(name, address);
        self.failures.remove(&own);
    }

    fn make_room(&mut self, now: Instant) {
        if self.failures.len() < MOST {
            return;
        }
        self.failures.retain(|_, failures| now.duration_since(failures.last) < FORGET);
        if self.failures.len() >= MOST {
            // A tenth at once, so that this is rare.
            let mut times: Vec<Instant> = self.failures.values().map(|failures| failures.last).collect();
            times.sort_unstable();
            let before = times[MOST / 10];
            self.failures.retain(|_, failures| failures.last > before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn guessing_gets_slower_by_name_and_network() {
        let mut throttle = Throttle::default();
        let (begun, here) = (Instant::now(), address("10.0.0.1"));
        for _ in 0..4 {
            throttle.failed("anna", here, begun);
        }
        assert_eq!(throttle.wait("anna", here, begun), None);
        throttle.failed("anna", here, begun);
        let seconds = |throttle: &Throttle, name: &str, from: &str, after: u64| {
            let now = begun + Duration::from_secs(after);
            throttle.wait(name, address(from), now).map_or(0, |wait| wait.as_secs())
        };
        assert_eq!(seconds(&throttle, "anna", "10.0.0.1", 0), 1);
        assert_eq!(seconds(&throttle, "anna", "::ffff:10.0.0.1", 0), 1);
        assert_eq!(seconds(&throttle, "anna", "10.0.0.1", 1), 0);
        for _ in 0..20 {
            throttle.failed("anna", here, begun);
        }
        assert_eq!(seconds(&throttle, "anna", "10.0.0.1", 0), 60, "at most");
        assert_eq!(seconds(&throttle, "anna", "10.0.0.2", 0), 0, "from elsewhere");
        assert_eq!(seconds(&throttle, "bob", "10.0.0.1", 0), 0, "somebody else");
        throttle.passed("anna", here);
        assert_eq!(seconds(&throttle, "anna", "10.0.0.1", 0), 0);
        for n in 0..50 {
            throttle.failed(&format!("name{n}"), address("2001:db8::1"), begun);
        }
        assert_eq!(seconds(&throttle, "other", "2001:db8::2:3", 0), 1, "many names of one network");
    }

    #[test]
    fn others_are_never_locked_out() {
        let mut throttle = Throttle::default();
        let begun = Instant::now();
        // Somebody behind the same address tries names, and many machines try one.
        for n in 0..1000u32 {
            throttle.failed(&format!("name{n}"), address("10.0.0.1"), begun);
            throttle.failed("anna", Some(IpAddr::from((0x0b00_0000 + n).to_be_bytes())), begun);
        }
        let wait =
            |name: &str, from: &str| throttle.wait(name, address(from), begun).map(|wait| wait.as_secs());
        assert_eq!(wait("bob", "10.0.0.1"), Some(2));
        assert_eq!(wait("anna", "192.0.2.1"), None);
        assert_eq!(wait("bob", "192.0.2.1"), None);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut throttle = Throttle::default();
        let begun = Instant::now();
        for n in 0..(MOST as u32 * 2) {
            let now = begun + Duration::from_millis(u64::from(n));
            throttle.failed("anna", Some(IpAddr::from(n.to_be_bytes())), now);
        }
        assert!(throttle.failures.len() <= MOST, "{}", throttle.failures.len());
        let later = begun + FORGET * 2;
        throttle.make_room(later);
        throttle.failed("anna", None, later);
        assert!(throttle.failures.len() <= MOST);
    }
}
