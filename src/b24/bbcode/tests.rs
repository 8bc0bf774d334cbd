use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;

mod incoming;
mod splitting;

const UTC: Options = Options { utc_offset_s: 0 };

fn plain(text: &str) -> String {
    to_plain(&parse(text), UTC)
}

fn whatsapp(text: &str) -> String {
    to_whatsapp(&parse(text), UTC)
}

fn telegram(text: &str) -> String {
    to_telegram_html(&parse(text), UTC)
}

/// Texts in which tags are likely, whole and broken.
fn taggy() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        3 => "[a-zа-я *_~<>&\"]{0,6}",
        3 => proptest::sample::select(vec![
            "[b]", "[/b]", "[i]", "[/I]", "[u]", "[/u]", "[S]", "[/s]", "[url=https://e.ru/?a[]=1]", "[url]", "[/url]",
            "[url=javascript:x]", "[code]", "[/code]", "[user=5]", "[/user]", "[send=/x]", "[/send]", "[put]", "[/put]",
            "[size=20]", "[/size]", "[img size=small]https://e.ru/p.png [/img]", "[icon=https://e.ru/i.png title=ok]",
            "[timestamp=1645844720 format=SHORT_TIME_FORMAT]", "[disk=15]", "[br]", "[like]", "[quote]", "[/quote]",
        ]).prop_map(str::to_owned),
        1 => proptest::sample::select(vec!["\n", "\r\n", "\n>>", ">>", "[", "]", "[/", "[1]", "[x=", "\u{200B}", "👨\u{200D}👩", "🇷🇺"]).prop_map(str::to_owned),
        1 => Just(format!("\n{}\n", "-".repeat(54))),
        1 => Just("Иван [12.11.2026 10:22] #chat18/4711\n".to_owned()),
    ];
    proptest::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

#[test]
fn every_tag_becomes_what_the_messenger_knows() {
    for (text, for_plain, for_whatsapp, for_telegram) in [
        ("[b]x[/b] [I]y[/i]", "x y", "*x* _y_", "<b>x</b> <i>y</i>"),
        ("[s]x[/s] [u]y[/u]", "x y", "~x~ y", "<s>x</s> <u>y</u>"),
        ("[b][i]x[/i][/b]", "x", "*_x_*", "<b><i>x</i></b>"),
        ("[code]a[b]<[/b][/code]", "a[b]<[/b]", "```a[b]<[/b]```", "<code>a[b]&lt;[/b]</code>"),
        ("[code]a\r\nb[/CODE]", "a\nb", "```a\nb```", "<pre>a\nb</pre>"),
        (
            "[url=https://e.ru/?a=1&b=2]сайт[/url]",
            "сайт (https://e.ru/?a=1&b=2)",
            "сайт (https://e.ru/?a=1&b=2)",
            "<a href=\"https://e.ru/?a=1&amp;b=2\">сайт</a>",
        ),
        ("[url]https://e.ru/[/url]", "https://e.ru/", "https://e.ru/", "<a href=\"https://e.ru/\">https://e.ru/</a>"),
        (
            "[url=https://www.e.ru/]e.ru[/url]",
            "https://www.e.ru/",
            "https://www.e.ru/",
            "<a href=\"https://www.e.ru/\">e.ru</a>",
        ),
        ("[url=mailto:a@e.ru]a@e.ru[/url]", "a@e.ru", "a@e.ru", "<a href=\"mailto:a@e.ru\">a@e.ru</a>"),
        (
            "[url=https://e.ru/?f[a][]=1]x[/url]",
            "x (https://e.ru/?f[a][]=1)",
            "x (https://e.ru/?f[a][]=1)",
            "<a href=\"https://e.ru/?f[a][]=1\">x</a>",
        ),
        ("[url=/crm/deal/1/]сделка[/url]", "сделка", "сделка", "сделка"),
        ("[url=javascript:alert(1)]x[/url]", "x", "x", "x"),
        ("[user=5]Иван[/user], [chat=imol|7]чат[/chat]", "Иван, чат", "Иван, чат", "Иван, чат"),
        ("[send=/a]x[/send][put=/b]y[/put][call]+7[/call]", "xy+7", "xy+7", "xy+7"),
        ("[size=20][color=#f00]x[/color][/size]", "x", "x", "x"),
        ("[quote]x[/quote]", "x", "x", "x"),
        (
            "[img size=medium]https://e.ru/p.png [/img]",
            "https://e.ru/p.png",
            "https://e.ru/p.png",
            "<a href=\"https://e.ru/p.png\">https://e.ru/p.png</a>",
        ),
        ("a[icon=https://e.ru/i.png size=20 title=big smile]", "abig smile", "abig smile", "abig smile"),
        ("[timestamp=1645844720 format=SHORT_TIME_FORMAT]", "03:05", "03:05", "03:05"),
        ("a[disk=15]b[br]c[like]", "ab\nc👍", "ab\nc👍", "ab\nc👍"),
        (
            "до\n>>раз\n>> два\nпосле",
            "до\n> раз\n> два\nпосле",
            "до\n> раз\n> два\nпосле",
            "до\n<blockquote>раз\nдва</blockquote>\nпосле",
        ),
    ] {
        assert_eq!(plain(text), for_plain, "{text}");
        assert_eq!(whatsapp(text), for_whatsapp, "{text}");
        assert_eq!(telegram(text), for_telegram, "{text}");
    }
}

#[test]
fn what_is_no_tag_stays() {
    for text in [
        "[1] [a=b] [x] [/x] [",
        "[b",
        "[b]",
        "[/b]",
        "[b x]y[/b x]",
        "[b=1]y",
        "[user=5] ",
        "[user]5[/user]",
        "[url=a\nb]x",
        "[img size=small]two words[/img]",
        "[code]x",
        "[br x]",
        "[disk=../x]",
        "[timestamp=now]",
        "[timestamp=99999999999999]",
        "a >> b",
        "-----",
        "[timestamp=-5]",
        "[списки]",
        "arr[i]",
        "------------------------------------------------------",
    ] {
        assert_eq!(plain(text), text);
        assert_eq!(parse(text), [Node::Text(text.to_owned())], "{text}");
    }
}

#[test]
fn overlapping_and_loose_tags_are_put_in_order() {
    assert_eq!(telegram("[b]a[i]b[/b]c[/i]"), "<b>a<i>b</i></b><i>c</i>");
    assert_eq!(telegram("[b]a[i]b[/b]"), "<b>a[i]b</b>");
    assert_eq!(telegram("[b][b]a[/b][/b]"), "<b><b>a</b></b>");
    assert_eq!(telegram("[b][/b][i] [/i]"), "<i> </i>");
    assert_eq!(
        telegram("[url=https://a.ru]x[url=https://b.ru]y[/url][/url]"),
        "<a href=\"https://a.ru\">x[url=https://b.ru]y[/url]</a>"
    );
    assert_eq!(telegram("[url=https://a.ru]x[b]y[/url]z[/b]"), "<a href=\"https://a.ru\">x<b>y</b></a><b>z</b>");
}

#[test]
fn whatsapp_marks_stand_where_whatsapp_reads_them() {
    for (text, expected) in [
        ("[b] жирный [/b]", " *жирный* "),
        ("[b]раз\nдва\n\n три[/b]", "*раз*\n*два*\n\n *три*"),
        ("сло[b]во[/b]", "слово"),
        ("[b]сло[/b]во", "слово"),
        ("[b]Итог[/b]: [i]5[/i].", "*Итог*: _5_."),
        ("[b]2*2[/b]", "2*2"),
        ("[b]a [b]b[/b][/b]", "*a b*"),
        ("[b]   [/b]x", "   x"),
        ("[i]https://e.ru/a_b[/i]", "https://e.ru/a_b"),
        ("[b][code]a\nb[/code][/b]", "```a\nb```"),
    ] {
        assert_eq!(whatsapp(text), expected, "{text}");
    }
}

#[test]
fn html_of_the_other_readers() {
    let nodes = parse("[b]a[/b]\n[code]x\ny[/code] <&\n>>q");
    assert_eq!(to_max_html(&nodes, UTC), "<b>a</b>\n<code>x\ny</code> &lt;&amp;\n<blockquote>q</blockquote>");
    assert_eq!(to_email_html(&nodes, UTC), "<b>a</b><br><pre>x\ny</pre> &lt;&amp;<br><blockquote>q</blockquote>");
}

#[test]
fn a_quoted_message_is_found_and_taken() {
    let dashes = "-".repeat(54);
    let text =
        format!("{dashes}\nИван Петров [12.11.2026 10:22] #chat18/4711\nгде [b]заказ[/b]?\nжду\n{dashes}\nуже едет");
    let mut nodes = parse(&text);
    assert_eq!(to_plain(&nodes, UTC), "> Иван Петров:\n> где заказ?\n> жду\nуже едет");
    assert_eq!(
        to_telegram_html(&nodes, UTC),
        "<blockquote><b>Иван Петров</b>\nгде <b>заказ</b>?\nжду</blockquote>\nуже едет"
    );
    let reply = take_quotation(&mut nodes).unwrap();
    let heading = reply.heading.unwrap();
    assert_eq!((heading.author.as_str(), heading.date.as_str()), ("Иван Петров", "12.11.2026 10:22"));
    assert_eq!(heading.context.as_deref(), Some("chat18/4711"));
    assert_eq!(to_plain(&nodes, UTC), "уже едет");
    assert_eq!(take_quotation(&mut nodes), None);
    assert_eq!(plain(&format!("{dashes}[br]без имени[br]{dashes}")), "> без имени");
    assert_eq!(plain(&format!("a\n{dashes}\nb")), format!("a\n{dashes}\nb"), "one line of dashes frames nothing");
}

#[test]
fn quotes_and_tags_across_lines_are_tolerated() {
    assert_eq!(telegram(">>[b]a\n>>b[/b]"), "<blockquote><b>a\nb</b></blockquote>");
    assert_eq!(telegram(">>[b]a\nb[/b]"), "&gt;&gt;<b>a\nb</b>");
    assert_eq!(telegram("[b]x\n>>y\n[/b]"), "<b>x\n&gt;&gt;y\n</b>");
    assert_eq!(telegram(">>a\n>>[b]b\nc[/b]"), "<blockquote>a</blockquote>\n&gt;&gt;<b>b\nc</b>");
    assert_eq!(telegram("[b]Имя:[/b] [br]>>q"), "<b>Имя:</b> \n<blockquote>q</blockquote>");
}

#[test]
fn moments_are_shown_in_the_given_zone() {
    let shown = |text: &str, hours: i32| to_plain(&parse(text), Options { utc_offset_s: hours * 3600 });
    assert_eq!(shown("[timestamp=0]", 0), "01.01.1970 00:00");
    assert_eq!(shown("[timestamp=0]", -1), "31.12.1969 23:00");
    assert_eq!(shown("[timestamp=951782400 format=LONG_DATE_FORMAT]", 3), "29.02.2000");
    assert_eq!(shown("[timestamp=1795219199]", 0), "20.11.2026 23:59");
    assert_eq!(shown("[timestamp=1795219199 format=SHORT_TIME_FORMAT]", 3), "02:59");
    assert_eq!(shown("[timestamp=253402300799 format=DAY_MONTH_FORMAT]", 0), "31.12.9999");
}

#[test]
fn files_of_the_drive_are_listed() {
    assert_eq!(disk_files(&parse("[disk=1] [b][disk=2][/b]\n>>[disk=n3]")), ["1", "2", "n3"]);
}

#[test]
fn the_signature_is_split_off_in_both_wire_forms() {
    for (text, expected) in [
        ("[b]Светлана Иванова:[/b] [br]Добрый день!", Some(("Светлана Иванова", "Добрый день!"))),
        ("[b]A:[/b][br] text", Some(("A", "text"))),
        ("[B]A:[/B] [BR]\n text", Some(("A", "\n text"))),
        ("[b]A:[/b][br]", Some(("A", ""))),
        ("[b]A: B:[/b] [br]x", Some(("A: B", "x"))),
        ("[b]A:[/b] text", None),
        ("[b]A[/b] [br]text", None),
        ("[b]:[/b] [br]text", None),
        ("[b][i]A[/i]:[/b] [br]text", None),
        (" [b]A:[/b] [br]text", None),
        ("[b]A:[", None),
        ("[bж", None),
    ] {
        assert_eq!(split_signature(text), expected, "{text}");
    }
    assert_eq!(split_signature(&format!("[b]{}:[/b] [br]x", "я".repeat(201))), None);
}

#[test]
fn deep_nesting_is_cut_off() {
    let text = format!("{}x{}", "[b]".repeat(40), "[/b]".repeat(40));
    let html = telegram(&text);
    assert_eq!(html.matches("<b>").count(), 32);
    assert_eq!(html.matches("[b]").count(), 8);
    assert_balanced(&html);
}

#[test]
fn hostile_texts_take_linear_time() {
    let started = Instant::now();
    let dashes = "-".repeat(54);
    for text in [
        "[b]".repeat(200_000),
        "[/b]".repeat(200_000),
        format!("{}{}", "[b][i][u][s]".repeat(50_000), "[/b][/i][/u][/s]".repeat(50_000)),
        "[code]".repeat(150_000),
        "[url=".repeat(150_000),
        format!("[icon={}]", " ".repeat(2000)).repeat(400),
        "[img]".repeat(150_000),
        ">>[b]\n".repeat(100_000),
        format!("{dashes}\n").repeat(10_000),
        format!("{dashes}\n[b]\n").repeat(10_000),
        "[".repeat(500_000),
        "\n>>".repeat(200_000),
    ] {
        let nodes = parse(&format!("{text}\nend"));
        assert!(to_telegram_html(&nodes, UTC).contains("end"));
        assert!(to_whatsapp(&nodes, UTC).ends_with("end"));
    }
    // Quadratic work would take many minutes; a busy machine stays far below this.
    assert!(started.elapsed() < Duration::from_mins(1), "{:?}", started.elapsed());
}

/// Every tag is closed in order, and nothing else looks like markup.
fn assert_balanced(html: &str) {
    let mut open = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find(['<', '>', '&']) {
        let (_, markup) = rest.split_at(at);
        assert!(!markup.starts_with('>'), "a bare > in {html}");
        if markup.starts_with('&') {
            let known = ["&amp;", "&lt;", "&gt;", "&quot;"].into_iter().find(|entity| markup.starts_with(entity));
            rest = &markup[known.unwrap_or_else(|| panic!("a bare & in {html}")).len()..];
            continue;
        }
        let (tag, after) = markup[1..].split_once('>').unwrap_or_else(|| panic!("an unfinished tag in {html}"));
        assert!(!tag.contains('<'), "a tag in a tag in {html}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name.to_owned()), "{html}");
        } else {
            let name = tag.split(' ').next().unwrap_or_default().to_owned();
            assert!(["b", "i", "u", "s", "a", "code", "pre", "blockquote"].contains(&name.as_str()), "{html}");
            let once = ["a", "code", "pre", "blockquote"].contains(&name.as_str());
            assert!(!once || !open.contains(&name), "{name} inside itself in {html}");
            open.push(name);
        }
        rest = after;
    }
    assert!(open.is_empty(), "{open:?} left open in {html}");
}

fn visible(html: &str) -> String {
    let mut out = String::new();
    for piece in html.split('<') {
        out.push_str(piece.split_once('>').map_or(piece, |(_, text)| text));
    }
    out.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

proptest! {
    #[test]
    fn telegram_html_is_always_balanced(text in taggy()) {
        let nodes = parse(&text);
        let html = to_telegram_html(&nodes, UTC);
        assert_balanced(&html);
        assert_balanced(&to_max_html(&nodes, UTC));
        prop_assert_eq!(telegram_len(&nodes, UTC), visible(&html).encode_utf16().count());
    }

    #[test]
    fn anything_is_read_and_written(text in any::<String>(), offset in any::<i32>()) {
        let nodes = parse(&text);
        let options = Options { utc_offset_s: offset };
        assert_balanced(&to_telegram_html(&nodes, options));
        let _ = (to_plain(&nodes, options), to_whatsapp(&nodes, options), split_signature(&text));
    }

    #[test]
    fn text_without_tags_is_not_changed(text in "([a-zA-Zа-яё .,!*_~<>&/=\\]]|\\n|🙂|\\[[0-9x]\\]|\\[[а-я]){0,60}") {
        prop_assume!(!text.split('\n').any(|line| line.starts_with(">>")));
        prop_assert_eq!(plain(&text), text.clone());
        prop_assert_eq!(whatsapp(&text), text.clone());
        prop_assert_eq!(visible(&telegram(&text)), text);
    }

    #[test]
    fn unknown_tags_survive(name in "[a-z]{1,8}", inner in "[а-я ]{0,8}") {
        prop_assume!(!token::is_tag_name(&name));
        let text = format!("[{name}]{inner}[/{name}] [{name}=1]");
        prop_assert_eq!(plain(&text), text);
    }
}
