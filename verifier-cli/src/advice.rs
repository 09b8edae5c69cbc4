//! Every refusal in words: what was checked, what failed, what it can mean, what to do next.

use keyglass_protocol::epoch::{HeadError, Shortfall};
use keyglass_protocol::verify::{Refusal, VerdictClass};

use crate::exit::Exit;
use crate::report::Failure;

/// Explains why an answer was refused.
pub(crate) fn explain(refusal: &Refusal) -> Failure {
    let exit = match refusal.class() {
        VerdictClass::Invalid => Exit::Invalid,
        VerdictClass::Policy => Exit::Policy,
        VerdictClass::Alarm => Exit::Alarm,
        VerdictClass::Malformed => Exit::Malformed,
        VerdictClass::Unverifiable => Exit::Unverifiable,
    };
    let (meaning, next) = words(refusal);
    Failure::new(
        exit,
        refusal.reason(),
        crate::output::foreign(&refusal.to_string()),
    )
    .checked(checked(refusal))
    .meaning(meaning)
    .next(next)
}

/// Explains why a correct answer does not meet the policy.
pub(crate) fn explain_policy(error: &Shortfall) -> Failure {
    explain(&Refusal::Policy(error.clone()))
}

/// Explains that two signed logs exist.
pub(crate) fn fork(checked: &str) -> Failure {
    Failure::new(
        Exit::Alarm,
        "fork",
        "SPLIT VIEW: the operator signed two different logs",
    )
    .checked(checked)
    .meaning("different people are shown different keys: somebody is being lied to")
    .next("use no key from this directory; show the evidence to others and to the auditors")
}

/// Explains why an older head is no replica's that lags.
pub(crate) fn freeze() -> Failure {
    let failed = "freeze: the operator vouches for an old head after it had vouched for a newer one";
    Failure::new(Exit::Alarm, "freeze", failed)
        .checked("the operator's heartbeats: on the head that it shows now, and on a newer one seen before")
        .meaning("somebody hides the newest keys from you; a replica that lags cannot look like this")
        .next("use no key from this directory; show the evidence to others and to the auditors")
}

fn checked(refusal: &Refusal) -> &'static str {
    match refusal {
        Refusal::Epoch(_) => "the signed head: log signature, last leaf, configuration",
        Refusal::Head(_) => "the signed head against the one seen before",
        Refusal::Policy(_) => "who vouches for the head, and how lately; all proofs are good",
        Refusal::Tree(_) => "the proofs in the directory's tree",
        Refusal::Record(_) => "every version of the record against the rules of authorisation",
        _ => "whether the answer is complete and about what was asked",
    }
}

const LIE: &str = "the answer was changed on its way, the directory is broken, or it lies";
const LIE_NEXT: &str =
    "do not use the key; try another network; if it happens again, tell the operator and others";

fn words(refusal: &Refusal) -> (&'static str, &'static str) {
    match refusal {
        Refusal::Policy(error) => policy_words(error),
        Refusal::Head(HeadError::Older { .. }) => (
            "this replica lags behind, or somebody shows you an old state",
            "try again in a minute, or another address with --directory URL",
        ),
        Refusal::Head(HeadError::Fork { .. }) => (
            "the operator signed two different logs: somebody sees other keys than you",
            "use no key from this directory; show the evidence to others and to the auditors",
        ),
        Refusal::Head(_) => (
            "the log was rewritten, or the answer was changed on its way",
            "use no key from this directory until it is explained; try another network",
        ),
        Refusal::Record(_) => (
            "a version of this record was not wanted by its owner, or an answer was changed on its way",
            "do not use the key; ask the person through another channel",
        ),
        Refusal::Format(_) => (
            "this is no answer of a Keyglass directory, or it was cut off or changed on its way",
            "try again; check the address with keyglass trust show",
        ),
        Refusal::Epoch(_) if refusal.class() == VerdictClass::Unverifiable => (
            "the directory has a new configuration that does not follow from the pinned one",
            "keyglass trust update",
        ),
        _ => (LIE, LIE_NEXT),
    }
}

fn policy_words(error: &Shortfall) -> (&'static str, &'static str) {
    match error {
        Shortfall::ClockSkew { .. } => (
            "this device's clock is wrong, or the operator's is",
            "set the clock, then try again",
        ),
        Shortfall::NotAudited => (
            "nobody but the operator vouches that everybody sees the same keys",
            "pin a policy with an auditor: keyglass trust update --policy FILE; or accept it with --allow-unaudited",
        ),
        Shortfall::QuorumNotMet => (
            "the cosigners have not seen this head: they are down, or it is not meant for them to see",
            "try again in a minute; if it lasts, ask the auditors of your policy",
        ),
        Shortfall::QuorumStale { .. } => (
            "the cosigners stopped, or an old state is shown to you",
            "try again; of a saved file, keyglass verify FILE --as-of-then says what was true then",
        ),
        _ => (
            "the operator does not stand by this head now: it is down, or an old state is shown to you",
            "try again in a minute, or another address with --directory URL",
        ),
    }
}
