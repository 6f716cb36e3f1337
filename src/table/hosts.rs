//! Which trees of path patterns answer for a host: its own, then those of its wildcards, the longest first, then everyone's.

use foldhash::fast::RandomState;
use std::hash::{BuildHasher, Hasher};

/// The two trees of one host, or of those of its routes that have one priority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Roots {
    /// The patterns as written.
    pub written: u32,
    /// The patterns folded as a server does that compares names loosely; the same tree when nothing changes by it.
    pub folded: u32,
    /// Where what trees of literals cannot hold stands; mostly nowhere.
    pub more: u32,
}

impl Roots {
    /// The value of [`Roots::more`] for nowhere.
    pub const NO_MORE: u32 = u32::MAX;

    /// One tree says all, and folding changes nothing in it.
    pub fn is_simple(self) -> bool {
        self.written == self.folded && self.more == Roots::NO_MORE
    }
}

/// All hosts that have routes.
#[derive(Default)]
pub(super) struct Hosts {
    exact: Names,
    /// By suffix, without the `*.`.
    wildcards: Names,
    any: Option<Roots>,
}

impl Hosts {
    pub fn set_any(&mut self, roots: Roots) {
        self.any = Some(roots);
    }

    pub fn add_exact(&mut self, name: &str, roots: Roots) {
        self.exact.add(name.as_bytes(), roots);
    }

    pub fn add_wildcard(&mut self, suffix: &str, roots: Roots) {
        self.wildcards.add(suffix.as_bytes(), roots);
    }

    /// The trees of `host` alone.
    pub fn exact(&self, host: &[u8]) -> Option<Roots> {
        self.exact.get(host)
    }

    /// The trees for `host`, in the order in which they are asked.
    pub fn tiers<'a>(&'a self, host: &'a [u8]) -> impl Iterator<Item = Roots> + 'a {
        let wildcards = self.wildcards.suffixes(host).filter_map(|suffix| self.wildcards.get(suffix));
        self.exact.get(host).into_iter().chain(wildcards).chain(self.any)
    }

    /// Gives back what growing reserved in excess.
    pub fn shrink(&mut self) {
        self.exact.shrink();
        self.wildcards.shrink();
    }

    /// Heap memory in bytes.
    #[cfg(test)]
    pub fn heap_bytes(&self) -> usize {
        self.exact.heap_bytes() + self.wildcards.heap_bytes()
    }
}

/// A map from names to trees, without an allocation of its own for each name: open addressing, at most half full.
#[derive(Default)]
struct Names {
    /// A power of two, or none.
    slots: Vec<Slot>,
    entries: Vec<Entry>,
    text: Vec<u8>,
    hasher: RandomState,
    /// Length of the longest name: bounds the work that a client's host can ask for.
    len_max: usize,
}

#[derive(Clone, Copy)]
struct Slot {
    /// The high half of the name's hash; the low half says where to look.
    tag: u32,
    /// `FREE`, or which of the entries it is.
    entry: u32,
}

const FREE: u32 = u32::MAX;

struct Entry {
    start: u32,
    end: u32,
    roots: Roots,
}

impl Names {
    /// Adds a name that is not there yet.
    fn add(&mut self, name: &[u8], roots: Roots) {
        let (Ok(start), Ok(end)) = (u32::try_from(self.text.len()), u32::try_from(self.text.len() + name.len())) else {
            return;
        };
        self.text.extend_from_slice(name);
        self.entries.push(Entry { start, end, roots });
        self.len_max = name.len().max(self.len_max);
        if self.slots.len() < 2 * self.entries.len() {
            self.slots = vec![Slot { tag: 0, entry: FREE }; (2 * self.entries.len()).next_power_of_two()];
            for entry in 0..self.entries.len() {
                self.place(entry);
            }
        } else {
            self.place(self.entries.len() - 1);
        }
    }

    fn place(&mut self, entry: usize) {
        let Entry { start, end, .. } = self.entries[entry];
        let (mut at, tag) = self.hash(&self.text[start as usize..end as usize]);
        let mask = self.slots.len() - 1;
        while self.slots[at & mask].entry != FREE {
            at += 1;
        }
        self.slots[at & mask] = Slot { tag, entry: entry as u32 };
    }

    fn get(&self, name: &[u8]) -> Option<Roots> {
        if name.len() > self.len_max {
            return None;
        }
        let mask = self.slots.len().checked_sub(1)?;
        let (mut at, tag) = self.hash(name);
        loop {
            let slot = self.slots[at & mask];
            // A free slot's entry does not exist.
            let Entry { start, end, roots } = self.entries.get(slot.entry as usize)?;
            if slot.tag == tag && &self.text[*start as usize..*end as usize] == name {
                return Some(*roots);
            }
            at += 1;
        }
    }

    /// Where to look for a name first, and its tag.
    fn hash(&self, name: &[u8]) -> (usize, u32) {
        let mut state = self.hasher.build_hasher();
        state.write(name);
        let hash = state.finish();
        (hash as u32 as usize, (hash >> 32) as u32)
    }

    /// What follows each dot of `host`, the longest first, as far as it could be a name of the map.
    fn suffixes<'a>(&self, host: &'a [u8]) -> impl Iterator<Item = &'a [u8]> + 'a {
        // A wildcard stands for at least one byte, so the first byte is never the dot in question.
        let begin = host.len().saturating_sub(self.len_max + 1).max(1);
        let searched = if self.entries.is_empty() { &[] } else { host.get(begin..).unwrap_or_default() };
        memchr::memchr_iter(b'.', searched).map(move |dot| &host[begin + dot + 1..])
    }

    fn shrink(&mut self) {
        self.entries.shrink_to_fit();
        self.text.shrink_to_fit();
    }

    #[cfg(test)]
    fn heap_bytes(&self) -> usize {
        let Self { slots, entries, text, .. } = self;
        size_of::<Slot>() * slots.capacity() + size_of::<Entry>() * entries.capacity() + text.capacity()
    }
}
