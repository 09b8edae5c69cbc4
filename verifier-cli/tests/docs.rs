//! `docs/verifier.md` is true: every command in it is run, in its order, against a directory.
//!
//! `TRYCMD=overwrite` writes what the program prints into the page; what differs from run to run becomes `[..]`.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::as_conversions,
    reason = "tests"
)]

mod town;

use std::path::Path;

use keyglass_protocol::evidence::{Claim, Evidence, Fork, SCHEMA};
use keyglass_protocol::message::B64;
use keyglass_protocol::quantity::LogHash;
use keyglass_testkit::world::World;
use town::Town;

/// The page's address of the directory.
const ADDRESS: &str = "https://keys.example.org";

#[test]
fn the_page_is_true() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/verifier.md");
    let town = Town::new();
    for who in ["bob", "carol"] {
        town.settle(who);
    }
    town.good("bob", &["handle", "claim", "bob"]);
    std::fs::write(town.path("words.txt"), "correct horse\n").unwrap();
    let (seed, fork) = town
        .front
        .with(|s| (s.world.keys.recovery.to_bytes(), fork(&s.world)));
    std::fs::write(town.path("recovery.key"), hex::encode(seed)).unwrap();
    std::fs::write(town.path("fork.json"), fork).unwrap();

    let url = town.front.url();
    let text = std::fs::read_to_string(&page).unwrap();
    let copy = town.path("verifier.md");
    std::fs::write(&copy, text.replace(ADDRESS, &url)).unwrap();
    std::env::set_current_dir(town.dir.path()).unwrap();
    let cases = trycmd::TestCases::new();
    cases
        .default_bin_path(env!("CARGO_BIN_EXE_keyglass"))
        .register_bin("keyglass", Path::new(env!("CARGO_BIN_EXE_keyglass")))
        .env("XDG_STATE_HOME", "alice")
        .env("NO_COLOR", "1")
        .case(&copy);
    cases.run();
    if std::env::var_os("TRYCMD").is_some_and(|v| v == "overwrite") {
        let written = std::fs::read_to_string(&copy).unwrap();
        std::fs::write(&page, redacted(&written.replace(&url, ADDRESS))).unwrap();
    }
}

/// Two heads of one size, both signed.
fn fork(world: &World) -> Vec<u8> {
    let head = |root: [u8; 32]| {
        let note = world.sign_checkpoint(world.size(), LogHash::new(root));
        String::from_utf8(note.to_bytes()).unwrap()
    };
    let claim = Claim::Fork(Fork::Checkpoints {
        checkpoints: [head([1; 32]), head([2; 32])],
    });
    let evidence = Evidence {
        schema: SCHEMA,
        claim,
        config: B64(world.config.bytes().to_vec()),
    };
    evidence.to_bytes().unwrap()
}

/// What differs from run to run: keys, digits, times.
fn redacted(page: &str) -> String {
    let mut inside = false;
    let lines = page.lines().map(|line| {
        if line.starts_with("```") {
            inside = !inside;
        }
        if inside && !line.starts_with("$ ") {
            redacted_line(line)
        } else {
            line.to_owned()
        }
    });
    lines.collect::<Vec<_>>().join("\n") + "\n"
}

fn redacted_line(line: &str) -> String {
    let digits = |w: &str| w.len() == 5 && w.bytes().all(|b| b.is_ascii_digit());
    let words: Vec<&str> = line.split_whitespace().collect();
    if words.len() == 3 && words.iter().all(|w| digits(w)) || line.starts_with("    the ") {
        return "    [..]".to_owned();
    }
    // The two halves stand in the order of their digits.
    if line.contains(" devices: ") && words.get(1) == Some(&"+") {
        return "    [..] devices: [..]".to_owned();
    }
    if let Some((front, _)) = line.split_once(" that you saw ") {
        return format!("{front} that you saw [..] ago");
    }
    let parts = line.split(' ').map(|word| {
        let bare = word.trim_end_matches([',', ';', ':', '\'', ')']);
        let hex = bare.len() >= 32 && bare.bytes().all(|b| b.is_ascii_hexdigit());
        let base64 = bare.len() >= 40 && (bare.ends_with('=') || bare.len() > 80 && !bare.contains('/'));
        let date = bare.len() == 10 && bare.starts_with("20") && bare.matches('-').count() == 2;
        let time = bare.len() == 8 && bare.matches(':').count() == 2;
        let stamp = bare.contains("-17") && bare.contains('.');
        if hex || base64 || date || time || stamp || digits(bare) || bare.len() > 120 {
            word.replacen(bare, "[..]", 1)
        } else {
            word.to_owned()
        }
    });
    parts.collect::<Vec<_>>().join(" ").replace("[..] [..]", "[..]")
}
