//! Lookups: one label, one or two steps, or a proof of absence.

use super::error::Refusal;
use crate::epoch::{Trust, VerifiedEpoch};
use crate::label::Label;
use crate::message::{AbsenceProof, Answer, LookupProof};
use crate::note::Origin;
use crate::quantity::{Epoch, KeyVersion};
use crate::record::{AccountRecord, AliasRecord};
use crate::tree::{self, Marker, TreeHead};

/// A record that is proven to be the newest one of its label at a verified epoch.
///
/// In the log, not authorised: that the owner wanted it is for [`super::authorise_account`] to say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InLog<T> {
    record: T,
    version: KeyVersion,
    epoch: Epoch,
}

impl<T> InLog<T> {
    /// The record. Not authorised.
    pub fn record(&self) -> &T {
        &self.record
    }

    /// Its version.
    pub fn version(&self) -> KeyVersion {
        self.version
    }

    /// The epoch in which it entered the tree.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }
}

/// What a lookup proves about a label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// The label is an account.
    Account(InLog<AccountRecord>),
    /// The label is an alias and this is where it points.
    Alias {
        /// The alias record.
        alias: Box<InLog<AliasRecord>>,
        /// The account it points to.
        account: Box<InLog<AccountRecord>>,
    },
    /// The label was an alias and is released: it points nowhere.
    Released(InLog<AliasRecord>),
    /// The label does not exist.
    Absent,
}

/// Verifies the answer to a lookup of one label.
///
/// # Errors
/// A [`Refusal`] naming the broken rule.
pub fn lookup(
    epoch: &VerifiedEpoch,
    trust: &Trust,
    label: &Label,
    answer: &Answer,
) -> Result<Found, Refusal> {
    match (answer.lookups.as_slice(), answer.absences.as_slice()) {
        ([], [absent]) => absence(epoch, trust, label, absent).map(|()| Found::Absent),
        (steps, []) => {
            let (found, rest) = lookup_steps(epoch, trust, label, steps)?;
            if rest.is_empty() {
                Ok(found)
            } else {
                Err(Refusal::SurplusLookup)
            }
        }
        _ => Err(Refusal::LookupAndAbsence),
    }
}

/// Verifies the steps of one label at the front of a batch and returns the rest.
///
/// # Errors
/// A [`Refusal`] naming the broken rule.
pub fn lookup_steps<'a>(
    epoch: &VerifiedEpoch,
    trust: &Trust,
    label: &Label,
    steps: &'a [LookupProof],
) -> Result<(Found, &'a [LookupProof]), Refusal> {
    let (first, rest) = steps.split_first().ok_or(Refusal::LookupMissing)?;
    if matches!(label, Label::Account(_)) {
        return Ok((Found::Account(account_step(epoch, trust, label, first)?), rest));
    }
    let proven = step(epoch, trust, label, first)?;
    let record = AliasRecord::decode(proven.value())?;
    let body = record.body();
    check_place(
        &body.origin,
        &record.label(),
        body.version,
        trust,
        label,
        proven.version(),
    )?;
    let alias = InLog {
        record,
        version: proven.version(),
        epoch: proven.epoch(),
    };
    let Some(holder) = &alias.record.body().holder else {
        return Ok((Found::Released(alias), rest));
    };
    let (second, rest) = rest.split_first().ok_or(Refusal::AliasStepMissing)?;
    let account = account_step(epoch, trust, &Label::Account(holder.account.clone()), second)?;
    Ok((
        Found::Alias {
            alias: Box::new(alias),
            account: Box::new(account),
        },
        rest,
    ))
}

/// Verifies that a label does not exist.
///
/// # Errors
/// A [`Refusal`] naming the broken rule.
pub fn absence(
    epoch: &VerifiedEpoch,
    trust: &Trust,
    label: &Label,
    proof: &AbsenceProof,
) -> Result<(), Refusal> {
    check_label(label, &proof.label)?;
    let head = TreeHead {
        epoch: epoch.epoch(),
        root: epoch.root(),
        vrf: trust.vrf(),
    };
    tree::verify_absence(&head, label.as_bytes(), &proof.vrf_proof.0, &proof.proof.0)?;
    Ok(())
}

fn account_step(
    epoch: &VerifiedEpoch,
    trust: &Trust,
    label: &Label,
    proof: &LookupProof,
) -> Result<InLog<AccountRecord>, Refusal> {
    let proven = step(epoch, trust, label, proof)?;
    let record = AccountRecord::decode(proven.value())?;
    let body = record.body();
    check_place(
        &body.origin,
        &record.label(),
        body.version,
        trust,
        label,
        proven.version(),
    )?;
    Ok(InLog {
        record,
        version: proven.version(),
        epoch: proven.epoch(),
    })
}

fn step(
    epoch: &VerifiedEpoch,
    trust: &Trust,
    label: &Label,
    proof: &LookupProof,
) -> Result<tree::ProvenValue, Refusal> {
    check_label(label, &proof.label)?;
    let mut markers = Vec::with_capacity(proof.markers.len());
    for m in &proof.markers {
        let version = KeyVersion::new(m.version)?;
        markers.push(Marker {
            version,
            vrf_proof: &m.vrf_proof.0,
            proof: &m.proof.0,
        });
    }
    let head = TreeHead {
        epoch: epoch.epoch(),
        root: epoch.root(),
        vrf: trust.vrf(),
    };
    Ok(tree::verify_lookup(
        &head,
        label.as_bytes(),
        &proof.proof.0,
        &markers,
    )?)
}

/// The answer must be about the label that was asked for.
pub(super) fn check_label(asked: &Label, found: &str) -> Result<(), Refusal> {
    if asked.as_str() == found {
        Ok(())
    } else {
        Err(Refusal::OtherLabel {
            asked: asked.as_str().to_owned(),
            found: found.to_owned(),
        })
    }
}

/// A record must state the place where it stands, or it could have been moved there from elsewhere.
fn check_place(
    origin: &Origin,
    stated: &Label,
    version: KeyVersion,
    trust: &Trust,
    label: &Label,
    proven: KeyVersion,
) -> Result<(), Refusal> {
    if *origin != trust.document().values().origin {
        return Err(Refusal::RecordOfOtherOrigin);
    }
    if stated != label {
        return Err(Refusal::RecordOfOtherLabel);
    }
    if version != proven {
        return Err(Refusal::RecordOfOtherVersion {
            stated: version,
            proven,
        });
    }
    Ok(())
}
