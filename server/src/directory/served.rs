//! Answers that may be asked for again before the head moves, with their encodings.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use keyglass_protocol::label::Label;
use keyglass_protocol::message::{Answer, ProtoMessage as _};
use keyglass_protocol::quantity::{KeyVersion, LogSize};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// Bytes of an answer besides its proofs, about.
const FRAME: usize = 4 << 10;

/// What was asked. Whoever asks the same at the same head gets the same answer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Asked {
    /// The label in its canonical form.
    label: String,
    from: Option<u64>,
    since: Option<u64>,
    history: bool,
}

impl Asked {
    pub(super) fn new(
        label: &Label,
        from: Option<LogSize>,
        since: Option<KeyVersion>,
        history: bool,
    ) -> Self {
        Self {
            label: label.as_str().to_owned(),
            from: from.map(LogSize::get),
            since: since.map(KeyVersion::get),
            history,
        }
    }
}

/// An answer, encoded at most once in each form.
#[derive(Debug)]
pub struct Served {
    answer: Answer,
    json: OnceLock<Bytes>,
    protobuf: OnceLock<Bytes>,
}

impl Served {
    pub(super) fn new(answer: Answer) -> Self {
        Self {
            answer,
            json: OnceLock::new(),
            protobuf: OnceLock::new(),
        }
    }

    /// The answer itself.
    pub fn answer(&self) -> &Answer {
        &self.answer
    }

    /// The JSON body.
    ///
    /// # Errors
    /// It does not encode.
    pub fn json(&self) -> Result<Bytes, serde_json::Error> {
        if let Some(body) = self.json.get() {
            return Ok(body.clone());
        }
        let body = Bytes::from(serde_json::to_vec(&self.answer)?);
        Ok(self.json.get_or_init(|| body).clone())
    }

    /// The protobuf body.
    pub fn protobuf(&self) -> Bytes {
        self.protobuf
            .get_or_init(|| Bytes::from(self.answer.to_protobuf()))
            .clone()
    }

    /// Memory that it takes once both bodies are there: the proofs themselves, as they are, and in base64.
    fn weight(&self) -> u64 {
        let lookups = self.answer.lookups.iter().map(|lookup| {
            let markers = lookup.markers.iter().map(|marker| marker.proof.0.len());
            lookup.proof.0.len().saturating_add(markers.sum())
        });
        let history = self.answer.history.iter().map(|history| history.proof.0.len());
        let proofs: usize = lookups.chain(history).sum();
        let all = proofs.saturating_mul(10).div_ceil(3);
        u64::try_from(all.saturating_add(FRAME)).unwrap_or(u64::MAX)
    }
}

#[derive(Clone)]
pub(super) struct Weight;

impl Weighter<Asked, Arc<Served>> for Weight {
    fn weight(&self, _: &Asked, served: &Arc<Served>) -> u64 {
        served.weight()
    }
}

/// The answers of one head.
pub(super) type Answers = Cache<Asked, Arc<Served>, Weight>;

/// Room for answers of about `bytes` bytes.
pub(super) fn answers(bytes: u64) -> Answers {
    Cache::with_weighter(256, bytes, Weight)
}
