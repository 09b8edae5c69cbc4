//! A copy of the workspace in which every check of one crate has a switch, and that crate's test programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use super::Of;
use super::find::{Mutant, find};

/// Files that hold no checks: names of reasons, tables of constants.
const NO_CHECKS: &[&str] = &["error.rs", "problem.rs"];

/// The switch: the check with the number in the environment is off. The variables are none of ours by name, so that the
/// programs that tests start have them too.
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
        off: std::env::var("MUTANT_OFF").ok().and_then(|n| n.parse().ok()),
        trace: std::env::var_os("MUTANT_TRACE").map(|path| {
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

/// Makes the copy below `folder` and compiles the tests of one crate, with the features of the whole workspace.
pub(super) fn build(folder: &Path, of: Of) -> Result<(Vec<Mutant>, Vec<Program>)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize()?;
    // Made aside and then put in place where it differs: what stays as it was is not compiled again.
    let (copy, aside) = (folder.join("source"), folder.join("aside"));
    if aside.exists() {
        fs::remove_dir_all(&aside)?;
    }
    fs::create_dir_all(&aside)?;
    for file in ["Cargo.toml", "Cargo.lock"] {
        fs::copy(root.join(file), aside.join(file))?;
    }
    for name in members(&root)?.iter().map(String::as_str).chain(["docs"]) {
        copy_folder(&root.join(name), &aside.join(name))?;
        if name != of.folder() && name != "docs" {
            without_tests(&aside.join(name))?;
        }
    }
    let mutants = add_switches(&aside.join(of.folder()).join("src"))?;
    put_in_place(&aside, &copy)?;
    let crate_folder = copy.join(of.folder());
    Ok((mutants, compile(&copy, &crate_folder, &folder.join("target"))?))
}

fn members(root: &Path) -> Result<Vec<String>> {
    let table: toml::Table = fs::read_to_string(root.join("Cargo.toml"))?.parse()?;
    let members = table["workspace"]["members"].as_array().context("no members")?;
    Ok(members
        .iter()
        .filter_map(|member| Some(member.as_str()?.to_owned()))
        .collect())
}

/// What other crates are needed for is their library; a package has to have something.
fn without_tests(folder: &Path) -> Result<()> {
    let path = folder.join("Cargo.toml");
    let mut manifest: toml::Table = fs::read_to_string(&path)?.parse()?;
    for targets in ["bin", "test", "bench", "example"] {
        manifest.remove(targets);
    }
    let package = manifest
        .get_mut("package")
        .and_then(toml::Value::as_table_mut)
        .context("no package")?;
    for automatic in ["autobins", "autotests", "autobenches", "autoexamples"] {
        package.insert(automatic.to_owned(), false.into());
    }
    let mut target = toml::Table::new();
    target.insert("test".to_owned(), false.into());
    if folder.join("src").join("lib.rs").exists() {
        manifest.insert("lib".to_owned(), target.into());
    } else {
        target.insert("name".to_owned(), "program".into());
        target.insert("path".to_owned(), "src/main.rs".into());
        manifest.insert("bin".to_owned(), vec![toml::Value::from(target)].into());
    }
    fs::write(path, manifest.to_string())?;
    Ok(())
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

/// Makes `to` what `from` is; files that are the same already are left alone. `from` is used up.
fn put_in_place(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(to)? {
        let path = entry?.path();
        let name = path.file_name().context("a name")?;
        if !from.join(name).exists() {
            if path.is_dir() {
                fs::remove_dir_all(&path)?;
            } else {
                fs::remove_file(&path)?;
            }
        }
    }
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let target = to.join(path.file_name().context("a name")?);
        if path.is_dir() {
            put_in_place(&path, &target)?;
        } else if !target.exists() || fs::read(&path)? != fs::read(&target)? {
            fs::rename(&path, &target)?;
        }
    }
    fs::remove_dir_all(from)?;
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
        if matches!(name.as_str(), "lib.rs" | "main.rs") {
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

fn compile(copy: &Path, crate_folder: &Path, target: &Path) -> Result<Vec<Program>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(copy)
        .args([
            "test",
            "--no-run",
            "--offline",
            "--message-format",
            "json-render-diagnostics",
            "--workspace",
            "--tests",
        ])
        .arg("--target-dir")
        .arg(target)
        .stderr(Stdio::inherit())
        .output()
        .context("starting cargo")?;
    ensure!(output.status.success(), "the copy with switches does not build");
    let mut programs = Vec::new();
    for line in String::from_utf8(output.stdout)?.lines() {
        let message: Value = serde_json::from_str(line)?;
        if let (Some(path), Some(true)) = (
            message["executable"].as_str(),
            message["profile"]["test"].as_bool(),
        ) {
            programs.push(Program {
                path: path.into(),
                folder: crate_folder.to_owned(),
            });
        }
    }
    ensure!(!programs.is_empty(), "no test program was built");
    Ok(programs)
}
