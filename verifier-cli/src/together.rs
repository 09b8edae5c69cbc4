//! Several labels at once: what is proven from one answer under one head.
//!
//! One answer tells that a label does not exist, or still has the record that is pinned. For everything else its history
//! is needed, and it is looked up alone.

use keyglass_protocol::epoch::VerifiedEpoch;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::Answer;
use keyglass_protocol::record::{AccountRecord, AliasRecord};
use keyglass_protocol::verify::{self, Found, InLog, Refusal};

use crate::resolve::Known;
use crate::session::{Session, Trouble};
use crate::state::Directory;

/// What one answer proves of each label; none: it has to be looked up alone.
pub(crate) fn resolve(
    session: &mut Session<'_>,
    directory: &Directory,
    labels: &[Label],
) -> Result<Vec<Option<Known>>, Trouble> {
    session.source.forget();
    let Some(answer) = session.source.lookups(labels)? else {
        return Ok(labels.iter().map(|_| None).collect());
    };
    let epoch = session.accept(&answer)?;
    let shown = shown(session, &epoch, labels, &answer)?;
    let known = labels.iter().zip(&shown);
    Ok(known
        .map(|(label, found)| unchanged(session, directory, &epoch, (label, found)))
        .collect())
}

/// What the answer proves of each label, in their order.
fn shown(
    session: &Session<'_>,
    epoch: &VerifiedEpoch,
    labels: &[Label],
    answer: &Answer,
) -> Result<Vec<Found>, Refusal> {
    let mut steps = answer.lookups.as_slice();
    let mut absences = answer.absences.as_slice();
    let mut found = Vec::new();
    for label in labels {
        if let Some((absent, rest)) = absences.split_first().filter(|(a, _)| a.label == label.as_str()) {
            verify::absence(epoch, &session.trust, label, absent)?;
            absences = rest;
            found.push(Found::Absent);
        } else {
            let (one, rest) = verify::lookup_steps(epoch, &session.trust, label, steps)?;
            steps = rest;
            found.push(one);
        }
    }
    if steps.is_empty() && absences.is_empty() {
        Ok(found)
    } else {
        Err(Refusal::SurplusLookup)
    }
}

fn unchanged(
    session: &Session<'_>,
    directory: &Directory,
    epoch: &VerifiedEpoch,
    (label, found): (&Label, &Found),
) -> Option<Known> {
    match found {
        // What was there once is there for ever: that is told with more care elsewhere.
        Found::Absent => (!directory.pins.contains_key(label.as_str())).then_some(Known::Absent),
        Found::Account(shown) => account(session, directory, epoch, shown).map(Known::Account),
        Found::Alias {
            alias: shown,
            account: held,
        } => {
            let alias = alias(session, directory, epoch, shown)?;
            let held = account(session, directory, epoch, held)?;
            Some(Known::Alias(alias, Box::new(held)))
        }
        Found::Released(shown) => alias(session, directory, epoch, shown).map(Known::Released),
    }
}

fn account(
    session: &Session<'_>,
    directory: &Directory,
    epoch: &VerifiedEpoch,
    shown: &InLog<AccountRecord>,
) -> Option<verify::AuthorisedAccount> {
    let pin = directory.pins.get(shown.record().label().as_str())?;
    let pin = AccountRecord::decode(&pin.record.0).ok()?;
    verify::unchanged_account(&session.trust, epoch, shown, &pin).ok()
}

fn alias(
    session: &Session<'_>,
    directory: &Directory,
    epoch: &VerifiedEpoch,
    shown: &InLog<AliasRecord>,
) -> Option<verify::AuthorisedAlias> {
    let pin = directory.pins.get(shown.record().alias.as_str())?;
    let pin = AliasRecord::decode(&pin.record.0).ok()?;
    verify::unchanged_alias(&session.trust, epoch, shown, &pin).ok()
}
