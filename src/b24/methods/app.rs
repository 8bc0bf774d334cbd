//! Who we are on a portal, and whose token this is. Both need no scope.

use serde::{Deserialize, Serialize};

use crate::b24::{
    method::{Method, Scope},
    values,
};

/// What the portal knows about our application.
#[derive(Debug, Serialize)]
pub struct AppInfo {}

impl Method for AppInfo {
    type Output = Application;
    const NAME: &'static str = "app.info";
    const SCOPE: Scope = Scope::Base;
    const REPEATABLE: bool = true;
}

/// A portal can say here what it likes: payment is decided by the OAuth server's words alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE", default)]
pub struct Application {
    /// The Marketplace code; for a local application the client id.
    #[serde(deserialize_with = "values::text")]
    pub code: String,
    #[serde(deserialize_with = "values::text")]
    pub version: String,
    /// L local, F free, D demo, T trial, P paid, S by subscription; more may come.
    #[serde(deserialize_with = "values::text")]
    pub status: String,
    /// False until the installation wizard is finished: until then no event and no placement works.
    #[serde(deserialize_with = "values::flag")]
    pub installed: bool,
    #[serde(deserialize_with = "values::flag")]
    pub payment_expired: bool,
    /// Days left of what is paid; negative in the time of grace.
    #[serde(deserialize_with = "values::some_int")]
    pub days: Option<i64>,
    #[serde(deserialize_with = "values::text")]
    pub language_id: String,
    /// `<lang>_<plan>`; on premise `<lang>_selfhosted`.
    #[serde(deserialize_with = "values::text")]
    pub license: String,
    /// The family of plans; `project` is the free one. Only in the cloud.
    #[serde(deserialize_with = "values::some_text")]
    pub license_family: Option<String>,
    /// The granted scopes; only some answers carry them.
    #[serde(deserialize_with = "values::texts")]
    pub scope: Vec<String>,
}

/// Whose token this is, and whether he is an administrator: the check of every frame's token.
#[derive(Debug, Serialize)]
pub struct Profile {}

impl Method for Profile {
    type Output = values::Maybe<Identity>;
    const NAME: &'static str = "profile";
    const SCOPE: Scope = Scope::Base;
    const REPEATABLE: bool = true;
}

/// The owner of a token. The portal answers nothing at all for an inactive user.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "UPPERCASE", default)]
pub struct Identity {
    /// None: the answer names nobody, so nobody is proved.
    #[serde(deserialize_with = "values::some_id")]
    pub id: Option<i64>,
    #[serde(deserialize_with = "values::flag")]
    pub admin: bool,
    #[serde(deserialize_with = "values::text")]
    pub name: String,
    #[serde(deserialize_with = "values::text")]
    pub last_name: String,
    /// IANA name; empty when the user has none of his own.
    #[serde(deserialize_with = "values::text")]
    pub time_zone: String,
    #[serde(deserialize_with = "values::some_text")]
    pub personal_photo: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_application_reads_from_cloud_and_on_premise_answers() {
        let cloud: Application = serde_json::from_value(json!({
            "ID": 7, "CODE": "vendor.chat", "VERSION": 3, "STATUS": "F", "INSTALLED": true,
            "PAYMENT_EXPIRED": "N", "DAYS": null, "LANGUAGE_ID": "ru", "LICENSE": "ru_std",
            "LICENSE_TYPE": "std", "LICENSE_FAMILY": "std"
        }))
        .unwrap();
        assert!(cloud.installed && !cloud.payment_expired);
        assert_eq!(cloud.version, "3");
        assert_eq!(cloud.license_family.as_deref(), Some("std"));
        let own: Application =
            serde_json::from_value(json!({"LICENSE": "en_selfhosted", "INSTALLED": false, "DAYS": "-2"})).unwrap();
        assert!(!own.installed);
        assert_eq!(own.days, Some(-2));
        assert_eq!(own.license_family, None);
    }

    #[test]
    fn an_inactive_user_is_nobody() {
        type Output = <Profile as Method>::Output;
        let nobody: Output = serde_json::from_value(json!([])).unwrap();
        assert_eq!(nobody.0, None);
        let admin: Output = serde_json::from_value(json!({"ID": "27", "ADMIN": true, "NAME": "Ann"})).unwrap();
        let admin = admin.0.unwrap();
        assert_eq!((admin.id, admin.admin), (Some(27), true));
    }
}
