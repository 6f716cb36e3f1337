//! What sets one table apart from the one before, by name.

use super::Table;
use super::effects::Effects;
use super::outline::{ListenerOutline, Marked, Outline, PoolOutline};
use crate::config::{Difference, Loaded, Variables};
use std::collections::HashMap;
use std::fmt;

/// Names that are shown of a kind of change; the others are counted.
const SHOWN_MAX: usize = 5;

/// What came, went and changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    pub routes: Names,
    pub upstreams: Names,
    pub listeners: Names,
    /// Of upstreams that both have and whose endpoints differ.
    pub endpoints: Vec<(Box<str>, Names)>,
    /// Other keys that differ.
    pub settings: Vec<Box<str>>,
    /// Files that both name, such as certificates, and that say something else now.
    pub files: Vec<Box<str>>,
    /// What that does to connections.
    pub effects: Effects,
}

/// What changed, field by field, and what that does to connections: what `wharf diff` shows below the line.
pub struct Detailed<'c> {
    pub difference: &'c Difference,
    pub changes: &'c Changes,
}

impl fmt::Display for Detailed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentences = self.changes.effects.sentences();
        write!(f, "{}", self.difference)?;
        if !sentences.is_empty() {
            f.write_str("connections (no request in flight is cut):\n")?;
        }
        sentences.iter().try_for_each(|sentence| writeln!(f, "  {sentence}"))
    }
}

/// Names of one kind of thing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    pub added: Vec<Box<str>>,
    pub removed: Vec<Box<str>>,
    pub changed: Vec<Box<str>>,
}

impl Changes {
    /// What `after` has otherwise than `before`.
    pub fn between(before: &Table, after: &Table) -> Changes {
        Changes::of((routes(before), &before.outline), (routes(after), &after.outline))
    }

    /// What a reload from `old` to `new` would say.
    pub fn between_documents(old: &Loaded, new: &Loaded) -> Changes {
        let outline = |loaded: &Loaded| Outline::of(&loaded.document).with(&loaded.prints, &loaded.variables);
        let names = |loaded: &Loaded| loaded.document.routes.iter().map(|r| r.name().into_owned()).collect::<Vec<_>>();
        let ((old, olds), (new, news)) = ((outline(old), names(old)), (outline(new), names(new)));
        Changes::of((named(&olds, &old), &old), (named(&news, &new), &new))
    }

    fn of<'t>(
        (old_routes, old): (impl Iterator<Item = (&'t str, u64)> + Clone, &Outline),
        (new_routes, new): (impl Iterator<Item = (&'t str, u64)>, &Outline),
    ) -> Changes {
        let Names { added, removed, changed } = Names::between(marked(&old.settings), marked(&new.settings));
        let mut changes = Changes {
            routes: Names::between(old_routes, new_routes),
            upstreams: Names::between(pools(&old.upstreams), pools(&new.upstreams)),
            listeners: Names::between(listeners(&old.listeners), listeners(&new.listeners)),
            endpoints: endpoints(&old.upstreams, &new.upstreams),
            settings: [changed, added, removed].concat(),
            files: Names::between(marked(&old.files), marked(&new.files)).changed,
            effects: Effects::between(old, new),
        };
        let Changes { routes, endpoints, .. } = &mut changes;
        for names in std::iter::once(routes).chain(endpoints.iter_mut().map(|(_, names)| names)) {
            names.write(&old.variables, &new.variables);
        }
        changes
    }

    pub fn is_empty(&self) -> bool {
        let Changes { routes, upstreams, listeners, endpoints, settings, files, effects } = self;
        let names = [routes, upstreams, listeners];
        let others = [settings, files];
        names.iter().all(|names| names.is_empty())
            && endpoints.is_empty()
            && others.iter().all(|others| others.is_empty())
            && effects.is_empty()
    }
}

fn routes(table: &Table) -> impl Iterator<Item = (&str, u64)> + Clone {
    table.routes.iter().zip(&table.outline.routes).map(|(route, mark)| (route.name(), *mark))
}

fn named<'n>(names: &'n [String], outline: &'n Outline) -> impl Iterator<Item = (&'n str, u64)> + Clone {
    names.iter().map(String::as_str).zip(outline.routes.iter().copied())
}

fn listeners(listeners: &[ListenerOutline]) -> impl Iterator<Item = (&str, u64)> + Clone {
    listeners.iter().map(|listener| (&*listener.name, listener.mark))
}

fn pools(pools: &[PoolOutline]) -> impl Iterator<Item = (&str, u64)> + Clone {
    pools.iter().map(|pool| (&*pool.name, pool.mark))
}

fn marked(marked: &Marked) -> impl Iterator<Item = (&str, u64)> + Clone {
    marked.iter().map(|(name, mark)| (&**name, *mark))
}

fn endpoints(before: &[PoolOutline], after: &[PoolOutline]) -> Vec<(Box<str>, Names)> {
    let known: HashMap<&str, &PoolOutline> = before.iter().map(|pool| (&*pool.name, pool)).collect();
    let pairs = after.iter().filter_map(|pool| Some((*known.get(&*pool.name)?, pool)));
    let names = pairs
        .map(|(before, pool)| (pool.name.clone(), Names::between(marked(&before.endpoints), marked(&pool.endpoints))));
    names.filter(|(_, names)| !names.is_empty()).collect()
}

impl Names {
    /// Compares two lists of names, each with a mark that differs when the thing does.
    pub fn between<'n>(
        before: impl Iterator<Item = (&'n str, u64)> + Clone,
        after: impl Iterator<Item = (&'n str, u64)>,
    ) -> Names {
        let mut left: HashMap<&str, u64> = before.clone().collect();
        let mut names = Names::default();
        for (name, mark) in after {
            match left.remove(name) {
                None => names.added.push(name.into()),
                Some(former) if former != mark => names.changed.push(name.into()),
                Some(_) => {}
            }
        }
        names.removed = before.filter(|(name, _)| left.contains_key(name)).map(|(name, _)| name.into()).collect();
        names
    }

    /// Shows names from the environment as they are written.
    fn write(&mut self, old: &Variables, new: &Variables) {
        let Names { added, removed, changed } = self;
        for (names, variables) in [(added, new), (changed, new), (removed, old)] {
            for name in names {
                *name = variables.as_written(name).into();
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        let Names { added, removed, changed } = self;
        added.is_empty() && removed.is_empty() && changed.is_empty()
    }
}

/// One line of bounded length, the same in the log, the status, the API and `wharf diff`: `routes +2 -1 (added: a, b; removed: c)`.
impl fmt::Display for Changes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Changes { routes, upstreams, listeners, endpoints, settings, files, effects } = self;
        if self.is_empty() {
            return f.write_str("nothing changed");
        }
        let mut separator = "";
        for (what, names) in [("routes", routes), ("upstreams", upstreams), ("listeners", listeners)] {
            if !names.is_empty() {
                write!(f, "{separator}{what} {names}")?;
                separator = ", ";
            }
        }
        for (upstream, names) in endpoints.iter().take(SHOWN_MAX) {
            write!(f, "{separator}upstream {upstream}:")?;
            for (sign, names) in names.signed() {
                for name in names.iter().take(SHOWN_MAX) {
                    write!(f, " {sign}{name}")?;
                }
                if names.len() > SHOWN_MAX {
                    write!(f, " {sign}{} more", names.len() - SHOWN_MAX)?;
                }
            }
            separator = ", ";
        }
        if let more @ 1.. = endpoints.len().saturating_sub(SHOWN_MAX) {
            write!(f, "{separator}endpoints of {more} more upstreams")?;
        }
        if !settings.is_empty() {
            write!(f, "{separator}{}", some(settings))?;
            separator = ", ";
        }
        if !files.is_empty() {
            write!(f, "{separator}files: {}", some(files))?;
            separator = ", ";
        }
        if !effects.is_empty() {
            write!(f, "{}{effects}", if separator.is_empty() { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl Names {
    fn signed(&self) -> [(char, &[Box<str>]); 3] {
        let Names { added, removed, changed } = self;
        [('+', added), ('-', removed), ('~', changed)]
    }
}

/// Counts, and some of the names.
impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (sign, names) in self.signed() {
            if !names.is_empty() {
                write!(f, "{separator}{sign}{}", names.len())?;
                separator = " ";
            }
        }
        separator = " (";
        for (word, (_, names)) in ["added", "removed", "changed"].iter().zip(self.signed()) {
            if !names.is_empty() {
                write!(f, "{separator}{word}: {}", some(names))?;
                separator = "; ";
            }
        }
        f.write_str(if separator == " (" { "" } else { ")" })
    }
}

/// The first names, and how many more there are.
pub fn some(names: &[Box<str>]) -> String {
    let shown: Vec<&str> = names.iter().take(SHOWN_MAX).map(|name| &**name).collect();
    let rest = match names.len().saturating_sub(SHOWN_MAX) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    shown.join(", ") + &rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_came_went_and_changed_is_told_by_name_and_mark() {
        let before = [("a", 1), ("b", 2), ("c", 3)].into_iter();
        let after = [("d", 9), ("c", 3), ("a", 7)].into_iter();
        let routes = Names::between(before.clone(), after);
        assert_eq!(routes.to_string(), "+1 -1 ~1 (added: d; removed: b; changed: a)");
        assert!(Names::between(before.clone(), before).is_empty());
        assert_eq!(Names::default().to_string(), "");
        let changes = Changes { routes, ..Changes::default() };
        assert_eq!(changes.to_string(), "routes +1 -1 ~1 (added: d; removed: b; changed: a)");
        assert_eq!(Changes::default().to_string(), "nothing changed");
    }

    #[test]
    fn the_line_stays_short_however_much_changed() {
        let name = |i: usize| Box::from(format!("{}{i}", "n".repeat(190)));
        let many = || Names { added: (0..500).map(name).collect(), ..Names::default() };
        let changes = Changes {
            files: Default::default(),
            routes: many(),
            upstreams: many(),
            listeners: many(),
            endpoints: (0..100).map(|i| (name(i), many())).collect(),
            settings: vec!["shutdown_timeout".into()],
            effects: Effects { left: (0..500).map(|i| (name(i), name(i))).collect(), ..Effects::default() },
        };
        let line = changes.to_string();
        assert!(line.len() < 12_000, "{} bytes", line.len());
        assert!(
            line.contains("endpoints of 95 more upstreams, shutdown_timeout; closes") && line.ends_with("and 495 more")
        );
    }
}
