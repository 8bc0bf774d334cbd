//! Values that must never be printed, and the seal that keeps them in the database.
//!
//! One application secret, HKDF per purpose. A sealed value names the key that made it, and is bound to the
//! table, column and row it belongs to: a value copied into another row does not open.

use std::{fmt, sync::OnceLock};

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use ring::{
    aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    digest, hkdf, hmac,
    rand::{SecureRandom, SystemRandom},
};
use subtle::ConstantTimeEq as _;

/// A secret text: silent in logs, never serialised, opened by [`Secret::expose`] alone.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    pub fn new(value: impl Into<String>) -> Self {
        Self(value.into())
    }

    /// The value itself, for the call that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Compares in constant time, so that an answer's delay tells nothing about the value.
    pub fn matches(&self, offered: &str) -> bool {
        !self.0.is_empty() && constant_time_eq(self.0.as_bytes(), offered.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Equality whose time depends on nothing but the lengths.
pub fn constant_time_eq(left: &[u8], right: &[u8]) -> bool {
    left.ct_eq(right).into()
}

/// What a derived key is for. A key of one purpose opens nothing of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Values at rest in the database.
    Seal,
    /// Tokens of frame sessions.
    Session,
    /// Links to media.
    Media,
    /// Links to a portal's authorisation page.
    Consent,
    /// Links that have a failed message sent again.
    Retry,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::Seal => b"seal",
            Self::Session => b"session",
            Self::Media => b"media",
            Self::Consent => b"consent",
            Self::Retry => b"retry",
        }
    }
}

struct KeyLength;

impl hkdf::KeyType for KeyLength {
    fn len(&self) -> usize {
        32
    }
}

/// The keys of the server: made from `APP_SECRET`; those of `APP_SECRET_OLD` still open and verify.
pub struct Keys {
    current: Master,
    old: Option<Master>,
}

struct Master {
    id: String,
    prk: hkdf::Prk,
    /// Made at its first use: every event opens something.
    seal: OnceLock<LessSafeKey>,
}

impl Master {
    fn new(secret: &Secret) -> Self {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, b"chatapp-server/1");
        let id = digest::digest(&digest::SHA256, format!("key-id:{}", secret.expose()).as_bytes());
        Self {
            id: hex(id.as_ref().get(..4).unwrap_or_default()),
            prk: salt.extract(secret.expose().as_bytes()),
            seal: OnceLock::new(),
        }
    }

    fn derive(&self, purpose: Purpose) -> Result<[u8; 32], SealError> {
        let mut key = [0; 32];
        self.prk
            .expand(&[purpose.label()], KeyLength)
            .and_then(|okm| okm.fill(&mut key))
            .map_err(|ring::error::Unspecified| SealError::Key)?;
        Ok(key)
    }
}

/// Why a sealed value did not open, or could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    #[error("no key could be derived")]
    Key,
    #[error("the value is sealed with an unknown key `{0}`: was APP_SECRET changed without APP_SECRET_OLD?")]
    UnknownKey(String),
    #[error("the sealed value is damaged or belongs to another row")]
    Damaged,
}

impl Keys {
    pub fn new(secret: &Secret, old: Option<&Secret>) -> Self {
        Self { current: Master::new(secret), old: old.map(Master::new) }
    }

    /// Seals a value for one place (`table.column/row`); the same place must be named to open it.
    /// Form: `v1.<key id>.<base64url nonce ‖ ciphertext ‖ tag>`.
    pub fn seal(&self, place: &str, value: &Secret) -> Result<String, SealError> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).map_err(|ring::error::Unspecified| SealError::Key)?;
        let key = aead_key(&self.current)?;
        let mut sealed = value.expose().as_bytes().to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(place.as_bytes()), &mut sealed)
            .map_err(|ring::error::Unspecified| SealError::Key)?;
        let mut bytes = nonce.to_vec();
        bytes.append(&mut sealed);
        Ok(format!("v1.{}.{}", self.current.id, URL_SAFE_NO_PAD.encode(bytes)))
    }

    /// Opens what [`Keys::seal`] made for the same place.
    pub fn open(&self, place: &str, sealed: &str) -> Result<Secret, SealError> {
        let (id, body) = sealed.strip_prefix("v1.").and_then(|rest| rest.split_once('.')).ok_or(SealError::Damaged)?;
        let master = self.master(id)?;
        let mut bytes = URL_SAFE_NO_PAD.decode(body).map_err(|_not_base64| SealError::Damaged)?;
        let (nonce, sealed) = bytes.split_at_mut_checked(NONCE_LEN).ok_or(SealError::Damaged)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|ring::error::Unspecified| SealError::Damaged)?;
        let opened = aead_key(master)?
            .open_in_place(nonce, Aad::from(place.as_bytes()), sealed)
            .map_err(|ring::error::Unspecified| SealError::Damaged)?;
        let text = std::str::from_utf8(opened).map_err(|_not_utf8| SealError::Damaged)?;
        Ok(Secret::new(text))
    }

    fn master(&self, id: &str) -> Result<&Master, SealError> {
        if self.current.id == id {
            return Ok(&self.current);
        }
        self.old.as_ref().filter(|old| old.id == id).ok_or_else(|| SealError::UnknownKey(id.to_owned()))
    }

    /// `<claim>.<signature>`. Everybody can read what it claims, and nobody else can claim it.
    pub fn sign(&self, purpose: Purpose, claim: &str) -> Result<String, SealError> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, &self.current.derive(purpose)?);
        Ok(format!("{claim}.{}", URL_SAFE_NO_PAD.encode(hmac::sign(&key, claim.as_bytes()))))
    }

    /// The claim of what [`Keys::sign`] made for the same purpose.
    pub fn signed<'a>(&self, purpose: Purpose, token: &'a str) -> Option<&'a str> {
        let (claim, tag) = token.rsplit_once('.')?;
        let tag = URL_SAFE_NO_PAD.decode(tag).ok()?;
        let made_it =
            |key: &[u8; 32]| hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, key), claim.as_bytes(), &tag).is_ok();
        self.signing(purpose).ok()?.iter().any(made_it).then_some(claim)
    }

    /// The raw key of a purpose for signing, newest first.
    pub fn signing(&self, purpose: Purpose) -> Result<Vec<[u8; 32]>, SealError> {
        std::iter::once(&self.current).chain(&self.old).map(|m| m.derive(purpose)).collect()
    }
}

fn aead_key(master: &Master) -> Result<&LessSafeKey, SealError> {
    if let Some(known) = master.seal.get() {
        return Ok(known);
    }
    let key = master.derive(Purpose::Seal)?;
    let key = UnboundKey::new(&CHACHA20_POLY1305, &key).map_err(|ring::error::Unspecified| SealError::Key)?;
    Ok(master.seal.get_or_init(|| LessSafeKey::new(key)))
}

/// Lower-case hexadecimal text of bytes.
pub fn hex(bytes: &[u8]) -> String {
    use fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// SHA-256 of a secret, as it is kept where only a comparison is needed.
pub fn fingerprint(value: &str) -> String {
    hex(digest::digest(&digest::SHA256, value.as_bytes()).as_ref())
}

/// A random text of `bytes` random bytes, safe in a URL path.
pub fn random_token(bytes: usize) -> Result<String, SealError> {
    Ok(URL_SAFE_NO_PAD.encode(random_bytes(bytes)?))
}

/// A random key of `bytes` bytes in Base64.
pub fn random_key(bytes: usize) -> Result<Secret, SealError> {
    Ok(Secret::new(STANDARD.encode(random_bytes(bytes)?)))
}

fn random_bytes(count: usize) -> Result<Vec<u8>, SealError> {
    let mut bytes = vec![0; count];
    SystemRandom::new().fill(&mut bytes).map_err(|ring::error::Unspecified| SealError::Key)?;
    Ok(bytes)
}

/// A random text of lower-case letters and digits, for ids that people may have to read aloud.
pub fn random_id(length: usize) -> Result<String, SealError> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut buffer = vec![0; length];
    SystemRandom::new().fill(&mut buffer).map_err(|ring::error::Unspecified| SealError::Key)?;
    Ok(buffer.iter().filter_map(|byte| LETTERS.get(usize::from(byte % 32)).copied().map(char::from)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys::new(&Secret::new("one"), None)
    }

    #[test]
    fn a_sealed_value_opens_only_at_its_own_place() {
        let sealed = keys().seal("grants.access/1", &Secret::new("token")).unwrap();
        assert_eq!(keys().open("grants.access/1", &sealed).unwrap().expose(), "token");
        assert!(matches!(keys().open("grants.access/2", &sealed), Err(SealError::Damaged)));
    }

    #[test]
    fn the_old_secret_still_opens_and_a_strange_one_is_named() {
        let sealed = keys().seal("p", &Secret::new("token")).unwrap();
        let rotated = Keys::new(&Secret::new("two"), Some(&Secret::new("one")));
        assert_eq!(rotated.open("p", &sealed).unwrap().expose(), "token");
        let strange = Keys::new(&Secret::new("three"), None);
        assert!(matches!(strange.open("p", &sealed), Err(SealError::UnknownKey(_))));
    }

    #[test]
    fn what_is_signed_holds_for_its_purpose_alone() {
        let token = keys().sign(Purpose::Media, "a.7").unwrap();
        assert_eq!(keys().signed(Purpose::Media, &token), Some("a.7"));
        assert_eq!(keys().signed(Purpose::Retry, &token), None);
        assert_eq!(keys().signed(Purpose::Media, &token.replace(".7", ".8")), None);
        let rotated = Keys::new(&Secret::new("two"), Some(&Secret::new("one")));
        assert_eq!(rotated.signed(Purpose::Media, &token), Some("a.7"));
        assert_eq!(Keys::new(&Secret::new("three"), None).signed(Purpose::Media, &token), None);
    }

    #[test]
    fn a_secret_is_silent_and_an_empty_one_matches_nothing() {
        assert_eq!(format!("{:?}", Secret::new("x")), "Secret(…)");
        assert!(Secret::new("x").matches("x"));
        assert!(!Secret::new("x").matches("y"));
        assert!(!Secret::default().matches(""));
    }

    #[test]
    fn damaged_values_are_refused() {
        for value in ["", "v1", "v1.a", "v1.a.b", "v2.x.y"] {
            assert!(keys().open("p", value).is_err(), "{value}");
        }
    }
}
