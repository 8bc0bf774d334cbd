//! State of the ChatApp double, its knobs for tests and its journal.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use actix_web::{
    Error, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::Method,
    middleware::Next,
    web,
};
use serde_json::Value;

use super::{Refused, webhooks};
use crate::{
    Unrest, World,
    messengers::{Messengers, model::AccountRow, phone::Account},
};
use actix_web::ResponseError;

#[derive(Default)]
pub(crate) struct State {
    pub cabinets: Vec<CabinetRow>,
    pub licenses: Vec<LicenseRow>,
    pub tokens: Vec<TokenRow>,
    /// When a pair of e-mail and application got tokens by password, in milliseconds.
    pub issued: BTreeMap<(String, String), Vec<i64>>,
    pub callbacks: Vec<Callback>,
    pub knobs: Knobs,
    pub calls: Vec<Call>,
    pub posted: Vec<Posted>,
    /// Statuses `sent` that wait to be told behind a later one.
    pub held_back: Vec<Value>,
    /// Webhooks that were not posted: license, messenger, body.
    pub dropped: Vec<(i64, String, Value)>,
}

impl State {
    pub(crate) fn license(&self, id: i64, cabinet: i64) -> Option<&LicenseRow> {
        self.licenses.iter().find(|row| row.id == id && row.cabinet == cabinet)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct CabinetRow {
    pub id: i64,
    pub email: String,
    pub password: String,
    pub app: String,
}

#[derive(Clone, Debug)]
pub(crate) struct LicenseRow {
    pub id: i64,
    pub cabinet: i64,
    pub name: Option<String>,
    /// End of the paid time, in seconds.
    pub paid_until_s: i64,
    pub messengers: Vec<String>,
    pub templates: Vec<TemplateRow>,
}

/// A text that Meta has approved.
#[derive(Clone, Debug)]
pub(crate) struct TemplateRow {
    pub id: String,
    pub name: String,
    /// With `{{1}}`, `{{2}}`, … for its parameters.
    pub text: String,
}

#[derive(Clone, Debug)]
pub(crate) struct TokenRow {
    pub cabinet: i64,
    pub app: String,
    pub access: String,
    pub access_end_s: i64,
    pub refresh: String,
    pub refresh_end_s: i64,
}

pub(crate) struct Callback {
    pub license: i64,
    pub messenger: String,
    pub cabinet: i64,
    pub events: Vec<String>,
    pub url: String,
    pub queue: VecDeque<Value>,
    /// A task is posting this queue now.
    pub busy: bool,
}

#[derive(Default)]
pub(crate) struct Knobs {
    pub reject: VecDeque<Refused>,
    pub fail: VecDeque<String>,
    pub lose_answers: u32,
    pub drop_webhooks: bool,
    pub away: bool,
    pub odd_checks: bool,
    pub twice: bool,
    pub arrays: bool,
    pub scramble: bool,
    pub slow_answers: Duration,
    pub late_answers: Duration,
    /// Part of the paths whose sending calls are answered with 503.
    pub down_for: Option<String>,
    pub slow_webhooks: Duration,
    pub deliver_after: Option<Duration>,
    pub unrest: Unrest,
}

/// One call of the API, as it was answered.
#[derive(Clone, Debug)]
pub struct Call {
    pub method: String,
    /// Behind `/v1`, as it came.
    pub path: String,
    pub status: u16,
}

/// One attempt to post a webhook. `status` is 0 when nobody answered.
#[derive(Clone, Debug)]
pub struct Posted {
    pub url: String,
    pub body: Value,
    pub status: u16,
}

/// Knobs and journal of the ChatApp double. Clones turn the same knobs.
#[derive(Clone)]
pub struct ChatApp {
    messengers: Messengers,
}

impl ChatApp {
    pub(crate) fn new(messengers: Messengers) -> Self {
        Self { messengers }
    }

    fn turn(&self, turn: impl FnOnce(&mut Knobs)) {
        self.messengers.quietly(|store| turn(&mut store.chatapp.knobs));
    }

    /// The next sending call is refused with HTTP 400 and this error. Several calls queue up.
    pub fn reject_next(&self, code: &str, message: &str) {
        self.reject_next_with(400, code, message);
    }

    /// Like [`Self::reject_next`], with a status of its own.
    pub fn reject_next_with(&self, status: u16, code: &str, message: &str) {
        self.turn(|knobs| knobs.reject.push_back(Refused::new(status, code, message)));
    }

    /// The next message is accepted, but a status with this error follows instead of `sent`.
    pub fn fail_next(&self, error: &str) {
        self.turn(|knobs| knobs.fail.push_back(error.to_owned()));
    }

    /// The next sending call takes effect, but is answered with an empty 502: the caller cannot know.
    pub fn lose_next_answer(&self) {
        self.turn(|knobs| knobs.lose_answers += 1);
    }

    /// While set, nothing is posted and what would have been is gone, unless [`Self::posts_dropped`] finds it.
    pub fn drop_webhooks(&self, on: bool) {
        self.turn(|knobs| knobs.drop_webhooks = on);
    }

    /// Posts after all what was dropped so far, in its order.
    pub fn posts_dropped(&self) {
        self.messengers.quietly(|store| {
            for (license, messenger, body) in std::mem::take(&mut store.chatapp.dropped) {
                let rows = &mut store.chatapp.callbacks;
                let row = rows.iter_mut().find(|row| row.license == license && row.messenger == messenger);
                if let Some(row) = row {
                    row.queue.push_back(body);
                }
            }
        });
        self.messengers.post_all();
    }

    /// While set, a check of an address succeeds and says nothing: the form of its answer is not public.
    pub fn answers_checks_oddly(&self, on: bool) {
        self.turn(|knobs| knobs.odd_checks = on);
    }

    /// While set, every call is answered with 503 and no webhook is posted, now or later. Messengers go on without it.
    pub fn is_away(&self, on: bool) {
        self.turn(|knobs| knobs.away = on);
    }

    /// Somebody else registers his own callback address for an account.
    pub fn posts_elsewhere(&self, account: &Account, url: &str) {
        self.messengers.quietly(|store| {
            let core = store.account(account.id()).map(|row| row.core.clone());
            for row in &mut store.chatapp.callbacks {
                if Some(webhooks::core(row.license, &row.messenger)) == core {
                    url.clone_into(&mut row.url);
                }
            }
        });
    }

    /// The callback address of an account is gone, as if nobody had ever registered one.
    pub fn forgets_callback(&self, account: &Account) {
        self.messengers.quietly(|store| {
            let core = store.account(account.id()).map(|row| row.core.clone());
            store.chatapp.callbacks.retain(|row| Some(webhooks::core(row.license, &row.messenger)) != core);
        });
    }

    pub fn post_webhook_twice(&self, on: bool) {
        self.turn(|knobs| knobs.twice = on);
    }

    /// Posts `[envelope]` instead of `envelope`.
    pub fn array_envelopes(&self, on: bool) {
        self.turn(|knobs| knobs.arrays = on);
    }

    /// Holds `sent` back and tells it behind `delivered`, in one array.
    pub fn scramble_statuses(&self, on: bool) {
        self.turn(|knobs| knobs.scramble = on);
    }

    /// Time that every API call takes, and every webhook before it is posted. Real time.
    pub fn delay(&self, answers: Duration, webhooks: Duration) {
        self.turn(|knobs| {
            knobs.slow_answers = answers;
            knobs.slow_webhooks = webhooks;
        });
    }

    /// From now on the API is so unsteady.
    pub fn is_unsteady(&self, unrest: Unrest) {
        self.turn(|knobs| knobs.unrest = unrest);
    }

    /// While set, sending calls whose path has this in it (a chat's id) are answered with 503.
    pub fn is_down_for(&self, part: Option<&str>) {
        self.turn(|knobs| knobs.down_for = part.map(str::to_owned));
    }

    /// Time between what a call does and its answer. Real time.
    pub fn answers_late(&self, by: Duration) {
        self.turn(|knobs| knobs.late_answers = by);
    }

    /// How long after a message of the business the phone has it (300 ms). For Telegram's bots too.
    pub fn deliver_after(&self, wait: Duration) {
        self.turn(|knobs| knobs.deliver_after = Some(wait));
    }

    /// All access tokens are dead from now on; refresh tokens live.
    pub fn expire_tokens(&self) {
        self.messengers.quietly(|store| {
            for row in &mut store.chatapp.tokens {
                row.access_end_s = 0;
            }
        });
    }

    /// All tokens are dead: only the password helps.
    pub fn revoke_tokens(&self) {
        self.messengers.quietly(|store| store.chatapp.tokens.clear());
    }

    pub fn calls(&self) -> Vec<Call> {
        self.messengers.read().chatapp.calls.clone()
    }

    /// How often tokens were given for e-mail and password.
    pub fn logins(&self) -> usize {
        let store = self.messengers.read();
        store.chatapp.issued.values().map(Vec::len).sum()
    }

    /// Every attempt to post a webhook, the oldest first.
    pub fn posted(&self) -> Vec<Posted> {
        self.messengers.read().chatapp.posted.clone()
    }

    /// Webhooks that wait for their turn or are being posted.
    pub fn webhooks_waiting(&self) -> usize {
        let store = self.messengers.read();
        let queues = store.chatapp.callbacks.iter();
        queues.map(|row| row.queue.len() + usize::from(row.busy)).sum()
    }

    /// The registered callback address of an account.
    pub fn callback_url(&self, account: &Account) -> Option<String> {
        let store = self.messengers.read();
        let core = &store.account(account.id())?.core;
        let row = store.chatapp.callbacks.iter().find(|row| webhooks::core(row.license, &row.messenger) == *core)?;
        Some(row.url.clone())
    }
}

/// Somebody's account at ChatApp, with one application for the API.
#[derive(Clone)]
pub struct Cabinet {
    messengers: Messengers,
    id: i64,
    pub email: String,
    pub password: String,
    pub app_id: String,
}

/// A paid line of a cabinet.
#[derive(Clone)]
pub struct License {
    messengers: Messengers,
    pub id: i64,
}

impl Messengers {
    /// Opens a cabinet. Its application is `app_{number}_1`.
    pub fn add_cabinet(&self, email: &str, password: &str) -> Cabinet {
        let id = self.change(|store| {
            let id = 11_000 + i64::try_from(store.number()).unwrap_or_default();
            store.chatapp.cabinets.push(CabinetRow {
                id,
                email: email.to_owned(),
                password: password.to_owned(),
                app: format!("app_{id}_1"),
            });
            id
        });
        Cabinet {
            messengers: self.clone(),
            id,
            email: email.to_owned(),
            password: password.to_owned(),
            app_id: format!("app_{id}_1"),
        }
    }
}

impl Cabinet {
    /// Buys a license for 30 days with these messenger types (`grWhatsApp`, `telegram`, …).
    pub fn add_license(&self, name: Option<&str>, messengers: &[&str]) -> License {
        let now_s = self.messengers.now_ms() / 1000;
        let id = self.messengers.change(|store| {
            let id = 48_000 + i64::try_from(store.number()).unwrap_or_default();
            for messenger in messengers {
                let number = store.number();
                store.accounts.push(AccountRow {
                    id: format!("{id}-{messenger}"),
                    title: messenger_title(messenger).to_owned(),
                    hint: match *messenger {
                        "grWhatsApp" | "caWhatsApp" | "viber" => format!("+7 495 {number:07}"),
                        "telegram" => format!("@company{number}"),
                        _ => format!("{messenger} {number}"),
                    },
                    core: webhooks::core(id, messenger),
                });
            }
            store.chatapp.licenses.push(LicenseRow {
                id,
                cabinet: self.id,
                name: name.map(str::to_owned),
                paid_until_s: now_s + 30 * 24 * 3600,
                messengers: messengers.iter().map(|&kind| kind.to_owned()).collect(),
                templates: Vec::new(),
            });
            id
        });
        License { messengers: self.messengers.clone(), id }
    }
}

impl License {
    /// One of the license's messengers. Panics when it has no such one.
    pub fn account(&self, messenger: &str) -> Account {
        let id = format!("{}-{messenger}", self.id);
        self.messengers.phone().account(&id).unwrap_or_else(|| panic!("license {} has no {messenger}", self.id))
    }

    /// Has a template approved; `{{1}}`, `{{2}}`, … stand for its parameters. Answers its id.
    pub fn approves_template(&self, name: &str, text: &str) -> String {
        self.messengers.change(|store| {
            let id = (700_000 + store.number()).to_string();
            let row = TemplateRow { id: id.clone(), name: name.to_owned(), text: text.to_owned() };
            let license = store.chatapp.licenses.iter_mut().find(|license| license.id == self.id);
            license.expect("the license is there").templates.push(row);
            id
        })
    }

    /// It is no license of the cabinet any more.
    pub fn is_removed(&self) {
        self.messengers.change(|store| store.chatapp.licenses.retain(|row| row.id != self.id));
    }

    /// Moves the end of the paid time, in seconds since 1970.
    pub fn paid_until(&self, end_s: i64) {
        self.messengers.change(|store| {
            let row = store.chatapp.licenses.iter_mut().find(|row| row.id == self.id);
            if let Some(row) = row {
                row.paid_until_s = end_s;
            }
        });
    }
}

/// ChatApp's own title of a messenger type; of WhatsApp Web as recorded, of the others alike.
pub(crate) fn messenger_title(messenger: &str) -> &str {
    match messenger {
        "grWhatsApp" => "[WEB] WhatsApp",
        "caWhatsApp" => "WhatsApp Business API",
        "telegram" => "Telegram",
        "telegramBot" => "Telegram Bot",
        "avito" => "Avito",
        "vkontakte" => "VK",
        "instagram" => "Instagram",
        "email" => "E-mail",
        other => other,
    }
}

/// Wraps every call: slowness, refusals and lost answers of the sending ones, the journal.
pub(super) async fn around_call(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let world = request.app_data::<web::Data<World>>().expect("the listener shares the world").clone();
    let world = Arc::clone(&world.into_inner());
    let method = request.method().clone();
    let path = request.path().trim_start_matches("/chatapp/v1").to_owned();
    let sending = method == Method::POST && path.contains("/messages/");
    let (wait, unrest, refused, lost) = world.messengers.quietly(|store| {
        let knobs = &mut store.chatapp.knobs;
        let down = knobs.down_for.as_ref().filter(|part| sending && path.contains(part.as_str()));
        let refuses = knobs.away || down.is_some() || (sending && knobs.unrest.refuses());
        let down = refuses.then(|| Refused::new(503, "ApiServiceUnavailable", "try later"));
        let refused = down.or_else(|| sending.then(|| knobs.reject.pop_front()).flatten());
        let lost = sending && refused.is_none() && knobs.lose_answers > 0;
        knobs.lose_answers -= u32::from(lost);
        (knobs.slow_answers, knobs.unrest, refused, lost)
    });
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    unrest.waits().await;
    let response = match refused {
        Some(refused) => request.into_response(refused.error_response()),
        None => next.call(request).await?.map_into_boxed_body(),
    };
    unrest.waits().await;
    let late = world.messengers.read().chatapp.knobs.late_answers;
    if !late.is_zero() {
        tokio::time::sleep(late).await;
    }
    let response = if lost { response.into_response(HttpResponse::BadGateway().finish()) } else { response };
    let call = Call { method: method.to_string(), path, status: response.status().as_u16() };
    world.messengers.quietly(|store| store.chatapp.calls.push(call));
    Ok(response)
}
