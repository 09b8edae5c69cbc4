//! Sample accounts, published with the real command-line tool, one state folder per person.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Result, bail};

use super::{Identity, Place, display, indented};

const PEOPLE: &[&str] = &["alice", "bob", "carol"];

/// Publishes what is not published yet. Each step that succeeded is noted, so that a second run goes on.
pub(super) fn publish(place: &Place, identity: &Identity, policy: &Path, stop: &AtomicBool) -> Result<()> {
    for person in PEOPLE {
        let noted = place.data.join("people").join(format!("{person}.done"));
        let done = fs::read_to_string(&noted).unwrap_or_default();
        println!(
            "{} {person}",
            if done.is_empty() { "publishing" } else { "checking" }
        );
        for step in steps(place, identity, policy, person) {
            let line = step.join(" ");
            if stop.load(Ordering::Relaxed) {
                bail!("interrupted");
            }
            if !done.lines().any(|done| done == line) {
                run(place, person, &step)?;
                writeln!(
                    OpenOptions::new().create(true).append(true).open(&noted)?,
                    "{line}"
                )?;
            }
        }
    }
    Ok(())
}

fn steps(place: &Place, identity: &Identity, policy: &Path, person: &str) -> Vec<Vec<String>> {
    let owned = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let mut trust = owned(&[
        "trust",
        "add",
        &place.directory_url(),
        "--log-vkey",
        &identity.log_vkey,
    ]);
    trust.extend(owned(&[
        "--config-sha256",
        &identity.config_sha256,
        "--policy",
        &policy.to_string_lossy(),
    ]));
    vec![
        trust,
        owned(&["identity", "new", "--account", person]),
        owned(&["identity", "publish"]),
        owned(&["device", "add"]),
        owned(&["handle", "claim", person]),
    ]
}

fn run(place: &Place, person: &str, step: &[String]) -> Result<()> {
    let output = keyglass(place, person).args(step).output()?;
    if output.status.success() {
        return Ok(());
    }
    bail!(
        "KEYGLASS_HOME={} keyglass {}: {}{}{}",
        display(&home(place, person)),
        step.join(" "),
        output.status,
        indented(&String::from_utf8_lossy(&output.stdout)),
        indented(&String::from_utf8_lossy(&output.stderr))
    )
}

fn home(place: &Place, person: &str) -> PathBuf {
    place.data.join("people").join(person)
}

fn keyglass(place: &Place, person: &str) -> Command {
    let mut command = place.program("keyglass");
    command.env("KEYGLASS_HOME", home(place, person));
    command
}

/// What a newcomer can do now.
pub(super) fn print_commands(place: &Place, identity: &Identity) {
    let bin = place.programs.display();
    let [alice, bob] = ["alice", "bob"].map(|person| home(place, person));
    let (alice, bob) = (alice.display(), bob.display());
    println!(
        r#"
The directory runs at {directory}, its auditor at {auditor}.

  log key        {log}
  configuration  {config}

In another terminal:

  export PATH="{bin}:$PATH"
  export KEYGLASS_HOME="{alice}"    # you are alice now

  keyglass lookup @bob                  # bob's key, and everything that was verified
  keyglass lookup @nobody               # a proof that nobody has this name (exit code 3)
  keyglass history @bob
  keyglass safety-number @bob           # these digits ...
  KEYGLASS_HOME="{bob}" keyglass safety-number @alice    # ... are the same on bob's side
  keyglass monitor                      # your account, your names, your contacts: anything unexpected?

Watch the audit:

  curl -s {directory}/log/checkpoint    # the signed head with the auditor's line
  curl -s {auditor}/metrics | grep keyglass_auditor_
  tail -f {log_file}

Ctrl-C stops both. Everything is kept in {data}."#,
        directory = place.directory_url(),
        auditor = place.auditor_url(),
        log = identity.log_vkey,
        config = identity.config_sha256,
        log_file = display(&place.data.join("keyglass-auditor.log")),
        data = display(&place.data),
    );
}
