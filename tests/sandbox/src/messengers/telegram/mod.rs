//! Telegram's Bot API, as its public server source and documentation describe it.
//!
//! `/telegram/bot<token>/<method>` and `/telegram/file/bot<token>/<path>`, so that an API root of
//! `{cloud}/telegram` takes the place of `https://api.telegram.org`.
//!
//! A token of no make-believe bot goes to the upstream of [`crate::Options::telegram_upstream`], byte for byte, so that
//! somebody can try a real bot in the demo; without one it is 401.
//!
//! Not here: channels, basic groups (all are supergroups), inline keyboards, method calls in the answer to a webhook, flood limits (except by
//! order of a test).

mod editing;
mod fetching;
pub(crate) mod html;
mod knobs;
mod media;
mod messages;
mod params;
pub(crate) mod posting;
mod sending;
pub(crate) mod updates;
mod upstream;
mod webhook;

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};
use serde_json::{Value, json};

pub(crate) use knobs::State;
pub use knobs::{Bot, Posted, Request, Telegram};

use crate::{World, messengers::Messengers};
use params::Params;

pub(crate) fn configure(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::scope("/telegram")
            .route("/bot{token}/{method}", web::to(call))
            .route("/file/bot{token}/{path:.*}", web::to(fetching::download))
            .default_service(web::to(not_found)),
    );
}

async fn not_found() -> HttpResponse {
    Refused::new(404, "Not Found").response()
}

/// A refusal: `description` is the whole text, prefix included.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    code: u16,
    description: String,
    /// Seconds, for 429.
    retry_after: Option<u32>,
}

impl Refused {
    fn new(code: u16, description: &str) -> Self {
        Self { code, description: description.to_owned(), retry_after: None }
    }

    /// 400 with the prefix that Telegram puts before every text of this kind.
    fn bad(text: &str) -> Self {
        Self::new(400, &format!("Bad Request: {text}"))
    }

    fn too_many(seconds: u32) -> Self {
        Self { code: 429, description: format!("Too Many Requests: retry after {seconds}"), retry_after: Some(seconds) }
    }

    fn response(&self) -> HttpResponse {
        let mut body = json!({
            "ok": false,
            "error_code": self.code,
            "description": self.description,
        });
        let status = StatusCode::from_u16(self.code).unwrap_or(StatusCode::BAD_REQUEST);
        let mut response = HttpResponse::build(status);
        if let Some(seconds) = self.retry_after {
            body["parameters"] = json!({ "retry_after": seconds });
            response.insert_header(("Retry-After", seconds.to_string()));
        }
        response.json(body)
    }
}

type Outcome = Result<Value, Refused>;

/// A call that has proved its token.
struct Call {
    messengers: Messengers,
    token: String,
    params: Params,
    now_ms: i64,
}

async fn call(
    world: web::Data<World>,
    path: web::Path<(String, String)>,
    request: HttpRequest,
    body: web::Bytes,
) -> HttpResponse {
    let (token, method) = path.into_inner();
    let messengers = &world.messengers;
    if messengers.read().telegram.bot(&token).is_none() {
        return upstream::forward(&world, &request, body).await;
    }
    // Method names are not case-sensitive.
    let method = method.to_ascii_lowercase();
    let wait = messengers.read().telegram.knobs.slow_answers;
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    let ordered = messengers.quietly(|store| store.telegram.knobs.ordered_for(&method));
    let (outcome, lost) = match ordered {
        (Some(refused), _) => (Err(refused), false),
        (None, lost) => {
            let outcome = match Params::read(&request, body).await {
                Ok(params) => {
                    let call = Call {
                        messengers: messengers.clone(),
                        token: token.clone(),
                        params,
                        now_ms: world.clock.now_ms(),
                    };
                    answer(&call, &method).await
                }
                Err(refused) => Err(refused),
            };
            (outcome, lost)
        }
    };
    let status = match &outcome {
        _ if lost => 502,
        Ok(_) => 200,
        Err(refused) => refused.code,
    };
    let late = messengers.read().telegram.knobs.late_answers;
    let sending = method.starts_with("send");
    let made = Request { token, method, status };
    messengers.quietly(|store| store.telegram.requests.push(made));
    messengers.post_all();
    if sending && !late.is_zero() {
        tokio::time::sleep(late).await;
    }
    match outcome {
        _ if lost => HttpResponse::BadGateway().finish(),
        Ok(result) => HttpResponse::Ok().json(json!({ "ok": true, "result": result })),
        Err(refused) => refused.response(),
    }
}

async fn answer(call: &Call, method: &str) -> Outcome {
    match method {
        "getme" => Ok(call.me()),
        "getupdates" => webhook::get_updates(call).await,
        "setwebhook" => webhook::set(call),
        "deletewebhook" => webhook::delete(call),
        "getwebhookinfo" => Ok(webhook::info(call)),
        "sendmessage" => sending::message(call),
        "sendphoto" | "senddocument" | "sendvideo" | "sendaudio" | "sendvoice" => sending::file(call, method).await,
        "sendmediagroup" => sending::album(call).await,
        "sendlocation" => sending::location(call),
        "sendcontact" => sending::contact(call),
        "sendchataction" => sending::action(call),
        "editmessagetext" => editing::text(call),
        "editmessagecaption" => editing::caption(call),
        "deletemessage" => editing::delete(call),
        "deletemessages" => editing::delete_several(call),
        "getfile" => fetching::file(call),
        "getuserprofilephotos" => fetching::profile_photos(call),
        "getchat" => fetching::chat(call),
        _ => Err(Refused::new(404, "Not Found: method not found")),
    }
}

impl Call {
    fn me(&self) -> Value {
        let store = self.messengers.read();
        let mut me = messages::bot(&store, &self.token);
        me["can_join_groups"] = json!(true);
        me["can_read_all_group_messages"] = json!(false);
        me["supports_inline_queries"] = json!(false);
        me
    }

    /// The chat that `chat_id` means. Nobody can be written to who has not started the bot, and no group that it is not in.
    fn chat(&self) -> Result<usize, Refused> {
        let given = self.params.text("chat_id");
        if given.is_empty() {
            return Err(Refused::bad("chat_id is empty"));
        }
        let not_found = || Refused::bad("chat not found");
        let id: i64 = given.parse().map_err(|_| not_found())?;
        let store = self.messengers.read();
        if id < 0 {
            let account = store.telegram.bot(&self.token).map_or("", |bot| bot.account.as_str());
            let group = store.chat_by_external(account, given).ok_or_else(not_found)?;
            let text = "Forbidden: bot was kicked from the supergroup chat";
            return if store.chats[group].blocked { Err(Refused::new(403, text)) } else { Ok(group) };
        }
        let person = store.people.iter().find(|person| person.telegram_id == id).ok_or_else(not_found)?;
        let account = store.telegram.bot(&self.token).map_or("", |bot| bot.account.as_str());
        let chat = store.private_chat(account, &person.id).filter(|chat| store.chats[*chat].begun);
        let Some(chat) = chat else {
            let text = "Forbidden: bot can't initiate conversation with a user";
            return Err(Refused::new(403, text));
        };
        if store.chats[chat].blocked {
            let text = "Forbidden: bot was blocked by the user";
            return Err(Refused::new(403, text));
        }
        Ok(chat)
    }
}
