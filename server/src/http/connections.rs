//! How many connections one client may hold, so that nobody takes all of them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

use super::client::Client;

/// Connections of one client that are open at once. A network behind one address needs some; a proxy is not counted.
const PER_CLIENT: u32 = 256;

/// Who holds how many connections of one port.
pub(super) struct Connections {
    held: Mutex<HashMap<Client, u32>>,
    proxies: Vec<IpNet>,
}

/// A connection that is counted until this is dropped.
pub(super) struct Held {
    counted: Option<(Arc<Connections>, Client)>,
}

impl Connections {
    pub(super) fn new(proxies: &[IpNet]) -> Arc<Self> {
        Arc::new(Self {
            held: Mutex::default(),
            proxies: proxies.to_owned(),
        })
    }

    /// Counts one more connection of `peer`; `None` if it holds as many as it may. Trusted proxies, and without one
    /// programs on this machine, are not counted.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Held> {
        let peer = peer.to_canonical();
        if self.proxies.iter().any(|net| net.contains(&peer))
            || (self.proxies.is_empty() && peer.is_loopback())
        {
            return Some(Held { counted: None });
        }
        let client = Client::from(peer);
        let mut held = self.lock();
        let count = held.entry(client).or_default();
        if *count >= PER_CLIENT {
            return None;
        }
        *count = count.saturating_add(1);
        drop(held);
        Some(Held {
            counted: Some((Arc::clone(self), client)),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Client, u32>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some((connections, client)) = self.counted.take() else {
            return;
        };
        let mut held = connections.lock();
        if let Some(count) = held.get_mut(&client) {
            *count = count.saturating_sub(1);
            if *count == 0 {
                held.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn one_client_leaves_room_for_the_others() {
        let connections = Connections::new(&[]);
        let mut held: Vec<Held> = (0..PER_CLIENT)
            .map(|_| connections.admit(ip("192.0.2.1")).unwrap())
            .collect();
        assert!(connections.admit(ip("192.0.2.1")).is_none());
        assert!(
            connections.admit(ip("::ffff:192.0.2.1")).is_none(),
            "the same address"
        );
        assert!(connections.admit(ip("192.0.2.2")).is_some());
        held.pop();
        held.push(connections.admit(ip("192.0.2.1")).unwrap());
        held.clear();
        assert!(connections.lock().is_empty(), "nobody is remembered");
    }

    #[test]
    fn proxies_and_programs_on_this_machine_are_not_counted() {
        let behind = Connections::new(&["10.0.0.0/8".parse().unwrap()]);
        let alone = Connections::new(&[]);
        let many = |connections: &Arc<Connections>, peer: &str| {
            let held: Vec<_> = (0..=PER_CLIENT).map(|_| connections.admit(ip(peer))).collect();
            held.iter().all(Option::is_some)
        };
        assert!(many(&behind, "10.1.2.3"));
        assert!(many(&alone, "127.0.0.1"));
        assert!(
            !many(&behind, "127.0.0.1"),
            "behind a proxy elsewhere, this machine is a client"
        );
        assert!(!many(&alone, "10.1.2.3"));
    }
}
