//! Every operation of the API, called by schemathesis until it has given every answer that is documented.
//!
//! Four passes: a directory with tokens, limits and a cosigner ([`Directory`]), to which the tester sends the examples of the
//! description and, among them, requests that are prepared here ([`ask`], [`prepared`]); the same directory with what
//! the tester makes up; and servers that must not answer ([`Outage`]): a stand-by, and a replica without a sequencer.

mod ask;
mod directory;
mod outage;
mod prepared;
mod reached;
mod tester;

use std::path::Path;

use anyhow::{Result, ensure};

use directory::Directory;
use outage::Outage;
use prepared::Prepared;
use reached::Description;
use tester::{Pass, Tester};

/// How much is made up.
#[derive(Debug, Clone, Copy)]
pub struct Effort {
    /// Generated requests per operation.
    pub examples: u32,
    /// Longest time, in seconds.
    pub seconds: u32,
}

/// Runs all passes against `server`, with the tester in an environment at `place`, and prints what was reached.
///
/// # Errors
/// The tester found something, or did not reach something that is documented.
pub fn run(effort: Effort, server: &Path, place: &Path) -> Result<()> {
    let tester = Tester::install(place)?;
    let directory = Directory::start(server);
    let document = directory.http().body("/v1/openapi.json");
    let description = Description::parse(&document)?;
    let prepared = Pass {
        http: directory.http(),
        document: &document,
        prepared: &Prepared::of(&directory, &description)?,
        phases: "examples",
        effort: None,
        unavailable: None,
    };
    let mut reached = tester.run(&prepared)?;
    reached.add(tester.run(&Pass {
        phases: "coverage,fuzzing",
        effort: Some(effort),
        ..prepared
    })?);
    let mut outage = Outage::start(server);
    let standing_by = Pass {
        http: &outage.standing_by(),
        prepared: &Prepared::one_each(&description),
        unavailable: Some(503),
        ..prepared
    };
    reached.add(tester.run(&standing_by)?);
    reached.add(tester.run(&Pass {
        http: &outage.cut_off(),
        phases: "examples,coverage",
        ..standing_by
    })?);
    print!("{}", description.table(&reached));
    let missing = description.missing(&reached);
    ensure!(
        missing.is_empty(),
        "documented and not reached: {}",
        missing.join(", ")
    );
    Ok(())
}
