//! Before a message is cut: what cannot be cut and would not fit becomes text.

use super::html::followable;
use super::tree::push_text;
use super::{Node, Reply, Style};

fn loosen(nodes: &[Node], room: usize, measure: &dyn Fn(&[Node]) -> usize, out: &mut Vec<Node>) {
    for node in nodes {
        match node {
            Node::Link { url, label } => {
                let shell = Node::Link { url: url.clone(), label: vec![Node::Text("x".to_owned())] };
                if measure(&[shell]) <= room && !shows_nothing(label) {
                    out.push(with_children(node, loosened(label, room, measure)));
                } else {
                    for inner in loosened(label, room, measure) {
                        push(out, inner);
                    }
                    push_text(out, &address_behind(url, label));
                }
            }
            Node::Image(text) | Node::Icon(text) if measure(std::slice::from_ref(node)) > room => {
                push_text(out, text);
            }
            Node::Reply(reply) => out.push(loosened_reply(reply, room, measure)),
            Node::Styled(_, inner) | Node::Portal(_, inner) | Node::Quote(inner) => {
                out.push(with_children(node, loosened(inner, room, measure)));
            }
            other => push(out, other.clone()),
        }
    }
}

fn loosened_reply(reply: &Reply, room: usize, measure: &dyn Fn(&[Node]) -> usize) -> Node {
    let shell = Node::Reply(Reply { heading: reply.heading.clone(), body: Vec::new() });
    // White space is lost at cuts: a heading must not hang on it.
    let mut body = loosened(&reply.body, room, measure);
    if is_blank(&body) {
        body.clear();
    }
    match &reply.heading {
        Some(heading) if measure(std::slice::from_ref(&shell)) > room => {
            let author = Node::Styled(Style::Bold, vec![Node::Text(heading.author.clone())]);
            let mut all = vec![author, Node::Text("\n".to_owned())];
            for inner in body {
                push(&mut all, inner);
            }
            Node::Quote(all)
        }
        _ => with_children(&shell, body),
    }
}

/// The nodes without what could never fit: nodes whose fixed part takes more than `room`.
pub(super) fn loosened(nodes: &[Node], room: usize, measure: &dyn Fn(&[Node]) -> usize) -> Vec<Node> {
    let mut out = Vec::new();
    loosen(nodes, room, measure, &mut out);
    out
}

/// What of an address is written when the link is given up; renderers too show none that nobody can follow.
fn address_behind(url: &str, label: &[Node]) -> String {
    match followable(url) {
        _ if label.is_empty() => url.to_owned(),
        None => String::new(),
        Some(url) if shows_nothing(label) => url.into_owned(),
        Some(url) => format!(" ({url})"),
    }
}

fn is_blank(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| match node {
        Node::Text(text) | Node::Code(text) => text.trim().is_empty(),
        _ => !node.children().is_empty() && is_blank(node.children()),
    })
}

/// White space and files only.
pub(super) fn shows_nothing(nodes: &[Node]) -> bool {
    nodes.iter().all(|node| match node {
        Node::Text(text) | Node::Code(text) => text.trim().is_empty(),
        Node::Disk(_) => true,
        _ => !node.children().is_empty() && shows_nothing(node.children()),
    })
}

fn push(nodes: &mut Vec<Node>, node: Node) {
    match node {
        Node::Text(text) => push_text(nodes, &text),
        other => nodes.push(other),
    }
}

/// A node like `shell` with other content.
pub(super) fn with_children(shell: &Node, children: Vec<Node>) -> Node {
    match shell {
        Node::Styled(style, _) => Node::Styled(*style, children),
        Node::Portal(tag, _) => Node::Portal(*tag, children),
        Node::Link { url, .. } => Node::Link { url: url.clone(), label: children },
        Node::Reply(reply) => Node::Reply(Reply { heading: reply.heading.clone(), body: children }),
        Node::Code(_) => Node::Code(children.iter().map(literal).collect()),
        _ => Node::Quote(children),
    }
}

/// The text of a node that is nothing else.
pub(super) fn literal(node: &Node) -> &str {
    match node {
        Node::Text(text) => text,
        _ => "",
    }
}
