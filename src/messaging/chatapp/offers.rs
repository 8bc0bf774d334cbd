//! What a channel offers besides messages: groups that it founds, and templates, which alone reach somebody first through WhatsApp's
//! business API.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    ChatApp,
    account::account_path,
    api::{Body, Call},
    kinds::capabilities,
    send::{owner, path_part},
    wire,
};
use crate::{
    domain::{
        capabilities::Groups,
        failure::{Failure, Told},
    },
    messaging::{ChannelRef, Founded, IdempotencyKey, Sent, Template, TemplateMessage, transfer::harmless},
};

/// Longest name of a group; a public client cuts there.
const GROUP_NAME: usize = 50;

impl ChatApp {
    /// Founds a group with the people who have these phones (digits, with or without `+`). ChatApp recognises no repetition.
    pub(super) async fn found_group(
        &self,
        channel: &ChannelRef,
        name: &str,
        phones: &[String],
    ) -> Result<Founded, Failure> {
        if capabilities(channel.connector).groups != Groups::Founded {
            return Err(Failure::permanent(Told::Unsupported, "the messenger founds no groups"));
        }
        let members: Vec<Value> =
            phones.iter().filter_map(|phone| digits(phone)).map(|number| json!({ "value": number })).collect();
        if members.len() < phones.len() || members.is_empty() {
            return Err(Failure::permanent(Told::NoSuchRecipient, "not a phone"));
        }
        let (login, account) = owner(channel)?;
        let license = account.license.to_string();
        let mut path = account_path(&license, &account);
        path.push("chats");
        let name: String = name.trim().chars().take(GROUP_NAME).collect();
        let body = json!({
            "type": "group", "name": name, "participantsType": "phone", "participantsItems": members,
        });
        let call = Call::new(Method::POST, path).body(Body::Json(body));
        let founded: wire::Founded = wire::read(self.call(login, &call).await?);
        let peer = founded.id.ok_or_else(|| Failure::unknown("ChatApp did not say which group it has founded"))?;
        Ok(Founded { peer, invite_link: founded.invite_link })
    }

    /// The approved templates of a channel of the business API.
    pub(super) async fn list_templates(&self, channel: &ChannelRef) -> Result<Vec<Template>, Failure> {
        has_templates(channel)?;
        let (login, account) = owner(channel)?;
        let license = account.license.to_string();
        let mut path = account_path(&license, &account);
        path.push("templates");
        let data = self.call(login, &Call::new(Method::GET, path)).await.map_err(harmless)?;
        let rows: Vec<wire::Template> = wire::rows(data);
        let read = |row: wire::Template| {
            let name = row.element_name?;
            Some(Template { id: row.id.unwrap_or_else(|| name.clone()), name })
        };
        Ok(rows.into_iter().filter_map(read).collect())
    }

    pub(super) async fn send_one_template(
        &self,
        channel: &ChannelRef,
        peer: &str,
        what: &TemplateMessage,
        key: &IdempotencyKey,
    ) -> Result<Sent, Failure> {
        has_templates(channel)?;
        let (login, account) = owner(channel)?;
        let license = account.license.to_string();
        let mut path = account_path(&license, &account);
        path.extend(["chats", path_part(peer)?, "messages", "template"]);
        let body = json!({ "template": { "id": what.id, "params": what.params }, "tracking": key.0 });
        let call = Call::new(Method::POST, path).body(Body::Json(body));
        let accepted: wire::Accepted = wire::read(self.call(login, &call).await?);
        Ok(Sent { ids: accepted.id.into_iter().collect(), peer: accepted.chat_id })
    }
}

fn has_templates(channel: &ChannelRef) -> Result<(), Failure> {
    if capabilities(channel.connector).templates {
        return Ok(());
    }
    Err(Failure::permanent(Told::Unsupported, "only the business API has templates"))
}

fn digits(phone: &str) -> Option<u64> {
    phone.trim_start_matches('+').parse().ok()
}
