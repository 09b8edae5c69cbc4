//! Room for long histories. A history of a thousand records of 16 KiB is in memory five times while it is answered: as
//! records, as a proof and as bodies. So only so many versions are worked on at once; short histories need no room.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{LookupError, Served};

/// Longest history, in versions, that needs no room.
const SHORT: u32 = 32;
/// Versions of long histories that are worked on at once: two of the longest.
const VERSIONS: usize = 2_048;

/// What there is.
#[derive(Clone)]
pub(super) struct Rooms(Arc<Semaphore>);

impl Rooms {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(VERSIONS)))
    }
}

/// What one question has taken; it is given back when this is dropped.
#[derive(Clone, Default)]
pub(super) struct Room(Arc<Mutex<Option<OwnedSemaphorePermit>>>);

impl Room {
    /// Waits for the room of a history of so many versions, and takes it.
    ///
    /// # Errors
    /// [`LookupError::Unavailable`] if there is none for too long.
    pub(super) async fn take(
        &self,
        rooms: &Rooms,
        versions: u64,
        patience: Duration,
    ) -> Result<(), LookupError> {
        let versions = u32::try_from(versions).unwrap_or(u32::MAX);
        if versions <= SHORT {
            return Ok(());
        }
        let most = u32::try_from(VERSIONS).unwrap_or(u32::MAX);
        let waiting = Arc::clone(&rooms.0).acquire_many_owned(versions.min(most));
        let permit = tokio::time::timeout(patience, waiting).await;
        let permit = permit.map_err(|_| LookupError::Unavailable)?;
        let permit = permit.map_err(|_| LookupError::Unavailable)?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(permit);
        Ok(())
    }
}

/// An answer, with the room that it takes until its body is made.
pub struct Answered {
    served: Arc<Served>,
    _room: Option<Room>,
}

impl Answered {
    pub(super) fn new(served: Arc<Served>, room: Option<Room>) -> Self {
        Self { served, _room: room }
    }
}

impl Deref for Answered {
    type Target = Arc<Served>;

    fn deref(&self) -> &Arc<Served> {
        &self.served
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const SOON: Duration = Duration::from_millis(20);

    #[tokio::test]
    async fn short_histories_need_no_room_and_two_of_the_longest_take_it_all() {
        let rooms = Rooms::new();
        let take = async |versions| {
            let room = Room::default();
            room.take(&rooms, versions, SOON).await.map(|()| room)
        };
        let (first, second) = (take(1_024).await.unwrap(), take(1_024).await.unwrap());
        assert!(matches!(take(33).await, Err(LookupError::Unavailable)));
        take(32).await.unwrap();
        drop(first);
        let third = take(1_000).await.unwrap();
        assert!(take(25).await.is_ok());
        assert!(matches!(take(1_024).await, Err(LookupError::Unavailable)));
        drop((second, third));
        // Longer than any history may be: all of it.
        take(u64::MAX).await.unwrap();
    }
}
