//! Pages without a session: an error, a remark, and what a URL check or a curious browser sees.

use maud::{Markup, html};

use crate::layout::Document;
use crate::parts;
use crate::problem::Problem;

/// The one HTML error page.
pub struct ErrorView {
    /// What happened.
    pub problem: Problem,
    /// Finds the request in our log.
    pub request_id: String,
    /// Where to ask, if the operator of the server named a place: an https address or `mailto:`.
    pub support_url: Option<String>,
}

/// The error page. A frame is left out on purpose: this page carries neither data nor a session.
pub fn error(document: &Document<'_>, view: &ErrorView) -> Markup {
    let texts = document.texts;
    let words = texts.problems.of(view.problem);
    let body = html! {
        section .panel.plain {
            (parts::mark())
            h1 { (words.what) }
            p { (words.todo) }
            @if let Some(url) = &view.support_url {
                p { (parts::link("", url, texts.common.support)) }
            }
            p .muted.small { (texts.common.request) ": " code { (view.request_id) } }
        }
    };
    without_session(document).wrap(words.what, &body)
}

/// The neutral page for `HEAD` and `GET`: it names the product and knows nothing.
pub fn neutral(document: &Document<'_>) -> Markup {
    let texts = &document.texts.plain;
    notice(document, texts.neutral_title, texts.neutral_text)
}

/// A remark that fills the page.
pub fn notice(document: &Document<'_>, title: &str, text: &str) -> Markup {
    let body = html! {
        section .panel.plain {
            (parts::mark())
            h1 { (title) }
            p { (text) }
        }
    };
    without_session(document).wrap(title, &body)
}

fn without_session<'a>(document: &Document<'a>) -> Document<'a> {
    Document { frame: None, ..*document }
}
