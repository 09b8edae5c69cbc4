//! Every lie is refused with the reason of the one rule that it breaks, and the truth is not.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeSet;

use keyglass_protocol::label::Label;
use keyglass_protocol::message::{self, Answer};
use keyglass_protocol::quantity::KeyVersion;
use keyglass_testkit::client::Verified;
use keyglass_testkit::lies::{self, CALL_LIES, CallScene, Lie, Promise, RECEIPT_LIES, Scene};
use keyglass_testkit::world::Person;

/// What a client says to a lie.
fn told(lie: &Lie) -> Result<Verified, String> {
    let mut scene = Scene::new();
    let answer = (lie.tell)(&mut scene);
    if let Some(raw) = &scene.raw {
        return match message::from_json::<Answer>(raw) {
            Err(e) => Err(e.reason().to_owned()),
            Ok(_) => Err("read".to_owned()),
        };
    }
    scene.told = Some(answer);
    let label = Label::parse(lie.label).unwrap();
    let verdict = scene.client().ask(&mut &scene, &label);
    verdict.map_err(|refused| refused.reason().to_owned())
}

#[test]
fn every_lie_is_refused_with_its_own_reason() {
    let mut wrong = Vec::new();
    for lie in lies::all() {
        match told(&lie) {
            Err(reason) if reason == lie.reason => {}
            Err(reason) => wrong.push(format!("{}: {reason} instead of {}", lie.name, lie.reason)),
            Ok(_) => wrong.push(format!("{}: believed", lie.name)),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_lie_about_a_call_is_refused_with_its_own_reason() {
    assert!(CallScene::new().verify().is_ok());
    for lie in CALL_LIES {
        let mut call = CallScene::new();
        (lie.tell)(&mut call);
        assert_eq!(call.verify().unwrap_err(), lie.reason, "{}", lie.name);
    }
}

#[test]
fn every_lie_about_a_promise_is_refused_by_the_library_or_plain_to_see() {
    let scene = Scene::new();
    let carol = Person::new("carol", 3);
    let (label, record, world) = (carol.label(), carol.newest.bytes(), &scene.world);
    let judge = |promise: Promise| {
        let answer = promise.make(world, &label, KeyVersion::FIRST, record, world.time());
        (
            lies::judge(world, &label, KeyVersion::FIRST, record, &answer),
            answer,
        )
    };
    let (honest, honest_answer) = judge(Promise::HONEST);
    let honest = honest.unwrap();
    for lie in RECEIPT_LIES {
        let (verdict, answer) = judge(Promise::of(lie));
        match verdict {
            Err(reason) => assert_eq!(reason, lie.library, "{}", lie.name),
            Ok(receipt) => {
                assert_eq!(lie.library, "", "{}: not noticed", lie.name);
                // What the client has to compare does differ.
                assert!(receipt != honest || answer != honest_answer, "{}", lie.name);
            }
        }
    }
}

#[test]
fn lies_have_names_of_their_own_and_there_are_enough() {
    let mut names: Vec<_> = lies::all().iter().map(|l| l.name).collect();
    names.extend(RECEIPT_LIES.iter().map(|l| l.name));
    names.extend(CALL_LIES.iter().map(|l| l.name));
    let distinct: BTreeSet<_> = names.iter().copied().collect();
    assert_eq!(names.len(), distinct.len());
    assert!(names.len() >= 75, "only {}", names.len());
}

#[test]
fn the_table_for_people_is_the_one_that_is_tested() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/lies.md")).unwrap();
    assert!(
        page.contains(&lies::table()),
        "docs/lies.md is not up to date; it must contain:\n{}",
        lies::table()
    );
}

#[test]
fn the_truth_is_believed() {
    let scene = Scene::new();
    let ask = |label: &str| {
        scene
            .client()
            .ask(&mut &scene, &Label::parse(label).unwrap())
            .unwrap()
    };
    let expect = |found: Verified, person: &Person| match found {
        Verified::Account(record) => assert_eq!(*record, person.newest),
        other => panic!("{other:?}"),
    };
    expect(ask("account:alice"), &scene.alice);
    expect(ask("handle:alice"), &scene.alice);
    expect(ask("account:bob"), &scene.bob);
    assert!(matches!(ask("handle:old"), Verified::Released));
    assert!(matches!(ask("account:nobody"), Verified::Absent));
}
