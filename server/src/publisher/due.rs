//! What was judged when it was accepted is judged again before it is published, where the answer depends on when.

use keyglass_protocol::quantity::Epoch;
use keyglass_schema::Frozen;

use super::{PublishError, Publisher};
use crate::submission::recheck;

impl Publisher {
    /// Demands that every record of the batch that depends on the clock or on a key of the platform may stand in `epoch`.
    ///
    /// The leaf is not staged yet, but it cannot be earlier than the newest acceptance in its batch.
    pub(super) fn check_due(&self, epoch: Epoch, batch: &[Frozen]) -> Result<(), PublishError> {
        let service = &self.service;
        let mut not_before = None;
        for update in batch {
            let time = match not_before {
                Some(time) => time,
                None => *not_before.insert(service.store.newest_accepted_in(epoch)?.unwrap_or_default()),
            };
            recheck(service, &update.label, &update.record, epoch, time).map_err(|error| {
                PublishError::NotDue {
                    epoch,
                    why: error.to_string(),
                }
            })?;
        }
        Ok(())
    }
}
