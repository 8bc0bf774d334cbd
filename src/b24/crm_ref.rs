//! How the portal names a CRM card: in a robot's document id, in a placement's code, in a timeline.

use std::fmt;

/// One card of the CRM.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CrmRef {
    pub kind: CrmKind,
    pub id: i64,
}

/// The type of a card.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CrmKind {
    Lead,
    Deal,
    Contact,
    Company,
    Quote,
    Order,
    SmartInvoice,
    /// A smart process of the portal's own, by its type id (128 and above).
    Dynamic(i64),
}

/// Name in document ids and placement codes, type id (Bitrix24's `CCrmOwnerType`), kind.
const KINDS: [(&str, i64, CrmKind); 7] = [
    ("LEAD", 1, CrmKind::Lead),
    ("DEAL", 2, CrmKind::Deal),
    ("CONTACT", 3, CrmKind::Contact),
    ("COMPANY", 4, CrmKind::Company),
    ("QUOTE", 7, CrmKind::Quote),
    ("ORDER", 14, CrmKind::Order),
    ("SMART_INVOICE", 31, CrmKind::SmartInvoice),
];

impl CrmKind {
    fn from_name(name: &str) -> Option<Self> {
        if let Some((_, _, kind)) = KINDS.iter().find(|(known, _, _)| known.eq_ignore_ascii_case(name)) {
            return Some(*kind);
        }
        let (word, number) = name.split_once('_')?;
        let number = positive(number)?;
        word.eq_ignore_ascii_case("DYNAMIC").then_some(Self::Dynamic(number))
    }

    /// The type id of the universal CRM methods.
    pub fn entity_type_id(self) -> i64 {
        match self {
            Self::Dynamic(id) => id,
            known => KINDS.iter().find(|(_, _, kind)| *kind == known).map_or(0, |(_, id, _)| *id),
        }
    }
}

impl CrmRef {
    /// Reads the third element of a robot's `document_id`: `DEAL_12`, `SMART_INVOICE_5`, `DYNAMIC_130_7`. None for what is
    /// no card (lists, tasks, files of the disk).
    pub fn from_document_id(text: &str) -> Option<Self> {
        let (name, id) = text.trim().rsplit_once('_')?;
        Some(Self { kind: CrmKind::from_name(name)?, id: positive(id)? })
    }

    /// The card of a tab, from the placement's code (`CRM_DEAL_DETAIL_TAB`) and the `ID` of its options.
    pub fn from_detail_tab(placement: &str, id: &str) -> Option<Self> {
        let upper = placement.trim().to_ascii_uppercase();
        let name = upper.strip_prefix("CRM_")?.strip_suffix("_DETAIL_TAB")?;
        Some(Self { kind: CrmKind::from_name(name)?, id: positive(id)? })
    }

    pub fn entity_type_id(self) -> i64 {
        self.kind.entity_type_id()
    }

    /// The owner's type in `crm.timeline.comment.add`.
    pub fn timeline_type(self) -> String {
        match self.kind {
            CrmKind::Dynamic(id) => format!("dynamic_{id}"),
            known => KINDS
                .iter()
                .find(|(_, _, kind)| *kind == known)
                .map_or_else(String::new, |(name, _, _)| name.to_ascii_lowercase()),
        }
    }

    /// The type in `imopenlines.crm.chat.get`; None for cards that it does not know.
    pub fn chat_type(self) -> Option<&'static str> {
        match self.kind {
            CrmKind::Lead => Some("lead"),
            CrmKind::Deal => Some("deal"),
            CrmKind::Contact => Some("contact"),
            CrmKind::Company => Some("company"),
            _ => None,
        }
    }
}

/// As in a document id.
impl fmt::Display for CrmRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.timeline_type().to_ascii_uppercase(), self.id)
    }
}

fn positive(text: &str) -> Option<i64> {
    text.trim().parse().ok().filter(|id| *id > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_ids_read_and_write() {
        for (text, type_id, timeline) in [
            ("LEAD_1", 1, "lead"),
            ("DEAL_12", 2, "deal"),
            ("CONTACT_3", 3, "contact"),
            ("COMPANY_4", 4, "company"),
            ("QUOTE_5", 7, "quote"),
            ("ORDER_6", 14, "order"),
            ("SMART_INVOICE_5", 31, "smart_invoice"),
            ("DYNAMIC_1046_77", 1046, "dynamic_1046"),
        ] {
            let card = CrmRef::from_document_id(text).unwrap();
            assert_eq!(card.to_string(), text);
            assert_eq!(card.entity_type_id(), type_id);
            assert_eq!(card.timeline_type(), timeline);
        }
        assert_eq!(CrmRef::from_document_id("Deal_9").map(|card| card.kind), Some(CrmKind::Deal));
    }

    #[test]
    fn other_documents_are_no_cards() {
        for text in ["", "17", "DEAL_", "DEAL_x", "DEAL_0", "DEAL_-3", "TASK_5", "DYNAMIC_5", "DYNAMIC_x_5", "_5"] {
            assert_eq!(CrmRef::from_document_id(text), None, "{text}");
        }
    }

    #[test]
    fn tabs_name_their_card() {
        let card = CrmRef::from_detail_tab("CRM_DYNAMIC_130_DETAIL_TAB", "7").unwrap();
        assert_eq!((card.entity_type_id(), card.id), (130, 7));
        assert_eq!(CrmRef::from_detail_tab("crm_smart_invoice_detail_tab", "3").map(CrmRef::entity_type_id), Some(31));
        assert_eq!(CrmRef::from_detail_tab("CRM_DEAL_LIST_MENU", "7"), None);
        assert_eq!(CrmRef::from_detail_tab("CRM_DEAL_DETAIL_TAB", "x"), None);
    }
}
