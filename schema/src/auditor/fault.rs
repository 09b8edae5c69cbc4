//! Tests only: writes that fail, and what was written and is lost.

use diesel::connection::SimpleConnection as _;

use super::AuditorStore;
use super::error::AuditorStoreError;

/// A table whose writes fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BrokenWrites {
    /// Leaves are not inserted.
    Leaves,
    /// Subtree hashes are not inserted.
    Nodes,
    /// Configuration documents are not inserted.
    Configs,
    /// The verified size does not move.
    Directories,
    /// Signed checkpoints are not inserted.
    Checkpoints,
    /// Checkpoints that were signed before are not signed again.
    Times,
    /// Contradictions are not inserted.
    Latches,
    /// Heads to be compared are not inserted.
    Heads,
    /// Heartbeats are not remembered.
    Heartbeats,
    /// Heads that were compared are not forgotten.
    Forgetting,
    /// Cosignatures of peers are not remembered.
    Peers,
}

impl BrokenWrites {
    /// All tables.
    pub const ALL: [Self; 11] = [
        Self::Leaves,
        Self::Nodes,
        Self::Configs,
        Self::Directories,
        Self::Checkpoints,
        Self::Times,
        Self::Latches,
        Self::Heads,
        Self::Heartbeats,
        Self::Forgetting,
        Self::Peers,
    ];

    fn event(self) -> &'static str {
        match self {
            Self::Leaves => "INSERT ON leaves",
            Self::Nodes => "INSERT ON nodes",
            Self::Configs => "INSERT ON configs",
            Self::Directories => "UPDATE ON directories",
            Self::Checkpoints => "INSERT ON checkpoints",
            Self::Times => "UPDATE ON checkpoints",
            Self::Latches => "INSERT ON latches",
            Self::Heads => "INSERT ON heads",
            Self::Heartbeats => "INSERT ON heartbeats",
            Self::Forgetting => "DELETE ON heads",
            Self::Peers => "INSERT ON peers",
        }
    }
}

/// Rows that get lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostRows {
    /// Configuration documents.
    Configs,
    /// Subtree hashes.
    Nodes,
}

impl LostRows {
    fn sql(self) -> &'static str {
        match self {
            Self::Configs => "DELETE FROM configs",
            Self::Nodes => "DELETE FROM nodes",
        }
    }
}

impl AuditorStore {
    /// Makes writes of one table fail from now on.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn break_writes(&self, table: BrokenWrites) -> Result<(), AuditorStoreError> {
        let sql = format!(
            "CREATE TRIGGER fault BEFORE {} BEGIN SELECT RAISE(ABORT, 'fault'); END",
            table.event()
        );
        self.write("auditor_break_writes", |conn| Ok(conn.batch_execute(&sql)?))
    }

    /// Loses the rows of one table, as a damaged disk might.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn lose(&self, rows: LostRows) -> Result<(), AuditorStoreError> {
        self.write("auditor_lose", |conn| Ok(conn.batch_execute(rows.sql())?))
    }

    /// Makes all writes work again.
    ///
    /// # Errors
    /// [`AuditorStoreError`] if the database fails.
    pub fn mend_writes(&self) -> Result<(), AuditorStoreError> {
        self.write("auditor_mend_writes", |conn| {
            Ok(conn.batch_execute("DROP TRIGGER IF EXISTS fault")?)
        })
    }
}
