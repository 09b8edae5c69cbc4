//! Ed25519 keys in a PKCS#11 token: an HSM, or SoftHSM.
//!
//! A key is named by two lines in `<role>.pkcs11`: its vkey, and where it is found (RFC 7512):
//! `pkcs11:token=<label>;object=<label>?module-path=<library>&pin-source=<file>`. The token never gives the key away; every
//! signature that it makes is verified with the vkey before it is used.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::Mechanism;
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::object::{Attribute, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;
use zeroize::Zeroizing;

use super::Random;
use super::uri::TokenUri;
use crate::files;

/// Object identifier of Ed25519 (RFC 8410), DER.
const ED25519: [u8; 5] = [0x06, 0x03, 0x2b, 0x65, 0x70];

/// A private key that stays in its token.
pub(super) struct TokenKey {
    uri: TokenUri,
    open: Mutex<Option<Open>>,
}

/// A session in which the key was found.
struct Open {
    session: Session,
    key: ObjectHandle,
}

impl TokenKey {
    /// Finds the key; answers it with its public half.
    pub(super) fn find(uri: TokenUri) -> Result<(Self, [u8; 32]), String> {
        let session = session(&uri, false)?;
        let public = public_key(&session, &uri)?;
        let key = only(&session, ObjectClass::PRIVATE_KEY, &uri)?;
        let open = Mutex::new(Some(Open { session, key }));
        Ok((Self { uri, open }, public))
    }

    /// Makes a key pair under the name of the URI, which must be free.
    pub(super) fn generate(uri: TokenUri, random: &dyn Random) -> Result<(Self, [u8; 32]), String> {
        let session = session(&uri, true)?;
        if !found(&session, ObjectClass::PRIVATE_KEY, &uri)?.is_empty() {
            return Err(format!(
                "the token has an object {:?} already; it is never overwritten",
                uri.object
            ));
        }
        let mut id = [0; 16];
        random.fill(&mut id).map_err(|e| e.to_string())?;
        let label = Attribute::Label(uri.object.clone().into_bytes());
        let id = Attribute::Id(id.to_vec());
        let public = [
            Attribute::Token(true),
            Attribute::Private(false),
            Attribute::Verify(true),
            Attribute::EcParams(ED25519.to_vec()),
            label.clone(),
            id.clone(),
        ];
        let private = [
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Sensitive(true),
            Attribute::Extractable(false),
            Attribute::Sign(true),
            label,
            id,
        ];
        session
            .generate_key_pair(&Mechanism::EccEdwardsKeyPairGen, &public, &private)
            .map_err(|e| e.to_string())?;
        drop(session);
        Self::find(uri)
    }

    /// Signs, in a new session if the old one does not work any more.
    pub(super) fn sign(&self, message: &[u8]) -> Result<[u8; 64], String> {
        let mut held = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = held.as_ref()
            && let Ok(signature) = open.sign(message)
        {
            return Ok(signature);
        }
        *held = None;
        let session = session(&self.uri, false)?;
        let key = only(&session, ObjectClass::PRIVATE_KEY, &self.uri)?;
        let open = held.insert(Open { session, key });
        open.sign(message)
    }
}

impl Open {
    fn sign(&self, message: &[u8]) -> Result<[u8; 64], String> {
        let mechanism = Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519));
        let signature = self
            .session
            .sign(&mechanism, self.key, message)
            .map_err(|e| e.to_string())?;
        <[u8; 64]>::try_from(signature).map_err(|s| format!("a signature of {} bytes", s.len()))
    }
}

/// The module of this path. By its specification there is one of it in a process.
fn module(path: &Path) -> Result<Pkcs11, String> {
    static MODULES: OnceLock<Mutex<HashMap<PathBuf, Pkcs11>>> = OnceLock::new();
    let modules = MODULES.get_or_init(Mutex::default);
    let mut modules = modules.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(module) = modules.get(path) {
        return Ok(module.clone());
    }
    let module = Pkcs11::new(path).map_err(|e| format!("{}: {e}", path.display()))?;
    match module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)) {
        Ok(()) | Err(Error::Pkcs11(RvError::CryptokiAlreadyInitialized, _)) => {}
        Err(error) => return Err(error.to_string()),
    }
    modules.insert(path.to_owned(), module.clone());
    Ok(module)
}

fn session(uri: &TokenUri, writes: bool) -> Result<Session, String> {
    let module = module(&uri.module)?;
    let slot = slot(&module, &uri.token)?;
    let session = if writes {
        module.open_rw_session(slot)
    } else {
        module.open_ro_session(slot)
    };
    let session = session.map_err(|e| e.to_string())?;
    let pin = pin(&uri.pin_source)?;
    match session.login(UserType::User, Some(&AuthPin::from(pin.as_str()))) {
        Ok(()) | Err(Error::Pkcs11(RvError::UserAlreadyLoggedIn, _)) => Ok(session),
        Err(error) => Err(format!("login: {error}")),
    }
}

/// The slot with the token of this label.
fn slot(module: &Pkcs11, label: &str) -> Result<Slot, String> {
    let slots = module.get_slots_with_token().map_err(|e| e.to_string())?;
    let mut named = slots.into_iter().filter(|slot| {
        let info = module.get_token_info(*slot);
        info.is_ok_and(|info| info.label().trim_end() == label)
    });
    match (named.next(), named.next()) {
        (Some(slot), None) => Ok(slot),
        (None, _) => Err(format!("no token is called {label:?}")),
        (Some(_), Some(_)) => Err(format!("several tokens are called {label:?}")),
    }
}

fn pin(path: &Path) -> Result<Zeroizing<String>, String> {
    let named = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let bytes = files::read_secret(path).map_err(|e| named(&e))?;
    let bytes = bytes.ok_or_else(|| named(&"others may read this PIN; its mode must be 0600"))?;
    let text = String::from_utf8(bytes).map_err(|_| named(&"not a PIN"))?;
    let text = Zeroizing::new(text);
    Ok(Zeroizing::new(text.trim_end_matches('\n').to_owned()))
}

fn found(session: &Session, class: ObjectClass, uri: &TokenUri) -> Result<Vec<ObjectHandle>, String> {
    let template = [
        Attribute::Class(class),
        Attribute::KeyType(KeyType::EC_EDWARDS),
        Attribute::Label(uri.object.clone().into_bytes()),
    ];
    session.find_objects(&template).map_err(|e| e.to_string())
}

fn only(session: &Session, class: ObjectClass, uri: &TokenUri) -> Result<ObjectHandle, String> {
    match found(session, class, uri)?.as_slice() {
        [one] => Ok(*one),
        [] => Err(format!("the token has no Ed25519 key {:?}", uri.object)),
        _ => Err(format!("the token has several Ed25519 keys {:?}", uri.object)),
    }
}

/// The public key: 32 bytes, plain or in a DER octet string.
fn public_key(session: &Session, uri: &TokenUri) -> Result<[u8; 32], String> {
    let key = only(session, ObjectClass::PUBLIC_KEY, uri)?;
    let attributes = session
        .get_attributes(key, &[AttributeType::EcPoint])
        .map_err(|e| e.to_string())?;
    let point = attributes.into_iter().find_map(|a| match a {
        Attribute::EcPoint(point) => Some(point),
        _ => None,
    });
    let point = point.ok_or("the token does not show the public key")?;
    let plain = point
        .strip_prefix(&[0x04, 0x20])
        .filter(|p| p.len() == 32)
        .unwrap_or(&point);
    <[u8; 32]>::try_from(plain).map_err(|_| format!("a public key of {} bytes", plain.len()))
}
