//! The path patterns of every host, as radix trees in one shared arena.
//!
//! All patterns that match one path are nested prefixes of it, so a walk down the tree meets them from the least to the
//! most specific. The walk keeps only the last leaf it passed; each leaf knows the next one outside of it.

use memchr::memchr;

/// "No such node or leaf".
const NONE: u32 = u32::MAX;
/// Up to here a loop over the children's first bytes is cheaper than a call of `memchr`.
const FEW_CHILDREN: usize = 16;

/// What a pattern's literal must be to a path; in order of precedence at equal literals.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// The whole path.
    Exact,
    /// The path's first segments.
    Subtree,
    /// The path's first bytes.
    Prefix,
}

/// One pattern of one host.
#[derive(Clone, Copy)]
pub(super) struct Pattern<'a> {
    pub literal: &'a [u8],
    pub kind: Kind,
    pub id: u32,
}

/// The trees of all hosts.
#[derive(Default)]
pub(super) struct PathTrees {
    nodes: Vec<Node>,
    leaves: Vec<Leaf>,
    ids: Vec<u32>,
    /// Per node: its label, then the first byte of each child in ascending order.
    bytes: Vec<u8>,
}

/// The byte that leads to a node stands with its parent; the label is what follows it.
struct Node {
    label: u32,
    label_len: u32,
    /// The first of the children, which stand side by side.
    children: u32,
    leaf: u32,
    child_count: u16,
}

/// The patterns that end at one node; their ids stand side by side, by kind.
struct Leaf {
    /// The leaf of the longest literal that is a true prefix of this one's.
    outer: u32,
    /// Length of the literal in bytes.
    depth: u32,
    exact: u32,
    subtree: u32,
    prefix: u32,
    end: u32,
}

impl PathTrees {
    /// Plants one more tree and returns its root. `patterns` are sorted by literal, then kind.
    pub fn plant(&mut self, patterns: &[Pattern<'_>]) -> u32 {
        let root = index(self.nodes.len());
        self.nodes.push(Node::new());
        let mut tasks = vec![Task { node: root, patterns, depth: 0, outer: NONE }];
        while let Some(task) = tasks.pop() {
            self.grow(task, &mut tasks);
        }
        root
    }

    fn grow<'a>(&mut self, task: Task<'a>, tasks: &mut Vec<Task<'a>>) {
        let Task { node, patterns, depth, mut outer } = task;
        let (Some(first), Some(last)) = (patterns.first(), patterns.last()) else { return };
        let rest = &first.literal[depth..];
        let common = rest.iter().zip(&last.literal[depth..]).take_while(|(a, b)| a == b).count();
        let (label, depth) = (index(self.bytes.len()), depth + common);
        self.bytes.extend_from_slice(&rest[..common]);

        let (here, below) = patterns.split_at(patterns.partition_point(|p| p.literal.len() == depth));
        let mut leaf = NONE;
        if !here.is_empty() {
            leaf = self.add_leaf(here, depth, outer);
            outer = leaf;
        }
        let children = index(self.nodes.len());
        let mut child_count = 0;
        for patterns in below.chunk_by(|a, b| a.literal[depth] == b.literal[depth]) {
            self.bytes.push(patterns[0].literal[depth]);
            tasks.push(Task { node: index(self.nodes.len()), patterns, depth: depth + 1, outer });
            self.nodes.push(Node::new());
            child_count += 1;
        }
        self.nodes[node as usize] = Node { label, label_len: index(common), children, leaf, child_count };
    }

    fn add_leaf(&mut self, patterns: &[Pattern<'_>], depth: usize, outer: u32) -> u32 {
        let start = self.ids.len();
        self.ids.extend(patterns.iter().map(|p| p.id));
        let begins = |kind| index(start + patterns.partition_point(|p| p.kind < kind));
        let (exact, subtree, prefix) = (begins(Kind::Exact), begins(Kind::Subtree), begins(Kind::Prefix));
        self.leaves.push(Leaf { outer, depth: index(depth), exact, subtree, prefix, end: index(self.ids.len()) });
        index(self.leaves.len() - 1)
    }

    /// The first id that `accepts` takes, of the most specific pattern that has one.
    pub fn first(&self, root: u32, path: &[u8], accepts: &impl Fn(u32) -> bool) -> Option<u32> {
        let mut at = self.deepest::<false>(root, path);
        while let Some(leaf) = self.leaves.get(at as usize) {
            // The kinds that match stand at the end of the list, whichever byte follows the literal.
            let begin = match path.get(leaf.depth as usize) {
                None => leaf.exact,
                Some(b'/') => leaf.subtree,
                Some(_) => leaf.prefix,
            };
            let mut ids = self.ids[begin as usize..leaf.end as usize].iter().copied();
            if let Some(id) = ids.find(|&id| accepts(id)) {
                return Some(id);
            }
            at = leaf.outer;
        }
        None
    }

    /// Whether `id` is among the accepted ids of the most specific pattern that has any; `None` if none has.
    /// With `FOLD`, the letters of `path` are read in lower case.
    pub fn among<const FOLD: bool>(
        &self,
        root: u32,
        path: &[u8],
        id: u32,
        accepts: &impl Fn(u32) -> bool,
    ) -> Option<bool> {
        let mut at = self.deepest::<FOLD>(root, path);
        while let Some(leaf) = self.leaves.get(at as usize) {
            let next = path.get(leaf.depth as usize);
            let lists = [
                (leaf.exact, leaf.subtree, next.is_none()),
                (leaf.subtree, leaf.prefix, matches!(next, None | Some(b'/'))),
                (leaf.prefix, leaf.end, true),
            ];
            for (begin, end, _) in lists.into_iter().filter(|&(.., matches)| matches) {
                let ids = &self.ids[begin as usize..end as usize];
                if ids.contains(&id) && accepts(id) {
                    return Some(true);
                }
                if ids.iter().any(|&id| accepts(id)) {
                    return Some(false);
                }
            }
            at = leaf.outer;
        }
        None
    }

    /// The id that every path leads to, if the tree is a lone `/*` and `accepts` takes one of its ids.
    pub fn sole(&self, root: u32, accepts: &impl Fn(u32) -> bool) -> Option<u32> {
        let node = &self.nodes[root as usize];
        let leaf = self.leaves.get(node.leaf as usize)?;
        let lone = node.child_count == 0 && leaf.depth == 0 && leaf.exact == leaf.subtree && leaf.prefix == leaf.end;
        let ids = &self.ids[leaf.subtree as usize..leaf.prefix as usize];
        if lone { ids.iter().copied().find(|&id| accepts(id)) } else { None }
    }

    /// The leaf of the longest literal that `path` starts with, byte for byte.
    fn deepest<const FOLD: bool>(&self, root: u32, path: &[u8]) -> u32 {
        let (mut node, mut rest, mut leaf) = (&self.nodes[root as usize], path, NONE);
        loop {
            let keys = (node.label + node.label_len) as usize;
            let label = &self.bytes[node.label as usize..keys];
            if !label.is_empty() {
                let Some((head, tail)) = rest.split_at_checked(label.len()) else { return leaf };
                if !same::<FOLD>(head, label) {
                    return leaf;
                }
                rest = tail;
            }
            if node.leaf != NONE {
                leaf = node.leaf;
            }
            if node.child_count == 0 {
                return leaf;
            }
            let Some((&byte, tail)) = rest.split_first() else { return leaf };
            let byte = if FOLD { byte.to_ascii_lowercase() } else { byte };
            let keys = &self.bytes[keys..keys + node.child_count as usize];
            let found =
                if keys.len() <= FEW_CHILDREN { keys.iter().position(|&key| key == byte) } else { memchr(byte, keys) };
            let Some(child) = found else { return leaf };
            (node, rest) = (&self.nodes[node.children as usize + child], tail);
        }
    }

    /// Gives back what growing reserved in excess.
    pub fn shrink(&mut self) {
        let Self { nodes, leaves, ids, bytes } = self;
        nodes.shrink_to_fit();
        leaves.shrink_to_fit();
        ids.shrink_to_fit();
        bytes.shrink_to_fit();
    }

    /// Heap memory in bytes.
    #[cfg(test)]
    pub fn heap_bytes(&self) -> usize {
        let Self { nodes, leaves, ids, bytes } = self;
        size_of::<Node>() * nodes.capacity()
            + size_of::<Leaf>() * leaves.capacity()
            + size_of::<u32>() * ids.capacity()
            + bytes.capacity()
    }
}

/// A subtree still to be grown: the patterns below `node`, which agree in their first `depth` bytes.
struct Task<'a> {
    node: u32,
    patterns: &'a [Pattern<'a>],
    depth: usize,
    outer: u32,
}

impl Node {
    fn new() -> Self {
        Node { label: 0, label_len: 0, children: 0, leaf: NONE, child_count: 0 }
    }
}

/// Whether `path` reads as `label`, which is of equal length.
fn same<const FOLD: bool>(path: &[u8], label: &[u8]) -> bool {
    if FOLD { path.iter().zip(label).all(|(p, l)| p.to_ascii_lowercase() == *l) } else { path == label }
}

/// An arena's offset. A document of 4 GiB of patterns is refused long before it comes here.
fn index(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(NONE)
}
