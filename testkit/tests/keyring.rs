//! Keys as people really have them: a keyring made here, imported, and every person looked up.
#![allow(clippy::unwrap_used, reason = "tests")]

use keyglass_testkit::keyring::{Developer, developers};
use keyglass_testkit::keyring_run::run;

fn packet(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).unwrap();
    [&[0xc0 | tag, 255], length.to_be_bytes().as_slice(), body].concat()
}

/// A public key (algorithm 27: Ed25519) that is one of the curve.
fn key(seed: u8) -> Vec<u8> {
    let public = ed25519_dalek::SigningKey::from_bytes(&[seed; 32]).verifying_key();
    [&[4, 0, 0, 0, seed, 27], public.as_bytes().as_slice()].concat()
}

#[test]
fn a_keyring_is_imported_and_everybody_verified() {
    let rsa = [4, 0, 0, 0, 9, 1, 0, 1, 1];
    let ring = [
        packet(6, &key(1)),
        packet(13, b"Ann <ann@example.org>"),
        packet(13, b"Ann <ann@debian.org>"),
        packet(6, &rsa),
        packet(13, b"Ben <ben@debian.org>"),
        packet(14, &key(2)),
        packet(6, &key(3)),
        packet(13, b"Nobody <nobody@example.org>"),
        packet(6, &key(4)),
        packet(13, b"The other Ben <ben@debian.org>"),
    ]
    .concat();
    let people: Vec<Developer> = developers(&ring).unwrap();
    let names: Vec<_> = people.iter().filter_map(|p| p.name.as_deref()).collect();
    assert_eq!(
        (people.len(), names),
        (4, vec!["ann"]),
        "a name that two use is nobody's"
    );
    let report = run(&people).unwrap();
    assert_eq!((report.imported, report.refused.len()), (5, 0), "{report}");
    assert_eq!((report.accounts, report.handles), (4, 1), "{report}");
}
