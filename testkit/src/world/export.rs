//! A person's account with its private keys, in the form in which `keyglass identity import` takes it.

use ed25519_dalek::SigningKey;
use keyglass_protocol::codec::base64_encode;
use serde_json::{Value, json};

use super::{Person, keys::key};

impl Person {
    /// Her account as it stands now, with the private keys of one device; `seed` made that device's keys.
    ///
    /// # Panics
    /// She has no such device.
    pub fn exported(&self, device: u32, seed: u8) -> String {
        let body = self.newest.body();
        let found = body.devices.iter().find(|d| d.id == device).unwrap();
        let (dh, signing) = (key(seed, 12), key(seed, 13));
        let [identity, signing] = [&self.identity, &signing].map(signing_key);
        let dh = secret("x25519", found.dh_key.to_string(), dh.to_scalar_bytes());
        let public = |key: &Value| json!({"public": key["public"], "file": null});
        let export = json!({
            "schema": 1, "origin": body.origin.as_str(), "account": self.id.as_str(),
            "own": {
                "identity": public(&identity), "recovery_delay": body.recovery_delay,
                "devices": [{
                    "id": device, "uses": found.uses.bits(), "dh_key": dh["public"], "signing_key": signing["public"],
                    "opaque": "", "private": [public(&dh), public(&signing)],
                }],
                "published": null, "created": 0, "walked": 0, "aliases": {},
            },
            "keys": [identity, dh, signing],
        });
        format!(
            "keyglass/account/v1\n{}\n",
            base64_encode(export.to_string().as_bytes())
        )
    }
}

fn signing_key(key: &SigningKey) -> Value {
    let public = key.verifying_key().to_bytes();
    secret("ed25519", hex(&public), key.to_bytes())
}

fn secret(kind: &str, public: String, secret: [u8; 32]) -> Value {
    json!({"kind": kind, "public": public, "secret": hex(&secret)})
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
