//! `proto/keyglass.proto` says what the hand-written protobuf code does: a protobuf library that only knows
//! the file reads our bytes and writes the same.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

use keyglass_protocol::message::{
    Answer, B64, BatchRequest, ProtoMessage, PutAnswer, PutRequest, ReceiptAnswer, ReceiptState,
};
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage};

fn pool() -> DescriptorPool {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/proto");
    let files = protox::compile(["keyglass.proto"], [folder]).unwrap();
    DescriptorPool::from_file_descriptor_set(files).unwrap()
}

fn answer(name: &str) -> Answer {
    let path = format!("{}/testdata/answer/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let v: serde_json::Value = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    serde_json::from_value(v["answers"][0].clone()).unwrap()
}

fn same<T: ProtoMessage + PartialEq + std::fmt::Debug>(pool: &DescriptorPool, name: &str, message: &T) {
    let ours = message.to_protobuf();
    let descriptor = pool.get_message_by_name(&format!("keyglass.v1.{name}")).unwrap();
    let theirs = DynamicMessage::decode(descriptor, ours.as_slice()).unwrap();
    assert_eq!(theirs.unknown_fields().count(), 0, "{name}");
    assert_eq!(theirs.encode_to_vec(), ours, "{name}");
    assert_eq!(T::from_protobuf(&ours).as_ref(), Ok(message), "{name}");
}

#[test]
fn our_bytes_are_the_schemas_bytes() {
    let pool = pool();
    for name in [
        "honest_account_alice",
        "honest_account_nobody",
        "honest_handle_alice",
    ] {
        same(&pool, "Answer", &answer(name));
    }
    same(
        &pool,
        "BatchRequest",
        &BatchRequest {
            labels: vec!["account:1".into(), "handle:a".into()],
        },
    );
    same(
        &pool,
        "PutRequest",
        &PutRequest {
            record: B64(vec![1, 2, 3]),
        },
    );
    let put = PutAnswer {
        id: "ab".repeat(32),
        receipt: "text\n".into(),
        vrf_proof: B64(vec![1; 80]),
        nonce: B64(vec![2; 32]),
        label: "account:1".into(),
        version: 3,
    };
    same(&pool, "PutAnswer", &put);
    let epoch = Some(answer("honest_account_alice").epoch);
    let checkpoint = Some("note\n".to_owned());
    same(
        &pool,
        "ReceiptAnswer",
        &ReceiptAnswer {
            status: ReceiptState::Included,
            checkpoint,
            epoch,
        },
    );
    let pending = ReceiptAnswer {
        status: ReceiptState::Pending,
        checkpoint: None,
        epoch: None,
    };
    same(&pool, "ReceiptAnswer", &pending);
}

#[test]
fn anything_but_the_message_is_refused() {
    let good = PutRequest { record: B64(vec![1]) }.to_protobuf();
    let refused = |bytes: &[u8]| PutRequest::from_protobuf(bytes).unwrap_err().reason();
    assert_eq!(refused(&[good.clone(), good.clone()].concat()), "bad-protobuf");
    assert_eq!(refused(&[good.clone(), vec![0x10, 1]].concat()), "bad-protobuf");
    assert_eq!(refused(&good[..2]), "bad-protobuf");
    assert_eq!(refused(&[]), "bad-protobuf");
    assert_eq!(refused(&[0x08, 1]), "bad-protobuf");
}
