//! One honest directory with a random life.

use std::collections::{BTreeMap, BTreeSet};

use ed25519_dalek::SigningKey;
use keyglass_protocol::epoch::SeenHead;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::Answer;
use keyglass_protocol::quantity::{ConfigHash, Millis};
use keyglass_protocol::record::{AccountKind, AliasKind, AliasRecord};
use rand::Rng as _;
use rand::seq::{IndexedRandom as _, IteratorRandom as _};
use rand_chacha::ChaCha8Rng;

use super::name_of;
use crate::client::{Ask, Client, Verified};
use crate::world::{Person, World, device};

/// An account, and what was announced about it.
struct Citizen {
    person: Person,
    /// When a notice was given, and the key that it announces; none: a closing.
    notice: Option<(Millis, Option<SigningKey>)>,
    /// Kinds of all its versions.
    kinds: BTreeSet<&'static str>,
}

/// An alias and kinds of all its versions.
struct Name {
    newest: AliasRecord,
    kinds: BTreeSet<&'static str>,
}

/// One honest directory with a random life.
pub struct Town {
    /// The directory.
    pub world: World,
    rng: ChaCha8Rng,
    citizens: BTreeMap<String, Citizen>,
    names: BTreeMap<String, Name>,
    /// Heads that clients have seen.
    heads: Vec<SeenHead>,
    /// Which of them the next client has seen.
    seen: Option<SeenHead>,
    /// Part of every name, so that no other town has the same.
    number: u64,
    made: u32,
    /// Accounts that an alias of this epoch names: they stay as they are, so that it may name them.
    named: BTreeSet<String>,
}

impl Town {
    /// An empty directory.
    pub fn new(number: u64, rng: ChaCha8Rng) -> Self {
        Self {
            world: World::new(3),
            number,
            rng,
            citizens: BTreeMap::new(),
            names: BTreeMap::new(),
            heads: Vec::new(),
            seen: None,
            made: 0,
            named: BTreeSet::new(),
        }
    }

    /// Some things happen, all in one epoch, each label at most once.
    pub fn live_on(&mut self) {
        let mut batch: BTreeMap<String, (Label, Vec<u8>)> = BTreeMap::new();
        self.named.clear();
        let events = self.rng.random_range(1..=6);
        for _ in 0..events {
            let entry = match self.rng.random_range(0..10) {
                0..=2 => self.newcomer(),
                3..=6 => self.change_of_account(&batch),
                _ => self.change_of_alias(&batch),
            };
            if let Some((label, value)) = entry {
                batch.insert(label.as_str().to_owned(), (label, value));
            }
        }
        if batch.is_empty() {
            let (label, value) = self.newcomer().unwrap();
            batch.insert(label.as_str().to_owned(), (label, value));
        }
        self.world.publish(&batch.into_values().collect::<Vec<_>>());
        self.seen = self
            .heads
            .choose(&mut self.rng)
            .copied()
            .filter(|_| self.rng.random_bool(0.7));
    }

    fn newcomer(&mut self) -> Option<(Label, Vec<u8>)> {
        self.made += 1;
        let id = format!("user{}.{}", self.number, self.made);
        let delay = *[0, 0, 1, 2, 5].choose(&mut self.rng).unwrap();
        let imported = self.rng.random_bool(0.2);
        let import = imported.then_some(&self.world.keys.import);
        let key = SigningKey::from_bytes(&self.rng.random());
        let person = Person::with_key(&id, key, delay, import);
        let entry = person.entry();
        let kind = if imported { "imported" } else { "created" };
        let citizen = Citizen {
            person,
            notice: None,
            kinds: BTreeSet::from([kind]),
        };
        self.citizens.insert(id, citizen);
        Some(entry)
    }

    fn change_of_account(&mut self, batch: &BTreeMap<String, (Label, Vec<u8>)>) -> Option<(Label, Vec<u8>)> {
        let busy = |id: &str| batch.contains_key(&format!("account:{id}")) || self.named.contains(id);
        let id = self
            .citizens
            .keys()
            .filter(|id| !busy(id))
            .choose(&mut self.rng)?
            .clone();
        let (time, recovery) = (self.world.now.plus(1000), self.world.keys.recovery.clone());
        let key = SigningKey::from_bytes(&self.rng.random());
        let choice = self.rng.random_range(0..10);
        let citizen = self.citizens.get_mut(&id)?;
        let person = &mut citizen.person;
        let (closed, delay) = (
            is_closed(citizen_kind(person)),
            person.newest.body().recovery_delay,
        );
        match (citizen.notice.take(), choice) {
            (Some((since, announced)), 0..=5) if time.since(since) >= u64::from(delay) * 1000 => {
                match announced {
                    Some(key) => drop(person.recover(key, &recovery)),
                    None => drop(person.end(Some(&recovery))),
                }
            }
            // A closed account takes nothing but a recovery.
            (Some(notice), _) if citizen.kinds.contains("closed") => {
                citizen.notice = Some(notice);
                return None;
            }
            (Some(_) | None, 0..=3) if !closed => {
                let number = 2 + person.newest.body().devices.len() as u32;
                let mut body = person.next_body(AccountKind::Owner);
                body.devices = (1..=number.min(5)).map(|n| device(n, choice + 1)).collect();
                person.newest = body
                    .sign(&[(keyglass_protocol::record::Role::Identity, &person.identity)])
                    .unwrap();
            }
            (Some(_) | None, 4..=6) if !closed => drop(person.rotate_to(key)),
            (Some(_) | None, 7) if !closed => drop(person.end(None)),
            (None, 8) if !closed && delay > 0 => {
                person.notice(None, &recovery);
                citizen.notice = Some((time, None));
            }
            (None, _) if delay > 0 => {
                person.notice(Some(&key), &recovery);
                citizen.notice = Some((time, Some(key)));
            }
            (None, _) => drop(person.recover(key, &recovery)),
            (Some(notice), _) => {
                citizen.notice = Some(notice);
                return None;
            }
        }
        citizen.kinds.insert(citizen_kind(&citizen.person).as_str());
        if citizen.person.newest.body().kind == AccountKind::Owner && choice >= 4 {
            citizen.kinds.insert("rotation");
        }
        Some(citizen.person.entry())
    }

    fn change_of_alias(&mut self, batch: &BTreeMap<String, (Label, Vec<u8>)>) -> Option<(Label, Vec<u8>)> {
        let free = |c: &Citizen| {
            !batch.contains_key(c.person.label().as_str()) && !is_closed(citizen_kind(&c.person))
        };
        let taker = self.citizens.values().filter(|c| free(c)).choose(&mut self.rng)?;
        let taker = taker.person.clone();
        self.named.insert(taker.id.as_str().to_owned());
        let choice = self.rng.random_range(0..6);
        let known: Vec<String> = self
            .names
            .keys()
            .filter(|n| !batch.contains_key(*n))
            .cloned()
            .collect();
        let name = known.choose(&mut self.rng).cloned().filter(|_| choice > 1);
        let Some(name) = name else {
            self.made += 1;
            let alias = match choice % 2 {
                0 => format!("handle:name{}.{}", self.number, self.made),
                _ => format!("phone:+1{:07}{:06}", self.number, self.made),
            };
            return self.keep(taker.claim(&alias, None));
        };
        let held = self.names.get(&name)?.newest.clone();
        let Some(holder) = held.body().holder.as_ref().map(|h| h.account.as_str().to_owned()) else {
            return self.keep(taker.claim(&name, Some(&held)));
        };
        if choice == 5 {
            let recovery = self.world.keys.recovery.clone();
            return self.keep(taker.reassign(&held, &recovery));
        }
        let before = self.citizens.get(&holder).filter(|c| free(c))?.person.clone();
        self.named.insert(holder);
        if choice == 4 {
            return self.keep(before.release(&held));
        }
        self.keep(before.transfer(&held, &taker))
    }

    fn keep(&mut self, newest: AliasRecord) -> Option<(Label, Vec<u8>)> {
        let (label, bytes) = (newest.label(), newest.bytes().to_vec());
        let kind = match newest.body().kind {
            AliasKind::Claim if newest.body().version.get() > 1 => "claim of a released alias",
            kind => kind.as_str(),
        };
        let kinds = self
            .names
            .remove(label.as_str())
            .map(|n| n.kinds)
            .unwrap_or_default();
        let mut name = Name { newest, kinds };
        name.kinds.insert(kind);
        self.names.insert(label.as_str().to_owned(), name);
        Some((label, bytes))
    }

    /// Labels to ask for: accounts, aliases, and some that do not exist.
    pub fn questions(&mut self, most: usize) -> Vec<Label> {
        let mut known: Vec<String> = self.citizens.keys().map(|id| format!("account:{id}")).collect();
        known.extend(self.names.keys().cloned());
        let absent = (0..1 + most / 10).map(|n| format!("account:nobody{}.{n}-{}", self.number, self.made));
        let mut labels: Vec<String> = known.into_iter().choose_multiple(&mut self.rng, most);
        labels.extend(absent);
        labels.iter().map(|l| Label::parse(l).unwrap()).collect()
    }

    /// The newest version of a label; 0 if there is none.
    pub fn version(&self, label: &Label) -> u64 {
        match label {
            Label::Account(id) => self
                .citizens
                .get(id.as_str())
                .map(|c| c.person.newest.body().version),
            _ => self.names.get(label.as_str()).map(|n| n.newest.body().version),
        }
        .map_or(0, |v| v.get())
    }

    /// A client has seen this epoch.
    pub fn remember_head(&mut self) {
        let mut client = self.client();
        client.seen = None;
        let head = client.accept(&self.world.bare_answer(None), None).unwrap().head();
        self.heads.push(head);
    }

    /// A client that has seen an older head, or none.
    pub fn client(&self) -> Client {
        Client {
            trust: self.world.trust(),
            seen: self.seen,
            now: self.world.time(),
        }
    }

    /// What kind of answer it is, and whether it is what was published.
    pub(super) fn is_right(&self, label: &Label, found: &Verified) -> (&'static str, bool) {
        let account = match label {
            Label::Account(id) => Some(id.clone()),
            _ => {
                let name = self.names.get(label.as_str());
                name.and_then(|n| n.newest.body().holder.as_ref().map(|h| h.account.clone()))
            }
        };
        let citizen = account.and_then(|id| self.citizens.get(id.as_str()));
        let right = match found {
            Verified::Account(record) => citizen.is_some_and(|c| c.person.newest == **record),
            Verified::Closed => citizen.is_some_and(|c| c.kinds.contains("closed")),
            Verified::Released => self.names.contains_key(label.as_str()) && citizen.is_none(),
            Verified::Absent => self.version(label) == 0,
        };
        (name_of(found, label), right)
    }

    /// What there was in the life of a label.
    pub(super) fn shown(&self, label: &Label) -> Vec<&'static str> {
        let kinds = match label {
            Label::Account(id) => self.citizens.get(id.as_str()).map(|c| &c.kinds),
            _ => self.names.get(label.as_str()).map(|n| &n.kinds),
        };
        kinds.into_iter().flatten().copied().collect()
    }
}

fn citizen_kind(person: &Person) -> AccountKind {
    person.newest.body().kind
}

fn is_closed(kind: AccountKind) -> bool {
    kind == AccountKind::Closed
}

impl Ask for &Town {
    fn lookup(&mut self, label: &Label) -> Answer {
        self.world.lookup(label, Some(1), self.seen.map(|h| h.size.get()))
    }

    fn history(&mut self, label: &Label) -> Answer {
        self.world.history(label, 1)
    }

    fn config(&mut self, _: &ConfigHash) -> Option<Vec<u8>> {
        None
    }
}
