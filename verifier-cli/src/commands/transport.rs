//! `identity export` and `import`: an account with its private keys in one file.
//!
//! Two lines: what it is, and base64 of JSON, sealed if there is a passphrase.

use std::collections::BTreeMap;
use std::path::Path;

use keyglass_protocol::codec::{base64_decode, base64_encode};
use serde::{Deserialize, Serialize};
use zeroize::{Zeroize, Zeroizing};

use crate::args;
use crate::context::Context;
use crate::exit::Exit;
use crate::own;
use crate::report::{Failure, Outcome, Report};
use crate::saved::read_capped;
use crate::sealed;
use crate::secret::{Secret, Words};
use crate::state::{Home, KeyFile, OwnAccount, Purpose, write_new};

const PLAIN: &str = "keyglass/account/v1";
const SEALED: &str = "keyglass/account-sealed/v1";
const SCHEMA: u32 = 1;
/// Largest export in bytes.
const MAX_EXPORT: usize = 1 << 20;

/// What a file holds.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Export {
    schema: u32,
    origin: String,
    account: String,
    own: OwnAccount,
    keys: Vec<ExportedKey>,
}

/// A private key.
#[derive(Serialize, Deserialize, Zeroize)]
#[zeroize(drop)]
#[serde(deny_unknown_fields)]
struct ExportedKey {
    /// `ed25519` or `x25519`.
    kind: String,
    /// 64 hex digits.
    public: String,
    /// 64 hex digits.
    secret: String,
}

/// `keyglass identity export FILE`.
pub(super) fn export(context: &Context, file: &Path, which: &args::Which) -> Outcome {
    let memory = context.memory()?;
    let directory = memory.directory()?;
    let (id, own) = own::choose(directory, which.account.as_deref())?;
    let keys = private_keys(&memory.home, own)?;
    let count = keys.len();
    let export = Export {
        schema: SCHEMA,
        origin: directory.origin.clone(),
        account: id.clone(),
        own: without_files(own.clone()),
        keys,
    };
    let json = Zeroizing::new(serde_json::to_vec(&export).map_err(|e| encoding(&e))?);
    let text = match memory.home.passphrase() {
        None => Zeroizing::new(format!("{PLAIN}\n{}\n", base64_encode(&json))),
        Some(words) => {
            let sealed = sealed::seal(words, &json, SEALED.as_bytes())?;
            Zeroizing::new(format!("{SEALED}\n{}\n", base64_encode(&sealed)))
        }
    };
    write_new(file, text.as_bytes()).map_err(|e| {
        Failure::usage(
            "save-failed",
            format!("{} cannot be written: {e}", file.display()),
        )
    })?;
    let is_sealed = memory.home.passphrase().is_some();
    let shown = file.display().to_string();
    let report = Report::new(
        "identity-exported",
        format!("account:{id} with {count} private keys is in {shown}"),
    )
    .json("account", format!("account:{id}"))
    .json("sealed", is_sealed)
    .json("saved", shown);
    Ok(if is_sealed {
        report.line("sealed", "with your passphrase; without it nobody reads the file")
    } else {
        report.note("NOT SEALED: whoever reads this file is you; --passphrase-file FILE seals it")
    })
}

fn encoding(error: &serde_json::Error) -> Failure {
    Failure::internal(
        "export-encoding",
        format!("the account cannot be written: {error}"),
    )
}

/// Every private key that lies on this device.
fn private_keys(home: &Home, own: &OwnAccount) -> Result<Vec<ExportedKey>, Failure> {
    let identity = own
        .identity
        .is_here()
        .then_some((Purpose::Signing, &own.identity));
    let devices = own.devices.iter().filter_map(|d| d.private.as_ref());
    let devices = devices.flat_map(|(dh, signing)| [(Purpose::Agreement, dh), (Purpose::Signing, signing)]);
    let mut keys = Vec::new();
    for (purpose, key) in identity.into_iter().chain(devices) {
        let secret = key.open(home, purpose)?;
        keys.push(ExportedKey {
            kind: purpose.name().to_owned(),
            public: key.public.clone(),
            secret: secret.to_hex().to_string(),
        });
    }
    Ok(keys)
}

/// Names of files mean nothing on another device.
fn without_files(mut own: OwnAccount) -> OwnAccount {
    let bare = |key: &mut KeyFile| *key = KeyFile::elsewhere(std::mem::take(&mut key.public));
    bare(&mut own.identity);
    for (dh, signing) in own.devices.iter_mut().filter_map(|d| d.private.as_mut()) {
        bare(dh);
        bare(signing);
    }
    own
}

/// `keyglass identity import FILE`.
pub(super) fn import(context: &Context, file: &Path) -> Outcome {
    let bytes = Zeroizing::new(read_capped(file, MAX_EXPORT)?);
    let mut memory = context.memory()?;
    let export = open(&bytes, memory.home.passphrase())?;
    let directory = memory.directory()?;
    if export.origin != directory.origin {
        return Err(Failure::new(
            Exit::Usage,
            "export-other-directory",
            format!(
                "the account is one of {}, not of {}",
                crate::output::foreign(&export.origin),
                directory.origin
            ),
        )
        .next("pin that directory first: keyglass trust add URL; with several, name one with --directory"));
    }
    let label = own::label(&export.account)?;
    if directory
        .accounts
        .get(&export.account)
        .is_some_and(|a| a.identity.is_here())
    {
        return Err(Failure::usage(
            "identity-exists",
            format!("there is an identity for {label} on this device"),
        )
        .next("keyglass identity show"));
    }
    let own = with_files(&memory.home, &export)?;
    let public = own.identity.public.clone();
    let count = export.keys.len();
    memory
        .directory_mut()?
        .accounts
        .insert(export.account.clone(), own);
    memory.save()?;
    Ok(Report::new(
        "identity-imported",
        format!("{label} is on this device, with {count} private keys"),
    )
    .line("identity", public.clone())
    .line("next", "keyglass monitor")
    .json("account", label.as_str())
    .json("identity_key", public))
}

fn malformed(why: impl Into<String>) -> Failure {
    Failure::malformed("export-malformed", why).next("keyglass identity export FILE makes one")
}

fn open(bytes: &[u8], words: Option<&Words>) -> Result<Export, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_| malformed("this is no exported account"))?;
    let mut lines = text.lines();
    let (kind, body) = (lines.next().unwrap_or_default(), lines.next().unwrap_or_default());
    let body = Zeroizing::new(base64_decode(body).map_err(|_| malformed("this is no exported account"))?);
    let json = match kind {
        PLAIN => body,
        SEALED => {
            let words = words.cloned().map_or_else(Words::ask, Ok)?;
            sealed::open(&words, &body, SEALED.as_bytes())?
        }
        _ => return Err(malformed("this is no exported account")),
    };
    let export: Export = serde_json::from_slice(&json)
        .map_err(|e| malformed(format!("the exported account cannot be read: {e}")))?;
    if export.schema != SCHEMA {
        return Err(malformed(format!(
            "its schema {} is not known here",
            export.schema
        )));
    }
    Ok(export)
}

/// Writes the private keys and puts the names of their files into the account.
fn with_files(home: &Home, export: &Export) -> Result<OwnAccount, Failure> {
    let mut own = export.own.clone();
    let mut files = BTreeMap::new();
    for key in &export.keys {
        let purpose =
            Purpose::named(&key.kind).ok_or_else(|| malformed("it holds an unknown kind of key"))?;
        let mut bytes = Zeroizing::new([0; 32]);
        hex::decode_to_slice(&key.secret, bytes.as_mut_slice())
            .map_err(|_| malformed("it holds a malformed key"))?;
        let secret =
            Secret::from_slice(bytes.as_slice()).ok_or_else(|| malformed("it holds a malformed key"))?;
        let file = KeyFile::keep(home, purpose, &secret)?;
        if file.public != key.public {
            return Err(malformed("a private key in it does not belong to its public key"));
        }
        files.insert((key.kind.clone(), file.public.clone()), file);
    }
    let find = |purpose: Purpose, key: &KeyFile| {
        files
            .get(&(purpose.name().to_owned(), key.public.clone()))
            .cloned()
    };
    if let Some(key) = find(Purpose::Signing, &own.identity) {
        own.identity = key;
    }
    for device in &mut own.devices {
        let Some((dh, signing)) = &device.private else {
            continue;
        };
        device.private = find(Purpose::Agreement, dh).zip(find(Purpose::Signing, signing));
    }
    Ok(own)
}
