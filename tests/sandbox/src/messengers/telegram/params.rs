//! Parameters of a call: from the query, a form, a JSON object or a multipart body, all alike.

use std::collections::HashMap;

use actix_web::{HttpRequest, http::header::CONTENT_TYPE, web};
use serde_json::Value;

use super::Refused;
use crate::messengers::multipart::{self, Upload};

/// Largest file that a bot may upload, in bytes; the documentation says 50 MB.
pub(super) const UPLOAD_LIMIT: usize = 50 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Params {
    values: HashMap<String, String>,
    pub files: HashMap<String, Upload>,
}

impl Params {
    pub(super) async fn read(request: &HttpRequest, body: web::Bytes) -> Result<Self, Refused> {
        let mut params = Self::default();
        params.add_pairs(request.query_string().as_bytes());
        let kind = request
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
            .to_ascii_lowercase();
        if kind.starts_with("application/json") && !body.is_empty() {
            let Ok(Value::Object(fields)) = serde_json::from_slice(&body) else {
                return Err(Refused::bad("can't parse JSON object"));
            };
            for (name, value) in fields {
                let text = match value {
                    Value::String(text) => text,
                    Value::Null => continue,
                    other => other.to_string(),
                };
                params.values.insert(name, text);
            }
        } else if kind.starts_with("multipart/form-data") {
            let form = multipart::read(request.headers(), body)
                .await
                .ok_or_else(|| Refused::bad("can't parse multipart body"))?;
            params.values.extend(form.values);
            params.files = form.files;
        } else {
            params.add_pairs(&body);
        }
        let too_large = |file: &Upload| file.bytes.len() > UPLOAD_LIMIT;
        if params.files.values().any(too_large) {
            return Err(Refused::new(413, "Request Entity Too Large"));
        }
        Ok(params)
    }

    fn add_pairs(&mut self, encoded: &[u8]) {
        for (name, value) in url::form_urlencoded::parse(encoded) {
            self.values.insert(name.into_owned(), value.into_owned());
        }
    }

    /// A parameter as text; absent is empty.
    pub(super) fn text(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// A whole number; absent or wrong is `None`, as the real server takes it.
    pub(super) fn number(&self, name: &str) -> Option<i64> {
        self.text(name).trim().parse().ok()
    }

    pub(super) fn decimal(&self, name: &str) -> Option<f64> {
        self.text(name).trim().parse().ok()
    }

    pub(super) fn flag(&self, name: &str) -> bool {
        matches!(self.text(name).to_ascii_lowercase().as_str(), "true" | "yes" | "1")
    }

    /// A parameter that is JSON; absent or broken is `Null`.
    pub(super) fn json(&self, name: &str) -> Value {
        serde_json::from_str(self.text(name)).unwrap_or(Value::Null)
    }
}
