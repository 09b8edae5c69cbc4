//! A log that continues a pinned one: linked in both directions, or a stranger.

use keyglass_protocol::config::{ConfigDocument, Predecessor};
use keyglass_protocol::epoch::Leaf;

use crate::context::{self, Context};
use crate::exit::Exit;
use crate::output::foreign;
use crate::report::Failure;
use crate::state::{Directory, State};

/// What a new directory says about one that is pinned.
pub(super) enum Link {
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
pub(super) fn link(context: &Context, state: &State, document: &ConfigDocument) -> Result<Link, Failure> {
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
            let next = format!(
                "{} names no successor yet: keyglass trust update --directory {}",
                old.origin, old.url
            );
            return Ok(Link::Claimed(next));
        }
    }
    check_end(old, claimed)
}

/// The old log ends exactly where the new one says.
fn check_end(old: &Directory, claimed: &Predecessor) -> Result<Link, Failure> {
    let size = claimed.size.get();
    let head = old.head.as_ref().filter(|h| h.size >= size);
    let Some(head) = head else {
        let next = format!(
            "its end was not seen yet: keyglass checkpoint show --directory {}",
            old.url
        );
        return Ok(Link::Claimed(next));
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
pub(super) fn carry(old: &Directory, new: &mut Directory) {
    new.contacts.clone_from(&old.contacts);
    new.accounts.clone_from(&old.accounts);
    for own in new.accounts.values_mut() {
        own.published = None;
        own.walked = 0;
        own.aliases.clear();
    }
}
