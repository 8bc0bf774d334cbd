//! Every page in its typical states, with made-up data. `spice` is put into every text that comes from outside, so that
//! tests can look for it.

use templates::app::{self, AccountChannelView, AccountView, AppState, AppView, LoginView};
use templates::connector::{
    self, AccountForm, Capabilities, ChannelState, Connection, ConnectorAccountView, ConnectorChannelView,
    ConnectorView, WriteFirst,
};
use templates::crm_chat::{
    self, CardAddressView, CardKind, ChatState, ChatView, CrmChatView, LastMessageView, TemplatesView, Tick,
    WriteChannelView, WriteView,
};
use templates::install::{self, InstallView, Phase, StepKey, StepState, StepView};
use templates::plain::{self, ErrorView};
use templates::settings::{HookLogView, HookState, HookView, SectionView, SettingValue, SettingView, SettingsView};
use templates::{Document, Frame, Health, Problem, texts};

/// 21 November 2026, 09:30 UTC.
const NOW_MS: i64 = 1_795_253_400_000;
const DAY_MS: i64 = 86_400_000;

/// A page of the gallery.
pub struct Sample {
    pub name: &'static str,
    pub html: String,
}

/// All samples in one language.
pub fn samples(language: &str, spice: &str) -> Vec<Sample> {
    let frame = Frame { session: "session-token", session_seconds: 900, portal_script: "b24.js" };
    let document = Document { texts: texts(language), nonce: "bm9uY2U", frame: Some(frame) };
    let still = Document { frame: None, ..document };
    let mut samples = Vec::new();
    for (name, phase) in [
        ("install-working", Phase::Working),
        ("install-stopped", Phase::Stopped),
        ("install-ready", Phase::Ready { install_mode: true }),
        ("install-repeated", Phase::Ready { install_mode: false }),
    ] {
        samples.push(Sample { name, html: install::page(&still, &install_view(phase, spice)).into_string() });
    }
    for (name, view) in [
        ("app", app_view(AppState::Works, spice)),
        ("app-lost", app_view(AppState::GrantLost, spice)),
        ("app-empty", AppView { accounts: Vec::new(), ..app_view(AppState::Limited, spice) }),
    ] {
        samples.push(Sample { name, html: app::page(&document, &view).into_string() });
    }
    samples.extend(connector_samples(&document, spice));
    samples.extend(crm_samples(&document, spice));
    samples.extend(plain_samples(&document, spice));
    samples
}

fn icon(letter: char, color: &str) -> String {
    format!(
        "data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22 viewBox=%220 0 100 100%22%3E%3Crect width=%22100%22 \
         height=%22100%22 rx=%2222%22 fill=%22%23{color}%22/%3E%3Cpath fill=%22%23fff%22 d=%22M28 22h44a16 16 0 0 1 16 16v16a16 \
         16 0 0 1-16 16H48L32 84V70h-4a16 16 0 0 1-16-16V38a16 16 0 0 1 16-16z%22/%3E%3Ctext x=%2250%22 y=%2259%22 \
         text-anchor=%22middle%22 font-family=%22Arial%22 font-weight=%22700%22 font-size=%2238%22 \
         fill=%22%23{color}%22%3E{letter}%3C/text%3E%3C/svg%3E"
    )
}

fn step(key: StepKey, state: StepState, problem: Option<Problem>, detail: Option<String>) -> StepView {
    StepView { key, state, problem, detail }
}

fn install_view(phase: Phase, spice: &str) -> InstallView {
    let (second, third, fourth, fifth) = match phase {
        Phase::Working => (StepState::Done, StepState::Running, StepState::Waiting, StepState::Waiting),
        Phase::Stopped => (StepState::Done, StepState::Failed, StepState::Waiting, StepState::Waiting),
        Phase::Ready { .. } => (StepState::Done, StepState::Done, StepState::Done, StepState::Lacking),
    };
    let failed = third == StepState::Failed;
    let lacking = fifth == StepState::Lacking;
    InstallView {
        portal: format!("romashka.bitrix24.ru{spice}"),
        steps: vec![
            step(StepKey::Access, StepState::Done, None, None),
            step(StepKey::Events, second, None, None),
            step(
                StepKey::Connectors,
                third,
                failed.then_some(Problem::PortalSilent),
                failed.then(|| format!("imconnector.register: HTTP 502{spice}")),
            ),
            step(StepKey::Placements, fourth, None, None),
            step(StepKey::Robots, fifth, lacking.then_some(Problem::PlanLacks), None),
        ],
        phase,
    }
}

fn app_view(state: AppState, spice: &str) -> AppView {
    AppView {
        portal: format!("romashka.bitrix24.ru{spice}"),
        version: format!("0.1.0{spice}"),
        state,
        may_manage: true,
        steps: install_view(Phase::Ready { install_mode: false }, spice).steps,
        is_working: false,
        checked_at_ms: Some(NOW_MS),
        grant_url: matches!(state, AppState::GrantLost)
            .then(|| format!("https://romashka.bitrix24.ru/oauth/?a=1&b=2{spice}")),
        logins: vec![
            LoginView {
                id: "1".into(),
                email: format!("shop@example.com{spice}"),
                is_alive: true,
                keeps_password: true,
            },
            LoginView { id: "2".into(), email: "old@example.com".into(), is_alive: false, keeps_password: false },
        ],
        accounts: vec![
            AccountView {
                title: format!("Розница (№ 48213){spice}"),
                core: format!("ChatApp{spice}"),
                health: Health::Ok,
                problem: None,
                valid_until_ms: Some(NOW_MS + 40 * DAY_MS),
                channels: vec![
                    app_channel(("+7 900 000-00-01", "WhatsApp"), ('W', "2f9e6e"), Health::Ok, Some("Продажи"), spice),
                    app_channel(("@romashka_shop", "Telegram"), ('T', "3587c8"), Health::Error, None, spice),
                ],
            },
            AccountView {
                title: format!("@romashka_help_bot{spice}"),
                core: "Telegram Bot API".into(),
                health: Health::Warn,
                problem: Some(Problem::CoreSilent),
                valid_until_ms: None,
                channels: vec![app_channel(
                    ("@romashka_help_bot", "Telegram Bot"),
                    ('B', "2a6aa8"),
                    Health::Warn,
                    Some("Поддержка"),
                    spice,
                )],
            },
        ],
        support_url: Some(format!("https://support.example.com/?q=1{spice}")),
    }
}

fn app_channel(
    (title, messenger): (&str, &str),
    look: (char, &str),
    health: Health,
    line: Option<&str>,
    spice: &str,
) -> AccountChannelView {
    AccountChannelView {
        title: format!("{title}{spice}"),
        messenger: format!("{messenger}{spice}"),
        icon: format!("{}{spice}", icon(look.0, look.1)),
        health,
        line: line.map(|line| format!("{line}{spice}")),
    }
}

fn settings(spice: &str) -> SettingsView {
    let setting = |name: &str, label: &str, help: &str, value| SettingView {
        name: format!("{name}{spice}"),
        label: format!("{label}{spice}"),
        help: Some(format!("{help}{spice}")),
        value,
    };
    let section = |title: &str, settings| SectionView {
        title: format!("{title}{spice}"),
        help: Some(format!("Для чего это{spice}")),
        settings,
    };
    let link = SettingValue::Text { kind: "url", value: format!("https://example.com/hook{spice}") };
    let told = |what: &str, state, tries| HookLogView {
        at_ms: NOW_MS,
        what: format!("{what}{spice}"),
        state,
        tries,
        cause: (state == HookState::Waiting).then(|| format!("HTTP 502{spice}")),
    };
    SettingsView {
        sections: vec![
            section(
                "Сообщения",
                vec![
                    setting(
                        "operator_name",
                        "Показывать клиенту имя оператора",
                        "Перед сообщением.",
                        SettingValue::Switch(true),
                    ),
                    setting("assign_deal", "Назначать оператора ответственным", "За сделку.", SettingValue::ByTheLine),
                ],
            ),
            section("Вебхук", vec![setting("hook_url", "Адрес", "Пусто: ничего не отправляется.", link)]),
        ],
        hook: Some(HookView {
            key: format!("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA={spice}"),
            log: vec![told("message.received", HookState::Waiting, 3), told("message.sent", HookState::Done, 1)],
        }),
    }
}

fn connector_view(connection: Connection, accounts: Vec<ConnectorAccountView>, spice: &str) -> ConnectorView {
    ConnectorView {
        messenger: format!("Telegram Bot{spice}"),
        icon: format!("{}{spice}", icon('B', "2a6aa8")),
        about: (!spice.is_empty()).then(|| format!("Make the bot an administrator of its groups {spice}")),
        line: format!("Продажи{spice}"),
        settings: if matches!(connection, Connection::None) { SettingsView::default() } else { settings(spice) },
        connection,
        accounts,
        forms: vec![AccountForm::TelegramBot, AccountForm::ChatApp],
        capabilities: Capabilities {
            write_first: WriteFirst::Never,
            edit: true,
            delete: true,
            client_edit: true,
            quotes: true,
            reactions: true,
            groups: false,
            delivered: false,
            read: false,
            file_limit_mb: Some(50),
        },
        may_manage: true,
    }
}

fn connector_accounts(spice: &str) -> Vec<ConnectorAccountView> {
    let channel = |id: &str, title: &str, state| ConnectorChannelView {
        id: format!("{id}{spice}"),
        title: format!("{title}{spice}"),
        state,
    };
    vec![
        ConnectorAccountView {
            title: format!("Розница (№ 48213){spice}"),
            valid_until_ms: Some(NOW_MS + 40 * DAY_MS),
            channels: vec![
                channel("c1", "@romashka_bot", ChannelState::Here),
                channel("c2", "@romashka_spare_bot", ChannelState::Free),
            ],
        },
        ConnectorAccountView {
            title: format!("Опт (№ 50117){spice}"),
            valid_until_ms: Some(NOW_MS - 3 * DAY_MS),
            channels: vec![
                channel("c3", "@romashka_opt_bot", ChannelState::Elsewhere(format!("Оптовый отдел{spice}"))),
                channel("c4", "@romashka_old_bot", ChannelState::Unusable(Problem::AccountExpired)),
            ],
        },
    ]
}

fn connector_samples(document: &Document<'_>, spice: &str) -> Vec<Sample> {
    let channel = format!("@romashka_bot{spice}");
    let works = Connection::Works { channel: channel.clone(), since_ms: Some(NOW_MS - DAY_MS) };
    let broken = Connection::Broken { channel, problem: Problem::ChannelDown };
    let mut one_form = connector_view(Connection::None, Vec::new(), spice);
    one_form.forms.truncate(1);
    let mut onlooker = connector_view(Connection::None, connector_accounts(spice), spice);
    onlooker.may_manage = false;
    let views = [
        ("connector-first", one_form),
        ("connector-choose", connector_view(Connection::None, connector_accounts(spice), spice)),
        ("connector-works", connector_view(works, connector_accounts(spice), spice)),
        ("connector-broken", connector_view(broken, Vec::new(), spice)),
        ("connector-onlooker", onlooker),
    ];
    views
        .into_iter()
        .map(|(name, view)| Sample { name, html: connector::page(document, &view).into_string() })
        .collect()
}

fn crm_samples(document: &Document<'_>, spice: &str) -> Vec<Sample> {
    let full = CrmChatView {
        card: format!("Поставка кофе, 20 кг{spice}"),
        kind: CardKind::Deal,
        addresses: vec![
            CardAddressView {
                text: format!("+7 900 000-00-02{spice}"), owner: Some(format!("Анна Смирнова{spice}"))
            },
            CardAddressView {
                text: format!("anna@example.com{spice}"), owner: Some(format!("Анна Смирнова{spice}"))
            },
            CardAddressView {
                text: format!("+7 900 000-00-03{spice}"), owner: Some(format!("Пётр Лазарев{spice}"))
            },
        ],
        chats: vec![
            chat(
                "1",
                ('W', "2f9e6e"),
                ChatState::Unanswered,
                ("Добрый день! Когда привезут заказ? Мы ждём его со вчерашнего дня", true),
                spice,
            ),
            chat("2", ('T', "3587c8"), ChatState::Open, ("Счёт отправили на почту", false), spice),
            chat("3", ('A', "7a5cc0"), ChatState::Failed, ("Фото во вложении", false), spice),
            ChatView { last: None, ..chat("4", ('@', "5b6b82"), ChatState::Closed, ("", true), spice) },
        ],
        write: WriteView::Form {
            channels: vec![
                WriteChannelView {
                    id: format!("c1{spice}"),
                    title: format!("+7 900 000-00-01{spice}"),
                    messenger: format!("WhatsApp{spice}"),
                },
                WriteChannelView {
                    id: format!("c2{spice}"),
                    title: format!("@romashka_shop{spice}"),
                    messenger: "Telegram".into(),
                },
            ],
            templates: vec![TemplatesView {
                channel: WriteChannelView {
                    id: format!("c3{spice}"),
                    title: format!("+7 495 000-00-01{spice}"),
                    messenger: "WABA".into(),
                },
                templates: Some(vec![(format!("700001{spice}"), format!("order_ready{spice}"))]),
            }],
        },
    };
    let empty = CrmChatView {
        card: format!("Новая компания{spice}"),
        kind: CardKind::Company,
        addresses: Vec::new(),
        chats: Vec::new(),
        write: WriteView::Refused(Problem::NoChannels),
    };
    vec![
        Sample { name: "crm-chat", html: crm_chat::page(document, &full).into_string() },
        Sample { name: "crm-chat-empty", html: crm_chat::page(document, &empty).into_string() },
    ]
}

fn chat(id: &str, look: (char, &str), state: ChatState, last: (&str, bool), spice: &str) -> ChatView {
    ChatView {
        id: format!("{id}{spice}"),
        contact: format!("Анна Смирнова{spice}"),
        channel: format!("+7 900 000-00-01{spice}"),
        icon: format!("{}{spice}", icon(look.0, look.1)),
        state,
        last: Some(LastMessageView {
            text: format!("{}{spice}", last.0),
            is_from_client: last.1,
            tick: (!last.1).then_some(if state == ChatState::Failed { Tick::Failed } else { Tick::Read }),
            at_ms: NOW_MS,
        }),
    }
}

fn plain_samples(document: &Document<'_>, spice: &str) -> Vec<Sample> {
    let view = ErrorView {
        problem: Problem::NotVerified,
        request_id: format!("req_01jx3v{spice}"),
        support_url: Some(format!("mailto:help@example.com{spice}")),
    };
    let retry = plain::RetryView {
        text: format!("Доставим завтра\nв 10:00{spice}"),
        files: vec![format!("Счёт.pdf{spice}")],
        doubtful: true,
    };
    vec![
        Sample { name: "error", html: plain::error(document, &view).into_string() },
        Sample { name: "retry", html: plain::retry(document, &retry).into_string() },
        Sample { name: "neutral", html: plain::neutral(document).into_string() },
        Sample {
            name: "notice",
            html: plain::notice(document, &format!("Portal{spice}"), &format!("Remark{spice}")).into_string(),
        },
    ]
}
