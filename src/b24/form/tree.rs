//! The form parser. A flat arena, with an index over the children of a map that has many, keeps it linear, however the names
//! are built.

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
        tree.set(&path, decode(halves.next().unwrap_or_default()).into_owned());
    }
    Ok(tree.into_value())
}

fn decode(raw: &[u8]) -> Cow<'_, str> {
    if !raw.iter().any(|byte| matches!(byte, b'+' | b'%' | 0)) {
        return String::from_utf8_lossy(raw);
    }
    let spaced: Cow<'_, [u8]> = if raw.contains(&b'+') {
        raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect()
    } else {
        raw.into()
    };
    let text = percent_decode(&spaced).decode_utf8_lossy();
    Cow::Owned(if text.contains('\0') { text.replace('\0', "\u{FFFD}") } else { text.into_owned() })
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

/// So many keys are sooner compared than hashed.
const FEW: usize = 16;

enum Node {
    Text(String),
    Map(Map),
}

struct Map {
    children: Vec<(String, NodeId)>,
    /// By key, once there are more than [`FEW`].
    index: HashMap<String, NodeId>,
    /// What `a[]` takes next; `None` after the greatest number there is, as in PHP.
    next_index: Option<i64>,
}

impl Map {
    fn empty() -> Self {
        Self { children: Vec::new(), index: HashMap::new(), next_index: Some(0) }
    }

    fn find(&self, key: &str) -> Option<NodeId> {
        if self.children.len() > FEW {
            return self.index.get(key).copied();
        }
        self.children.iter().find(|(known, _)| known == key).map(|(_, child)| *child)
    }

    fn push(&mut self, key: String, child: NodeId) {
        if let Some(used) = list_index(&key)
            && self.next_index.is_some_and(|next| used >= next)
        {
            self.next_index = used.checked_add(1);
        }
        self.children.push((key, child));
        match self.children.len().checked_sub(FEW + 1) {
            None => {}
            Some(0) => self.index = self.children.iter().cloned().collect(),
            Some(_) => self.index.extend(self.children.last().cloned()),
        }
    }
}

struct Tree {
    nodes: Vec<Node>,
}

impl Tree {
    fn new() -> Self {
        Self { nodes: vec![Node::Map(Map::empty())] }
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
        if let Some(leaf) = self.child(at, *last)
            && let Some(node) = self.nodes.get_mut(leaf)
        {
            // The children of a map that stood there are found no more.
            *node = Node::Text(text);
        }
    }

    /// The child of a map, made when absent. `None` only when there is no number left to append with.
    fn child(&mut self, parent: NodeId, step: Step<'_>) -> Option<NodeId> {
        let id = self.nodes.len();
        let Node::Map(map) = self.nodes.get_mut(parent)? else { return None };
        let key = match step {
            Step::Key(key) => Cow::Borrowed(key),
            Step::Append => Cow::Owned(map.next_index?.to_string()),
        };
        if let Some(found) = map.find(&key) {
            return Some(found);
        }
        map.push(key.into_owned(), id);
        self.nodes.push(Node::Text(String::new()));
        Some(id)
    }

    /// Makes a node a map, forgetting a scalar that stood there.
    fn make_map(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(id)
            && matches!(node, Node::Text(_))
        {
            *node = Node::Map(Map::empty());
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
        match std::mem::replace(node, Node::Text(String::new())) {
            Node::Text(text) => Value::Text(text),
            Node::Map(map) => {
                Value::Map(map.children.into_iter().map(|(key, child)| (key, self.take(child))).collect())
            }
        }
    }
}
