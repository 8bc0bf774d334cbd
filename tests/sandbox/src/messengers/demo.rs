//! The people and accounts of the demo. The portal's seed makes cards with the same phones.

use super::{
    Messengers,
    chatapp::{Cabinet, License},
    phone::NewPerson,
    telegram::Bot,
};

/// Somebody of the demo. Numbers are of a range that no operator gives out.
pub struct DemoPerson {
    pub id: &'static str,
    pub name_ru: &'static str,
    pub name_en: &'static str,
    pub phone: Option<&'static str>,
    pub username: Option<&'static str>,
}

pub const PEOPLE: [DemoPerson; 4] = [
    DemoPerson {
        id: "maria",
        name_ru: "Мария Соколова",
        name_en: "Maria Sokolova",
        phone: Some("+7 000 555-01-01"),
        username: Some("maria_sokolova"),
    },
    DemoPerson {
        id: "ivan",
        name_ru: "Иван Петров",
        name_en: "Ivan Petrov",
        phone: Some("+7 000 555-01-02"),
        username: None,
    },
    DemoPerson {
        id: "olga",
        name_ru: "Ольга Ким",
        name_en: "Olga Kim",
        phone: Some("+7 000 555-01-03"),
        username: Some("olga_kim"),
    },
    DemoPerson {
        id: "timur", name_ru: "Тимур Алиев", name_en: "Timur Aliyev", phone: None, username: Some("timur_a")
    },
];

pub const CHATAPP_EMAIL: &str = "demo@chatapp.example";
pub const CHATAPP_PASSWORD: &str = "demo";
pub const BOT_TOKEN: &str = "7000001:make-believe-bot";
pub const BOT_USERNAME: &str = "demo_shop_bot";

/// What the demo's server may be connected to.
pub struct Demo {
    pub cabinet: Cabinet,
    pub license: License,
    pub bot: Bot,
}

/// Fills the world for the demo: the people, a ChatApp license with WhatsApp and Telegram, a Telegram bot; and a group of each.
pub fn seed(messengers: &Messengers, language: &str) -> Demo {
    let phone = messengers.phone();
    for person in &PEOPLE {
        phone.add(NewPerson {
            id: person.id,
            name: if language == "ru" { person.name_ru } else { person.name_en },
            phone: person.phone,
            username: person.username,
        });
    }
    let cabinet = messengers.add_cabinet(CHATAPP_EMAIL, CHATAPP_PASSWORD);
    let license = cabinet.add_license(None, &["grWhatsApp", "telegram"]);
    let bot = messengers.add_bot(BOT_TOKEN, BOT_USERNAME);
    let members = PEOPLE.map(|person| phone.client(person.id));
    let [maria, ivan, olga, timur] = &members;
    let title = |ru: &'static str, en: &'static str| if language == "ru" { ru } else { en };
    license.account("grWhatsApp").is_taken_into(title("Соседи", "Neighbours"), &[maria, ivan, olga]);
    bot.account().is_taken_into(title("Ремонт кухни", "The new kitchen"), &[maria, olga, timur]);
    Demo { cabinet, license, bot }
}
