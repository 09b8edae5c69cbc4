//! One token for each rule, and what each caller may do.

#![allow(clippy::unwrap_used, reason = "tests")]

use keyglass_monitoring::Registry;
use keyglass_protocol::quantity::Millis;
use keyglass_testkit::tokens::{Platform, base64url};
use serde_json::{Value, json};

use super::*;
use crate::clock::ManualClock;

const ORIGIN: &str = "log.example";
const NOW: u64 = 1_767_225_600;

struct Rig {
    dir: tempfile::TempDir,
    clock: Arc<ManualClock>,
    registry: Registry,
    access: Access,
}

impl Rig {
    fn new(phone_lookups: PhoneLookups) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let registry = Registry::new("test", "0").unwrap();
        let metrics = ServerMetrics::register(&registry).unwrap();
        let clock = Arc::new(ManualClock::new(Millis::new(NOW * 1000)));
        let file = dir.path().join("keys.json");
        std::fs::write(&file, Platform::new(1).key_set()).unwrap();
        let handed: Arc<ManualClock> = Arc::clone(&clock);
        let access = Access::tokens(&file, ORIGIN, phone_lookups, handed, metrics).unwrap();
        Self {
            dir,
            clock,
            registry,
            access,
        }
    }

    fn write(&self, text: &str) {
        std::fs::write(self.dir.path().join("keys.json"), text).unwrap();
    }

    fn caller(&self, token: &str) -> Result<Caller, TokenError> {
        self.access.caller(Some(format!("Bearer {token}").as_bytes()))
    }

    fn current(&self) -> bool {
        let text = self.registry.encode().unwrap();
        text.lines().any(|l| l == "keyglass_server_token_keys_current 1")
    }
}

fn claims() -> Value {
    json!({ "aud": ORIGIN, "sub": "alice", "exp": NOW + 60, "scope": "account" })
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().insert(name.to_owned(), value);
    claims
}

#[test]
fn a_good_token_names_its_session() {
    let rig = Rig::new(PhoneLookups::Token);
    let platform = Platform::new(1);
    let good = [
        claims(),
        with("aud", json!(["other.example", ORIGIN])),
        with("nbf", json!(NOW + 30)),
        with("iss", json!("https://platform.example")),
        with("scope", json!("other account lookup")),
        with("phone_number", json!("+14155550100")),
    ];
    for claims in good {
        let caller = rig.caller(&platform.token(&claims)).unwrap();
        let Caller::Session(session) = &caller else {
            panic!("{claims}")
        };
        assert_eq!(session.account.as_ref().map(AccountId::as_str), Some("alice"));
        assert!(session.scopes.contains(Scope::Account) && !session.scopes.contains(Scope::Recovery));
        assert!(
            !format!("{caller:?}").contains("alice"),
            "labels are never logged"
        );
    }
    let token = platform.token(&claims());
    assert!(
        rig.access
            .caller(Some(format!("bEARER {token}").as_bytes()))
            .is_ok()
    );
    let header = json!({ "alg": "EdDSA", "typ": "at+jwt", "kid": "key-1" }).to_string();
    assert!(rig.caller(&platform.sign(&header, &claims().to_string())).is_ok());
}

#[test]
fn each_rule_of_a_token_has_its_name() {
    let rig = Rig::new(PhoneLookups::Token);
    let platform = Platform::new(1);
    let header = |name: &str, value: &str| {
        let mut header = platform.header();
        header
            .as_object_mut()
            .unwrap()
            .insert(name.to_owned(), json!(value));
        platform.sign(&header.to_string(), &claims().to_string())
    };
    let good = platform.token(&claims());
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let twice = format!(
        r#"{{"sub":"bob",{}"#,
        claims().to_string().strip_prefix('{').unwrap()
    );
    let none = format!(
        "{}.{}.",
        base64url(br#"{"alg":"none","typ":"JWT","kid":"key-1"}"#),
        base64url(claims().to_string().as_bytes())
    );
    let cases = [
        ("token-algorithm", none),
        ("token-algorithm", header("alg", "HS256")),
        ("token-algorithm", header("alg", "eddsa")),
        ("token-type", header("typ", "dpop+jwt")),
        ("token-unknown-key", header("kid", "key-2")),
        ("token-malformed", header("jwk", "mine")),
        ("token-malformed", header("crit", "exp")),
        ("token-malformed", signed.to_owned()),
        ("token-malformed", format!("{good}.{signature}")),
        ("token-malformed", format!("{good}=")),
        ("token-malformed", format!("{signed}.AAAA")),
        (
            "token-malformed",
            platform.sign(&platform.header().to_string(), &twice),
        ),
        (
            "token-malformed",
            platform.sign(&platform.header().to_string(), "[]"),
        ),
        (
            "token-malformed",
            platform.token(&json!({ "aud": ORIGIN, "sub": "alice", "scope": "account" })),
        ),
        (
            "token-malformed",
            platform.token(&json!({ "sub": "alice", "exp": NOW + 60, "scope": "account" })),
        ),
        ("token-malformed", platform.token(&with("exp", json!("soon")))),
        ("token-malformed", platform.token(&with("exp", json!(1e300)))),
        ("token-malformed", platform.token(&with("exp", json!(u64::MAX)))),
        (
            "token-too-long",
            platform.token(&with("note", json!("x".repeat(4096)))),
        ),
        (
            "token-signature",
            Platform::new(2).sign(&platform.header().to_string(), &claims().to_string()),
        ),
        ("token-expired", platform.token(&with("exp", json!(NOW)))),
        ("token-not-yet", platform.token(&with("nbf", json!(NOW + 31)))),
        (
            "token-audience",
            platform.token(&with("aud", json!("other.example"))),
        ),
        ("token-audience", platform.token(&with("aud", json!([])))),
        ("token-subject", platform.token(&with("sub", json!("a/b")))),
        (
            "token-subject",
            platform.token(&with("phone_number", json!("415"))),
        ),
    ];
    for (reason, token) in cases {
        assert_eq!(rig.caller(&token).unwrap_err().reason(), reason, "{token}");
    }
    for header in [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer a b",
        "Bearer a,Bearer b",
        "\u{fc}",
    ] {
        let refused = rig.access.caller(Some(header.as_bytes())).unwrap_err();
        assert_eq!(refused.reason(), "token-scheme", "{header:?}");
    }
}

#[test]
fn a_signature_with_another_scalar_is_refused() {
    // The group's order, little-endian: s + L verifies as well where nobody looks.
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let rig = Rig::new(PhoneLookups::Token);
    let token = Platform::new(1).token(&claims());
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = token::decode(signature).unwrap();
    let mut carry = 0_u16;
    for (byte, order) in bytes.iter_mut().skip(32).zip(ORDER) {
        let [high, low] = (u16::from(*byte) + u16::from(order) + carry).to_be_bytes();
        (*byte, carry) = (low, u16::from(high));
    }
    let forged = format!("{signed}.{}", base64url(&bytes));
    assert_eq!(rig.caller(&forged), Err(TokenError::Signature));
}

#[test]
fn keys_change_within_a_second_and_bad_files_change_nothing() {
    let rig = Rig::new(PhoneLookups::Token);
    let (old, new) = (
        Platform::new(1).token(&claims()),
        Platform::new(2).token(&claims()),
    );
    let both = json!({ "keys": [Platform::new(1).jwk(), Platform::new(2).jwk()] }).to_string();
    rig.write(&both);
    assert_eq!(
        rig.caller(&new),
        Err(TokenError::UnknownKey),
        "looked at a moment ago"
    );
    rig.clock.advance(1_000);
    assert!(rig.caller(&new).is_ok() && rig.caller(&old).is_ok());
    for bad in ["", "{", r#"{"keys":[]}"#] {
        rig.write(bad);
        rig.clock.advance(1_000);
        assert!(rig.caller(&new).is_ok() && rig.caller(&old).is_ok(), "{bad}");
        assert!(!rig.current(), "{bad}");
    }
    std::fs::remove_file(rig.dir.path().join("keys.json")).unwrap();
    rig.clock.advance(1_000);
    assert!(rig.caller(&old).is_ok() && !rig.current());
    rig.write(&Platform::new(2).key_set());
    rig.clock.advance(1_000);
    assert_eq!(
        rig.caller(&old),
        Err(TokenError::UnknownKey),
        "a key that was taken out is out"
    );
    assert!(rig.caller(&new).is_ok() && rig.current());
}

#[test]
fn each_flaw_of_a_key_set_has_its_name() {
    let rig = Rig::new(PhoneLookups::Token);
    let path = rig.dir.path().join("keys.json");
    let jwk = |name: &str, value: Value| {
        let mut jwk = Platform::new(1).jwk();
        jwk.as_object_mut().unwrap().insert(name.to_owned(), value);
        json!({ "keys": [jwk] }).to_string()
    };
    let weak = base64url(&[0; 32]);
    let twice = json!({ "keys": [Platform::new(1).jwk(), Platform::new(1).jwk()] }).to_string();
    let many =
        json!({ "keys": (0..65).map(|seed| Platform::new(seed).jwk()).collect::<Vec<_>>() }).to_string();
    let cases = [
        ("token-keys-malformed", "[]".to_owned()),
        ("token-keys-malformed", r#"{"keys":[],"more":1}"#.to_owned()),
        ("token-keys-count", many),
        ("token-keys-too-long", " ".repeat(64 * 1024 + 1)),
        ("token-key-unusable", twice),
        ("token-key-unusable", jwk("kty", json!("RSA"))),
        ("token-key-unusable", jwk("crv", json!("X25519"))),
        ("token-key-unusable", jwk("alg", json!("HS256"))),
        ("token-key-unusable", jwk("use", json!("enc"))),
        ("token-key-unusable", jwk("kid", json!(""))),
        ("token-key-unusable", jwk("x", json!("AAAA"))),
        ("token-key-unusable", jwk("x", json!(weak))),
        ("token-key-unusable", jwk("d", json!("secret"))),
    ];
    for (reason, text) in cases {
        rig.write(&text);
        let metrics = ServerMetrics::register(&Registry::new("test", "0").unwrap()).unwrap();
        let refused = TokenKeys::open(&path, Millis::new(0), metrics)
            .map(drop)
            .unwrap_err();
        assert_eq!(refused.reason(), reason, "{text}");
    }
    std::fs::remove_file(&path).unwrap();
    let metrics = ServerMetrics::register(&Registry::new("test", "0").unwrap()).unwrap();
    let refused = TokenKeys::open(&path, Millis::new(0), metrics)
        .map(drop)
        .unwrap_err();
    assert_eq!(refused.reason(), "token-keys-unreadable");
}

#[test]
fn who_may_do_what() {
    let rig = Rig::new(PhoneLookups::Token);
    let caller = |scope: &str| {
        let claims = json!({ "aud": ORIGIN, "sub": "alice", "exp": NOW + 60, "scope": scope, "phone_number": "+14155550100" });
        rig.caller(&Platform::new(1).token(&claims)).unwrap()
    };
    let label = |text: &str| Label::parse(text).unwrap();
    let account = |id: &str| AccountId::parse(id).unwrap();
    let reason = |outcome: Result<(), Denied>| outcome.map_or_else(|d| d.reason(), |()| "allowed");
    for (scope, act, other) in [
        ("account", Act::Owner, Act::Recovery),
        ("recovery", Act::Recovery, Act::Import),
        ("import", Act::Import, Act::Owner),
    ] {
        let caller = caller(scope);
        for text in ["account:alice", "handle:alice", "phone:+14155550100"] {
            assert_eq!(
                reason(caller.may_write(&label(text), act)),
                "allowed",
                "{scope} {text}"
            );
            assert_eq!(
                reason(caller.may_write(&label(text), other)),
                "token-scope",
                "{scope} {text}"
            );
        }
        assert_eq!(reason(caller.may_act_for(&account("alice"), act)), "allowed");
        assert_eq!(
            reason(caller.may_act_for(&account("alice"), other)),
            "token-scope"
        );
        let (others_account, others_phone) = match act {
            Act::Import => ("allowed", "allowed"),
            _ => ("token-other-account", "token-other-phone"),
        };
        assert_eq!(
            reason(caller.may_write(&label("account:bob"), act)),
            others_account
        );
        assert_eq!(
            reason(caller.may_write(&label("phone:+14155550101"), act)),
            others_phone
        );
        assert_eq!(reason(caller.may_act_for(&account("bob"), act)), others_account);
    }
    let unknown = rig.access.caller(None).unwrap();
    assert_eq!(reason(unknown.may_submit()), "token-missing");
    assert_eq!(
        reason(unknown.may_write(&label("account:alice"), Act::Owner)),
        "token-missing"
    );
    assert_eq!(
        reason(unknown.may_act_for(&account("alice"), Act::Import)),
        "token-missing"
    );
    assert_eq!(reason(Access::Open.caller(None).unwrap().may_submit()), "allowed");
}

#[test]
fn telephone_numbers_need_a_token_unless_configured() {
    let reason = |outcome: Result<(), Denied>| outcome.map_or_else(|d| d.reason(), |()| "allowed");
    for (setting, unknown, without_scope) in [
        (PhoneLookups::Token, "token-missing", "token-scope"),
        (PhoneLookups::Open, "allowed", "allowed"),
    ] {
        let rig = Rig::new(setting);
        let with = |scope: &str| {
            let claims = json!({ "aud": ORIGIN, "exp": NOW + 60, "scope": scope });
            rig.caller(&Platform::new(1).token(&claims)).unwrap()
        };
        let nobody = rig.access.caller(None).unwrap();
        assert_eq!(reason(nobody.may_read(LabelKind::Phone)), unknown);
        assert_eq!(reason(with("account").may_read(LabelKind::Phone)), without_scope);
        assert_eq!(reason(with("lookup").may_read(LabelKind::Phone)), "allowed");
        for kind in [LabelKind::Account, LabelKind::Handle] {
            assert_eq!(reason(nobody.may_read(kind)), "allowed");
        }
    }
    assert_eq!(
        reason(
            Access::Open
                .caller(Some(b"x"))
                .unwrap()
                .may_read(LabelKind::Phone)
        ),
        "allowed"
    );
}
