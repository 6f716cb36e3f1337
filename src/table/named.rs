//! The path patterns of a host that has `{name}` segments among them, as a tree of whole segments.
//!
//! A walk tries at every segment the literal, then `{name}`, then `x*` from the longest, then `*`; what fails below is
//! tried again with the next. So the patterns are met from the most to the least specific. No node is visited twice
//! for a path, so the work is bounded by the tree.

use super::paths::Kind;

/// "No such node".
const NONE: u32 = u32::MAX;

/// A pattern, its segments decoded. Of a [`Kind::Prefix`] the last one goes on in the path.
#[derive(Clone)]
pub(super) struct Segmented {
    pub segments: Vec<Segment>,
    pub kind: Kind,
    pub id: u32,
}

#[derive(Clone, PartialEq, Eq)]
pub(super) enum Segment {
    Literal(Box<[u8]>),
    /// `{name}`: any one that is not empty.
    Any,
}

/// One tree. The root is the first node.
pub(super) struct NamedPaths {
    nodes: Vec<Node>,
}

#[derive(Default)]
struct Node {
    /// The literals that may follow, in ascending order.
    literals: Vec<(Box<[u8]>, u32)>,
    any: Option<u32>,
    /// `x*`: the longest first.
    opens: Vec<(Box<[u8]>, Vec<u32>)>,
    /// The routes of patterns that end here.
    ends: Vec<u32>,
    /// The routes of `/*` here.
    rest: Vec<u32>,
}

impl NamedPaths {
    /// Grows the tree. Patterns that are alike are asked in the order in which they stand.
    pub fn new(patterns: impl IntoIterator<Item = Segmented>) -> NamedPaths {
        let mut tree = NamedPaths { nodes: vec![Node::default()] };
        for pattern in patterns {
            tree.add(pattern);
        }
        for node in &mut tree.nodes {
            node.opens.sort_by_key(|(open, _)| std::cmp::Reverse(open.len()));
        }
        tree
    }

    fn add(&mut self, Segmented { mut segments, kind, id }: Segmented) {
        let open = if kind == Kind::Prefix { segments.pop() } else { None };
        let mut at = 0;
        for segment in segments {
            at = self.child(at, segment);
        }
        let node = &mut self.nodes[at];
        match (kind, open) {
            (Kind::Exact, _) => node.ends.push(id),
            (Kind::Prefix, Some(Segment::Literal(open))) => {
                match node.opens.iter_mut().find(|(known, _)| *known == open) {
                    Some((_, ids)) => ids.push(id),
                    None => node.opens.push((open, vec![id])),
                }
            }
            (Kind::Subtree | Kind::Prefix, _) => node.rest.push(id),
        }
    }

    fn child(&mut self, at: usize, segment: Segment) -> usize {
        let new = self.nodes.len();
        let number = u32::try_from(new).unwrap_or(NONE);
        let known = match segment {
            Segment::Any => *self.nodes[at].any.get_or_insert(number),
            Segment::Literal(literal) => {
                let literals = &mut self.nodes[at].literals;
                match literals.binary_search_by(|(known, _)| known.cmp(&literal)) {
                    Ok(place) => literals[place].1,
                    Err(place) => {
                        literals.insert(place, (literal, number));
                        number
                    }
                }
            }
        };
        if known == number {
            self.nodes.push(Node::default());
        }
        known as usize
    }

    /// Shows `visit` the routes of every pattern that matches `path`, the most specific pattern first, until it answers.
    pub fn walk<R>(&self, path: &[u8], visit: &mut impl FnMut(&[u32]) -> Option<R>) -> Option<R> {
        self.below(0, path.strip_prefix(b"/"), visit)
    }

    /// `rest` is what of the path follows this node's slash; `None` at its end. As deep as patterns have segments, at most.
    fn below<R>(&self, at: u32, rest: Option<&[u8]>, visit: &mut impl FnMut(&[u32]) -> Option<R>) -> Option<R> {
        let node = self.nodes.get(at as usize)?;
        let show = |ids: &[u32], visit: &mut dyn FnMut(&[u32]) -> Option<R>| {
            if ids.is_empty() { None } else { visit(ids) }
        };
        let Some(rest) = rest else {
            return show(&node.ends, visit).or_else(|| show(&node.rest, visit));
        };
        let (segment, tail) = match memchr::memchr(b'/', rest) {
            Some(slash) => (&rest[..slash], Some(&rest[slash + 1..])),
            None => (rest, None),
        };
        if let Ok(place) = node.literals.binary_search_by(|(literal, _)| (**literal).cmp(segment))
            && let Some(found) = self.below(node.literals[place].1, tail, visit)
        {
            return Some(found);
        }
        if let (Some(any), false) = (node.any, segment.is_empty())
            && let Some(found) = self.below(any, tail, visit)
        {
            return Some(found);
        }
        let mut opens = node.opens.iter().filter(|(open, _)| segment.starts_with(open));
        opens.find_map(|(_, ids)| show(ids, visit)).or_else(|| show(&node.rest, visit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(patterns: &[&str]) -> NamedPaths {
        NamedPaths::new(patterns.iter().zip(0..).map(|(text, id)| {
            let (kind, literal) = match (text.strip_suffix("/*"), text.strip_suffix('*')) {
                (Some(literal), _) => (Kind::Subtree, literal),
                (_, Some(literal)) => (Kind::Prefix, literal),
                _ => (Kind::Exact, *text),
            };
            let segment = |text: &str| match text {
                "{}" => Segment::Any,
                _ => Segment::Literal(text.as_bytes().into()),
            };
            Segmented { segments: literal.split('/').skip(1).map(segment).collect(), kind, id }
        }))
    }

    #[test]
    fn every_pattern_that_matches_is_met_from_the_most_to_the_least_specific() {
        let patterns = ["/*", "/a*", "/{}/*", "/{}/b", "/a/*", "/a/b*", "/a/{}", "/a/b", "/a/b/c", "/{}"];
        let tree = tree(&patterns);
        for (path, expected) in [
            ("/a/b", vec!["/a/b", "/a/{}", "/a/b*", "/a/*", "/{}/b", "/{}/*", "/a*", "/*"]),
            ("/a/", vec!["/a/*", "/{}/*", "/a*", "/*"]),
            ("/a", vec!["/a/*", "/{}", "/{}/*", "/a*", "/*"]),
            ("/x/b", vec!["/{}/b", "/{}/*", "/*"]),
            ("/", vec!["/*"]),
            ("/a/b/c", vec!["/a/b/c", "/a/b*", "/a/*", "/{}/*", "/a*", "/*"]),
        ] {
            let mut met = Vec::new();
            let none: Option<()> = tree.walk(path.as_bytes(), &mut |ids| {
                met.extend(ids.iter().map(|id| patterns[*id as usize]));
                None
            });
            assert_eq!((none, met), (None, expected), "{path}");
        }
    }
}
