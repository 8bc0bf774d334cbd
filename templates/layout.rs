//! What every page is wrapped in.

use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;

use crate::texts::{ScriptTexts, Texts};

const STYLE: &str = include_str!("frame.css");
const SCRIPT: &str = include_str!("frame.js");

/// The frame around a page.
#[derive(Clone, Copy)]
pub struct Document<'a> {
    /// The viewer's language.
    pub texts: &'static Texts,
    /// Nonce of this answer's content security policy.
    pub nonce: &'a str,
    /// Session and portal script; nothing for a page that could not prove its portal.
    pub frame: Option<Frame<'a>>,
}

/// What lets a page act. It is written into the page, because cookies do not work in third-party frames.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// The bearer token of the page's own requests.
    pub session: &'a str,
    /// How long it lives, in seconds; the script renews it before.
    pub session_seconds: u32,
    /// Address of Bitrix24's own script.
    pub portal_script: &'a str,
}

#[derive(Serialize)]
struct PageData<'a> {
    session: &'a str,
    session_seconds: u32,
    texts: &'a ScriptTexts,
}

impl Document<'_> {
    /// A complete HTML document.
    pub(crate) fn wrap(&self, title: &str, body: &Markup) -> Markup {
        html! {
            (DOCTYPE)
            html lang=(self.texts.code) {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="robots" content="noindex, nofollow";
                    meta name="referrer" content="no-referrer";
                    title { (title) }
                    link rel="icon" href="data:,";
                    style nonce=(self.nonce) { (PreEscaped(STYLE)) }
                }
                body {
                    main {
                        @if self.frame.is_some() {
                            noscript { p .note.warn { (self.texts.common.needs_script) } }
                            p .note.warn data-portal-missing hidden { (self.texts.common.portal_missing) }
                            div .note role="status" data-notice hidden {}
                        }
                        (body)
                    }
                    @if let Some(frame) = &self.frame { (self.scripts(frame)) }
                }
            }
        }
    }

    /// Data first, then Bitrix24's script without waiting for it, then ours, which finds both.
    fn scripts(&self, frame: &Frame<'_>) -> Markup {
        let data =
            PageData { session: frame.session, session_seconds: frame.session_seconds, texts: &self.texts.script };
        html! {
            script type="application/json" id="page" nonce=(self.nonce) { (PreEscaped(script_json(&data))) }
            script src=(frame.portal_script) async nonce=(self.nonce) {}
            script nonce=(self.nonce) { (PreEscaped(SCRIPT)) }
        }
    }
}

/// JSON that cannot end its own script element. A value that cannot be written as JSON leaves the page without a
/// session, and the script says so.
fn script_json(data: &PageData<'_>) -> String {
    let json = serde_json::to_string(data).unwrap_or_default();
    let mut safe = String::with_capacity(json.len());
    for letter in json.chars() {
        match letter {
            '<' => safe.push_str("\\u003c"),
            '>' => safe.push_str("\\u003e"),
            '&' => safe.push_str("\\u0026"),
            '\u{2028}' => safe.push_str("\\u2028"),
            '\u{2029}' => safe.push_str("\\u2029"),
            letter => safe.push(letter),
        }
    }
    safe
}
