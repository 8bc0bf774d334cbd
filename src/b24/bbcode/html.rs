//! HTML for the messengers that read it. What comes out is always well-formed: text is escaped, tags are closed in order, a
//! tag stands only where the reader allows it.

use std::borrow::Cow;

use super::loosen::shows_nothing;
use super::{Node, Options, Reply, Style};

/// For the Bot API's `parse_mode=HTML`.
pub fn to_telegram_html(nodes: &[Node], options: Options) -> String {
    render(nodes, options, Dialect::Telegram)
}

/// For MAX with `format=html`.
pub fn to_max_html(nodes: &[Node], options: Options) -> String {
    render(nodes, options, Dialect::Max)
}

/// The inside of an e-mail's body.
pub fn to_email_html(nodes: &[Node], options: Options) -> String {
    render(nodes, options, Dialect::Email)
}

/// What Telegram counts against its limits: the visible text in UTF-16 units, without tags.
pub fn telegram_len(nodes: &[Node], options: Options) -> usize {
    let html = to_telegram_html(nodes, options);
    let (mut length, mut rest) = (0, html.as_str());
    // We wrote it ourselves: a tag has no `>` inside, an entity ends with `;`.
    while let Some(at) = rest.find(['<', '&']) {
        let (text, markup) = rest.split_at(at);
        let end = if markup.starts_with('<') { '>' } else { ';' };
        length += text.encode_utf16().count() + usize::from(end == ';');
        rest = markup.split_once(end).map_or("", |(_, after)| after);
    }
    length + rest.encode_utf16().count()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Dialect {
    Telegram,
    Max,
    Email,
}

fn render(nodes: &[Node], options: Options, dialect: Dialect) -> String {
    let mut writer = Writer { out: String::new(), options, dialect };
    writer.nodes(nodes, Inside::default());
    writer.out
}

/// Tags that must not contain themselves.
#[derive(Clone, Copy, Default)]
struct Inside {
    link: bool,
    quote: bool,
}

struct Writer {
    out: String,
    options: Options,
    dialect: Dialect,
}

impl Writer {
    fn nodes(&mut self, nodes: &[Node], inside: Inside) {
        for node in nodes {
            self.node(node, inside);
        }
    }

    fn node(&mut self, node: &Node, inside: Inside) {
        match node {
            Node::Text(text) | Node::Icon(text) => self.text(text),
            Node::Styled(style, inner) => {
                self.wrap(style_tag(*style), |writer| writer.nodes(inner, inside));
            }
            Node::Code(code) => self.code(code),
            Node::Link { url, label } => self.link(url, label, inside),
            Node::Image(url) => self.link(url, &[], inside),
            Node::Portal(_, inner) => self.nodes(inner, inside),
            Node::Timestamp(timestamp) => self.text(&timestamp.format(self.options.utc_offset_s)),
            Node::Disk(_) => {}
            Node::Quote(inner) => self.quote(inside, |writer, inside| writer.nodes(inner, inside)),
            Node::Reply(reply) => self.quote(inside, |writer, inside| writer.reply(reply, inside)),
        }
    }

    fn reply(&mut self, reply: &Reply, inside: Inside) {
        if let Some(heading) = &reply.heading {
            self.wrap("b", |writer| writer.text(&heading.author));
            if !reply.body.is_empty() {
                self.text("\n");
            }
        }
        self.nodes(&reply.body, inside);
    }

    fn quote(&mut self, inside: Inside, content: impl FnOnce(&mut Self, Inside)) {
        if inside.quote {
            content(self, inside);
        } else {
            self.wrap("blockquote", |writer| {
                content(writer, Inside { quote: true, ..inside });
            });
        }
    }

    fn code(&mut self, code: &str) {
        let tag = match self.dialect {
            Dialect::Max => "code",
            Dialect::Telegram if !code.contains('\n') => "code",
            Dialect::Telegram | Dialect::Email => "pre",
        };
        self.wrap(tag, |writer| escape(code, &mut writer.out));
    }

    fn link(&mut self, url: &str, label: &[Node], inside: Inside) {
        let target = followable(url).filter(|_| !inside.link);
        let Some(target) = target else {
            if label.is_empty() {
                self.text(url);
            } else {
                self.nodes(label, inside);
            }
            return;
        };
        self.out.push_str("<a href=\"");
        escape(&target, &mut self.out);
        self.out.push_str("\">");
        self.nodes(label, Inside { link: true, ..inside });
        if shows_nothing(label) {
            self.text(&target);
        }
        self.out.push_str("</a>");
    }

    /// Writes a tag around something; nothing at all around nothing.
    fn wrap(&mut self, tag: &str, content: impl FnOnce(&mut Self)) {
        let before = self.out.len();
        self.out.push('<');
        self.out.push_str(tag);
        self.out.push('>');
        let start = self.out.len();
        content(self);
        if self.out.len() == start {
            self.out.truncate(before);
            return;
        }
        self.out.push_str("</");
        self.out.push_str(tag);
        self.out.push('>');
    }

    fn text(&mut self, text: &str) {
        if self.dialect != Dialect::Email {
            return escape(text, &mut self.out);
        }
        for (index, line) in text.split('\n').enumerate() {
            if index > 0 {
                self.out.push_str("<br>");
            }
            escape(line, &mut self.out);
        }
    }
}

fn style_tag(style: Style) -> &'static str {
    match style {
        Style::Bold => "b",
        Style::Italic => "i",
        Style::Underline => "u",
        Style::Strike => "s",
    }
}

fn escape(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            _ => out.push(c),
        }
    }
}

/// An address that a client can open: absolute and of a harmless kind. Addresses inside the portal (`/crm/…`) are none.
pub(super) fn followable(url: &str) -> Option<Cow<'_, str>> {
    const SCHEMES: &[&str] = &["https", "http", "mailto", "tel", "tg"];
    let url = url.trim();
    if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    if url.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("www.")) {
        return Some(Cow::Owned(format!("http://{url}")));
    }
    let (scheme, rest) = url.split_once(':')?;
    let allowed = SCHEMES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    (allowed && !rest.trim_matches('/').is_empty()).then_some(Cow::Borrowed(url))
}
