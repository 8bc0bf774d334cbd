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

/// A message that failed, and may be sent once more.
pub struct RetryView {
    /// What will be sent.
    pub text: String,
    /// Names of its files.
    pub files: Vec<String>,
    /// Nobody knows whether the client has it already.
    pub doubtful: bool,
}

/// The form that sends a failed message once more. It needs no script: the link is opened in a tab of its own.
pub fn retry(document: &Document<'_>, view: &RetryView) -> Markup {
    let words = &document.texts.plain;
    let body = html! {
        section .panel.plain {
            (parts::mark())
            h1 { (words.retry_title) }
            @if view.doubtful { p .note.warn { (words.retry_doubt) } }
            @if !view.text.is_empty() { blockquote { (view.text) } }
            @for name in &view.files { p { "📎 " (name) } }
            form method="post" { button .primary type="submit" { (words.retry_button) } }
            p .muted.small { (words.retry_once) }
        }
    };
    without_session(document).wrap(words.retry_title, &body)
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
