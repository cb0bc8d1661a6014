//! Messages for a service manager: systemd's notification protocol (`Type=notify`, `WatchdogSec=`).

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::clock::monotonic_micros;

/// The socket of the service manager that started this program; without one nothing happens.
#[derive(Debug, Default)]
pub struct ServiceManager {
    socket: Option<(UnixDatagram, SocketAddr)>,
    /// How often it wants a sign of life, at least.
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// As the environment says: `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`.
    #[must_use]
    pub fn from_environment() -> Self {
        Self::of(&|name| std::env::var(name).ok(), std::process::id())
    }

    fn of(variable: &dyn Fn(&str) -> Option<String>, pid: u32) -> Self {
        let Some(socket) = variable("NOTIFY_SOCKET").and_then(|name| open(&name).ok()) else {
            return Self::default();
        };
        // For another process, such as the one that started this one.
        let for_other = variable("WATCHDOG_PID").is_some_and(|given| given.parse() != Ok(pid));
        let micros = variable("WATCHDOG_USEC").and_then(|micros| micros.parse().ok());
        let watchdog = micros.filter(|micros| !for_other && *micros > 0).map(Duration::from_micros);
        Self { socket: Some(socket), watchdog }
    }

    /// The program serves, or serves again after it was reloaded.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// The configuration is being read again; [`Self::ready`] is to follow.
    pub fn reloading(&self) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_micros()));
    }

    /// The program is ending.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    /// The program is alive.
    pub fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// How often [`Self::alive`] is to be called: twice in the time after which the program would be ended.
    #[must_use]
    pub fn alive_every(&self) -> Option<Duration> {
        self.watchdog.map(|within| within / 2)
    }

    fn send(&self, text: &str) {
        if let Some((socket, to)) = &self.socket {
            // Nobody may listen; the program goes on.
            let _ = socket.send_to_addr(text.as_bytes(), to);
        }
    }
}

fn open(name: &str) -> std::io::Result<(UnixDatagram, SocketAddr)> {
    let to = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manager(socket: &str, more: &[(&str, &str)]) -> ServiceManager {
        ServiceManager::of(
            &|name| {
                let given = more.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
                given.or_else(|| (name == "NOTIFY_SOCKET").then(|| socket.to_owned()))
            },
            77,
        )
    }

    #[test]
    fn all_states_arrive_over_both_kinds_of_sockets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let name = format!("herald-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        for (listener, given) in [
            (UnixDatagram::bind(&path).unwrap(), path.display().to_string()),
            (UnixDatagram::bind_addr(&address).unwrap(), format!("@{name}")),
        ] {
            let next = || {
                let mut text = [0; 200];
                let length = listener.recv(&mut text).unwrap();
                String::from_utf8(text[..length].to_vec()).unwrap()
            };
            let manager = manager(&given, &[]);
            manager.ready();
            assert_eq!(next(), "READY=1");
            manager.reloading();
            let text = next();
            let micros = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
            assert!(micros.parse::<u64>().unwrap() > 0, "{text}");
            manager.alive();
            manager.stopping();
            assert_eq!((next().as_str(), next().as_str()), ("WATCHDOG=1", "STOPPING=1"));
        }
    }

    #[test]
    fn the_watchdog_is_for_this_process_alone() {
        for (more, every) in [
            (vec![], None),
            (vec![("WATCHDOG_USEC", "3000000")], Some(1500)),
            (vec![("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "77")], Some(1500)),
            (vec![("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "78")], None),
            (vec![("WATCHDOG_USEC", "0")], None),
            (vec![("WATCHDOG_USEC", "soon")], None),
        ] {
            let every = every.map(Duration::from_millis);
            assert_eq!(manager("@nobody-listens", &more).alive_every(), every, "{more:?}");
        }
        let none = ServiceManager::of(&|_| None, 77);
        none.ready();
        assert_eq!(none.alive_every(), None);
    }
}
