//! `guard show`, `guard accept`.

use keyglass_schema::DatabaseUrl;
use keyglass_server::guard::{self, SharedGuard};
use keyglass_server::keys::SystemRandom;
use keyglass_server::settings::Settings;
use keyglass_server::{bootstrap, guard_accept};

use super::{Failure, print};

pub(super) fn show(settings: &Settings) -> Result<(), Failure> {
    let keys = bootstrap::existing_keys(settings).map_err(|e| Failure::refused(e.reason(), &e))?;
    let refused = |e: guard::GuardError| Failure::refused(e.reason(), &e);
    let (guarded, claim) = match &settings.database {
        DatabaseUrl::Sqlite(_) => {
            let guard = guard::open(settings, keys.origin()).map_err(refused)?;
            (guard.read().map_err(refused)?, None)
        }
        DatabaseUrl::Postgres(_) => {
            let guard = SharedGuard::open(settings, keys.origin()).map_err(refused)?;
            let state = guard.state().map_err(refused)?;
            (state.guarded, state.claim)
        }
    };
    print(&match guarded {
        Some(guarded) => format!("guard {} {}\n", guarded.size, guarded.root),
        None => "guard none yet\n".to_owned(),
    });
    if let Some(claim) = claim {
        print(&format!("fence {}\ndatabase {}\n", claim.fence, claim.database));
    }
    Ok(())
}

pub(super) fn accept(settings: &Settings) -> Result<(), Failure> {
    let keys = bootstrap::existing_keys(settings).map_err(|e| Failure::refused(e.reason(), &e))?;
    let accepted =
        guard_accept::accept(settings, &keys, &SystemRandom).map_err(|e| Failure::refused(e.reason(), &e))?;
    let before = accepted
        .before
        .map_or_else(|| "none".to_owned(), |mark| mark.to_string());
    print(&format!(
        "before {before}\ndatabase {}\nfence {}\n",
        accepted.now, accepted.fence
    ));
    Ok(())
}
