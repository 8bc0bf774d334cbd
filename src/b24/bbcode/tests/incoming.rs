use super::*;

/// Nodes that an operator could follow or press, or that hide what the client typed.
fn only_texts(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| matches!(node, Node::Text(_)))
}

#[test]
fn a_client_cannot_write_tags() {
    for text in [
        "[send=/x]нажми[/send]",
        "[PUT=/x]",
        "[Call=+7900]",
        "[/user]",
        "[user=1]",
        "[chat=1]",
        "[context=chat1/2]",
        "[icon=https://e.ru title=x]",
        "[disk=5]",
        "[img]https://e.ru/x.png [/img]",
        "[timestamp=1]",
        "[size=30]",
        "[b]x[/b]",
        "[br]",
        "[ send=/x]",
        "[code]",
        "[rating=5]",
        ">>чужие слова",
        "a\n>>b",
        "a\r\n>>b",
    ] {
        let neutral = from_plain(text);
        assert_ne!(neutral, text);
        assert_eq!(neutral.replace('\u{200B}', ""), text, "only zero-width spaces are added");
        assert!(only_texts(&parse(&neutral)), "{text}");
    }
    let framed = format!("{0}\nx\n{0}", "-".repeat(54));
    assert!(only_texts(&parse(&from_plain(&framed))));
    assert_eq!(plain(&from_plain(&framed)), framed);
    for harmless in ["arr[i0]", "[1]", "[]", "[x]", "a >> b", "-------", "[bold]", "[списки]", "[users]"] {
        assert_eq!(from_plain(harmless), harmless);
    }
}

#[test]
fn whatsapp_marks_become_tags() {
    for (text, expected) in [
        ("*a* _b_ ~c~ `d`", "[b]a[/b] [i]b[/i] [s]c[/s] [code]d[/code]"),
        ("*_a_ b*", "[b][i]a[/i] b[/b]"),
        ("2*3*4 a_b_c", "2*3*4 a_b_c"),
        ("* a * b", "* a * b"),
        ("*a\nb*", "*a\nb*"),
        ("**a**", "*[b]a[/b]*"),
        ("***", "***"),
        ("(*a*), «_b_»!", "([b]a[/b]), «[i]b[/i]»!"),
        ("```x\n*y*```z", "[code]x\n*y*[/code]z"),
        ("```\nx\n```", "[code]x[/code]"),
        ("``````", "``````"),
        ("> раз\n> *два*\nтри", ">>раз\n>>[b]два[/b]\nтри"),
        ("*[b]*", "[b][\u{200B}b][/b]"),
        ("`[/code]`", "[code][\u{200B}/code][/code]"),
        ("*привет*", "[b]привет[/b]"),
        ("*", "*"),
        ("", ""),
    ] {
        assert_eq!(from_whatsapp(text), expected, "{text}");
    }
}

fn entity(offset: usize, length: usize, kind: EntityKind<'_>) -> Entity<'_> {
    Entity { offset, length, kind }
}

#[test]
fn telegram_entities_become_tags() {
    use EntityKind::{Bold, Code, Italic, Link, Quote};
    for (text, entities, expected) in [
        ("👍 да", vec![entity(3, 2, Bold)], "👍 [b]да[/b]"),
        ("abc", vec![entity(0, 2, Bold), entity(1, 2, Italic)], "[b]a[i]b[/i][/b][i]c[/i]"),
        ("abc", vec![entity(1, 1, Bold), entity(0, 3, Italic)], "[i]a[b]b[/b]c[/i]"),
        ("тут", vec![entity(0, 3, Link("https://e.ru/?a[]=1"))], "[url=https://e.ru/?a%5B%5D=1]тут[/url]"),
        ("тут", vec![entity(0, 3, Link("javascript:x"))], "тут"),
        ("x[/code]y", vec![entity(0, 9, Code), entity(0, 3, Bold)], "[code]x[\u{200B}/code]y[/code]"),
        ("a\nb\nc", vec![entity(2, 1, Quote)], "a\n>>b\nc"),
        ("ab", vec![entity(1, 1, Quote)], "a\n>>b"),
        ("ab", vec![entity(0, 1, Quote)], ">>a\nb"),
        ("a\n\nb", vec![entity(0, 4, Quote), entity(0, 4, Bold)], ">>[b]a[/b]\n>>\n>>[b]b[/b]"),
        ("abc", vec![entity(2, usize::MAX, Bold), entity(9, 9, Italic), entity(1, 0, Bold)], "ab[b]c[/b]"),
        ("[b]", vec![entity(1, 1, Bold)], "[[b]\u{200B}b[/b]]"),
        ("👍", vec![entity(1, 1, Bold)], "👍"),
    ] {
        assert_eq!(from_telegram(text, &entities), expected, "{text}");
    }
    assert_eq!(EntityKind::from_wire("expandable_blockquote", None), Some(Quote));
    assert_eq!(EntityKind::from_wire("text_link", Some("https://e.ru")), Some(Link("https://e.ru")));
    assert_eq!(EntityKind::from_wire("text_link", None), None);
    assert_eq!(EntityKind::from_wire("hashtag", None), None);
}

fn harmless(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| {
        let kind =
            matches!(node, Node::Text(_) | Node::Styled(..) | Node::Code(_) | Node::Quote(_) | Node::Link { .. });
        kind && harmless(node.children())
    })
}

fn any_entities() -> impl Strategy<Value = Vec<(usize, usize, u8)>> {
    proptest::collection::vec((0..40_usize, 0..20_usize, 0..7_u8), 0..8)
}

fn kind(number: u8) -> EntityKind<'static> {
    [
        EntityKind::Bold,
        EntityKind::Italic,
        EntityKind::Underline,
        EntityKind::Strike,
        EntityKind::Code,
        EntityKind::Link("https://e.ru/]x[b]"),
        EntityKind::Quote,
    ][usize::from(number)]
}

proptest! {
    #[test]
    fn no_tag_of_a_client_survives(text in taggy()) {
        let neutral = from_plain(&text);
        let nodes = parse(&neutral);
        prop_assert!(only_texts(&nodes), "{neutral:?}");
        let typed = text.replace("\r\n", "\n").replace('\u{200B}', "");
        prop_assert_eq!(to_plain(&nodes, UTC).replace('\u{200B}', ""), typed);
    }

    #[test]
    fn any_text_without_tags_comes_back_as_typed(text in "[^\\r\u{200B}]{0,60}") {
        prop_assert_eq!(plain(&from_plain(&text)), text);
    }

    #[test]
    fn whatsapp_text_makes_no_dangerous_tag(text in taggy()) {
        prop_assert!(harmless(&parse(&from_whatsapp(&text))), "{text:?}");
    }

    #[test]
    fn whatsapp_marks_only_go_into_styles(text in "[ab *_~`\\n]{0,40}") {
        let letters = |text: &str| text.chars().filter(|c| c.is_alphabetic()).collect::<String>();
        prop_assert_eq!(letters(&plain(&from_whatsapp(&text))), letters(&text));
    }

    #[test]
    fn telegram_entities_never_break_the_text(text in taggy(), wire in any_entities()) {
        let entities: Vec<_> = wire.iter().map(|(offset, length, number)| entity(*offset, *length, kind(*number))).collect();
        let nodes = parse(&from_telegram(&text, &entities));
        prop_assert!(harmless(&nodes), "{nodes:?}");
        let links_out = Options::default();
        let shown = to_telegram_html(&nodes, links_out);
        let bare = |text: &str| text.replace([' ', '\n', '\r', '\u{200B}', '>'], "");
        prop_assert_eq!(bare(&visible(&shown)), bare(&text));
    }
}

#[test]
fn hostile_messages_take_linear_time() {
    let started = Instant::now();
    for text in ["*a ", "_*~`a ", "*a* ", "`", "``` ", "*_~a~_* ", "[", "> ", ">>", "-"] {
        let text = text.repeat(200_000);
        assert!(from_whatsapp(&text).len() >= text.len() / 4);
        let entities: Vec<_> = (0..100).map(|at| entity(at, 100_000, kind(u8::try_from(at % 4).unwrap()))).collect();
        assert!(from_telegram(&text, &entities).len() >= text.len());
    }
    assert!(started.elapsed() < Duration::from_mins(1), "{:?}", started.elapsed());
}
