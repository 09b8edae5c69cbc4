//! The rules of `deny.toml` on bans, sources and licences, checked without cargo-deny (whose build takes longer
//! than all our tests). One source of truth: this reads the same file, in the one layout we write it in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use crate::cargo;
use crate::step::Log;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// One `{ crate = "name:<1.2.3", … }` of `[bans] deny`.
#[derive(Debug, PartialEq)]
struct Ban {
    name: String,
    /// Only versions below this one are banned; `None`: see `duplicates`, else all.
    below: Option<Version>,
    /// Not banned, but at most one version may be in the tree.
    duplicates: bool,
}

type Version = [u64; 3];

struct Package {
    name: String,
    version: Version,
    source: Option<String>,
}

pub(crate) fn check(log: &mut Log, root: &Path) -> Result<()> {
    let rules = fs::read_to_string(root.join("deny.toml"))?;
    let packages = packages(&fs::read_to_string(root.join("Cargo.lock"))?)?;
    ensure!(
        packages.len() > 100,
        "Cargo.lock lists {} packages: has its layout changed?",
        packages.len()
    );
    let mut broken = banned(&bans(&rules)?, &packages);
    broken.extend(foreign_sources(&members(log)?, &packages));
    broken.extend(licences(log, &strings(&rules, "licenses", "allow")?)?);
    for line in &broken {
        log.line(line)?;
    }
    ensure!(
        broken.is_empty(),
        "{} rules of deny.toml are broken",
        broken.len()
    );
    Ok(())
}

fn banned(bans: &[Ban], packages: &[Package]) -> Vec<String> {
    let mut broken = Vec::new();
    for ban in bans {
        let versions: Vec<Version> = packages
            .iter()
            .filter(|package| package.name == ban.name)
            .map(|package| package.version)
            .collect();
        let hit = match (ban.duplicates, ban.below) {
            (true, _) => versions.len() > 1,
            (false, Some(limit)) => versions.iter().any(|version| *version < limit),
            (false, None) => !versions.is_empty(),
        };
        if hit {
            broken.push(format!(
                "bans: {} {versions:?} (cargo tree -i {})",
                ban.name, ban.name
            ));
        }
    }
    broken
}

fn foreign_sources(members: &BTreeSet<String>, packages: &[Package]) -> Vec<String> {
    let allowed = |package: &&Package| match &package.source {
        Some(source) => source == CRATES_IO,
        None => members.contains(&package.name),
    };
    packages
        .iter()
        .filter(|package| !allowed(package))
        .map(|package| format!("sources: {}", package.name))
        .collect()
}

fn licences(log: &mut Log, allowed: &[String]) -> Result<Vec<String>> {
    let tree = [
        "tree",
        "--workspace",
        "--locked",
        "--edges",
        "normal,build",
        "--prefix",
        "none",
        "--format",
        "{p}|{l}",
    ];
    let text = log.output(&cargo(), &tree)?;
    let mut broken = BTreeSet::new();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (package, licence) = line
            .split_once('|')
            .with_context(|| format!("cargo tree: {line:?}"))?;
        let licence = licence.trim_end_matches(" (*)");
        if !licence_allowed(licence, allowed)? {
            broken.insert(format!("licenses: {package}: {licence:?}"));
        }
    }
    Ok(broken.into_iter().collect())
}

/// Evaluates an SPDX expression: OR (also written as a slash), AND, parentheses, WITH.
fn licence_allowed(expression: &str, allowed: &[String]) -> Result<bool> {
    let spaced = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .replace('/', " OR ")
        .replace(" WITH ", "-WITH-");
    let mut words: Vec<&str> = spaced.split_whitespace().rev().collect();
    let verdict = any_of(&mut words, allowed)?;
    ensure!(words.is_empty(), "licence {expression:?}");
    Ok(verdict)
}

fn any_of(words: &mut Vec<&str>, allowed: &[String]) -> Result<bool> {
    let mut verdict = all_of(words, allowed)?;
    while words.last() == Some(&"OR") {
        words.pop();
        verdict |= all_of(words, allowed)?;
    }
    Ok(verdict)
}

fn all_of(words: &mut Vec<&str>, allowed: &[String]) -> Result<bool> {
    let mut verdict = one(words, allowed)?;
    while words.last() == Some(&"AND") {
        words.pop();
        verdict &= one(words, allowed)?;
    }
    Ok(verdict)
}

fn one(words: &mut Vec<&str>, allowed: &[String]) -> Result<bool> {
    match words.pop() {
        Some("(") => {
            let verdict = any_of(words, allowed)?;
            ensure!(
                words.pop() == Some(")"),
                "a parenthesis of a licence is not closed"
            );
            Ok(verdict)
        }
        Some(name) => Ok(allowed
            .iter()
            .any(|allowed| allowed.replace(" WITH ", "-WITH-") == name)),
        None => Ok(false),
    }
}

fn members(log: &mut Log) -> Result<BTreeSet<String>> {
    let tree = [
        "tree",
        "--workspace",
        "--locked",
        "--depth",
        "0",
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let text = log.output(&cargo(), &tree)?;
    Ok(text
        .lines()
        .filter_map(|line| line.split(' ').next())
        .map(str::to_owned)
        .collect())
}

fn packages(lock: &str) -> Result<Vec<Package>> {
    lock.split("[[package]]\n")
        .skip(1)
        .map(|block| {
            let fields: BTreeMap<&str, &str> = block
                .lines()
                .filter_map(|line| line.split_once(" = "))
                .map(|(key, value)| (key, value.trim_matches('"')))
                .collect();
            let field = |name: &str| {
                fields
                    .get(name)
                    .copied()
                    .with_context(|| format!("Cargo.lock: no {name}"))
            };
            Ok(Package {
                name: field("name")?.to_owned(),
                version: version(field("version")?)?,
                source: field("source").ok().map(str::to_owned),
            })
        })
        .collect()
}

fn version(text: &str) -> Result<Version> {
    let bare = text.split(['-', '+']).next().unwrap_or(text);
    let mut parts = bare.split('.').map(str::parse::<u64>);
    let mut next = || {
        parts
            .next()
            .with_context(|| format!("version {text:?}"))?
            .map_err(anyhow::Error::from)
    };
    Ok([next()?, next()?, next()?])
}

/// The quoted strings of `key = [ … ]` in `[section]`.
fn strings(rules: &str, section: &str, key: &str) -> Result<Vec<String>> {
    let list = list(rules, section, key)?;
    let found: Vec<String> = list
        .iter()
        .filter_map(|line| line.split('"').nth(1))
        .map(str::to_owned)
        .collect();
    ensure!(!found.is_empty(), "deny.toml: [{section}] {key} is empty");
    Ok(found)
}

fn bans(rules: &str) -> Result<Vec<Ban>> {
    list(rules, "bans", "deny")?
        .iter()
        .map(|line| ban(line))
        .collect()
}

fn ban(line: &str) -> Result<Ban> {
    let spec = line
        .strip_prefix("{ crate = \"")
        .and_then(|rest| rest.split('"').next())
        .with_context(|| format!("deny.toml: {line:?}"))?;
    let (name, below) = match spec.split_once(":<") {
        Some((name, limit)) => (name, Some(version(limit)?)),
        None if spec.contains([':', '@']) => {
            bail!("deny.toml: {spec:?}: only `name` and `name:<version` are read")
        }
        None => (spec, None),
    };
    Ok(Ban {
        name: name.to_owned(),
        below,
        duplicates: line.contains("deny-multiple-versions = true"),
    })
}

/// The lines of a list, one entry each, without comments.
fn list<'r>(rules: &'r str, section: &str, key: &str) -> Result<Vec<&'r str>> {
    let heading = format!("[{section}]");
    let opening = format!("{key} = [");
    let mut lines = rules
        .lines()
        .map(str::trim)
        .skip_while(|line| *line != heading)
        .skip(1);
    ensure!(
        lines
            .by_ref()
            .take_while(|line| !line.starts_with('['))
            .any(|line| line == opening),
        "deny.toml: no {opening:?} in {heading}"
    );
    Ok(lines
        .take_while(|line| *line != "]")
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn package(name: &str, text: &str, source: Option<&str>) -> Package {
        Package {
            name: name.to_owned(),
            version: version(text).unwrap(),
            source: source.map(str::to_owned),
        }
    }

    #[test]
    fn bans_are_read_and_applied() {
        let rules = "[bans]\nmultiple-versions = \"allow\"\ndeny = [\n  # why\n  { crate = \"akd:<0.13.0\", reason = \"r\" },\n  \
                     { crate = \"sha2\", deny-multiple-versions = true },\n  { crate = \"native-tls\" },\n]\n";
        let bans = bans(rules).unwrap();
        assert_eq!(bans.len(), 3);
        let good = [package("akd", "0.13.0", None), package("sha2", "0.10.9", None)];
        assert_eq!(banned(&bans, &good), [""; 0]);
        for bad in [
            package("akd", "0.12.9", None),
            package("sha2", "0.11.0-rc.1", None),
            package("native-tls", "0.2.1", None),
        ] {
            let name = bad.name.clone();
            let mut packages = vec![package("sha2", "0.10.9", None)];
            packages.push(bad);
            assert_eq!(banned(&bans, &packages).len(), 1, "{name}");
        }
        assert!(
            ban("{ crate = \"x@=1\" }").is_err(),
            "an unread form is an error, not a silent pass"
        );
    }

    #[test]
    fn only_the_registry_and_members_are_sources() {
        let members = BTreeSet::from(["ours".to_owned()]);
        let packages = [
            package("ours", "0.1.0", None),
            package("theirs", "1.0.0", Some(CRATES_IO)),
            package("forked", "1.0.0", Some("git+https://example.org/forked")),
            package("beside", "1.0.0", None),
        ];
        assert_eq!(
            foreign_sources(&members, &packages),
            ["sources: forked", "sources: beside"]
        );
    }

    #[test]
    fn licences_are_evaluated() {
        let allowed = ["MIT".to_owned(), "Zlib".to_owned()];
        for good in [
            "MIT",
            "Apache-2.0/MIT",
            "GPL-3.0 OR Zlib",
            "(MIT OR GPL-3.0) AND Zlib",
        ] {
            assert!(licence_allowed(good, &allowed).unwrap(), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MIT AND GPL-3.0",
            "MIT WITH something",
            "(MIT OR Zlib) AND GPL-3.0",
        ] {
            assert!(!licence_allowed(bad, &allowed).unwrap(), "{bad}");
        }
        assert!(licence_allowed("(MIT", &allowed).is_err());
    }
}
