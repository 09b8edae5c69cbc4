//! A stretch of network that can fail: a TCP proxy on loopback.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// What a link does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// Passes everything on.
    Open,
    /// Passes nothing on and says nothing, as a cable that was pulled. What was sent arrives when it is healed.
    Silent,
    /// Connections end, new ones end at once, as with a machine whose programs are down.
    Refusing,
    /// The link is being dropped.
    Gone,
}

struct State {
    mode: Mode,
    target: u16,
    delay: Duration,
    /// Both ends of every connection.
    open: BTreeMap<u64, [TcpStream; 2]>,
    next: u64,
}

/// Where one side finds the other. Dropping it ends all its connections.
pub struct Link {
    port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Link {
    /// A link to a port of this machine.
    pub fn to(target: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                mode: Mode::Open,
                target,
                delay: Duration::ZERO,
                open: BTreeMap::new(),
                next: 0,
            }),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || accepting.accept(&listener));
        Self { port, shared }
    }

    /// The port under which the other side is found.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on nothing passes, and neither side is told.
    pub fn cut(&self) {
        self.shared.set(|state| state.mode = Mode::Silent);
    }

    /// From now on the other side is down: connections end.
    pub fn refuse(&self) {
        self.shared.set(|state| {
            state.mode = Mode::Refusing;
            state.end_all();
        });
    }

    /// Everything passes again.
    pub fn heal(&self) {
        self.shared.set(|state| state.mode = Mode::Open);
    }

    /// Holds every piece of data back for so long.
    pub fn delay(&self, by: Duration) {
        self.shared.set(|state| state.delay = by);
    }

    /// Leads to another port; what is connected ends.
    pub fn aim(&self, target: u16) {
        self.shared.set(|state| {
            state.target = target;
            state.end_all();
        });
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.set(|state| {
            state.mode = Mode::Gone;
            state.end_all();
        });
        // Wakes the thread that accepts.
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}

impl State {
    fn end_all(&mut self) {
        for [near, far] in std::mem::take(&mut self.open).into_values() {
            // Gone already, if they fail.
            let _gone = near.shutdown(Shutdown::Both);
            let _gone = far.shutdown(Shutdown::Both);
        }
    }
}

impl Shared {
    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for near in listener.incoming().flatten() {
            let (mode, target) = {
                let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                (state.mode, state.target)
            };
            match mode {
                Mode::Gone => return,
                Mode::Refusing => drop(near),
                Mode::Open | Mode::Silent => {
                    if let Ok(far) = TcpStream::connect(("127.0.0.1", target)) {
                        self.join(near, far);
                    }
                }
            }
        }
    }

    /// Two threads, one for each direction, until either side ends.
    fn join(self: &Arc<Self>, near: TcpStream, far: TcpStream) {
        for stream in [&near, &far] {
            stream.set_nodelay(true).unwrap();
        }
        let mut number = 0;
        self.set(|state| {
            number = state.next;
            state.next += 1;
            let ends = [near.try_clone().unwrap(), far.try_clone().unwrap()];
            state.open.insert(number, ends);
        });
        let back = (far.try_clone().unwrap(), near.try_clone().unwrap());
        for (from, to) in [(near, far), back] {
            let this = Arc::clone(self);
            std::thread::spawn(move || {
                this.pass(from, to);
                this.set(|state| drop(state.open.remove(&number)));
            });
        }
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream) {
        let mut buffer = [0; 1 << 14];
        loop {
            let count = match from.read(&mut buffer) {
                Ok(count) if count > 0 && self.may_pass() => count,
                _ => break,
            };
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
        }
        let _gone = from.shutdown(Shutdown::Both);
        let _gone = to.shutdown(Shutdown::Both);
    }

    /// Waits while the link is silent, then for its delay; false if what was read is not to be passed on.
    fn may_pass(&self) -> bool {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let state = self
            .changed
            .wait_while(state, |state| state.mode == Mode::Silent)
            .unwrap_or_else(PoisonError::into_inner);
        let (mode, delay) = (state.mode, state.delay);
        drop(state);
        std::thread::sleep(delay);
        mode == Mode::Open
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    /// Answers each byte with itself.
    fn echo() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                std::thread::spawn(move || {
                    let mut byte = [0];
                    while stream.read_exact(&mut byte).is_ok() {
                        stream.write_all(&byte).unwrap();
                    }
                });
            }
        });
        port
    }

    fn connect(link: &Link) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", link.port())).unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
        stream
    }

    fn asks(stream: &mut TcpStream) -> std::io::Result<()> {
        stream.write_all(&[7])?;
        stream.read_exact(&mut [0])
    }

    #[test]
    fn a_cut_link_is_silent_and_delivers_when_it_is_healed() {
        let link = Link::to(echo());
        let mut stream = connect(&link);
        asks(&mut stream).unwrap();
        link.cut();
        assert!(asks(&mut stream).is_err());
        link.heal();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }

    #[test]
    fn a_refusing_link_ends_connections_and_takes_none() {
        let link = Link::to(echo());
        let mut stream = connect(&link);
        asks(&mut stream).unwrap();
        link.refuse();
        assert!(asks(&mut stream).is_err());
        assert!(asks(&mut connect(&link)).is_err());
        link.heal();
        asks(&mut connect(&link)).unwrap();
    }

    #[test]
    fn a_link_can_be_slow_and_lead_elsewhere() {
        let (first, second) = (Link::to(echo()), echo());
        first.delay(Duration::from_millis(50));
        let began = Instant::now();
        let mut stream = connect(&first);
        asks(&mut stream).unwrap();
        // Both ways.
        assert!(began.elapsed() >= Duration::from_millis(100));
        first.aim(second);
        assert!(asks(&mut stream).is_err());
        asks(&mut connect(&first)).unwrap();
    }
}
