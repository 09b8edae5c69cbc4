//! Quorums: who reaches them, and whether an auditor is needed.

use std::collections::BTreeSet;

use ed25519_dalek::SigningKey;
use keyglass_protocol::note::{Policy, VerifierKey};

fn vkey(n: u8) -> VerifierKey {
    let key = SigningKey::from_bytes(&[n; 32]);
    VerifierKey::new_cosignature(&format!("k{n}"), key.verifying_key().as_bytes()).unwrap()
}

/// Witnesses w1..w9, then these lines.
fn policy(lines: &str) -> Policy {
    let witnesses: String = (1..=9).map(|n| format!("witness w{n} {}\n", vkey(n))).collect();
    format!("{witnesses}{lines}").parse().unwrap()
}

fn reached(policy: &Policy, who: &[u8]) -> bool {
    let keys: BTreeSet<String> = who.iter().map(|n| vkey(*n).to_string()).collect();
    policy.satisfied(&|key| keys.contains(&key.to_string()))
}

#[test]
fn thresholds_count_members() {
    let nested = policy("group x 2 w1 w2 w3\ngroup y any w4 w5\ngroup both all x y\nquorum both\n");
    for (who, expected) in [
        (&[1, 2, 4][..], true),
        (&[2, 3, 5], true),
        (&[1, 2, 3, 4, 5], true),
        (&[1, 4], false),
        (&[1, 2, 3], false),
        (&[4, 5], false),
        (&[6, 7, 8, 9], false),
        (&[], false),
    ] {
        assert_eq!(reached(&nested, who), expected, "{who:?}");
    }
}

#[test]
fn a_single_witness_or_none_can_be_the_quorum() {
    assert!(reached(&policy("quorum w2\n"), &[2]));
    assert!(!reached(&policy("quorum w2\n"), &[1]));
    assert!(reached(&policy("quorum none\n"), &[]));
}

#[test]
fn an_auditor_is_needed_only_if_nobody_else_reaches_the_quorum() {
    for (lines, expected) in [
        ("group auditors any w1 w2\nquorum auditors\n", true),
        ("group auditors any w1\ngroup q all auditors w2\nquorum q\n", true),
        (
            "group auditors any w1\ngroup q any auditors w2\nquorum q\n",
            false,
        ),
        (
            "group auditors any w1\ngroup q 2 auditors w2 w3\nquorum q\n",
            false,
        ),
        (
            "group auditors any w1\ngroup q 3 auditors w2 w3\nquorum q\n",
            true,
        ),
        // Two keys of one auditor, nested: still auditors.
        (
            "group one any w1 w2\ngroup auditors any one w3\nquorum auditors\n",
            true,
        ),
        (
            "group one any w1 w2\ngroup auditors any one\ngroup q 2 auditors w4 w5\nquorum q\n",
            false,
        ),
        ("group auditors any w1\nquorum w1\n", true),
        ("group auditors any w1\nquorum w2\n", false),
        ("group auditors any w1\nquorum none\n", false),
        // Other names, and a witness of that name, are no auditors.
        ("group auditor any w1\nquorum auditor\n", false),
        ("group watchers all w1 w2\nquorum watchers\n", false),
        // The parent of the group is not the group.
        (
            "group auditors any w1\ngroup q any auditors w2\ngroup r all q w3\nquorum r\n",
            false,
        ),
    ] {
        assert_eq!(policy(lines).needs_auditor(), expected, "{lines}");
    }
    let named = format!("witness auditors {}\nquorum auditors\n", vkey(1));
    assert!(!named.parse::<Policy>().unwrap().needs_auditor());
}

#[test]
fn parties_come_with_their_addresses() {
    let log = VerifierKey::new_ed25519(
        "log",
        SigningKey::from_bytes(&[40; 32]).verifying_key().as_bytes(),
    );
    let log = log.unwrap();
    let text = format!(
        "  # who\n\n\tlog  {log} \t https://log.test/ \nwitness a {}\nwitness b {} https://b.test\nquorum  none\n",
        vkey(1),
        vkey(2)
    );
    let policy: Policy = text.parse().unwrap();
    assert_eq!(
        policy.logs().collect::<Vec<_>>(),
        [(&log, Some("https://log.test/"))]
    );
    assert_eq!(
        policy.witnesses().collect::<Vec<_>>(),
        [(&vkey(1), None), (&vkey(2), Some("https://b.test"))]
    );
    let printed = format!(
        "log {log} https://log.test/\nwitness a {}\nwitness b {} https://b.test\nquorum none\n",
        vkey(1),
        vkey(2)
    );
    assert_eq!(policy.to_string(), printed);
}

#[test]
fn a_refusal_names_its_line() {
    let error = format!("witness a {}\n\nquorum b\n", vkey(1))
        .parse::<Policy>()
        .unwrap_err();
    assert_eq!(error.to_string(), "line 3: a name is used before it is defined");
}

#[test]
fn at_most_256_logs() {
    let logs = |count: u32| -> String {
        let log = |n: u32| {
            let mut seed = [50; 32];
            seed[..4].copy_from_slice(&n.to_be_bytes());
            let key = SigningKey::from_bytes(&seed);
            VerifierKey::new_ed25519("log", key.verifying_key().as_bytes()).unwrap()
        };
        let lines: String = (0..count).map(|n| format!("log {}\n", log(n))).collect();
        lines + "quorum none\n"
    };
    assert_eq!(logs(256).parse::<Policy>().unwrap().logs().count(), 256);
    let refused = logs(257).parse::<Policy>().unwrap_err();
    assert_eq!(refused.reason(), "policy-too-many-entries");
}
