use crate::messengers::telegram::html;

fn whatsapp(text: &str) -> String {
    crate::messengers::markup::whatsapp(text)
}

#[test]
fn whatsapp_marks_hold_only_at_the_edges_of_words() {
    assert_eq!(whatsapp("*a* _b_ ~c~"), "<b>a</b> <i>b</i> <s>c</s>");
    assert_eq!(whatsapp("*_both_*"), "<b><i>both</i></b>");
    assert_eq!(whatsapp("2*3*4 snake_case_name"), "2*3*4 snake_case_name");
    assert_eq!(whatsapp("* a* *b *"), "* a* *b *");
    assert_eq!(whatsapp("*a\nb*"), "*a<br>b*");
    assert_eq!(whatsapp("```*x* <b>``` *y*"), "<pre>*x* &lt;b&gt;</pre> <b>y</b>");
    assert_eq!(whatsapp("```open *y*"), "```open <b>y</b>");
    assert_eq!(whatsapp("<script>*&*"), "&lt;script&gt;<b>&amp;</b>");
}

#[test]
fn telegram_html_is_refused_as_the_server_refuses_it() {
    let refused = |source: &str| html::parse(source).unwrap_err();
    assert_eq!(refused("a <div>x</div>"), "Unsupported start tag \"div\" at byte offset 2");
    assert_eq!(refused("<b>x"), "Can't find end tag corresponding to start tag \"b\"");
    assert_eq!(refused("x</b>"), "Unexpected end tag at byte offset 1");
    assert_eq!(refused("<b><i>x</b></i>"), "Unmatched end tag at byte offset 7, expected \"</i>\", found \"</b>\"");
    assert_eq!(refused("5 < 7"), "Unsupported start tag \"\" at byte offset 2");
    assert_eq!(refused("5 <7"), "Unclosed start tag at byte offset 2");
    assert_eq!(refused("<br>"), "Unsupported start tag \"br\" at byte offset 0");
}

#[test]
fn telegram_entities_count_utf16_units() {
    let (plain, entities) =
        html::parse("😀 <b>жир <i>ный</i></b> &lt;&amp;&#33; <a href=\"https://e.example/?a=1&amp;b=2\">l</a>")
            .unwrap();
    assert_eq!(plain, "😀 жир ный <&! l");
    let seen: Vec<(&str, usize, usize)> =
        entities.iter().map(|entity| (entity.kind.as_str(), entity.offset, entity.length)).collect();
    assert_eq!(seen, [("bold", 3, 7), ("italic", 7, 3), ("text_link", 15, 1)]);
    assert_eq!(entities[2].url.as_deref(), Some("https://e.example/?a=1&b=2"));
    let (_, code) = html::parse("<pre><code class=\"language-rust\">x</code></pre>").unwrap();
    assert_eq!((code.len(), code[0].kind.as_str()), (1, "pre"));
    assert_eq!(code[0].language.as_deref(), Some("rust"));
}
