//! Import files: accounts and handles that the platform knew before, and some that their owners signed.

use std::path::{Path, PathBuf};

use ed25519_dalek::SigningKey;
use keyglass_protocol::codec::{base64_decode, base64_encode};
use keyglass_protocol::label::Label;
use keyglass_protocol::record::{AccountKind, AccountRecord, AliasBody, AliasKind, AliasRecord, Role};
use keyglass_testkit::world::Person;

use super::{Place, label};

/// The private import key of a directory, from its file.
pub fn import_key(place: &Place) -> SigningKey {
    place.keys();
    key_in(&place.settings().key_dir())
}

/// The private import key in a folder of keys.
pub fn key_in(folder: &Path) -> SigningKey {
    let text = std::fs::read_to_string(folder.join("import.key")).unwrap();
    let secret = text.trim_end().splitn(5, '+').last().unwrap();
    let typed = base64_decode(secret).unwrap();
    SigningKey::from_bytes(typed[1..].try_into().unwrap())
}

/// A person's first record as the platform imports it.
pub fn imported(person: &Person, key: &SigningKey) -> AccountRecord {
    let mut body = person.newest.body().clone();
    body.kind = AccountKind::Imported;
    body.sign(&[(Role::Import, key)]).unwrap()
}

/// A person's handle as the platform imports it.
pub fn imported_handle(person: &Person, handle: &str, key: &SigningKey) -> AliasRecord {
    let body = AliasBody {
        kind: AliasKind::Imported,
        ..person.claim(&format!("handle:{handle}"), None).body().clone()
    };
    body.sign(&[(Role::Import, key)]).unwrap()
}

/// One line of an import file.
pub fn line(record: &[u8]) -> String {
    format!("{{\"record\": \"{}\"}}\n", base64_encode(record))
}

/// A file with what should be in the directory after it is imported.
pub struct File {
    pub path: PathBuf,
    pub lines: u64,
    pub accounts: Vec<(Label, AccountRecord)>,
    pub handles: Vec<(Label, AccountRecord)>,
}

/// `people` accounts with a handle each; every fourth owner has a second version, signed by herself.
pub fn file(place: &Place, path: &Path, people: u8) -> File {
    let key = import_key(place);
    let mut text = String::new();
    let mut file = File {
        path: path.to_owned(),
        lines: 0,
        accounts: Vec::new(),
        handles: Vec::new(),
    };
    for number in 0..people {
        let mut person = Person::new(&format!("person{number}"), number);
        person.newest = imported(&person, &key);
        text += &line(person.newest.bytes());
        text += &line(imported_handle(&person, &format!("handle{number}"), &key).bytes());
        if number % 4 == 0 {
            text += &line(person.add_device(2, number).bytes());
        }
        file.accounts.push((person.label(), person.newest.clone()));
        let handle = label(&format!("handle:handle{number}"));
        file.handles.push((handle, person.newest.clone()));
    }
    file.lines = text.lines().count() as u64;
    std::fs::write(path, text).unwrap();
    file
}
