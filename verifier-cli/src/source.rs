//! Where answers come from: a directory over HTTP, or a saved file.

use std::collections::VecDeque;

use keyglass_protocol::label::Label;
use keyglass_protocol::message::{self, Answer, BatchRequest, ConsistencyProof, EpochProof};
use keyglass_protocol::problem::Problem;
use keyglass_protocol::quantity::{ConfigHash, KeyVersion, LogHash, LogSize};
use reqwest::Method;

use crate::exit::Exit;
use crate::http::{Http, Received};
use crate::label;
use crate::log_reader::Tiles;
use crate::report::Failure;

/// Gives answers. Nothing in them is verified.
pub(crate) trait Source {
    /// Lookup of a label; for an account with its history since a version.
    fn lookup(&mut self, label: &Label, from: Option<LogSize>, since: KeyVersion) -> Result<Answer, Failure>;
    /// History of a label since a version.
    fn history(&mut self, label: &Label, from: Option<LogSize>, since: KeyVersion)
    -> Result<Answer, Failure>;
    /// Lookups of several labels under one head, if the source can give them; at most [`message::MAX_BATCH`].
    fn lookups(&mut self, labels: &[Label]) -> Result<Option<Answer>, Failure>;
    /// The configuration document with this hash, if the source has it.
    fn config(&mut self, hash: &ConfigHash) -> Result<Option<Vec<u8>>, Failure>;
    /// That the log of size `from` is a prefix of that of size `to`, if the source can tell.
    fn consistency(&mut self, from: LogSize, to: LogSize) -> Result<Option<ConsistencyProof>, Failure>;
    /// Root at size `at` of the log of size `of`, if the source can tell.
    fn root(&mut self, at: LogSize, of: LogSize) -> Result<Option<LogHash>, Failure>;
    /// A leaf of the log of this size, if the source can tell.
    fn epoch_proof(&mut self, size: LogSize, index: u64) -> Result<Option<EpochProof>, Failure>;
    /// Whether asking again can give another answer.
    fn is_live(&self) -> bool;
    /// The answers given, to be saved.
    fn given(&self) -> &[Answer];
    /// Forgets the answers given: a new attempt begins.
    fn forget(&mut self);
}

/// A directory over HTTP.
pub(crate) struct Online<'h> {
    http: &'h Http,
    given: Vec<Answer>,
}

impl<'h> Online<'h> {
    /// Opens nothing yet.
    pub(crate) fn new(http: &'h Http) -> Self {
        Self {
            http,
            given: Vec::new(),
        }
    }

    /// Asks for an answer; what the directory cannot serve is asked for in the way that it can, and the checks
    /// then say what that means.
    fn ask(&mut self, path: &str, from: Option<LogSize>, since: KeyVersion) -> Result<Answer, Failure> {
        let mut from = from;
        let mut since = since;
        for _ in 0..3 {
            let mut url = format!("{path}?since={since}");
            if let Some(size) = from {
                url.push_str(&format!("&from={size}"));
            }
            let received = self.http.get(&url)?;
            match received.problem {
                // It is behind the head seen before.
                Some(Problem::UnknownSize) if from.is_some() => from = None,
                // It knows fewer versions than the pinned one.
                Some(Problem::SinceBeyondNewest) if since > KeyVersion::FIRST => since = KeyVersion::FIRST,
                _ => return self.read(received),
            }
        }
        Err(Failure::new(
            Exit::Network,
            "unexpected-answer",
            "the directory does not answer the question",
        ))
    }

    fn read(&mut self, received: Received) -> Result<Answer, Failure> {
        if received.status != 200 && received.problem != Some(Problem::Absent) {
            return Err(self.http.unexpected(&received));
        }
        let answer: Answer = message::from_json(&received.body).map_err(|e| {
            Failure::malformed(e.reason(), format!("the answer cannot be read: {e}"))
                .meaning(
                    "this is no Keyglass directory, another version of one, or a proxy in between answered",
                )
                .next("check the address; keyglass trust show prints the pinned one")
        })?;
        self.given.push(answer.clone());
        Ok(answer)
    }
}

impl Source for Online<'_> {
    fn lookup(&mut self, label: &Label, from: Option<LogSize>, since: KeyVersion) -> Result<Answer, Failure> {
        self.ask(&label::path(label), from, since)
    }

    fn history(
        &mut self,
        label: &Label,
        from: Option<LogSize>,
        since: KeyVersion,
    ) -> Result<Answer, Failure> {
        self.ask(&format!("{}/history", label::path(label)), from, since)
    }

    fn lookups(&mut self, labels: &[Label]) -> Result<Option<Answer>, Failure> {
        let request = BatchRequest {
            labels: labels.iter().map(|l| l.as_str().to_owned()).collect(),
        };
        let body = serde_json::to_vec(&request).map_err(|e| {
            Failure::internal("request-encoding", format!("the request cannot be written: {e}"))
        })?;
        let received = self.http.send_json(Method::POST, "/v1/lookups", body)?;
        self.read(received).map(Some)
    }

    fn config(&mut self, hash: &ConfigHash) -> Result<Option<Vec<u8>>, Failure> {
        let received = self.http.get(&format!("/v1/config/{hash}"))?;
        match received.status {
            200 => Ok(Some(received.body)),
            404 => Ok(None),
            _ => Err(self.http.unexpected(&received)),
        }
    }

    fn consistency(&mut self, from: LogSize, to: LogSize) -> Result<Option<ConsistencyProof>, Failure> {
        Tiles::new(self.http, to).consistency(from).map(Some)
    }

    fn root(&mut self, at: LogSize, of: LogSize) -> Result<Option<LogHash>, Failure> {
        Tiles::new(self.http, of).root(at).map(Some)
    }

    fn epoch_proof(&mut self, size: LogSize, index: u64) -> Result<Option<EpochProof>, Failure> {
        Tiles::new(self.http, size).epoch_proof(index).map(Some)
    }

    fn is_live(&self) -> bool {
        true
    }

    fn given(&self) -> &[Answer] {
        &self.given
    }

    fn forget(&mut self) {
        self.given.clear();
    }
}

/// Answers from a file, in the order in which they were given.
pub(crate) struct Saved {
    left: VecDeque<Answer>,
    given: Vec<Answer>,
}

impl Saved {
    /// Takes the answers of a file.
    pub(crate) fn new(answers: Vec<Answer>) -> Self {
        Self {
            left: answers.into(),
            given: Vec::new(),
        }
    }

    fn next(&mut self) -> Result<Answer, Failure> {
        let answer = self.left.pop_front().ok_or_else(|| {
            Failure::missing(
                "saved-answer-missing",
                "the file does not hold every answer that is needed",
            )
            .next("save the lookup again with keyglass lookup LABEL --save FILE")
        })?;
        self.given.push(answer.clone());
        Ok(answer)
    }
}

impl Source for Saved {
    fn lookup(&mut self, _: &Label, _: Option<LogSize>, _: KeyVersion) -> Result<Answer, Failure> {
        self.next()
    }

    fn history(&mut self, _: &Label, _: Option<LogSize>, _: KeyVersion) -> Result<Answer, Failure> {
        self.next()
    }

    fn lookups(&mut self, _: &[Label]) -> Result<Option<Answer>, Failure> {
        Ok(None)
    }

    fn config(&mut self, _: &ConfigHash) -> Result<Option<Vec<u8>>, Failure> {
        Ok(None)
    }

    fn consistency(&mut self, _: LogSize, _: LogSize) -> Result<Option<ConsistencyProof>, Failure> {
        Ok(None)
    }

    fn root(&mut self, _: LogSize, _: LogSize) -> Result<Option<LogHash>, Failure> {
        Ok(None)
    }

    fn epoch_proof(&mut self, _: LogSize, _: u64) -> Result<Option<EpochProof>, Failure> {
        Ok(None)
    }

    fn is_live(&self) -> bool {
        false
    }

    fn given(&self) -> &[Answer] {
        &self.given
    }

    fn forget(&mut self) {}
}
