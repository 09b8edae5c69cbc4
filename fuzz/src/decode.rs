//! Decoders: what is read prints again to the same bytes, so nothing has two spellings.

use keyglass_protocol::call::CallBinding;
use keyglass_protocol::codec::{base64_decode, base64_encode};
use keyglass_protocol::config::ConfigDocument;
use keyglass_protocol::epoch::Leaf;
use keyglass_protocol::label::Label;
use keyglass_protocol::log::{TILE_WIDTH, TilePath, bundle_entries, unbundle_entries};
use keyglass_protocol::message::{Answer, ProtoMessage as _};
use keyglass_protocol::note::{AddCheckpoint, Checkpoint, Note, Policy, TlogProof, VerifierKey};
use keyglass_protocol::receipt::Receipt;
use keyglass_protocol::record::{AccountRecord, AliasRecord};
use keyglass_protocol::safety_number::Qr;

/// The text, or none at all.
fn text(data: &[u8]) -> &str {
    std::str::from_utf8(data).unwrap_or_default()
}

pub(crate) fn account_record(data: &[u8]) {
    if let Ok(record) = AccountRecord::decode(data) {
        assert_eq!(record.bytes(), data);
        let again = record.body().with_signatures(record.signatures()).unwrap();
        assert_eq!(again.bytes(), data);
    }
}

pub(crate) fn alias_record(data: &[u8]) {
    if let Ok(record) = AliasRecord::decode(data) {
        assert_eq!(record.bytes(), data);
        let again = record.body().with_signatures(record.signatures()).unwrap();
        assert_eq!(again.bytes(), data);
    }
}

pub(crate) fn leaf(data: &[u8]) {
    if let Ok(leaf) = Leaf::decode(data) {
        assert_eq!(leaf.encode(), data);
    }
}

pub(crate) fn call_binding(data: &[u8]) {
    if let Ok(binding) = CallBinding::decode(data) {
        assert_eq!(binding.encode().unwrap(), data);
    }
}

pub(crate) fn config(data: &[u8]) {
    if let Ok(document) = ConfigDocument::parse(data) {
        assert_eq!(document.bytes(), data);
        // Any document can be written again, and says the same.
        let again = ConfigDocument::create(document.values()).unwrap();
        assert_eq!(again.values(), document.values());
    }
}

pub(crate) fn receipt(data: &[u8]) {
    if let Ok(receipt) = Receipt::parse_text(text(data)) {
        assert_eq!(receipt.to_text().as_bytes(), text(data).as_bytes());
    }
}

pub(crate) fn label(data: &[u8]) {
    if let Ok(label) = Label::parse(text(data)) {
        assert_eq!(label.as_bytes(), text(data).as_bytes());
    }
}

pub(crate) fn note(data: &[u8]) {
    if let Ok(note) = Note::parse(data) {
        assert_eq!(Note::parse(&note.to_bytes()).unwrap(), note);
        if let Ok(checkpoint) = Checkpoint::parse_text(note.text()) {
            assert_eq!(checkpoint.to_text(), note.text());
        }
    }
}

pub(crate) fn add_checkpoint(data: &[u8]) {
    if let Ok(request) = AddCheckpoint::parse(data) {
        assert_eq!(request.to_bytes(), data);
    }
}

pub(crate) fn tlog_proof(data: &[u8]) {
    if let Ok(proof) = TlogProof::parse(data) {
        assert_eq!(proof.to_bytes(), data);
    }
}

pub(crate) fn vkey(data: &[u8]) {
    if let Ok(key) = text(data).parse::<VerifierKey>() {
        assert_eq!(key.to_string().as_bytes(), text(data).as_bytes());
    }
}

pub(crate) fn policy(data: &[u8]) {
    if let Ok(policy) = text(data).parse::<Policy>() {
        // Comments and spaces are lost, the meaning is not.
        assert_eq!(policy.to_string().parse::<Policy>().unwrap(), policy);
    }
}

pub(crate) fn tile_path(data: &[u8]) {
    if let Ok(path) = text(data).parse::<TilePath>() {
        assert_eq!(path.to_string().as_bytes(), text(data).as_bytes());
    }
}

pub(crate) fn entries(data: &[u8]) {
    if let Ok(entries) = unbundle_entries(data, TILE_WIDTH) {
        assert_eq!(bundle_entries(&entries).unwrap(), data);
    }
}

pub(crate) fn base64(data: &[u8]) {
    if let Ok(bytes) = base64_decode(text(data)) {
        assert_eq!(base64_encode(&bytes).as_bytes(), text(data).as_bytes());
    }
}

pub(crate) fn answer_protobuf(data: &[u8]) {
    if let Ok(answer) = Answer::from_protobuf(data) {
        assert_eq!(Answer::from_protobuf(&answer.to_protobuf()).unwrap(), answer);
    }
}

pub(crate) fn safety_number_qr(data: &[u8]) {
    if let Ok(code) = Qr::parse(data) {
        let bytes = code.to_bytes();
        assert_eq!(Qr::parse(&bytes).unwrap().to_bytes(), bytes);
    }
}
