//! What every command has at hand: settings, style, and the memory of the directory it talks to.

use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::epoch::{SeenHead, Trust};
use keyglass_protocol::note::{Policy, VerifierKey};
use keyglass_protocol::quantity::{Epoch, LogSize};

use crate::configs;
use crate::http::Http;
use crate::output::Style;
use crate::report::Failure;
use crate::settings::Settings;
use crate::state::{Directory, Home, State};

/// Settings and style.
pub(crate) struct Context {
    /// The settings in force.
    pub(crate) settings: Settings,
    /// How to speak.
    pub(crate) style: Style,
}

impl Context {
    /// Opens the memory, locked until dropped.
    pub(crate) fn home(&self) -> Result<Home, Failure> {
        let home = Home::open(&|| {
            self.style
                .progress("another keyglass is running; waiting for it…")
        })?;
        Ok(home.with_passphrase(self.settings.passphrase()?))
    }

    /// Opens the memory of the pinned directory that is meant.
    pub(crate) fn memory(&self) -> Result<Memory, Failure> {
        let home = self.home()?;
        let state = home.load()?;
        let index = self.choose(&state)?;
        Ok(Memory { home, state, index })
    }

    /// A connection to the directory, unless the network is forbidden.
    pub(crate) fn http(&self, directory: &Directory) -> Result<Http, Failure> {
        let address = self.settings.directory.as_deref().unwrap_or(&directory.url);
        self.http_to(address)
    }

    /// A connection to an address, unless the network is forbidden.
    pub(crate) fn http_to(&self, address: &str) -> Result<Http, Failure> {
        if self.settings.offline {
            return Err(
                Failure::missing("offline", "this needs the network, and --offline forbids it")
                    .next("leave --offline out, or verify a saved lookup with keyglass verify FILE"),
            );
        }
        Http::new(address, self.settings.token()?)
    }

    /// The address decides only among the pinned directories; it never replaces a pin.
    fn choose(&self, state: &State) -> Result<usize, Failure> {
        let wanted = self.settings.directory.as_deref();
        let same = |d: &Directory| wanted.is_none_or(|w| trimmed(w) == trimmed(&d.url));
        let mut matching = state.directories.iter().enumerate().filter(|(_, d)| same(d));
        match (matching.next(), matching.next(), state.directories.len()) {
            (Some((index, _)), None, _) => Ok(index),
            // Another address of the only directory there is.
            (None, _, 1) => Ok(0),
            (_, _, 0) => Err(no_trust()),
            _ => Err(
                Failure::usage("directory-ambiguous", "several directories are pinned")
                    .next("name the address of one with --directory; keyglass trust show lists them"),
            ),
        }
    }
}

fn trimmed(url: &str) -> &str {
    url.trim_end_matches('/')
}

fn no_trust() -> Failure {
    Failure::missing(
        "no-trust",
        "no directory is pinned, so there is nothing to verify against",
    )
    .meaning("a key is only as good as the directory's keys that you compared")
    .next("keyglass trust add URL --log-vkey VKEY --config-sha256 HEX --policy FILE")
}

/// The memory, and which of its directories is meant.
pub(crate) struct Memory {
    /// The state directory, locked.
    pub(crate) home: Home,
    state: State,
    index: usize,
}

impl Memory {
    /// The memory of the directory with this index, already read.
    pub(crate) fn of(home: Home, state: State, index: usize) -> Self {
        Self { home, state, index }
    }

    /// Everything that is remembered, of all directories.
    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    /// Gives the parts back.
    pub(crate) fn into_parts(self) -> (Home, State) {
        (self.home, self.state)
    }

    /// Does something with another pinned directory.
    pub(crate) fn visit<T>(
        &mut self,
        origin: &str,
        act: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let mut all = self.state.directories.iter();
        let there = all.position(|d| d.origin == origin).ok_or_else(no_trust)?;
        let here = std::mem::replace(&mut self.index, there);
        let outcome = act(self);
        self.index = here;
        outcome
    }

    /// The directory that is meant.
    pub(crate) fn directory(&self) -> Result<&Directory, Failure> {
        self.state.directories.get(self.index).ok_or_else(no_trust)
    }

    /// The same, to be changed; [`Memory::save`] makes it durable.
    pub(crate) fn directory_mut(&mut self) -> Result<&mut Directory, Failure> {
        self.state.directories.get_mut(self.index).ok_or_else(no_trust)
    }

    /// Makes all changes durable at once.
    pub(crate) fn save(&self) -> Result<(), Failure> {
        self.home.save(&self.state)
    }
}

/// The pins of a directory, as the verifier takes them.
pub(crate) fn trust(directory: &Directory, settings: &Settings) -> Result<Trust, Failure> {
    let damaged = |what: &str, why: String| {
        Failure::internal(
            "state-damaged",
            format!("the pinned {what} cannot be read: {why}"),
        )
        .next("pin the directory again with keyglass trust add")
    };
    let mut documents = Vec::new();
    for pinned in &directory.configs {
        let document =
            ConfigDocument::parse(&pinned.document.0).map_err(|e| damaged("configuration", e.to_string()))?;
        documents.push((Epoch::new(pinned.epoch), document));
    }
    let chain = configs::rebuild(documents).map_err(|e| damaged("configuration", e.to_string()))?;
    let chain = chain.ok_or_else(|| damaged("configuration", "there is none".into()))?;
    let log_key = directory
        .log_vkey
        .parse::<VerifierKey>()
        .map_err(|e| damaged("log key", e.to_string()))?;
    let policy = directory.policy.as_deref().map(str::parse::<Policy>).transpose();
    let policy = policy.map_err(|e| damaged("policy", e.to_string()))?;
    Trust::new(log_key, chain, policy, settings.bounds).map_err(|e| damaged("key", e.to_string()))
}

/// The newest remembered head.
pub(crate) fn seen_head(directory: &Directory) -> Result<Option<SeenHead>, Failure> {
    let Some(head) = &directory.head else {
        return Ok(None);
    };
    let root = head.root.parse().map_err(|_| {
        Failure::internal("state-damaged", "the remembered head cannot be read").next(
            "restore the memory from a backup; do not throw it away: it protects you against a split view",
        )
    })?;
    Ok(Some(SeenHead {
        size: LogSize::new(head.size),
        root,
    }))
}
