use super::*;

fn squeeze(text: &str) -> String {
    text.split_whitespace().collect()
}

fn by_plain(nodes: &[Node]) -> usize {
    to_plain(nodes, UTC).chars().count()
}

fn by_whatsapp(nodes: &[Node]) -> usize {
    to_whatsapp(nodes, UTC).chars().count()
}

fn by_telegram(nodes: &[Node]) -> usize {
    telegram_len(nodes, UTC)
}

#[test]
fn cuts_at_the_best_border() {
    let word = "слово ".repeat(10);
    let word = word.trim();
    assert_eq!(split_text("", 100, Unit::Chars), Vec::<String>::new());
    assert_eq!(split_text(word, 100, Unit::Chars), [word]);
    let paragraphs = format!("{word}\n\n{word}\n{word}");
    assert_eq!(split_text(&paragraphs, 100, Unit::Chars), [word, &format!("{word}\n{word}")[..word.len()], word]);
    let lines = format!("{word}\n{word}");
    assert_eq!(split_text(&lines, 70, Unit::Chars), [word, word]);
    let long = "я".repeat(150);
    assert_eq!(
        split_text(&long, 64, Unit::Chars).iter().map(|piece| piece.chars().count()).collect::<Vec<_>>(),
        [64, 64, 22]
    );
}

#[test]
fn what_is_one_character_stays_whole() {
    for cluster in ["👨\u{200D}👩\u{200D}👧", "🇷🇺", "👍🏽", "e\u{301}", "\r\n", "❤\u{FE0F}"] {
        let text = format!("x{}", cluster.repeat(60));
        for piece in split_text(&text, 64, Unit::Utf16) {
            assert!(Unit::Utf16.count(&piece) <= 64);
            let rest = piece.strip_prefix('x').unwrap_or(&piece);
            assert_eq!(rest.replace(cluster, ""), "", "{cluster:?} was cut");
        }
    }
    let endless = format!("e{}", "\u{301}".repeat(300));
    let pieces = split_text(&endless, 64, Unit::Chars);
    assert_eq!(pieces.concat(), endless);
    assert!(pieces.iter().all(|piece| piece.chars().count() <= 64));
}

#[test]
fn styles_and_quotes_go_on_in_the_next_piece() {
    let text = format!("[b]{}[/b]", "жирное слово ".repeat(8));
    let pieces = split_nodes(&parse(&text), 64, &by_telegram);
    assert_eq!(pieces.len(), 2);
    for piece in &pieces {
        assert!(matches!(piece.as_slice(), [Node::Styled(Style::Bold, _)]), "{piece:?}");
    }
    let dashes = "-".repeat(54);
    let text = format!("{dashes}\nИван [вчера]\n{}\n{dashes}\nответ", "слово ".repeat(30));
    let pieces = split_nodes(&parse(&text), 100, &by_plain);
    let shown: Vec<_> = pieces.iter().map(|piece| to_plain(piece, UTC)).collect();
    assert_eq!(shown.iter().filter(|piece| piece.contains("Иван:")).count(), 1);
    assert!(shown.iter().all(|piece| piece.starts_with("> ")), "{shown:?}");
}

#[test]
fn a_link_is_rather_moved_than_cut() {
    let text = format!("{} [url=https://e.ru/]сайт нашей компании[/url]", "слово ".repeat(9));
    let pieces = split_nodes(&parse(&text), 64, &by_telegram);
    assert_eq!(pieces.len(), 2);
    assert!(matches!(pieces[1].as_slice(), [Node::Link { .. }]), "{pieces:?}");
}

#[test]
fn an_endless_address_becomes_text() {
    let url = format!("https://e.ru/{}", "a".repeat(500));
    for text in [format!("[url={url}]тут[/url]"), format!("[img]{url} [/img]"), format!("[url]{url}[/url]")] {
        let pieces = split_nodes(&parse(&text), 100, &by_whatsapp);
        assert!(pieces.iter().all(|piece| by_whatsapp(piece) <= 100), "{text}");
        let joined: String = pieces.iter().map(|piece| to_whatsapp(piece, UTC)).collect();
        assert!(joined.contains(&url), "{joined}");
    }
}

#[test]
fn long_texts_take_nearly_linear_time() {
    let started = Instant::now();
    for text in ["слово ", "[b]a[/b] ", "я", " ", "[url=https://e.ru/]a[/url]", "\n", "[i][b]a[/i][/b]"] {
        let pieces = split_nodes(&parse(&text.repeat(20_000)), 4096, &by_telegram);
        assert!(pieces.iter().all(|piece| by_telegram(piece) <= 4096));
    }
    let text = "слово ".repeat(100_000);
    assert_eq!(squeeze(&split_text(&text, 64, Unit::Chars).concat()), squeeze(&text));
    assert!(started.elapsed() < Duration::from_mins(1), "{:?}", started.elapsed());
}

proptest! {
    #[test]
    fn pieces_fit_and_lose_nothing(texts in proptest::collection::vec(taggy(), 1..12), limit in 64..200_usize) {
        let nodes = parse(&texts.concat());
        let measures: [fn(&[Node]) -> usize; 3] = [by_plain, by_telegram, by_whatsapp];
        for measure in measures {
            let pieces = split_nodes(&nodes, limit, &measure);
            for piece in &pieces {
                prop_assert!(measure(piece) <= limit, "{} > {limit}: {piece:?}", measure(piece));
                assert_balanced(&to_telegram_html(piece, UTC));
            }
            let joined: String = pieces.iter().map(|piece| visible(&to_telegram_html(piece, UTC))).collect();
            let whole = visible(&to_telegram_html(&nodes, UTC));
            let links_loosened = joined.contains("(http") && !whole.contains("(http");
            prop_assert!(links_loosened || squeeze(&joined) == squeeze(&whole), "{joined:?} is not {whole:?}");
            prop_assert_eq!(pieces.iter().flat_map(|piece| disk_files(piece)).collect::<Vec<_>>(), disk_files(&nodes));
        }
    }

    #[test]
    fn plain_pieces_fit_and_join(text in any::<String>(), limit in 64..100_usize) {
        let text = text.repeat(4);
        for unit in [Unit::Chars, Unit::Utf16, Unit::Bytes] {
            let pieces = split_text(&text, limit, unit);
            prop_assert!(pieces.iter().all(|piece| unit.count(piece) <= limit && !piece.is_empty()));
            prop_assert_eq!(squeeze(&pieces.concat()), squeeze(&text));
        }
    }
}
