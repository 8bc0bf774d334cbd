//! CRM cards: how to reach their people, and comments in their timeline.
//!
//! A lead, a contact and a company carry phones, e-mails and messengers themselves (`fm`); a deal, an invoice and a smart
//! process name contacts and a company, which one [`ItemList`] call each then brings.

use serde::{Deserialize, Serialize, Serializer, ser::SerializeMap as _};

use crate::b24::{
    method::{Method, Scope},
    values,
};

/// One card, with the rights of the token's owner: it is also the proof that he may see it.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemGet {
    pub entity_type_id: i64,
    pub id: i64,
}

impl Method for ItemGet {
    type Output = ItemAnswer;
    const NAME: &'static str = "crm.item.get";
    const SCOPE: Scope = Scope::Crm;
    const REPEATABLE: bool = true;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ItemAnswer {
    #[serde(deserialize_with = "values::some")]
    pub item: Option<Item>,
}

/// Changes a card; the portal starts its robots then, if something has changed.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemUpdate {
    pub entity_type_id: i64,
    pub id: i64,
    pub fields: ItemFields,
}

#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ItemFields {
    pub assigned_by_id: i64,
}

impl ItemUpdate {
    /// Makes a portal user responsible for a card.
    pub fn responsible(entity_type_id: i64, id: i64, user: i64) -> Self {
        Self { entity_type_id, id, fields: ItemFields { assigned_by_id: user } }
    }
}

impl Method for ItemUpdate {
    type Output = ItemAnswer;
    const NAME: &'static str = "crm.item.update";
    const SCOPE: Scope = Scope::Crm;
    const REPEATABLE: bool = true;
}

/// Cards of one type by their ids, at most 50.
#[derive(Clone, Copy, Debug)]
pub struct ItemList<'a> {
    pub entity_type_id: i64,
    pub ids: &'a [i64],
}

impl Serialize for ItemList<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Filter<'a> {
            #[serde(rename = "@id")]
            ids: &'a [i64],
        }
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("entityTypeId", &self.entity_type_id)?;
        map.serialize_entry("filter", &Filter { ids: self.ids })?;
        // `fm` comes with the star alone
        map.serialize_entry("select", &["*"])?;
        map.end()
    }
}

impl Method for ItemList<'_> {
    type Output = Items;
    const NAME: &'static str = "crm.item.list";
    const SCOPE: Scope = Scope::Crm;
    const REPEATABLE: bool = true;
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Items {
    #[serde(deserialize_with = "values::list")]
    pub items: Vec<Item>,
}

/// What we use of a card. Which fields are there depends on its type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Item {
    #[serde(deserialize_with = "values::some_id")]
    pub id: Option<i64>,
    #[serde(deserialize_with = "values::text")]
    pub title: String,
    #[serde(deserialize_with = "values::text")]
    pub name: String,
    #[serde(deserialize_with = "values::text")]
    pub last_name: String,
    /// Who is responsible.
    #[serde(deserialize_with = "values::some_id")]
    pub assigned_by_id: Option<i64>,
    /// The main contact.
    #[serde(deserialize_with = "values::some_id")]
    pub contact_id: Option<i64>,
    #[serde(deserialize_with = "values::ints")]
    pub contact_ids: Vec<i64>,
    #[serde(deserialize_with = "values::some_id")]
    pub company_id: Option<i64>,
    #[serde(deserialize_with = "values::list")]
    pub fm: Vec<MultiField>,
}

impl Item {
    /// The contacts of the card, the main one first.
    pub fn contacts(&self) -> Vec<i64> {
        let mut ids: Vec<i64> = self.contact_id.into_iter().collect();
        for id in self.contact_ids.iter().filter(|id| **id > 0) {
            if !ids.contains(id) {
                ids.push(*id);
            }
        }
        ids
    }
}

/// A phone, an e-mail, a link or a messenger of a card.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MultiField {
    /// `PHONE`, `EMAIL`, `WEB`, `IM`, …
    #[serde(deserialize_with = "values::text")]
    pub type_id: String,
    /// `WORK`, `MOBILE`, `TELEGRAM`, `IMOL`, …
    #[serde(deserialize_with = "values::text")]
    pub value_type: String,
    #[serde(deserialize_with = "values::text")]
    pub value: String,
}

/// A comment in a card's timeline; its author is the token's owner. The outer key is lower-case by the portal's demand.
#[derive(Debug, Serialize)]
pub struct TimelineCommentAdd<'a> {
    pub fields: CommentFields<'a>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub struct CommentFields<'a> {
    pub entity_id: i64,
    /// See [`CrmRef::timeline_type`](crate::b24::crm_ref::CrmRef::timeline_type).
    pub entity_type: &'a str,
    pub comment: &'a str,
}

impl Method for TimelineCommentAdd<'_> {
    type Output = values::Made;
    const NAME: &'static str = "crm.timeline.comment.add";
    const SCOPE: Scope = Scope::Crm;
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;

    #[test]
    fn a_card_gives_its_ways_and_its_contacts() {
        let answer: ItemAnswer = from_value(json!({"item": {
            "id": 250, "title": "Lead", "name": "Ann", "lastName": null, "assignedById": "6", "contactId": 12,
            "contactIds": [15, 12], "companyId": 0,
            "fm": [{"id": 101, "valueType": "WORK", "value": "+7 900 123-45-67", "typeId": "PHONE"},
                   {"id": 102, "valueType": "IMOL", "value": "imol|chatapp_vk|3|a:1|9", "typeId": "IM"}]
        }}))
        .unwrap();
        let item = answer.item.unwrap();
        assert_eq!(item.contacts(), [12, 15]);
        assert_eq!(item.company_id, None);
        assert_eq!(item.fm[0].type_id, "PHONE");
        assert_eq!(item.fm[1].value, "imol|chatapp_vk|3|a:1|9");
    }

    #[test]
    fn a_deal_without_people_is_no_error() {
        let answer: ItemAnswer = from_value(json!({"item": {"id": "7", "contactIds": []}})).unwrap();
        assert!(answer.item.unwrap().contacts().is_empty());
        assert_eq!(from_value::<ItemAnswer>(json!([])).ok(), Some(ItemAnswer::default()));
    }

    #[test]
    fn parameters_have_their_documented_names() {
        assert_eq!(
            to_value(ItemList { entity_type_id: 3, ids: &[1, 2] }).unwrap(),
            json!({"entityTypeId": 3, "filter": {"@id": [1, 2]}, "select": ["*"]})
        );
        let comment =
            TimelineCommentAdd { fields: CommentFields { entity_id: 5, entity_type: "deal", comment: "sent" } };
        assert_eq!(
            to_value(comment).unwrap(),
            json!({"fields": {"ENTITY_ID": 5, "ENTITY_TYPE": "deal", "COMMENT": "sent"}})
        );
    }
}
