//! The form parser. A flat arena with one index over (parent, key) keeps it linear, however the names are built.

use std::borrow::Cow;
use std::collections::HashMap;

use percent_encoding::percent_decode;

use super::read::list_index;
use super::{FormError, Limits, Value};

/// Parses an `application/x-www-form-urlencoded` body the way PHP does: brackets (percent-encoded or not) nest, `a[]` appends,
/// a later field replaces an earlier one of the same name in its place, what follows the last `]` is ignored. A bracket that is
/// never closed belongs to the name. Broken percent sequences stay as they are, broken UTF-8 becomes U+FFFD, and so does NUL,
/// which PostgreSQL cannot store.
pub fn parse(body: &[u8], limits: &Limits) -> Result<Value, FormError> {
    if body.len() > limits.body_bytes {
        return Err(FormError::BodyTooLong);
    }
    let mut tree = Tree::new();
    let mut pairs = 0_usize;
    for pair in body.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        pairs += 1;
        if pairs > limits.pairs {
            return Err(FormError::TooManyPairs);
        }
        let mut halves = pair.splitn(2, |byte| *byte == b'=');
        let raw_name = halves.next().unwrap_or_default();
        // Three raw bytes make at least one decoded byte: a huge name is refused before it is copied.
        if raw_name.len() / 3 > limits.key_bytes {
            return Err(FormError::KeyTooLong);
        }
        let name = decode(raw_name);
        if name.len() > limits.key_bytes {
            return Err(FormError::KeyTooLong);
        }
        if name.is_empty() {
            continue;
        }
        let path = split_name(&name, limits.depth)?;
        tree.set(&path, decode(halves.next().unwrap_or_default()));
    }
    Ok(tree.into_value())
}

fn decode(raw: &[u8]) -> String {
    let spaced: Cow<'_, [u8]> = if raw.contains(&b'+') {
        raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect()
    } else {
        raw.into()
    };
    let text = percent_decode(&spaced).decode_utf8_lossy();
    if text.contains('\0') { text.replace('\0', "\u{FFFD}") } else { text.into_owned() }
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Key(&'a str),
    Append,
}

fn split_name(name: &str, max_depth: usize) -> Result<Vec<Step<'_>>, FormError> {
    let root_end = match name.find('[') {
        // A name cannot begin with a bracket: such a one is taken as it is.
        Some(0) | None => name.len(),
        Some(at) => at,
    };
    let (root, mut rest) = name.split_at(root_end);
    let mut path = vec![Step::Key(root)];
    while let Some(inner) = rest.strip_prefix('[') {
        let Some((key, after)) = inner.split_once(']') else {
            if path.len() == 1 {
                path = vec![Step::Key(name)];
            }
            break;
        };
        path.push(if key.trim_start().is_empty() { Step::Append } else { Step::Key(key) });
        if path.len() > max_depth {
            return Err(FormError::TooDeep);
        }
        rest = after;
    }
    if path.len() > max_depth { Err(FormError::TooDeep) } else { Ok(path) }
}

type NodeId = usize;

struct Node {
    key: String,
    content: Content,
}

enum Content {
    Text(String),
    Map {
        children: Vec<NodeId>,
        /// What `a[]` takes next; `None` after the greatest number there is, as in PHP.
        next_index: Option<i64>,
    },
}

impl Content {
    fn empty_map() -> Self {
        Content::Map { children: Vec::new(), next_index: Some(0) }
    }
}

struct Tree {
    nodes: Vec<Node>,
    index: HashMap<(NodeId, String), NodeId>,
}

impl Tree {
    fn new() -> Self {
        let root = Node { key: String::new(), content: Content::empty_map() };
        Self { nodes: vec![root], index: HashMap::new() }
    }

    fn set(&mut self, path: &[Step<'_>], text: String) {
        let Some((last, parents)) = path.split_last() else {
            return;
        };
        let mut at = 0;
        for step in parents {
            let Some(child) = self.child(at, *step) else {
                return;
            };
            self.make_map(child);
            at = child;
        }
        if let Some(leaf) = self.child(at, *last) {
            self.set_text(leaf, text);
        }
    }

    /// The child of a map, made when absent. `None` only when there is no number left to append with.
    fn child(&mut self, parent: NodeId, step: Step<'_>) -> Option<NodeId> {
        let next = match self.nodes.get(parent)?.content {
            Content::Map { next_index, .. } => next_index,
            Content::Text(_) => return None,
        };
        let key = match step {
            Step::Key(key) => key.to_owned(),
            Step::Append => next?.to_string(),
        };
        if let Some(found) = self.index.get(&(parent, key.clone())) {
            return Some(*found);
        }
        let id = self.nodes.len();
        let used = list_index(&key);
        self.nodes.push(Node { key: key.clone(), content: Content::Text(String::new()) });
        self.index.insert((parent, key), id);
        if let Content::Map { children, next_index } = &mut self.nodes.get_mut(parent)?.content {
            children.push(id);
            if let Some(used) = used
                && next_index.is_some_and(|next| used >= next)
            {
                *next_index = used.checked_add(1);
            }
        }
        Some(id)
    }

    /// Makes a node a map, forgetting a scalar that stood there.
    fn make_map(&mut self, id: NodeId) {
        if let Some(Node { content, .. }) = self.nodes.get_mut(id)
            && matches!(content, Content::Text(_))
        {
            *content = Content::empty_map();
        }
    }

    /// Gives a node a scalar in its old place. The children of a map that goes leave the index, so that a later map of the same
    /// name does not find them; each is removed once, so the cost was paid when it was made.
    fn set_text(&mut self, id: NodeId, text: String) {
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        if let Content::Map { children, .. } = std::mem::replace(&mut node.content, Content::Text(text)) {
            for child in children {
                if let Some(dead) = self.nodes.get_mut(child) {
                    self.index.remove(&(id, std::mem::take(&mut dead.key)));
                }
            }
        }
    }

    fn into_value(mut self) -> Value {
        self.take(0)
    }

    /// As deep as the depth limit lets names be.
    fn take(&mut self, id: NodeId) -> Value {
        let Some(node) = self.nodes.get_mut(id) else {
            return Value::default();
        };
        match std::mem::replace(&mut node.content, Content::Text(String::new())) {
            Content::Text(text) => Value::Text(text),
            Content::Map { children, .. } => Value::Map(
                children
                    .into_iter()
                    .map(|child| {
                        let key =
                            self.nodes.get_mut(child).map(|node| std::mem::take(&mut node.key)).unwrap_or_default();
                        (key, self.take(child))
                    })
                    .collect(),
            ),
        }
    }
}
