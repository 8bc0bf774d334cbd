//! The installation page: what is being set up in the portal, what could not be, and the end of it.

use maud::{Markup, html};

use crate::layout::Document;
use crate::parts;
use crate::problem::Problem;
use crate::texts::Texts;

/// Everything the page shows.
pub struct InstallView {
    /// The portal's address.
    pub portal: String,
    /// What has to be set up, in order.
    pub steps: Vec<StepView>,
    /// Where the whole stands.
    pub phase: Phase,
}

/// Where the installation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Steps are waiting or running: the page asks again.
    Working,
    /// A step failed, and nothing goes on until somebody tries again.
    Stopped,
    /// Everything possible is set up.
    Ready {
        /// The portal still waits for the end of the installation.
        install_mode: bool,
    },
}

/// A part of the setting up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepKey {
    /// Rights and tokens.
    Access,
    /// Event handlers.
    Events,
    /// Tiles of the Contact Center.
    Connectors,
    /// Tabs of CRM cards.
    Placements,
    /// Automation robots.
    Robots,
}

impl StepKey {
    /// Every step, in the order of the work.
    pub const ALL: [Self; 5] = [Self::Access, Self::Events, Self::Connectors, Self::Placements, Self::Robots];

    /// The name in JSON and in the database.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Events => "events",
            Self::Connectors => "connectors",
            Self::Placements => "placements",
            Self::Robots => "robots",
        }
    }
}

/// How a step stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StepState {
    /// Not begun.
    Waiting,
    /// Being done.
    Running,
    /// Done.
    Done,
    /// The portal's plan or the granted permissions do not allow it; everything else works.
    Lacking,
    /// Failed; may be tried again.
    Failed,
}

impl StepState {
    const fn class(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Lacking => "lacking",
            Self::Failed => "failed",
        }
    }
}

/// One step.
pub struct StepView {
    /// Which.
    pub key: StepKey,
    /// How it stands.
    pub state: StepState,
    /// Why it lacks or failed.
    pub problem: Option<Problem>,
    /// Something exact for whoever helps: what the portal answered.
    pub detail: Option<String>,
}

/// The whole page. It starts the work by itself.
pub fn page(document: &Document<'_>, view: &InstallView) -> Markup {
    let texts = document.texts;
    let start = matches!(view.phase, Phase::Working).then_some("/frame/install/provision");
    let body = html! {
        (parts::head(texts.install.title, &html! { (view.portal) }))
        div data-start=[start] { (parts(texts, view)) }
    };
    document.wrap(texts.install.title, &body)
}

/// The part that changes: steps and what to do next.
pub fn parts(texts: &Texts, view: &InstallView) -> Markup {
    let poll = matches!(view.phase, Phase::Working).then_some("/frame/install/state");
    html! {
        section .panel data-part="install" data-poll=[poll] data-poll-ms="1500" {
            (steps(texts, &view.steps))
            (parts::error_place())
            (next(texts, view))
        }
    }
}

/// The list of steps, also shown on the application's own page.
pub(crate) fn steps(texts: &Texts, steps: &[StepView]) -> Markup {
    html! {
        ol .steps {
            @for step in steps {
                li class=(step.state.class()) {
                    span .dot aria-hidden="true" {}
                    div .grow {
                        p {
                            strong { ((texts.install.step)(step.key)) }
                            span .step-state { ((texts.install.step_state)(step.state)) }
                        }
                        @if let Some(problem) = step.problem {
                            @let words = texts.problems.of(problem);
                            p .step-why { (words.what) " " (words.todo) }
                        } @else {
                            p .muted.small { ((texts.install.step_about)(step.key)) }
                        }
                        @if let Some(detail) = &step.detail { p .muted.small { code { (detail) } } }
                    }
                }
            }
        }
    }
}

fn next(texts: &Texts, view: &InstallView) -> Markup {
    let texts = &texts.install;
    let lacking = view.steps.iter().any(|step| step.state == StepState::Lacking);
    // Whoever must read that something is missing ends the installation by hand; otherwise it ends by itself.
    let finish = if lacking { "ask" } else { "auto" };
    html! {
        @match view.phase {
            Phase::Working => p .muted role="status" { (texts.working) },
            Phase::Stopped => div .actions {
                button .primary type="button" data-action="/frame/install/provision" { (texts.again) }
                span .muted { (texts.stopped) }
            },
            Phase::Ready { install_mode: true } => div data-finish=(finish) {
                div .note.ok {
                    p { strong { @if lacking { (texts.ready_limited) } @else { (texts.ready) } } }
                    @if lacking { p { (texts.ready_lacking) } } @else { p data-with-portal { (texts.finishing) } }
                }
                div .actions {
                    button .primary type="button" data-finish-button data-needs-portal disabled { (texts.finish) }
                }
            },
            Phase::Ready { install_mode: false } => div .note.ok {
                p { strong { @if lacking { (texts.ready_limited) } @else { (texts.ready) } } }
                p { (texts.what_next) }
            },
        }
    }
}
