//! Signed links to media: `<portal>.<media id>.<valid until, seconds>.<signature>`. The portal is in the link, so a link of one
//! tenant can never open a file of another.

use std::time::Duration;

use crate::{
    clock::Millis,
    domain::ids::{MediaId, PortalId},
    secret::{Keys, Purpose, SealError},
};

/// A portal downloads during the call; a call may wait its turn and be retried with a new link.
pub const LIFETIME: Duration = Duration::from_hours(1);

/// The last segment of `/media/{token}`.
pub fn sign(keys: &Keys, portal: &PortalId, media: MediaId, until: Millis) -> Result<String, SealError> {
    keys.sign(Purpose::Media, &format!("{portal}.{media}.{}", until.seconds()))
}

/// What a link opens, if it is ours and not over.
pub fn verify(keys: &Keys, token: &str, now: Millis) -> Option<(PortalId, MediaId)> {
    let mut fields = keys.signed(Purpose::Media, token)?.split('.');
    let portal = PortalId::parse(fields.next()?)?;
    let media = MediaId(fields.next()?.parse().ok()?);
    let until = Millis::from_seconds(fields.next()?.parse().ok()?);
    (now < until).then_some((portal, media))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn a_link_opens_its_file_until_it_is_over() {
        let keys = Keys::new(&Secret::new("k"), None);
        let portal = PortalId("abc".into());
        let token = sign(&keys, &portal, MediaId(7), Millis(10_000)).unwrap();
        assert_eq!(verify(&keys, &token, Millis(9_000)), Some((portal, MediaId(7))));
        assert_eq!(verify(&keys, &token, Millis(10_000)), None);
    }

    #[test]
    fn a_changed_link_opens_nothing() {
        let keys = Keys::new(&Secret::new("k"), None);
        let token = sign(&keys, &PortalId("abc".into()), MediaId(7), Millis(10_000)).unwrap();
        for forged in
            [token.replace("abc", "abd"), token.replace(".7.", ".8."), token.replace(".10.", ".99."), String::new()]
        {
            assert_eq!(verify(&keys, &forged, Millis(0)), None, "{forged}");
        }
        let stranger = Keys::new(&Secret::new("other"), None);
        assert_eq!(verify(&stranger, &token, Millis(0)), None);
    }
}
