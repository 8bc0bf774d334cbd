use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

fn shown(text: &str) -> Vec<String> {
    parse_many(text).usable.iter().map(ToString::to_string).collect()
}

fn phone(text: &str) -> Option<String> {
    E164::parse(text).map(|phone| phone.e164())
}

#[test]
fn phones_are_read_however_they_are_written() {
    for text in [
        "+79001234567",
        "79001234567",
        "89001234567",
        "9001234567",
        "8 (900) 123-45-67",
        "+7 900 123 45 67",
        "8-900-123-45-67",
        "+7(900)123.45.67",
        "0079001234567",
        "00 7 900 1234567",
        "+8 900 123 45 67",
        "тел. 8 900 123-45-67",
        "Phone: +7 900 1234567",
        "8 900 123\u{a0}45–67",
        "\u{202a}+7 900 123-45-67\u{202c}",
        "+7 900 123-45-67 доб. 12",
        "+7 900 123-45-67 (доб. 12)",
        "+79001234567 ext 5",
        "+79001234567#3",
        "+79001234567x12",
        "＋７９００１２３４５６７",
        "+٧٩٠٠١٢٣٤٥٦٧",
        "8/900/1234567",
    ] {
        assert_eq!(phone(text).as_deref(), Some("+79001234567"), "{text}");
        assert_eq!(shown(text), ["+7 900 123-45-67"], "{text}");
    }
    for (text, expected) in [
        ("+375 29 123-45-67", "+375291234567"),
        ("8 10 375 29 123-45-67", "+375291234567"),
        ("375291234567", "+375291234567"),
        ("+84 901 234 567", "+84901234567"),
        ("8 495 123-45-67", "+74951234567"),
        ("+1 (202) 555-0143", "+12025550143"),
        ("4791234567", "+4791234567"),
    ] {
        assert_eq!(phone(text).as_deref(), Some(expected), "{text}");
    }
}

#[test]
fn what_is_no_phone_is_refused() {
    for text in [
        "",
        "+",
        "123",
        "1234567",
        "0123456789",
        "+0123456789",
        "1234567890123456",
        "+7 900 123-45-67 вечером",
        "abc",
        "7900x1234567",
        "++79001234567",
        "79001234567+",
        "+7 900 123-45-67 доб. двенадцать",
        "8 900 123-45-67 / 8 901 123-45-67",
    ] {
        assert_eq!(phone(text), None, "{text}");
    }
}

#[test]
fn a_field_holds_many_addresses_each_once() {
    let found = parse_many(
        "+7 900 123-45-67, 89001234567; @Client_1\nhttps://t.me/client_1 · Ivan <I.Petrov@Example.RU>,,\n79021234567, доб. 3, мусор",
    );
    let texts: Vec<_> = found.usable.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["+7 900 123-45-67", "@Client_1", "I.Petrov@example.ru", "+7 902 123-45-67"]);
    assert_eq!(found.unusable, [Unusable("мусор".to_owned())]);
    let sticky = parse_many("+79001234567 79011234567 89021234567");
    assert_eq!((sticky.usable.len(), sticky.unusable.len()), (0, 1));
    assert_eq!(shown("+79001234567 +79011234567"), ["+7 900 123-45-67", "+7 901 123-45-67"]);
    assert_eq!(parse_many(" ,;\n· "), Addresses::default());
    assert_eq!(parse_many("#3").unusable.len(), 1, "an extension of nothing");
}

#[test]
fn links_lead_to_people() {
    for (text, expected) in [
        ("tel:+7-900-123-45-67", "+7 900 123-45-67"),
        ("https://wa.me/79001234567?text=hi", "+7 900 123-45-67"),
        ("wa.me/+79001234567/", "+7 900 123-45-67"),
        ("https://api.whatsapp.com/send/?phone=79001234567&text=x", "+7 900 123-45-67"),
        ("whatsapp://send?phone=%2B79001234567", "+7 900 123-45-67"),
        ("viber://chat?number=%2B79001234567", "+7 900 123-45-67"),
        ("https://t.me/+79001234567", "+7 900 123-45-67"),
        ("HTTPS://T.me/Name_1?start=x", "@Name_1"),
        ("t.me/s/name", "@name"),
        ("telegram.me/@name/", "@name"),
        ("tg://resolve?domain=name", "@name"),
        ("mailto:A@Example.ru?subject=x", "A@example.ru"),
    ] {
        assert_eq!(shown(text), [expected], "{text}");
    }
    for text in [
        "https://t.me/+AbCdEf",
        "https://t.me/joinchat/AAAA1",
        "wa.me/qr/ABC1",
        "wa.me/message/ABC1",
        "https://wa.me/",
        "tg://join?invite=x1",
        "https://example.ru/79001234567",
    ] {
        let found = parse_many(text);
        assert_eq!((found.usable.len(), found.unusable.len()), (0, 1), "{text}");
    }
}

fn chat(text: &str) -> ChatId {
    match parse_many(text).usable.as_slice() {
        [Address::ChatId(chat)] => chat.clone(),
        other => panic!("{text} is {other:?}"),
    }
}

#[test]
fn chat_ids_keep_their_form() {
    for id in [
        "79001234567@c.us",
        "120363043211234567@g.us",
        "acc7:79001234567@c.us",
        "-1001234567890",
        "u2i-AbC~1",
        "12345678@lid",
    ] {
        let read = chat(id);
        assert!(read.external_chat_id == id && read.origin.is_none(), "{id}");
    }
    for text in ["abc", "@", "слово1", "a b1", "123", "two words 5", "a1@unknown", &"a1".repeat(60)] {
        assert_eq!(parse_many(text).usable, [], "{text}");
    }
    let ids = parse_field("123456789, 79001234567, +79001234567, @name", Field::ChatIds);
    let texts: Vec<_> = ids.usable.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["123456789", "79001234567", "+7 900 123-45-67", "@name"]);
}

#[test]
fn messenger_fields_name_line_and_chat() {
    let found = parse_many("imol|chatapp_whatsapp|107|acc7:79001234567@c.us|585, imol|livechat|1|2222|12, @name");
    let [Address::ChatId(first), Address::ChatId(second), Address::Username(_)] = found.usable.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(first.external_chat_id, "acc7:79001234567@c.us");
    let origin = first.origin.as_ref().unwrap();
    assert_eq!(
        (origin.connector.as_str(), origin.line, origin.external_user_id.as_str()),
        ("chatapp_whatsapp", 107, "585")
    );
    assert_eq!(second.origin.as_ref().unwrap().connector, "livechat");
    assert_eq!(chat("chatapp_telegram|5|a:1|0").origin.unwrap().line, 5);
    for text in ["imol|x|y|z|w", "imol||1|a|b", "a|b", "imol|c|1||u", "|||"] {
        assert_eq!(parse_many(text).unusable.len(), 1, "{text}");
    }
}

#[test]
fn emails_are_read_and_wrong_ones_refused() {
    assert_eq!(shown("mailto:Ivan@ПОЧТА.РФ"), ["Ivan@почта.рф"]);
    for text in [
        "a@b",
        "a@@b.ru",
        "a b@c.ru",
        "@b.c ru",
        "a@.ru",
        "a@b..ru",
        "a@b.ru.",
        "a(b)@c.ru",
        "<a@b.ru",
        &format!("{}@b.ru", "a".repeat(260)),
    ] {
        assert_eq!(parse_many(text).usable, [], "{text}");
    }
}

#[test]
fn logs_see_masks() {
    for (text, masked) in [
        ("+79001234567", "+7900***4567"),
        ("+4712345678", "+47***78"),
        ("@client_name", "@c***e"),
        ("@ab", "@a***"),
        ("ivan@example.ru", "i***@example.ru"),
        ("acc7:79001234567@c.us", "acc***.us"),
    ] {
        let found = parse_many(text).usable.remove(0);
        assert_eq!(found.masked(), masked);
        assert!(format!("{found:?}").contains(masked));
        assert!(!format!("{:?}", parse_many(text)).contains("1234567"));
    }
    assert!(!format!("{:?}", parse_many("тел 8900123456789012345")).contains("0123"));
}

#[test]
fn a_huge_field_is_read_in_linear_time() {
    let started = Instant::now();
    for text in ["+7900", " +", "8900123456,", "imol|", "@a;", "x", "t.me/+ ", "доб. 1,"] {
        let _ = parse_many(&text.repeat(200_000));
    }
    let many: Vec<_> = (0..100_000).map(|n| format!("7900{n:07}")).collect();
    assert_eq!(parse_many(&many.join(", ")).usable.len(), 100_000);
    assert!(started.elapsed() < Duration::from_mins(1), "{:?}", started.elapsed());
}

fn typed() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[0-9+() .-]{0,16}",
        "[a-z@_.:|/~0-9]{0,12}",
        proptest::sample::select(vec![
            "+7900",
            "8",
            "9",
            "imol|",
            "|1|",
            "@",
            "t.me/",
            "wa.me/",
            "a@b.ru",
            ",",
            "·",
            "доб. 1",
            "#",
            "<",
            ">",
            "-"
        ])
        .prop_map(str::to_owned),
    ];
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn anything_can_be_typed(text in any::<String>()) {
        let found = parse_many(&text);
        let _ = format!("{found:?}");
    }

    #[test]
    fn what_is_shown_is_read_again(text in typed(), ids in any::<bool>()) {
        let field = if ids { Field::ChatIds } else { Field::Phones };
        for address in parse_field(&text, field).usable {
            let again = parse_field(&address.to_string(), field);
            prop_assert_eq!(&again.usable, &vec![address.clone()], "{}", address);
            prop_assert!(again.unusable.is_empty());
            let masked = address.masked();
            prop_assert!(masked.contains("***"), "{}", masked);
        }
    }

    #[test]
    fn digits_of_a_phone_are_kept(digits in "[1-79][0-9]{10,14}", punctuated in proptest::collection::vec("[ ().-]{0,2}", 15)) {
        let text = digits.chars().zip(&punctuated).flat_map(|(digit, signs)| [digit.to_string(), signs.clone()]).collect::<String>();
        let phone = E164::parse(&format!("+{text}")).unwrap();
        prop_assert_eq!(phone.digits(), &digits);
        prop_assert_eq!(E164::parse(&phone.e164()), Some(phone.clone()));
        prop_assert_eq!(E164::parse(phone.digits()), Some(phone));
    }
}
