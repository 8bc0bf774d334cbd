use proptest::prelude::*;

use super::*;

fn pair(name: &CleanName) -> (&str, &str) {
    (name.first.as_deref().unwrap_or_default(), name.last.as_deref().unwrap_or_default())
}

#[test]
fn names_become_what_the_portal_takes() {
    for (raw, first, last) in [
        ("Иван Петров", "Иван", "Петров"),
        ("  Иван   Иванович Петров ", "Иван", "Иванович Петров"),
        ("Анна🌸Каренина2000", "Анна", "Каренина"),
        ("Anna-Maria O’Neil", "Anna-Maria", "O'Neil"),
        ("ivan_petrov.1990", "ivan", "petrov"),
        ("-- 'Ян' --", "Ян", ""),
        ("𝓐𝓷𝓷𝓪 𝗦.", "Anna", "S"),
        ("Андреи\u{306} Короле\u{308}в", "Андрей", "Королёв"),
        ("Рене\u{301}", "Рене", ""),
        ("สมชาย์ ใจดี", "สมชาย", "ใจดี"),
        ("李 小龙", "李", "小龙"),
        ("+7 900 123-45-67", "", ""),
        ("🙂🙂", "", ""),
        ("", "", ""),
        ("𠀀", "", ""),
    ] {
        assert_eq!(pair(&clean_name(raw)), (first, last), "{raw}");
    }
    assert_eq!(clean_name("123").first, None);
}

#[test]
fn long_names_end_at_a_word() {
    let name = clean_name("Мухаммад ибн Абдуллах ибн Абдуль Мутталиб ибн Хашим");
    assert_eq!(pair(&name), ("Мухаммад", "ибн Абдуллах ибн Абдуль"));
    assert_eq!(pair(&clean_name(&"я".repeat(1_000_000))), ("я".repeat(25).as_str(), ""));
}

#[test]
fn names_given_apart_stay_apart() {
    assert_eq!(pair(&clean_names("Анна Мария", "де Ла Крус")), ("Анна Мария", "де Ла Крус"));
    assert_eq!(pair(&clean_names("🙂", "Петров")), ("Петров", ""));
    assert_eq!(clean_names("1", "2"), CleanName::default());
}

proptest! {
    #[test]
    fn every_name_keeps_the_rule(raw in any::<String>(), other in "[ёйa-zА-Я '’-]{0,60}") {
        for name in [clean_name(&raw), clean_name(&other), clean_names(&raw, &other), clean_names(&other, &raw)] {
            for text in [name.first, name.last].into_iter().flatten() {
                prop_assert!((1..=MAX_NAME).contains(&text.chars().count()));
                prop_assert!(text.chars().all(|c| c.is_alphabetic() || " -'".contains(c)), "{text}");
                prop_assert!(text.chars().any(char::is_alphabetic), "{text}");
                prop_assert!(!text.contains("  ") && text.trim() == text);
                prop_assert_eq!(clean_names(&text, "").first, Some(text.clone()), "cleaning twice changes nothing");
            }
        }
    }
}

#[test]
fn a_title_keeps_its_words_in_two_pieces() {
    let name = |title: &str| {
        let name = title_name(title);
        (name.first.unwrap_or_default(), name.last.unwrap_or_default())
    };
    assert_eq!(name("Дом 5, подъезд 2 🏠"), ("Дом 5, подъезд 2".into(), String::new()));
    let long = "Собственники жилого дома на улице Космонавтов и их соседи";
    assert_eq!(name(long), ("Собственники жилого дома".into(), "на улице Космонавтов и их".into()));
    assert_eq!(name(&"x".repeat(60)), ("x".repeat(25), String::new()));
    assert_eq!(name(" \n "), (String::new(), String::new()));
}
