//! Where a token has a key: a URI (RFC 7512), with no more in it than is needed.

use std::path::PathBuf;

/// `pkcs11:token=<label>;object=<label>?module-path=<library>&pin-source=<file>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TokenUri {
    pub(super) token: String,
    /// Empty where it is yet to be chosen.
    pub(super) object: String,
    pub(super) module: PathBuf,
    pub(super) pin_source: PathBuf,
}

impl TokenUri {
    /// Reads a URI; `object` may be left out.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let rest = text
            .strip_prefix("pkcs11:")
            .ok_or("does not begin with pkcs11:")?;
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (mut token, mut object, mut module, mut pin_source) = (None, None, None, None);
        let attributes = path.split(';').chain(query.split('&')).filter(|a| !a.is_empty());
        for attribute in attributes {
            let (name, value) = attribute
                .split_once('=')
                .ok_or_else(|| format!("{attribute:?} has no value"))?;
            let value = decoded(value).ok_or_else(|| format!("{name}: not percent-encoded UTF-8"))?;
            let slot = match name {
                "token" => &mut token,
                "object" => &mut object,
                "module-path" => &mut module,
                "pin-source" => &mut pin_source,
                "pin-value" => {
                    return Err("pin-value: write the PIN into a file and name it by pin-source".to_owned());
                }
                other => {
                    return Err(format!(
                        "{other}: not one of token, object, module-path, pin-source"
                    ));
                }
            };
            if slot.replace(value).is_some() {
                return Err(format!("{name} stands twice"));
            }
        }
        let pin_source = pin_source.ok_or("pin-source is missing")?;
        let pin_source = pin_source
            .strip_prefix("file:")
            .map(str::to_owned)
            .unwrap_or(pin_source);
        Ok(Self {
            token: token.ok_or("token is missing")?,
            object: object.unwrap_or_default(),
            module: PathBuf::from(module.ok_or("module-path is missing")?),
            pin_source: PathBuf::from(pin_source),
        })
    }

    /// The same token with another object.
    pub(super) fn with_object(&self, object: &str) -> Self {
        Self {
            object: object.to_owned(),
            ..self.clone()
        }
    }
}

impl core::fmt::Display for TokenUri {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "pkcs11:token={};object={}?module-path={}&pin-source={}",
            encoded(&self.token),
            encoded(&self.object),
            encoded(&self.module.to_string_lossy()),
            encoded(&self.pin_source.to_string_lossy()),
        )
    }
}

fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        let plain = byte.is_ascii_alphanumeric() || b"-._~/:".contains(&byte);
        if plain {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

fn decoded(text: &str) -> Option<String> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        if *first == b'%' {
            let digits = core::str::from_utf8(tail.get(..2)?).ok()?;
            out.push(u8::from_str_radix(digits, 16).ok()?);
            rest = tail.get(2..)?;
        } else {
            out.push(*first);
            rest = tail;
        }
    }
    String::from_utf8(out).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn a_uri_reads_back() {
        let uri = TokenUri {
            token: "my token;1".to_owned(),
            object: "log.example/a?b".to_owned(),
            module: "/usr/lib/x.so".into(),
            pin_source: "/etc/keyglass/p%n".into(),
        };
        assert_eq!(TokenUri::parse(&uri.to_string()).unwrap(), uri);
        let with_file = "pkcs11:token=t?module-path=/m&pin-source=file:/p";
        assert_eq!(
            TokenUri::parse(with_file).unwrap().pin_source,
            PathBuf::from("/p")
        );
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for bad in [
            "",
            "token=t",
            "pkcs11:token=t",
            "pkcs11:object=o?module-path=/m&pin-source=/p",
            "pkcs11:token=t;object?module-path=/m&pin-source=/p",
            "pkcs11:token=t;serial=1?module-path=/m&pin-source=/p",
            "pkcs11:token=t;token=u?module-path=/m&pin-source=/p",
            "pkcs11:token=t?module-path=/m&pin-value=1234",
            "pkcs11:token=t%?module-path=/m&pin-source=/p",
            "pkcs11:token=%ff?module-path=/m&pin-source=/p",
        ] {
            assert!(TokenUri::parse(bad).is_err(), "{bad}");
        }
    }
}
