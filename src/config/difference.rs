//! What sets one document apart from another: what a reload from the one to the other changes, with the values that differ.

use super::{Document, ListenerConfig, Loaded, MatchConfig, RouteConfig, UpstreamConfig, Variables, facts};
use serde::Serialize;
use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt::{self, Arguments};

/// The widest value that is shown.
const WIDEST: usize = 100;
/// Names of things that changed alike and are shown.
const NAMES_MAX: usize = 5;
/// What tells which thing a new one or an old one is: the start of its keys.
const GIST: [&str; 12] = [
    "match",
    "listeners",
    "upstream",
    "split",
    "redirect",
    "respond",
    "rewrite",
    "headers",
    "errors",
    "endpoints",
    "address",
    "tls.certificates",
];

/// What came, went and changed.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Difference {
    pub routes: Items,
    pub upstreams: Items,
    pub listeners: Items,
    /// Keys that belong to none of these.
    pub settings: Vec<Field>,
}

/// Things of one kind.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
pub struct Items {
    pub added: Vec<Item>,
    pub removed: Vec<Item>,
    /// With the fields that differ.
    pub changed: Vec<Item>,
}

/// A thing with a name.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Item {
    pub name: String,
    pub fields: Vec<Field>,
}

/// A key and what holds there, every default filled in. Values from the environment are shown as they are written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Field {
    pub key: String,
    /// Nothing where the key does not hold.
    pub old: Option<String>,
    pub new: Option<String>,
}

/// Keys and values, in the order of the manual.
type Facts = Vec<(String, String)>;

/// What a name stands for. Its facts are listed only if they may differ, so that large documents cost little.
#[derive(Clone, Copy)]
enum Thing<'l> {
    Route(&'l RouteConfig),
    Upstream(&'l UpstreamConfig),
    Listener(&'l ListenerConfig),
}

type Named<'l> = Vec<(Cow<'l, str>, Thing<'l>)>;

impl Difference {
    /// What a reload from `old` to `new` changes.
    pub fn between(old: &Loaded, new: &Loaded) -> Difference {
        Difference::first(old, new, usize::MAX)
    }

    /// The same, with at most so many things of a kind that came, went or changed.
    pub fn first(old: &Loaded, new: &Loaded, most: usize) -> Difference {
        let settings = |loaded: &Loaded| gather(|out| facts::settings(&loaded.document, out));
        let items = |named: fn(&Document) -> Named<'_>| {
            Items::between((named(&old.document), old), (named(&new.document), new), most)
        };
        Difference {
            routes: items(routes),
            upstreams: items(upstreams),
            listeners: items(listeners),
            settings: fields(&settings(old), &settings(new), [&old.variables, &new.variables]),
        }
    }

    pub fn is_empty(&self) -> bool {
        let Difference { routes, upstreams, listeners, settings } = self;
        [routes, upstreams, listeners].iter().all(|items| items.is_empty()) && settings.is_empty()
    }
}

fn routes(document: &Document) -> Named<'_> {
    document.routes.iter().map(|route| (route.name(), Thing::Route(route))).collect()
}

fn upstreams(document: &Document) -> Named<'_> {
    document.upstreams.iter().map(|(name, config)| (name.into(), Thing::Upstream(config))).collect()
}

fn listeners(document: &Document) -> Named<'_> {
    document.listeners.iter().map(|(name, config)| (name.into(), Thing::Listener(config))).collect()
}

impl Thing<'_> {
    fn facts(self, Loaded { document, .. }: &Loaded) -> Facts {
        gather(|out| match self {
            Thing::Route(route) => facts::route(route, &document.defaults, out),
            Thing::Upstream(upstream) => facts::upstream(upstream, out),
            Thing::Listener(listener) => facts::listener(listener, out),
        })
    }

    /// What it is called, as that was written.
    fn written(self, name: &str, Loaded { variables, .. }: &Loaded) -> String {
        match self {
            Thing::Route(route) => written_name(route, variables),
            Thing::Upstream(_) | Thing::Listener(_) => name.to_owned(),
        }
    }

    /// Whether all is the same at first sight; what it inherits may differ still.
    fn is_like(self, other: Thing<'_>) -> bool {
        match (self, other) {
            (Thing::Route(one), Thing::Route(other)) => one == other,
            (Thing::Upstream(one), Thing::Upstream(other)) => one == other,
            (Thing::Listener(one), Thing::Listener(other)) => one == other,
            _ => false,
        }
    }
}

fn written_name(route: &RouteConfig, variables: &Variables) -> String {
    match (&route.name, &route.matches) {
        (Some(name), _) => variables.as_written(&name.value).into_owned(),
        (None, MatchConfig { host, path, .. }) => {
            let words = [host.as_ref().map(ToString::to_string), Some(path.to_string())];
            words.iter().flatten().map(|word| variables.as_written(word)).collect::<String>()
        }
    }
}

fn gather(list: impl FnOnce(facts::Sink<'_>)) -> Facts {
    let mut facts = Vec::new();
    list(&mut |key: Arguments<'_>, value: Arguments<'_>| facts.push((key.to_string(), value.to_string())));
    facts
}

impl Items {
    fn between((old, before): (Named<'_>, &Loaded), (new, after): (Named<'_>, &Loaded), most: usize) -> Items {
        let mut items = Items::default();
        let words = [&before.variables, &after.variables];
        let same_defaults = before.document.defaults == after.document.defaults;
        let mut left: HashMap<&str, Thing<'_>> = old.iter().map(|(name, thing)| (&**name, *thing)).collect();
        for (name, thing) in &new {
            let former = left.remove(&**name);
            let full = if former.is_some() { items.changed.len() } else { items.added.len() } >= most;
            if full || former.is_some_and(|former| same_defaults && former.is_like(*thing)) {
                continue;
            }
            let was = former.map(|former| former.facts(before)).unwrap_or_default();
            let fields = fields(&was, &thing.facts(after), words);
            let changes = !fields.is_empty();
            let item = Item { name: thing.written(name, after), fields };
            match former {
                None => items.added.push(item),
                Some(_) if changes => items.changed.push(item),
                Some(_) => {}
            }
        }
        for (name, thing) in old.iter().filter(|(name, _)| left.contains_key(&**name)).take(most) {
            let fields = fields(&thing.facts(before), &Facts::new(), words);
            items.removed.push(Item { name: thing.written(name, before), fields });
        }
        items
    }

    fn is_empty(&self) -> bool {
        let Items { added, removed, changed } = self;
        added.is_empty() && removed.is_empty() && changed.is_empty()
    }
}

/// The fields that differ: those of `old` first, then what only `new` has.
fn fields(old: &Facts, new: &Facts, [old_words, new_words]: [&Variables; 2]) -> Vec<Field> {
    let find = |facts: &Facts, key: &str| facts.iter().find(|(other, _)| other == key).map(|(_, value)| value.clone());
    let mut fields = Vec::new();
    for (key, was) in old {
        let is = find(new, key);
        if is.as_ref() != Some(was) {
            let new = is.map(|is| new_words.as_written(&is).into_owned());
            fields.push(Field {
                key: written_key(key, old_words),
                old: Some(old_words.as_written(was).into_owned()),
                new,
            });
        }
    }
    for (key, is) in new {
        if find(old, key).is_none() {
            let new = Some(new_words.as_written(is).into_owned());
            fields.push(Field { key: written_key(key, new_words), old: None, new });
        }
    }
    fields
}

/// What stands in brackets in a key may come from the environment: an endpoint's address.
fn written_key(key: &str, words: &Variables) -> String {
    match key.split_once('[').and_then(|(before, rest)| Some((before, rest.strip_suffix(']')?))) {
        Some((before, inside)) => format!("{before}[{}]", words.as_written(inside)),
        None => key.to_owned(),
    }
}

/// As `wharf diff` shows it: a sign and a name, then the fields.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Difference { routes, upstreams, listeners, settings } = self;
        for (kind, items) in [("listener", listeners), ("upstream", upstreams), ("route", routes)] {
            for (sign, items) in [('-', &items.removed), ('+', &items.added)] {
                for item in items {
                    writeln!(f, "{sign} {kind} {}", printable(&item.name))?;
                    for field in item.fields.iter().filter(|field| GIST.iter().any(|gist| field.key.starts_with(gist)))
                    {
                        let value = field.new.as_ref().or(field.old.as_ref());
                        writeln!(
                            f,
                            "    {}: {}",
                            printable(&field.key),
                            value.map_or(String::new(), |v| printable(v))
                        )?;
                    }
                }
            }
            for (names, fields) in alike(&items.changed) {
                writeln!(f, "~ {kind} {names}")?;
                // with another action a route's other keys come or go, which says nothing
                let tells =
                    |field: &&Field| kind != "route" || field.is_gist() || field.old.is_some() == field.new.is_some();
                for field in fields.iter().filter(tells) {
                    writeln!(f, "  {field}")?;
                }
            }
        }
        for field in settings {
            writeln!(f, "{field}")?;
        }
        Ok(())
    }
}

impl Field {
    fn is_gist(&self) -> bool {
        GIST.iter().any(|gist| self.key.starts_with(gist))
    }
}

/// A sign, the key, and old → new.
impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = printable(&self.key);
        match (&self.old, &self.new) {
            (Some(old), Some(new)) => write!(f, "~ {key}: {} → {}", printable(old), printable(new)),
            (Some(old), None) => write!(f, "- {key}: {}", printable(old)),
            (None, Some(new)) => write!(f, "+ {key}: {}", printable(new)),
            (None, None) => Ok(()),
        }
    }
}

/// The same change of many things is shown once: a default that ten thousand routes inherit is one line.
fn alike(items: &[Item]) -> Vec<(String, &[Field])> {
    let mut groups: Vec<(Vec<&str>, &[Field])> = Vec::new();
    let mut places: HashMap<&[Field], usize> = HashMap::new();
    for item in items {
        let place = *places.entry(&item.fields).or_insert(groups.len());
        match groups.get_mut(place) {
            Some((names, _)) => names.push(&item.name),
            None => groups.push((vec![&item.name], &item.fields)),
        }
    }
    let names = |names: &[&str]| {
        let shown: Vec<String> = names.iter().take(NAMES_MAX).map(|name| printable(name)).collect();
        let more = names.len().saturating_sub(NAMES_MAX);
        shown.join(", ") + &if more > 0 { format!(" and {more} more") } else { String::new() }
    };
    groups.iter().map(|(group, fields)| (names(group), *fields)).collect()
}

/// One line that no terminal obeys, cut when it is very long.
fn printable(text: &str) -> String {
    if text.is_empty() {
        return "\"\"".to_owned();
    }
    let mut chars = text.chars();
    let mut shown: String = chars.by_ref().take(WIDEST).flat_map(escaped).collect();
    if chars.next().is_some() {
        shown += &format!("… ({} bytes)", text.len());
    }
    shown
}

fn escaped(c: char) -> impl Iterator<Item = char> {
    let (plain, control) = if c.is_control() { (None, Some(c.escape_default())) } else { (Some(c), None) };
    plain.into_iter().chain(control.into_iter().flatten())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Bundle, Document, Material, Report, Secrets, review_all};

    #[test]
    fn an_endpoint_from_the_environment_is_shown_as_it_is_written() {
        let loaded = |endpoint: &str| {
            let text = format!(
                "version: 1\nlisteners: {{ web: {{ address: \":8080\" }} }}\nupstreams: {{ app: {{ endpoints: [\"a:1\", {endpoint}] }} }}\n\
                 routes:\n  - {{ match: {{ path: /* }}, upstream: app }}\n"
            );
            let environment = |name: &str| (name == "HOST").then(|| "Hidden.Example".to_owned());
            let (document, report): (Option<Document>, Report) =
                review_all(&Bundle::one("gateway.yaml", &text), &environment);
            Loaded::new(document.unwrap_or_else(|| panic!("{report}")), Secrets::default(), Material::default(), report)
        };
        let difference = Difference::between(&loaded("\"b:1\""), &loaded("\"${HOST}:80\"")).to_string();
        assert!(difference.contains("endpoints[${HOST}:80]"), "{difference}");
        assert!(!difference.to_lowercase().contains("hidden"), "{difference}");
    }
}
