//! Sessions of frames: signed, short-lived, carried by the page itself, because cookies do not work in third-party frames. A session
//! names the page that it was made for, so that one opened on one card cannot act on another.

use std::time::Duration;

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation,
    crypto::{CryptoProvider, JwtSigner, JwtVerifier, KeyUtils},
    errors::{Error, ErrorKind},
    signature,
};
use ring::hmac;
use serde::{Deserialize, Serialize};

use crate::{
    clock::Millis,
    db::Installation,
    domain::{
        connector::Connector,
        ids::{InstallationId, PortalId},
    },
    relay::proof::User,
    secret::{Keys, Purpose, SealError},
};

/// Short, because whoever reads the page can act with it; the page renews it while it is in use.
pub const LIFETIME: Duration = Duration::from_mins(15);
/// How long an ended session may still be renewed by its own user: a tab that was left open over the day.
const RENEWABLE: Duration = Duration::from_hours(24);

/// Which page a session is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Page {
    Install,
    App,
    Connector { connector: Connector, line: i64 },
    Card { entity_type_id: i64, id: i64 },
}

/// What a session says; nothing of it is secret.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Session {
    pub portal: PortalId,
    pub installation: InstallationId,
    pub user: i64,
    pub name: String,
    pub admin: bool,
    pub lang: String,
    pub page: Page,
    /// The installation's epoch: raising it ends every session.
    epoch: i64,
    /// Seconds since 1970.
    exp: i64,
}

impl Session {
    pub fn new(installation: &Installation, user: &User, lang: &str, page: Page, now: Millis) -> Self {
        Self {
            portal: installation.portal.clone(),
            installation: installation.id,
            user: user.id,
            name: user.name.clone(),
            admin: user.admin,
            lang: lang.to_owned(),
            page,
            epoch: installation.session_epoch,
            exp: now.after(LIFETIME).seconds(),
        }
    }

    pub fn user(&self) -> User {
        User { id: self.user, admin: self.admin, name: self.name.clone() }
    }

    /// Whether the installation still honours it.
    pub fn is_of(&self, installation: &Installation) -> bool {
        self.installation == installation.id && self.epoch == installation.session_epoch
    }

    pub fn is_over(&self, now: Millis) -> bool {
        now.seconds() >= self.exp
    }

    pub fn sign(&self, keys: &Keys) -> Result<String, SealError> {
        let _installed_before = PROVIDER.install_default();
        let key = keys.signing(Purpose::Session)?.into_iter().next().ok_or(SealError::Key)?;
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), self, &EncodingKey::from_secret(&key))
            .map_err(|_unsignable| SealError::Key)
    }

    /// Reads a token of ours that ended at most a day ago; [`Session::is_over`] tells whether it may still act.
    pub fn read(keys: &Keys, token: &str, now: Millis) -> Option<Self> {
        let _installed_before = PROVIDER.install_default();
        let mut rules = Validation::new(Algorithm::HS256);
        // The clock is ours: tests move it.
        rules.validate_exp = false;
        rules.required_spec_claims.clear();
        let keys = keys.signing(Purpose::Session).ok()?;
        let session = keys
            .iter()
            .find_map(|key| jsonwebtoken::decode::<Self>(token, &DecodingKey::from_secret(key), &rules).ok())?;
        let renewable_until = Millis::from_seconds(session.claims.exp).after(RENEWABLE);
        (now < renewable_until).then_some(session.claims)
    }
}

/// HMAC-SHA256 by `ring`, the one algorithm that is needed; jsonwebtoken's own providers bring other cryptography along.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, key.as_bytes())))),
        _other => Err(Error::from(ErrorKind::InvalidAlgorithm)),
    },
    verifier_factory: |algorithm, key| match algorithm {
        Algorithm::HS256 => Ok(Box::new(Hs256(hmac::Key::new(hmac::HMAC_SHA256, key.try_get_as_bytes()?)))),
        _other => Err(Error::from(ErrorKind::InvalidAlgorithm)),
    },
    key_utils: KeyUtils::new_unimplemented(),
};

struct Hs256(hmac::Key);

impl signature::Signer<Vec<u8>> for Hs256 {
    fn try_sign(&self, message: &[u8]) -> Result<Vec<u8>, signature::Error> {
        Ok(hmac::sign(&self.0, message).as_ref().to_vec())
    }
}

impl signature::Verifier<Vec<u8>> for Hs256 {
    fn verify(&self, message: &[u8], tag: &Vec<u8>) -> Result<(), signature::Error> {
        hmac::verify(&self.0, message, tag).map_err(|ring::error::Unspecified| signature::Error::new())
    }
}

impl JwtSigner for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

impl JwtVerifier for Hs256 {
    fn algorithm(&self) -> Algorithm {
        Algorithm::HS256
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    fn session(exp: i64) -> Session {
        Session {
            portal: PortalId("p".into()),
            installation: InstallationId(1),
            user: 7,
            name: "Anna".into(),
            admin: true,
            lang: "ru".into(),
            page: Page::Card { entity_type_id: 2, id: 12 },
            epoch: 1,
            exp,
        }
    }

    #[test]
    fn a_session_reads_back_until_it_cannot_even_be_renewed() {
        let keys = Keys::new(&Secret::new("k"), None);
        let token = session(100).sign(&keys).unwrap();
        let read = Session::read(&keys, &token, Millis(0)).unwrap();
        assert_eq!(read.page, Page::Card { entity_type_id: 2, id: 12 });
        assert!(!read.is_over(Millis(99_000)) && read.is_over(Millis(100_000)));
        assert!(Session::read(&keys, &token, Millis::from_seconds(100 + 24 * 3600)).is_none());
    }

    #[test]
    fn a_changed_or_foreign_token_is_none() {
        let keys = Keys::new(&Secret::new("k"), None);
        let token = session(100).sign(&keys).unwrap();
        let other = Keys::new(&Secret::new("other"), None);
        assert!(Session::read(&other, &token, Millis(0)).is_none());
        let rotated = Keys::new(&Secret::new("new"), Some(&Secret::new("k")));
        assert!(Session::read(&rotated, &token, Millis(0)).is_some());
        let mut parts: Vec<&str> = token.split('.').collect();
        parts[0] = "eyJhbGciOiJub25lIn0";
        assert!(Session::read(&keys, &parts.join("."), Millis(0)).is_none());
        assert!(Session::read(&keys, "", Millis(0)).is_none());
    }
}
