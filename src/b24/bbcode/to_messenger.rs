//! Plain text and WhatsApp's marks.

use super::{Node, Options, Reply, Style};

/// What a BB-code text says, without its markup.
pub fn plain(text: &str) -> String {
    to_plain(&super::parse(text), Options::default())
}

/// For messengers without markup (VK, Avito, SMS, file captions of some): styles are dropped, links are written out, quotes have
/// `> ` before their lines. Files of the Drive are left out, see [`super::disk_files`].
pub fn to_plain(nodes: &[Node], options: Options) -> String {
    let writer = Writer { options, whatsapp: false };
    writer.nodes(nodes, Context::default())
}

/// For WhatsApp: `*bold*`, `_italic_`, `~strike~`, code in three backticks. Marks are set line by line, without spaces inside
/// and only where WhatsApp would read them: not inside words, not around the same mark.
pub fn to_whatsapp(nodes: &[Node], options: Options) -> String {
    let writer = Writer { options, whatsapp: true };
    writer.nodes(nodes, Context::default())
}

struct Writer {
    options: Options,
    whatsapp: bool,
}

/// What surrounds a list of nodes.
#[derive(Clone, Copy, Default)]
struct Context {
    before: Option<char>,
    after: Option<char>,
    bold: bool,
    italic: bool,
    strike: bool,
}

impl Context {
    /// The sign for a style and the context inside it; `None` if it has none or is on already.
    fn inside(self, style: Style) -> Option<(char, Self)> {
        match style {
            Style::Bold if !self.bold => Some(('*', Self { bold: true, ..self })),
            Style::Italic if !self.italic => Some(('_', Self { italic: true, ..self })),
            Style::Strike if !self.strike => Some(('~', Self { strike: true, ..self })),
            Style::Bold | Style::Italic | Style::Strike | Style::Underline => None,
        }
    }
}

impl Writer {
    fn nodes(&self, nodes: &[Node], context: Context) -> String {
        let mut out = String::new();
        let mut rest = nodes;
        while let Some((node, following)) = rest.split_first() {
            let here = Context {
                before: out.chars().next_back().or(context.before),
                after: first_char(following).or(context.after),
                ..context
            };
            out.push_str(&self.node(node, here));
            rest = following;
        }
        out
    }

    fn node(&self, node: &Node, context: Context) -> String {
        match node {
            Node::Styled(style, inner) => self.styled(*style, inner, context),
            Node::Code(code) if self.whatsapp => format!("```{code}```"),
            Node::Text(text) | Node::Icon(text) | Node::Code(text) | Node::Image(text) => text.clone(),
            Node::Link { url, label } => link(&self.nodes(label, context), url),
            Node::Portal(_, inner) => self.nodes(inner, context),
            Node::Timestamp(timestamp) => timestamp.format(self.options.utc_offset_s),
            Node::Disk(_) => String::new(),
            Node::Quote(inner) => quote_lines(&self.nodes(inner, Context::default())),
            Node::Reply(reply) => self.reply(reply),
        }
    }

    fn reply(&self, reply: &Reply) -> String {
        let body = self.nodes(&reply.body, Context::default());
        match &reply.heading {
            Some(heading) => quote_lines(&format!("{}:\n{body}", heading.author)),
            None => quote_lines(&body),
        }
    }

    fn styled(&self, style: Style, inner: &[Node], context: Context) -> String {
        let Some((mark, inside)) = context.inside(style).filter(|_| self.whatsapp) else {
            return self.nodes(inner, context);
        };
        let text = self.nodes(inner, Context { before: Some(mark), after: Some(mark), ..inside });
        let in_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
        let glued_left = in_word(context.before) && !text.starts_with(char::is_whitespace);
        let glued_right = in_word(context.after) && !text.ends_with(char::is_whitespace);
        let code_in_lines = text.contains("```") && text.contains('\n');
        if text.contains(mark) || glued_left || glued_right || code_in_lines {
            return self.nodes(inner, context);
        }
        let lines: Vec<_> = text.split('\n').map(|line| marked(line, mark)).collect();
        lines.join("\n")
    }
}

fn marked(line: &str, mark: char) -> String {
    let inner = line.trim();
    if inner.is_empty() {
        return line.to_owned();
    }
    let start = line.len() - line.trim_start().len();
    let (lead, rest) = line.split_at(start);
    let (_, tail) = rest.split_at(inner.len());
    format!("{lead}{mark}{inner}{mark}{tail}")
}

fn quote_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(|line| format!("> {line}")).collect();
    lines.join("\n")
}

/// A link for people who see no links: label, then the address in brackets; the address alone if the label says the same.
fn link(label: &str, url: &str) -> String {
    let Some(url) = super::html::followable(url) else {
        return if label.is_empty() { url.to_owned() } else { label.to_owned() };
    };
    let shown = url.strip_prefix("mailto:").or_else(|| url.strip_prefix("tel:")).unwrap_or(&url);
    if label.trim().is_empty() || bare(label.trim()) == bare(shown) {
        shown.to_owned()
    } else {
        format!("{label} ({shown})")
    }
}

/// An address without what people leave out.
fn bare(url: &str) -> &str {
    let url = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://")).unwrap_or(url);
    url.strip_prefix("www.").unwrap_or(url).trim_end_matches('/')
}

/// What the next nodes begin with, as far as it matters for marks.
fn first_char(nodes: &[Node]) -> Option<char> {
    nodes.iter().find_map(|node| match node {
        Node::Text(text) | Node::Icon(text) => text.chars().next(),
        Node::Styled(_, inner) | Node::Portal(_, inner) => first_char(inner),
        Node::Link { url, label } => first_char(label).or_else(|| url.chars().next()),
        Node::Image(_) => Some('h'),
        Node::Timestamp(_) => Some('0'),
        Node::Code(_) => Some('`'),
        Node::Quote(_) | Node::Reply(_) => Some('>'),
        Node::Disk(_) => None,
    })
}
