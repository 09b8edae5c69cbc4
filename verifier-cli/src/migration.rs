//! A log that continues a pinned one: linked in both directions, or a stranger.

use keyglass_protocol::config::{ConfigDocument, Predecessor};
use keyglass_protocol::epoch::Leaf;

use crate::context::{self, Context};
use crate::exit::Exit;
use crate::output::foreign;
use crate::report::Failure;
use crate::state::{Directory, State};

/// What a new directory says about one that is pinned.
pub(crate) enum Link {
    /// It continues none of the pinned ones.
    Stranger,
    /// It says that it continues this pinned one, which cannot be checked yet; why.
    Claimed(String),
    /// The pinned one names it as its successor, and it names exactly the final state that was seen here.
    Proven(Box<Directory>),
}

/// Holds what a new configuration says about its predecessor against what is pinned and remembered of it.
///
/// # Errors
/// What contradicts the memory: other keys, a shorter log, another end.
pub(crate) fn link(context: &Context, state: &State, document: &ConfigDocument) -> Result<Link, Failure> {
    let values = document.values();
    let Some(claimed) = &values.predecessor else {
        return Ok(Link::Stranger);
    };
    let Some(old) = state
        .directories
        .iter()
        .find(|d| d.origin == claimed.origin.as_str())
    else {
        return Ok(Link::Stranger);
    };
    let trust = context::trust(old, &context.settings)?;
    if *trust.log_key() != claimed.log_vkey {
        return Err(refuse(
            "predecessor-other-key",
            "it names another key for the log that it continues",
        ));
    }
    if trust.document().values().vrf_public_key != claimed.vrf_public_key {
        return Err(refuse(
            "predecessor-other-vrf",
            "it names another VRF key for the log that it continues",
        ));
    }
    let named = trust.document().values().successor.as_ref();
    match named {
        Some(next) if next.origin == values.origin && next.log_vkey == values.log_vkey => {}
        Some(_) => {
            return Err(refuse(
                "successor-other",
                "the pinned log names another one as its successor",
            ));
        }
        None => {
            let why = format!("{} at {} names no successor yet", old.origin, old.url);
            return Ok(Link::Claimed(why));
        }
    }
    check_end(old, claimed)
}

/// The old log ends exactly where the new one says.
fn check_end(old: &Directory, claimed: &Predecessor) -> Result<Link, Failure> {
    let size = claimed.size.get();
    let head = old.head.as_ref().filter(|h| h.size >= size);
    let Some(head) = head else {
        let why = format!("the end of {} at {} was not seen yet", old.origin, old.url);
        return Ok(Link::Claimed(why));
    };
    if head.size > size {
        return Err(refuse(
            "predecessor-cut",
            "you saw more of the log that it continues than it says there was",
        ));
    }
    let tree_root = Leaf::decode(&head.epoch.leaf.0).map(|l| l.root).ok();
    if head.root != claimed.log_root.to_string() || tree_root != Some(claimed.akd_root) {
        return Err(refuse(
            "predecessor-other-end",
            "the log that it continues ended in another state",
        ));
    }
    Ok(Link::Proven(Box::new(old.clone())))
}

fn refuse(reason: &'static str, why: &str) -> Failure {
    Failure::new(
        Exit::Invalid,
        reason,
        foreign(&format!("this directory does not continue the pinned one: {why}")),
    )
    .checked("what it says about its predecessor against the pinned log and the last head seen of it")
    .meaning("somebody passes another log off as the next one, or the operator made a mistake")
    .next("nothing was pinned; ask the operator through another channel")
}

/// People and own accounts move along; every key is held against the one that counted before.
pub(crate) fn carry(old: &Directory, new: &mut Directory) {
    new.contacts.clone_from(&old.contacts);
    new.accounts.clone_from(&old.accounts);
    for own in new.accounts.values_mut() {
        own.published = None;
        own.walked = 0;
        // Nothing of them was walked here yet.
        own.aliases.values_mut().for_each(|walked| *walked = 0);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use keyglass_protocol::config::{ConfigChain, ConfigValues, Successor};
    use keyglass_protocol::epoch::TimeBounds;
    use keyglass_protocol::note::{Origin, VerifierKey};
    use keyglass_protocol::quantity::{LogHash, LogSize};
    use keyglass_testkit::world::{Person, World};

    use super::*;
    use crate::configs;
    use crate::output::Style;
    use crate::settings::Settings;
    use crate::state::RememberedHead;

    const NEXT: &str = "next.example";

    fn next_key(seed: u8) -> VerifierKey {
        let key = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]);
        VerifierKey::new_ed25519(NEXT, key.verifying_key().as_bytes()).unwrap()
    }

    /// A log that has ended, as somebody remembers it, and what the next one says about it.
    fn scene(successor: Option<u8>) -> (State, ConfigValues) {
        let mut world = World::new(1);
        let values = ConfigValues {
            successor: successor.map(|seed| Successor {
                origin: Origin::new(NEXT).unwrap(),
                log_vkey: next_key(seed),
            }),
            ..world.config.values().clone()
        };
        world.config = ConfigDocument::create(&values).unwrap();
        let epoch = world.publish(&[Person::new("carol", 5).entry()]);
        let (size, leaf) = (world.size(), world.leaf(epoch));
        let root = keyglass_protocol::log::root(&world, size).unwrap();
        let predecessor = Predecessor {
            origin: values.origin.clone(),
            log_vkey: values.log_vkey.clone(),
            vrf_public_key: values.vrf_public_key,
            size,
            log_root: root,
            akd_root: leaf.root,
        };
        let mut old = Directory::new(
            values.origin.to_string(),
            "http://old".into(),
            values.log_vkey.to_string(),
            0,
        );
        configs::remember(&mut old, &ConfigChain::start(world.config.clone()).unwrap());
        old.remember_head(&RememberedHead {
            size: size.get(),
            root: root.to_string(),
            checkpoint: String::new(),
            epoch: world.epoch_proof(epoch, size),
            seen: 0,
        });
        let mut state = State::default();
        state.directories.push(old);
        let next = ConfigValues {
            origin: Origin::new(NEXT).unwrap(),
            log_vkey: next_key(1),
            predecessor: Some(predecessor),
            successor: None,
            ..values
        };
        (state, next)
    }

    fn judge(state: &State, next: &ConfigValues) -> Result<&'static str, &'static str> {
        let context = Context {
            settings: Settings {
                directory: None,
                token_file: None,
                passphrase_file: None,
                allow_unaudited: false,
                offline: true,
                json: true,
                quiet: true,
                verbose: false,
                bounds: TimeBounds::default(),
            },
            style: Style {
                json: true,
                quiet: true,
                verbose: false,
                color: false,
            },
        };
        let document = ConfigDocument::create(next).unwrap();
        match link(&context, state, &document) {
            Ok(Link::Stranger) => Ok("stranger"),
            Ok(Link::Claimed(_)) => Ok("claimed"),
            Ok(Link::Proven(_)) => Ok("proven"),
            Err(failure) => Err(failure.reason),
        }
    }

    #[test]
    fn both_logs_must_name_each_other_and_the_same_end() {
        let (state, next) = scene(Some(1));
        assert_eq!(judge(&state, &next), Ok("proven"));
        assert_eq!(judge(&scene(None).0, &next), Ok("claimed"));
        assert_eq!(judge(&scene(Some(2)).0, &next), Err("successor-other"));
        assert_eq!(judge(&State::default(), &next), Ok("stranger"));
        let alone = ConfigValues {
            predecessor: None,
            ..next.clone()
        };
        assert_eq!(judge(&state, &alone), Ok("stranger"));
    }

    #[test]
    fn what_contradicts_the_memory_is_refused() {
        let (state, next) = scene(Some(1));
        let with = |change: fn(&mut Predecessor)| {
            let mut next = next.clone();
            next.predecessor.iter_mut().for_each(change);
            judge(&state, &next)
        };
        let cut = |p: &mut Predecessor| p.size = LogSize::new(p.size.get() - 1);
        assert_eq!(with(cut), Err("predecessor-cut"));
        let longer = |p: &mut Predecessor| p.size = LogSize::new(p.size.get() + 1);
        assert_eq!(with(longer), Ok("claimed"));
        assert_eq!(
            with(|p| p.log_root = LogHash::new([1; 32])),
            Err("predecessor-other-end")
        );
        assert_eq!(
            with(|p| p.akd_root = Default::default()),
            Err("predecessor-other-end")
        );
        let other = |p: &mut Predecessor| {
            let key = ed25519_dalek::SigningKey::from_bytes(&[9; 32]);
            p.log_vkey = VerifierKey::new_ed25519(p.origin.as_str(), key.verifying_key().as_bytes()).unwrap();
        };
        assert_eq!(with(other), Err("predecessor-other-key"));
    }

    #[test]
    fn people_and_accounts_move_along() {
        let (mut state, _) = scene(Some(1));
        let old = state.directories.remove(0);
        let mut new = Directory::new(NEXT.into(), String::new(), String::new(), 0);
        carry(&old, &mut new);
        assert_eq!(
            (&new.contacts, new.pins.len(), &new.head),
            (&old.contacts, 0, &None)
        );
    }
}
