//! Words that must not stand in the repository.

use std::fs;

use anyhow::{Result, ensure};

use crate::root;
use crate::step::Log;

/// Unfinished or disabled code. Written in halves, so that this file does not find itself.
const IN_CODE: &[&str] = &[
    concat!("to", "do!"),
    concat!("unimpl", "emented!"),
    concat!("#[ig", "nore"),
    concat!("d", "bg!("),
];

/// Folders of one person's machine.
const PATHS: &[&str] = &[
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
];

/// Looks through every tracked or new file.
pub(crate) fn check(log: &mut Log) -> Result<()> {
    let root = root()?;
    let listed = log.output("git", &["ls-files", "--cached", "--others", "--exclude-standard"])?;
    let mut found = 0;
    for name in listed.lines() {
        // A file that is deleted but not yet committed is listed, and pictures are not text.
        let Ok(text) = fs::read_to_string(root.join(name)) else {
            continue;
        };
        for (number, line) in (1..).zip(text.lines()) {
            for word in hits(name, line) {
                log.line(format!("{name}:{number}: {word}"))?;
                found += 1;
            }
        }
    }
    ensure!(found == 0, "{found} places with words that must not be there");
    Ok(())
}

fn hits<'w>(name: &str, line: &str) -> impl Iterator<Item = &'w str> {
    let code = name.ends_with(".rs");
    let in_code = IN_CODE.iter().filter(move |word| code && line.contains(**word));
    let paths = PATHS.iter().filter(move |path| starts_a_path(line, path));
    in_code.chain(paths).copied().collect::<Vec<_>>().into_iter()
}

/// Whether `path` occurs as the beginning of a path, not inside one (`docs/home/`) or inside a URL.
fn starts_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && !"._-~}>".contains(c))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unfinished_code_is_found_in_code_only() {
        let line = format!("    {}(\"later\")", IN_CODE.first().copied().unwrap_or_default());
        assert_eq!(hits("a.rs", &line).count(), 1);
        assert_eq!(hits("a.md", &line).count(), 0);
    }

    #[test]
    fn a_machine_path_is_found_at_its_beginning_only() {
        for path in PATHS {
            assert!(starts_a_path(&format!("see {path}x"), path), "{path}");
            assert!(starts_a_path(&format!("{path}x"), path), "{path}");
            assert!(!starts_a_path(&format!("docs{path}x"), path), "{path}");
        }
    }
}
