//! Pairs tags and builds the nodes of a stretch of text. Tags that nothing closes, or that close nothing, stay as written;
//! overlapping ones (`[b]a[i]b[/b]c[/i]`) are closed and opened again, so that every node is inside another or beside it.

use std::collections::BTreeMap;

use super::neutral::restore;
use super::token::{Kind, Leaf, Tag, Token};
use super::{Node, to_messenger};

/// Nodes inside nodes; deeper tags stay as written. People do not nest further, and renderers recurse.
const MAX_DEPTH: usize = 32;

/// For every token the index of its counterpart.
pub(super) fn pairs(tokens: &[Token<'_>]) -> Vec<Option<usize>> {
    let mut partners = vec![None; tokens.len()];
    let mut waiting: BTreeMap<Kind, Vec<usize>> = BTreeMap::new();
    for (at, token) in tokens.iter().enumerate() {
        match token {
            Token::Open(tag) => waiting.entry(tag.kind).or_default().push(at),
            Token::Close(tag) => {
                if let Some(open) = waiting.get_mut(&tag.kind).and_then(Vec::pop) {
                    if let Some(partner) = partners.get_mut(open) {
                        *partner = Some(at);
                    }
                    if let Some(partner) = partners.get_mut(at) {
                        *partner = Some(open);
                    }
                }
            }
            Token::Text(_) | Token::Newline | Token::Leaf(_) => {}
        }
    }
    partners
}

/// Builds the nodes of tokens without blocks.
pub(super) fn inline(tokens: &[Token<'_>]) -> Vec<Node> {
    let partners = pairs(tokens);
    let mut builder = Builder { done: Vec::new(), open: Vec::new() };
    for (at, (token, partner)) in tokens.iter().zip(partners).enumerate() {
        match (*token, partner) {
            (Token::Text(text), _) => builder.text(&restore(text)),
            (Token::Newline, _) => builder.text("\n"),
            (Token::Leaf(leaf), _) => builder.leaf(leaf),
            (Token::Open(tag), Some(_)) if builder.takes(tag) => {
                builder.open.push(Frame { tag, at, nodes: Vec::new(), reopened: false });
            }
            (Token::Close(_), Some(open)) if builder.open.iter().any(|frame| frame.at == open) => {
                builder.close(open);
            }
            (Token::Open(tag) | Token::Close(tag), _) => builder.text(tag.raw),
        }
    }
    builder.done
}

struct Frame<'a> {
    tag: Tag<'a>,
    /// Index of the opening token: the frame's identity, also after it was closed and opened again.
    at: usize,
    nodes: Vec<Node>,
    reopened: bool,
}

struct Builder<'a> {
    done: Vec<Node>,
    open: Vec<Frame<'a>>,
}

impl Builder<'_> {
    /// A link inside a link is no link anywhere.
    fn takes(&self, tag: Tag<'_>) -> bool {
        self.open.len() < MAX_DEPTH
            && !(tag.kind == Kind::Url && self.open.iter().any(|frame| frame.tag.kind == Kind::Url))
    }

    fn here(&mut self) -> &mut Vec<Node> {
        match self.open.last_mut() {
            Some(frame) => &mut frame.nodes,
            None => &mut self.done,
        }
    }

    fn text(&mut self, text: &str) {
        push_text(self.here(), text);
    }

    fn leaf(&mut self, leaf: Leaf<'_>) {
        let node = match leaf {
            Leaf::Code("") | Leaf::Icon("") => return,
            Leaf::Code(code) => Node::Code(restore(&code.replace("\r\n", "\n")).into_owned()),
            Leaf::Image(url) => Node::Image(url.to_owned()),
            Leaf::Icon(title) => Node::Icon(title.to_owned()),
            Leaf::Timestamp(timestamp) => Node::Timestamp(timestamp),
            Leaf::Disk(id) => Node::Disk(id.to_owned()),
            Leaf::Symbol(symbol) => return self.text(symbol),
        };
        self.here().push(node);
    }

    fn close(&mut self, open: usize) {
        let mut again = Vec::new();
        while let Some(frame) = self.open.pop() {
            let (tag, at) = (frame.tag, frame.at);
            if let Some(node) = frame.into_node() {
                self.here().push(node);
            }
            if at == open {
                break;
            }
            again.push(Frame { tag, at, nodes: Vec::new(), reopened: true });
        }
        self.open.extend(again.into_iter().rev());
    }
}

impl Frame<'_> {
    /// `None` if there is nothing to see.
    fn into_node(self) -> Option<Node> {
        let empty = self.nodes.is_empty();
        match self.tag.kind {
            Kind::Url if !self.tag.arg.is_empty() && (!empty || !self.reopened) => {
                let url = self.tag.arg.trim_matches(['"', '\'']).to_owned();
                Some(Node::Link { url, label: self.nodes })
            }
            _ if empty => None,
            Kind::Url => {
                let url = to_messenger::to_plain(&self.nodes, super::Options::default()).trim().to_owned();
                Some(Node::Link { url, label: self.nodes })
            }
            Kind::Style(style) => Some(Node::Styled(style, self.nodes)),
            Kind::Portal(tag) => Some(Node::Portal(tag, self.nodes)),
        }
    }
}

/// Adds a text, joining it to one that stands before it.
pub(super) fn push_text(nodes: &mut Vec<Node>, text: &str) {
    if text.is_empty() {
        return;
    }
    if let Some(Node::Text(last)) = nodes.last_mut() {
        last.push_str(text);
    } else {
        nodes.push(Node::Text(text.to_owned()));
    }
}
