//! `cargo xtask test`: everything that must pass, cheap steps first.

use std::fs;

use anyhow::Result;

use crate::step::{Log, Steps};
use crate::{built, cargo, deny, directions, root, tools, words};

pub(crate) fn run() -> Result<()> {
    let root = root()?;
    let mut steps = Steps::new(root.clone());
    if !steps.run("prerequisites", tools::can_test)? {
        return steps.finish();
    }
    steps.run("format", |log| {
        log.command(&cargo(), &["fmt", "--all", "--check"])
    })?;
    steps.run("forbidden words", words::check)?;
    steps.run("dependencies", |log| deny::check(log, &root))?;
    if tools::has_deny() {
        steps.run("cargo deny", |log| {
            log.command(&cargo(), &["deny", "--locked", "check"])
        })?;
    } else {
        println!("     cargo-deny is not installed: advisories are not checked, all else in deny.toml is");
    }
    steps.run("dependency directions", directions::check)?;
    steps.run("alert rules", alert_rules)?;
    steps.run("clippy", |log| {
        log.command(
            &cargo(),
            &[
                "clippy",
                "--workspace",
                "--all-targets",
                "--locked",
                "--quiet",
                "--",
                "-D",
                "warnings",
            ],
        )
    })?;
    steps.run("protocol on wasm32", |log| {
        let target = "wasm32-unknown-unknown";
        log.command(
            &cargo(),
            &[
                "check",
                "-p",
                "keyglass-protocol",
                "--target",
                target,
                "--locked",
                "--quiet",
            ],
        )
    })?;
    // Both runners build every program before the first test; tests that start them need not build them again.
    let programs = &built("debug")?;
    steps.tests("tests", |log| {
        let runner: &[&str] = if tools::has_nextest() {
            &["nextest", "run", "--workspace", "--locked", "--no-fail-fast"]
        } else {
            &[
                "test",
                "--workspace",
                "--all-targets",
                "--locked",
                "--no-fail-fast",
            ]
        };
        log.command_with(&cargo(), runner, &[("TESTKIT_PROGRAMS", programs)])
    })?;
    steps.tests("examples in documentation", |log| {
        log.command(&cargo(), &["test", "--workspace", "--doc", "--locked"])
    })?;
    // A workspace of its own, so that the fuzzer is nobody's dependency; what is compiled already is used again.
    steps.tests("fuzz targets", |log| {
        log.command(
            &cargo(),
            &[
                "test",
                "--manifest-path",
                "fuzz/Cargo.toml",
                "--target-dir",
                "target",
                "--locked",
            ],
        )
    })?;
    steps.finish()
}

fn alert_rules(log: &mut Log) -> Result<()> {
    for (verb, folder) in [
        ("check", "monitoring/alerts"),
        ("test", "monitoring/alerts/tests"),
    ] {
        let mut files = Vec::new();
        for entry in fs::read_dir(root()?.join(folder))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            if name.ends_with(".yml") {
                files.push(format!("{folder}/{name}"));
            }
        }
        anyhow::ensure!(!files.is_empty(), "no rules in {folder}");
        let mut arguments = vec![verb, "rules"];
        arguments.extend(files.iter().map(String::as_str));
        log.command("promtool", &arguments)?;
    }
    Ok(())
}
