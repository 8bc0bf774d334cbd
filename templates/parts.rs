//! Pieces that several pages share.

use maud::{Markup, html};

use crate::problem::{Problem, ProblemText};
use crate::texts::Texts;

/// How a thing is, for the colour of its badge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Health {
    /// As it should be.
    Ok,
    /// Nothing is wrong and nothing is done yet.
    Calm,
    /// Works, but somebody should look.
    Warn,
    /// Does not work.
    Error,
}

impl Health {
    pub(crate) const fn class(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Calm => "calm",
            Self::Warn => "warn",
            Self::Error => "error",
        }
    }
}

/// The product's mark, our own drawing.
pub(crate) fn mark() -> Markup {
    html! {
        svg .mark viewBox="0 0 40 40" aria-hidden="true" {
            rect width="40" height="40" rx="10" fill="#2067b0" {}
            path fill="#fff" d="M11 10h18a5 5 0 0 1 5 5v8a5 5 0 0 1-5 5h-9l-7 6v-6h-2a5 5 0 0 1-5-5v-8a5 5 0 0 1 5-5z" {}
            circle cx="14" cy="19" r="2" fill="#2067b0" {}
            circle cx="20" cy="19" r="2" fill="#2067b0" {}
            circle cx="26" cy="19" r="2" fill="#2067b0" {}
        }
    }
}

/// Head of a page: the mark, what it is, and of what.
pub(crate) fn head(title: &str, below: &Markup) -> Markup {
    html! {
        header .head {
            (mark())
            div .grow {
                h1 { (title) }
                p .muted { (below) }
            }
        }
    }
}

pub(crate) fn badge(health: Health, text: &str) -> Markup {
    html! { span class={ "badge " (health.class()) } { (text) } }
}

/// A messenger's tile, as a data address made by us.
pub(crate) fn icon(address: &str) -> Markup {
    html! { img .icon src=(address) alt="" width="32" height="32"; }
}

pub(crate) fn note(health: Health, text: &ProblemText) -> Markup {
    html! {
        div class={ "note " (health.class()) } {
            p { strong { (text.what) } }
            p { (text.todo) }
        }
    }
}

pub(crate) fn problem(texts: &Texts, problem: Problem) -> Markup {
    note(Health::Error, &texts.problems.of(problem))
}

/// A link into a tab of its own. Anything but a web or mail address is shown as no link at all.
pub(crate) fn link(class: &str, address: &str, label: &str) -> Markup {
    let is_link = ["https://", "http://", "mailto:"].iter().any(|scheme| address.starts_with(scheme));
    html! {
        @if is_link { a class=(class) href=(address) target="_blank" rel="noopener noreferrer" { (label) } }
    }
}

/// Where the frame script writes the error of the form or part around it.
pub(crate) fn error_place() -> Markup {
    html! { div .note.error role="alert" data-error hidden {} }
}

/// A text input with its label.
pub(crate) struct Input<'a> {
    pub(crate) name: &'a str,
    pub(crate) label: &'a str,
    pub(crate) kind: &'a str,
    pub(crate) hint: Option<&'a str>,
    pub(crate) placeholder: &'a str,
}

pub(crate) fn input(scope: &str, input: &Input<'_>) -> Markup {
    let id = format!("{scope}-{}", input.name);
    let hint_id = format!("{id}-hint");
    // Secrets of other services must not land in the browser's password store under our name.
    let autocomplete = if input.kind == "password" { "new-password" } else { "off" };
    html! {
        div .field {
            label for=(id) { (input.label) }
            input id=(id) name=(input.name) type=(input.kind) required maxlength="300" autocomplete=(autocomplete)
                spellcheck="false" autocapitalize="none" placeholder=(input.placeholder)
                aria-describedby=[input.hint.map(|_| hint_id.as_str())];
            @if let Some(hint) = input.hint { p .hint id=(hint_id) { (hint) } }
        }
    }
}

/// Opens once more before something is undone. Browsers show no dialog boxes to frames of another site.
pub(crate) fn confirm(label: &str, question: &str, action: &str, body: &serde_json::Value) -> Markup {
    html! {
        details .confirm {
            summary .button.quiet { (label) }
            div .confirm-box {
                p { (question) }
                button .danger type="button" data-action=(action) data-body=(body.to_string()) { (label) }
            }
        }
    }
}
