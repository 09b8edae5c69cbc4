//! `identity close`: the account has no key to trust any more.

use keyglass_protocol::record::{AccountBody, AccountKind, Role};

use super::identity;
use crate::args;
use crate::context::Context;
use crate::desk::Desk;
use crate::report::{Failure, Outcome};
use crate::state::{OwnAccount, Purpose};

/// Signs and sends the closing.
pub(super) fn close(context: &Context, yes: bool, args: &args::Publish) -> Outcome {
    if !yes {
        return Err(
            Failure::usage("close-needs-yes", "closing cannot be taken back by you")
                .meaning(
                    "only the platform's recovery can open a closed account again; your names stay yours",
                )
                .next("keyglass identity close --yes"),
        );
    }
    let mut desk = Desk::open(context)?;
    let (id, own, newest) = identity::published(&mut desk, args.which.account.as_deref())?;
    let key = own
        .identity
        .open(&desk.memory.home, Purpose::Signing)?
        .signing_key();
    let body = AccountBody {
        kind: AccountKind::Closed,
        devices: Vec::new(),
        ..identity::next_body(&newest, &own)?
    };
    let record = body
        .sign(&[(Role::Identity, &key)])
        .map_err(|e| identity::unsignable(&e))?;
    let becomes = OwnAccount {
        devices: Vec::new(),
        ..own
    };
    identity::send(&mut desk, &id, becomes, &record, "is closed", !args.no_wait)
}
