//! Every lie is refused with the reason of the one rule that it breaks, and the truth is not.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use keyglass_protocol::label::Label;
use keyglass_testkit::client::Verified;
use keyglass_testkit::lies::{Scene, all};

#[test]
fn every_lie_is_refused_with_its_own_reason() {
    let mut wrong = Vec::new();
    for lie in all() {
        let mut scene = Scene::new();
        let answer = (lie.tell)(&mut scene);
        let client = scene.client();
        match client.verify(&Label::parse(lie.label).unwrap(), &answer) {
            Err(refusal) if refusal.reason() == lie.reason => {}
            Err(refusal) => wrong.push(format!(
                "{}: {} instead of {}",
                lie.name,
                refusal.reason(),
                lie.reason
            )),
            Ok(_) => wrong.push(format!("{}: believed", lie.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn lies_have_names_of_their_own() {
    let mut names: Vec<_> = all().iter().map(|l| l.name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn the_truth_is_believed() {
    let scene = Scene::new();
    let client = scene.client();
    let ask = |label: &str| {
        client
            .verify(&Label::parse(label).unwrap(), &scene.honest(label))
            .unwrap()
    };
    let expect = |found: Verified, person: &keyglass_testkit::world::Person| match found {
        Verified::Account(record) => assert_eq!(*record, person.newest),
        other => panic!("{other:?}"),
    };
    expect(ask("account:alice"), &scene.alice);
    expect(ask("handle:alice"), &scene.alice);
    expect(ask("account:bob"), &scene.bob);
    assert!(matches!(ask("handle:old"), Verified::Released));
    assert!(matches!(ask("account:nobody"), Verified::Absent));
}
