//! Who may write: one row with a fencing number. Postgres only; on SQLite the lock on the guard's file decides.
//!
//! Every write transaction of a holder begins with a key-share lock on that row, if the row still has its number
//! ([`admit`]). Whoever takes the lease over changes the number, so he waits for the writes of the one before, and no later
//! one is admitted. It makes no difference how long a process was paused, or what it believes about the time. A renewal
//! changes no key column and waits for nobody.
//!
//! Times are those of the database's clock: the holders' may differ. Only [`Store::acquire_lease`] looks at them.

use std::collections::BTreeSet;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use diesel::pg::PgConnection;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};

use crate::connection::Tx;
use crate::error::StoreError;
use crate::instance::{TIMELINE, timeline};
use crate::number::{loaded, stored};
use crate::store::Store;

const TABLE: &str = "lease";
/// How long a takeover waits for a write of the one before whose connection is being ended.
const PATIENCE: &str = "SET LOCAL lock_timeout = '1s'";
/// A commit that was acknowledged must not be lost with the server: whatever the role's default is.
const DURABLE: &str = "set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') IN \
     ('off', 'local', 'remote_write') THEN 'on' ELSE current_setting('synchronous_commit') END, true)";
const NOW_MS: &str = "(extract(epoch FROM clock_timestamp()) * 1000)::bigint";

/// The right to write, as long as nobody else took it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The fencing number: larger than that of every holder before.
    pub number: u64,
    /// The timeline on which it was given: on another one it is not known whether it is still the newest.
    pub timeline: u32,
    /// Name of the holder.
    pub holder: String,
}

/// The lease as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseRow {
    /// The fencing number.
    pub fence: u64,
    /// The holder; empty: released.
    pub holder: String,
    /// How long it still lasts, by the database's clock; zero: expired.
    pub left: Duration,
    /// Names of the replicas that may serve, as was noted last.
    pub readers: BTreeSet<String>,
}

/// What became of an attempt at the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub enum Acquired {
    /// It is ours.
    Ours {
        /// What every write will be checked against.
        fence: Fence,
        /// The lease as it was before.
        before: LeaseRow,
    },
    /// Somebody holds it.
    Held(LeaseRow),
}

/// What the writes of one store are checked against; clones share it.
#[derive(Debug, Clone, Default)]
pub(crate) struct FenceCell(Arc<RwLock<Standing>>);

#[derive(Debug, Clone, Default)]
enum Standing {
    /// Nobody asked for a lease: a tool, or SQLite.
    #[default]
    Free,
    Held(Fence),
    /// Once it is lost it stays so, whatever the database says later.
    Lost(Loss),
}

/// How a lease was lost.
#[derive(Debug, Clone, Copy)]
enum Loss {
    Fenced { ours: u64, found: u64 },
    Promoted { ours: u32, found: u32 },
}

impl From<Loss> for StoreError {
    fn from(loss: Loss) -> Self {
        match loss {
            Loss::Fenced { ours, found } => Self::Fenced { ours, found },
            Loss::Promoted { ours, found } => Self::Promoted { ours, found },
        }
    }
}

impl FenceCell {
    /// What a write has to show; an error if it was lost.
    pub(crate) fn get(&self) -> Result<Option<Fence>, StoreError> {
        match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            Standing::Free => Ok(None),
            Standing::Held(fence) => Ok(Some(fence.clone())),
            Standing::Lost(loss) => Err((*loss).into()),
        }
    }

    /// Remembers a loss.
    pub(crate) fn note(&self, error: &StoreError) {
        let loss = match error {
            StoreError::Fenced { ours, found } => Loss::Fenced {
                ours: *ours,
                found: *found,
            },
            StoreError::Promoted { ours, found } => Loss::Promoted {
                ours: *ours,
                found: *found,
            },
            _ => return,
        };
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Standing::Lost(loss);
    }

    fn hold(&self, fence: Fence) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Standing::Held(fence);
    }
}

/// The first statement of every write transaction: locks the number and makes the commit durable.
pub(crate) fn admit(tx: &mut Tx<'_>, fence: Option<&Fence>) -> Result<(), StoreError> {
    let Tx::Postgres(conn) = tx else { return Ok(()) };
    let Some(fence) = fence else {
        diesel::sql_query(format!("SELECT {DURABLE}")).execute(*conn)?;
        return Ok(());
    };
    // Named, so that whoever takes over can end the connection of a process that was paused in the middle of a write.
    let admitted = diesel::sql_query(format!(
        "SELECT {DURABLE}, set_config('application_name', $1, true) FROM lease \
         WHERE id = 1 AND fence = $2 AND {TIMELINE} = $3 FOR KEY SHARE"
    ))
    .bind::<Text, _>(session(&fence.holder))
    .bind::<BigInt, _>(stored(fence.number, "fence")?)
    .bind::<Text, _>(format!("{:08X}", fence.timeline))
    .execute(*conn)?;
    if admitted == 1 {
        Ok(())
    } else {
        Err(refusal(conn, fence)?)
    }
}

/// Under which name the writes of a holder run.
fn session(holder: &str) -> String {
    format!("keyglass/{holder}")
}

fn refusal(conn: &mut PgConnection, fence: &Fence) -> Result<StoreError, StoreError> {
    let (row, found) = read(conn)?;
    Ok(if row.fence == fence.number {
        StoreError::Promoted {
            ours: fence.timeline,
            found,
        }
    } else {
        StoreError::Fenced {
            ours: fence.number,
            found: row.fence,
        }
    })
}

#[derive(QueryableByName)]
struct Row {
    #[diesel(sql_type = BigInt)]
    fence: i64,
    #[diesel(sql_type = Text)]
    holder: String,
    #[diesel(sql_type = BigInt)]
    ttl_ms: i64,
    #[diesel(sql_type = BigInt)]
    left_ms: i64,
    #[diesel(sql_type = Text)]
    readers: String,
    #[diesel(sql_type = Text)]
    timeline: String,
}

/// The lease, and the timeline that this server writes to.
fn read(conn: &mut PgConnection) -> Result<(LeaseRow, u32), StoreError> {
    let query = format!(
        "SELECT fence, holder, ttl_ms, expires_ms - {NOW_MS} AS left_ms, readers, {TIMELINE} AS timeline \
         FROM lease WHERE id = 1"
    );
    let row: Option<Row> = diesel::sql_query(query).get_result(conn).optional()?;
    let row = row.ok_or(StoreError::Corrupt {
        table: TABLE,
        why: "the row is missing",
    })?;
    // Further away than a lease lasts: the expiry is of another clock, that of the primary before. It is given up.
    let believable = row.left_ms <= row.ttl_ms.saturating_mul(2);
    let left = if believable {
        u64::try_from(row.left_ms).unwrap_or(0)
    } else {
        0
    };
    let lease = LeaseRow {
        fence: loaded(row.fence, TABLE)?,
        holder: row.holder,
        left: Duration::from_millis(left),
        readers: row.readers.split_whitespace().map(str::to_owned).collect(),
    };
    Ok((lease, timeline(&row.timeline)?))
}

impl Store {
    /// Takes the lease for `holder` if it is released, expired, or held under `former`, the name under which this very
    /// place held it before. The new fencing number is larger than the one before and than `above`; which replicas may serve
    /// stays noted. Blocking.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`] on SQLite; [`StoreError`] if the database fails: then nobody knows, ask again.
    pub fn acquire_lease(
        &self,
        holder: &str,
        former: Option<&str>,
        ttl: Duration,
        above: u64,
    ) -> Result<Acquired, StoreError> {
        let ttl = millis(ttl)?;
        let above = stored(above, "fence")?;
        self.leasing(|conn| {
            diesel::sql_query(format!("SELECT {DURABLE}")).execute(conn)?;
            let (before, timeline) = read(conn)?;
            let free = before.holder.is_empty() || before.left.is_zero();
            if !free && former != Some(before.holder.as_str()) {
                return Ok(Acquired::Held(before));
            }
            end_writes(conn, &before.holder)?;
            let fence: Option<Number> = diesel::sql_query(format!(
                "UPDATE lease SET fence = greatest(fence, $1) + 1, holder = $2, ttl_ms = $3, \
                 expires_ms = {NOW_MS} + $3 WHERE id = 1 AND fence = $4 RETURNING fence"
            ))
            .bind::<BigInt, _>(above)
            .bind::<Text, _>(holder)
            .bind::<BigInt, _>(ttl)
            .bind::<BigInt, _>(stored(before.fence, "fence")?)
            .get_result(conn)
            .optional()?;
            let Some(fence) = fence else {
                return Ok(Acquired::Held(read(conn)?.0));
            };
            Ok(Acquired::Ours {
                fence: Fence {
                    number: loaded(fence.fence, TABLE)?,
                    timeline,
                    holder: holder.to_owned(),
                },
                before,
            })
        })
    }

    /// From here on every write of this store and its clones shows `fence`.
    pub fn write_under(&self, fence: Fence) {
        self.database.fence().hold(fence);
    }

    /// Whether the lease was found to be lost by any write of this store.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] or [`StoreError::Promoted`] if it was.
    pub fn still_leased(&self) -> Result<(), StoreError> {
        self.database.fence().get().map(drop)
    }

    /// Renews the lease from now on, also one that has expired, unless somebody took it. `readers`: the replicas that may serve
    /// from here on; `None`: as before. Waits for no standby: a renewal that is lost with the server lets the lease end earlier,
    /// and whoever finds another server does not rely on the names. Blocking.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], [`StoreError::Promoted`]: it is lost. Anything else: it may be renewed or not.
    pub fn renew_lease(
        &self,
        fence: &Fence,
        ttl: Duration,
        readers: Option<&BTreeSet<String>>,
    ) -> Result<(), StoreError> {
        let ttl = millis(ttl)?;
        let readers = readers.map(|names| names.iter().map(String::as_str).collect::<Vec<_>>().join(" "));
        let renewed = self.leasing(|conn| {
            diesel::sql_query("SET LOCAL synchronous_commit = local").execute(conn)?;
            let changed = diesel::sql_query(format!(
                "UPDATE lease SET ttl_ms = $1, expires_ms = {NOW_MS} + $1, readers = coalesce($2, readers) \
                 WHERE id = 1 AND fence = $3 AND {TIMELINE} = $4"
            ))
            .bind::<BigInt, _>(ttl)
            .bind::<Nullable<Text>, _>(readers.as_deref())
            .bind::<BigInt, _>(stored(fence.number, "fence")?)
            .bind::<Text, _>(format!("{:08X}", fence.timeline))
            .execute(conn)?;
            if changed == 1 {
                Ok(())
            } else {
                Err(refusal(conn, fence)?)
            }
        });
        if let Err(error) = &renewed {
            self.database.fence().note(error);
        }
        renewed
    }

    /// Writes the lease as it is once more, and waits for whatever commits wait for: everything before it is as durable.
    /// Blocking.
    ///
    /// # Errors
    /// [`StoreError::Fenced`], [`StoreError::Promoted`]; anything else: it is not known.
    pub fn confirm_lease(&self, fence: &Fence) -> Result<(), StoreError> {
        self.database.write("confirm_lease", |tx| match tx {
            Tx::Postgres(conn) => {
                diesel::sql_query("UPDATE lease SET readers = readers WHERE id = 1 AND fence = $1")
                    .bind::<BigInt, _>(stored(fence.number, "fence")?)
                    .execute(*conn)?;
                Ok(())
            }
            Tx::Sqlite(_) => Err(StoreError::BadUrl),
        })
    }

    /// Gives the lease back, so that the next one need not wait. Blocking.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails; then the lease ends by itself.
    pub fn release_lease(&self, fence: &Fence) -> Result<(), StoreError> {
        self.leasing(|conn| {
            diesel::sql_query("UPDATE lease SET holder = '', expires_ms = 0 WHERE id = 1 AND fence = $1")
                .bind::<BigInt, _>(stored(fence.number, "fence")?)
                .execute(conn)?;
            Ok(())
        })
    }

    /// The lease as it stands. Blocking.
    ///
    /// # Errors
    /// [`StoreError`] if the database fails.
    pub fn lease(&self) -> Result<LeaseRow, StoreError> {
        self.leasing(|conn| Ok(read(conn)?.0))
    }

    /// One statement sees what was committed before it, and the row lock decides: no need for more isolation, and none that
    /// would let a renewal make writes collide.
    fn leasing<T>(
        &self,
        work: impl FnOnce(&mut PgConnection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.database.pools().bare(|tx| match tx {
            Tx::Postgres(conn) => conn.build_transaction().read_committed().run(|conn| {
                diesel::sql_query(PATIENCE).execute(conn)?;
                work(conn)
            }),
            Tx::Sqlite(_) => Err(StoreError::BadUrl),
        })
    }
}

#[derive(QueryableByName)]
struct Number {
    #[diesel(sql_type = BigInt)]
    fence: i64,
}

/// Ends the connections on which the holder before is in the middle of a write: it may be paused there for ever.
fn end_writes(conn: &mut PgConnection, holder: &str) -> Result<(), StoreError> {
    if holder.is_empty() {
        return Ok(());
    }
    let ended = diesel::sql_query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
         WHERE application_name = $1 AND pid <> pg_backend_pid()",
    )
    .bind::<Text, _>(session(holder))
    .execute(conn)?;
    if ended > 0 {
        tracing::warn!(connections = ended, "ended writes of the sequencer before");
    }
    Ok(())
}

fn millis(ttl: Duration) -> Result<i64, StoreError> {
    i64::try_from(ttl.as_millis()).map_err(|_| StoreError::OutOfRange("lease"))
}
