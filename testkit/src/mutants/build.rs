//! A copy of `protocol` in which every check has a switch, and its test programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::find::{Mutant, find};

/// Files that hold no checks: names of reasons, tables of constants.
const NO_CHECKS: &[&str] = &["error.rs", "problem.rs"];

/// The switch: the check with the number in the environment is off.
const SWITCH: &str = r#"
use std::collections::BTreeSet;
use std::io::Write as _;
use std::sync::{Mutex, OnceLock};

struct State {
    off: Option<usize>,
    trace: Option<Mutex<(BTreeSet<usize>, std::fs::File)>>,
}

static STATE: OnceLock<State> = OnceLock::new();

fn state() -> &'static State {
    STATE.get_or_init(|| State {
        off: std::env::var("KEYGLASS_MUTANT").ok().and_then(|n| n.parse().ok()),
        trace: std::env::var_os("KEYGLASS_TRACE").map(|path| {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            Mutex::new((BTreeSet::new(), file.expect("the trace can be written")))
        }),
    })
}

pub(crate) fn on(number: usize) -> bool {
    let state = state();
    if let Some(trace) = &state.trace {
        let (seen, file) = &mut *trace.lock().expect("no test panics in here");
        if seen.insert(number) {
            writeln!(file, "{number}").expect("the trace can be written");
        }
    }
    state.off != Some(number)
}
"#;

/// A test program of the copy.
#[derive(Debug, Clone)]
pub(super) struct Program {
    /// The executable.
    pub(super) path: PathBuf,
    /// Folder in which its tests expect to run.
    pub(super) folder: PathBuf,
}

/// Makes the copy below `folder` and compiles it.
pub(super) fn build(folder: &Path) -> Result<(Vec<Mutant>, Vec<Program>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    let copy = folder.join("source");
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    copy_folder(&root.join("protocol"), &copy.join("protocol"))?;
    copy_folder(&root.join("docs"), &copy.join("docs"))?;
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    fs::write(copy.join("Cargo.toml"), only_protocol(&manifest)?)?;
    fs::copy(root.join("Cargo.lock"), copy.join("Cargo.lock"))?;
    let mutants = add_switches(&copy.join("protocol").join("src"))?;
    Ok((mutants, compile(&copy, &folder.join("target"))?))
}

/// The workspace's manifest with one member and without the crates that are not there.
fn only_protocol(manifest: &str) -> Result<String> {
    let mut table: toml::Table = manifest.parse().context("the workspace's manifest")?;
    let workspace = table
        .get_mut("workspace")
        .and_then(toml::Value::as_table_mut)
        .context("no workspace")?;
    workspace.insert("members".to_owned(), vec!["protocol".to_owned()].into());
    let dependencies = workspace
        .get_mut("dependencies")
        .and_then(toml::Value::as_table_mut);
    dependencies
        .context("no dependencies")?
        .retain(|_, value| value.get("path").is_none());
    Ok(table.to_string())
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

fn add_switches(source: &Path) -> Result<Vec<Mutant>> {
    let mut files = Vec::new();
    list(source, &mut files)?;
    files.sort();
    let mut mutants = Vec::new();
    for path in files {
        let name = path.strip_prefix(source)?.to_string_lossy().into_owned();
        let last = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let text = fs::read_to_string(&path)?;
        if name == "lib.rs" {
            fs::write(&path, format!("#![allow(unused_parens)]\n{text}\nmod mutant;\n"))?;
        } else if !NO_CHECKS.contains(&last) {
            let (found, changed) = find(&name, &text, mutants.len()).with_context(|| name.clone())?;
            mutants.extend(found);
            fs::write(&path, changed)?;
        }
    }
    fs::write(source.join("mutant.rs"), SWITCH)?;
    Ok(mutants)
}

fn list(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            list(&path, files)?;
        } else if path.extension().is_some_and(|e| e == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

fn compile(copy: &Path, target: &Path) -> Result<Vec<Program>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(copy)
        .args([
            "test",
            "--no-run",
            "--offline",
            "--message-format",
            "json-render-diagnostics",
            "-p",
            "keyglass-protocol",
        ])
        .arg("--target-dir")
        .arg(target)
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo")?;
    ensure!(output.status.success(), "protocol with switches does not build");
    let mut programs = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let message: Value = serde_json::from_str(line)?;
        if let (Some(path), Some(true)) = (
            message["executable"].as_str(),
            message["profile"]["test"].as_bool(),
        ) {
            programs.push(Program {
                path: path.into(),
                folder: copy.join("protocol"),
            });
        }
    }
    ensure!(!programs.is_empty(), "no test program was built");
    Ok(programs)
}
