//! Which crate may depend on which. Development dependencies are free; what ships is not.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};

use crate::cargo;
use crate::step::Log;

struct Rule {
    package: &'static str,
    /// Packages of this workspace that it may reach; all others are forbidden.
    workspace: &'static [&'static str],
    /// Foreign packages that it must never reach.
    never: &'static [&'static str],
}

const PROTOCOL: &str = "keyglass-protocol";
const SCHEMA: &str = "keyglass-schema";
const MONITORING: &str = "keyglass-monitoring";

const RULES: &[Rule] = &[
    // The verifier's own code decides; akd is a second opinion in tests. No clock, network or disk either.
    Rule {
        package: PROTOCOL,
        workspace: &[],
        never: &["akd", "akd_core", "tokio", "reqwest", "diesel", "getrandom"],
    },
    Rule {
        package: MONITORING,
        workspace: &[],
        never: &["akd", "diesel", "actix-web"],
    },
    Rule {
        package: SCHEMA,
        workspace: &[PROTOCOL],
        never: &["actix-web", "reqwest"],
    },
    Rule {
        package: "keyglass-server",
        workspace: &[PROTOCOL, SCHEMA, MONITORING],
        never: &[],
    },
    Rule {
        package: "keyglass-auditor",
        workspace: &[PROTOCOL, SCHEMA, MONITORING],
        never: &[],
    },
    Rule {
        package: "keyglass",
        workspace: &[PROTOCOL],
        never: &["akd", "akd_core", "diesel", "actix-web"],
    },
    Rule {
        package: "xtask",
        workspace: &[],
        never: &["tokio", "serde"],
    },
];

/// Packages without a rule: they may depend on anything.
const FREE: &[&str] = &["keyglass-testkit"];

pub(crate) fn check(log: &mut Log) -> Result<()> {
    let members = tree(log, &["--workspace", "--depth", "0"])?;
    for member in &members {
        let known = RULES.iter().any(|rule| rule.package == member) || FREE.contains(&member.as_str());
        ensure!(known, "{member} has no rule in xtask/src/directions.rs");
    }
    let mut broken = 0;
    for rule in RULES {
        let reached = tree(log, &["--package", rule.package])?;
        for package in violations(rule, &members, &reached) {
            log.line(format!(
                "{} must not depend on {package}: cargo tree -p {} -i {package}",
                rule.package, rule.package
            ))?;
            broken += 1;
        }
    }
    ensure!(broken == 0, "{broken} dependencies point the wrong way");
    Ok(())
}

fn violations<'r>(rule: &Rule, members: &BTreeSet<String>, reached: &'r BTreeSet<String>) -> Vec<&'r str> {
    let allowed = |package: &str| package == rule.package || rule.workspace.contains(&package);
    reached
        .iter()
        .map(String::as_str)
        .filter(|package| (members.contains(*package) && !allowed(package)) || rule.never.contains(package))
        .collect()
}

/// Names of the packages that ship or build what ships.
fn tree(log: &mut Log, which: &[&str]) -> Result<BTreeSet<String>> {
    let mut arguments = vec![
        "tree",
        "--locked",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    arguments.extend(which);
    let text = log.output(&cargo(), &arguments)?;
    Ok(text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn a_program_must_not_reach_another_or_a_forbidden_package() {
        let rule = Rule {
            package: "cli",
            workspace: &["protocol"],
            never: &["akd"],
        };
        let members = set(&["cli", "protocol", "server"]);
        let reached = set(&["akd", "cli", "protocol", "serde", "server"]);
        assert_eq!(violations(&rule, &members, &reached), ["akd", "server"]);
        assert_eq!(
            violations(&rule, &members, &set(&["cli", "protocol", "serde"])),
            [""; 0]
        );
    }
}
