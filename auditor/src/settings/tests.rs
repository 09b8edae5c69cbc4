//! Which layer wins, and what is refused.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use super::*;

fn log_vkey(name: &str) -> String {
    let key = ed25519_dalek::SigningKey::from_bytes(&[3; 32]).verifying_key();
    VerifierKey::new_ed25519(name, key.as_bytes())
        .unwrap()
        .to_string()
}

fn file() -> Layer {
    let vkey = log_vkey("a.example");
    Layer::of_toml(&format!(
        "directory = \"http://file\"\nlog_vkey = \"{vkey}\"\nname = \"file\"\n"
    ))
    .unwrap()
}

fn env(variables: &[(&str, &str)]) -> Result<Layer, SettingsError> {
    Layer::of_env(
        variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    )
}

#[test]
fn a_flag_is_over_the_environment_is_over_the_file() {
    let layer = env(&[
        ("KEYGLASS_NAME", "env"),
        ("KEYGLASS_LISTEN", "127.0.0.1:1"),
        ("PATH", "/x"),
    ])
    .unwrap();
    let flags = Layer {
        listen: Some("127.0.0.1:2".to_owned()),
        ..Layer::default()
    };
    let settings = flags.over(layer).over(file()).settings().unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:2");
    assert_eq!(settings.name.as_deref(), Some("env"));
    assert_eq!(settings.directories[0].url, "http://file");
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let settings = file().settings().unwrap();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8602");
    assert!(settings.poll_interval <= Duration::from_millis(200));
    assert_eq!(settings.refresh_interval, Duration::from_secs(60));
}

#[test]
fn what_is_not_known_is_refused() {
    assert_eq!(
        env(&[("KEYGLASS_LISTNE", "x")]).unwrap_err().reason(),
        "unknown-variable"
    );
    assert!(env(&[("KEYGLASS_HOME", "x"), ("KEYGLASS_CONFIG", "y")]).is_ok());
    for text in ["listne = 1", "listen = 1", "[[directories]]\nurl = \"x\""] {
        assert_eq!(
            Layer::of_toml(text).unwrap_err().reason(),
            "settings-file",
            "{text}"
        );
    }
}

#[test]
fn values_are_checked() {
    let change = |change: fn(&mut Layer)| {
        let mut layer = file();
        change(&mut layer);
        layer.settings().unwrap_err().reason()
    };
    assert_eq!(change(|l| l.listen = Some("x".to_owned())), "bad-value");
    assert_eq!(change(|l| l.config_sha256 = Some("AB".repeat(32))), "bad-value");
    assert_eq!(change(|l| l.directory = Some("ftp://x".to_owned())), "bad-value");
    assert_eq!(change(|l| l.log_format = Some("xml".to_owned())), "bad-value");
    assert_eq!(change(|l| l.poll_interval_ms = Some(0)), "bad-value");
    assert_eq!(
        change(|l| l.verify_memory_max_bytes = Some(100 << 20)),
        "bad-value"
    );
    assert_eq!(
        change(|l| l.second_opinion_max_bytes = Some(u64::MAX)),
        "bad-value"
    );
    for peer in ["x.example", "nonsense http://x.example", ""] {
        let mut layer = file();
        layer.peers = Some(vec![peer.to_owned()]);
        assert_eq!(layer.settings().unwrap_err().reason(), "bad-value", "{peer}");
    }
    let cosigner = VerifierKey::new_cosignature("a.example", &[3; 32])
        .unwrap()
        .to_string();
    let mut layer = file();
    layer.log_vkey = Some(cosigner);
    assert_eq!(layer.settings().unwrap_err().reason(), "bad-value");
    // A log's key does not cosign.
    let mut layer = file();
    layer.peers = Some(vec![format!("{} http://x.example", log_vkey("x"))]);
    assert_eq!(layer.settings().unwrap_err().reason(), "bad-value");
    assert_eq!(
        change(|l| l.on_evidence_webhook = Some("file:///x".to_owned())),
        "bad-value"
    );
    assert_eq!(change(|l| l.log_vkey = None), "no-log-key");
    assert_eq!(Layer::default().settings().unwrap_err().reason(), "no-directory");
    assert_eq!(
        env(&[("KEYGLASS_POLL_INTERVAL_MS", "x")]).unwrap_err().reason(),
        "bad-value"
    );
}

#[test]
fn a_directory_and_its_key_may_be_given_apart_but_not_mixed_up() {
    let mut below = file();
    below.config_sha256 = Some("ab".repeat(32));
    let url = Layer {
        directory: Some("https://flag".to_owned()),
        ..Layer::default()
    };
    let settings = url.over(below.clone()).settings().unwrap();
    assert_eq!(settings.directories[0].url, "https://flag");
    assert!(settings.directories[0].config_sha256.is_some());
    let key = Layer {
        log_vkey: Some(log_vkey("b.example")),
        ..Layer::default()
    };
    let settings = key.clone().over(below.clone()).settings().unwrap();
    assert_eq!(settings.directories[0].url, "http://file");
    assert_eq!(settings.directories[0].log_vkey.name(), "b.example");
    // Both are another directory, of which the file says nothing.
    let both = Layer {
        directory: Some("http://flag".to_owned()),
        ..key
    };
    let settings = both.over(below).settings().unwrap();
    assert_eq!(settings.directories[0].config_sha256, None);
}

#[test]
fn several_directories_stand_in_the_file() {
    let (a, b) = (log_vkey("a.example"), log_vkey("b.example"));
    let table = |vkey: &str| format!("[[directories]]\ndirectory = \"http://x\"\nlog_vkey = \"{vkey}\"\n");
    let two = Layer::of_toml(&(table(&a) + &table(&b)))
        .unwrap()
        .settings()
        .unwrap();
    assert_eq!(two.directories.len(), 2);
    let twice = Layer::of_toml(&(table(&a) + &table(&a))).unwrap();
    assert_eq!(twice.settings().unwrap_err().reason(), "origin-twice");
}
