//! What sets one document apart from another: what a reload from the one to the other changes, with the values that differ.

use super::{Loaded, MatchConfig, RouteConfig, Variables, facts};
use serde::Serialize;
use std::collections::HashMap;
use std::fmt::{self, Arguments};

/// The widest value that is shown.
const WIDEST: usize = 100;
/// Names of things that changed alike and are shown.
const NAMES_MAX: usize = 5;
/// What tells which thing a new one or an old one is: the start of its keys.
const GIST: [&str; 8] = ["match", "listeners", "upstream", "split", "redirect", "respond", "endpoints", "address"];

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

/// What a thing is called, how that was written, and its facts.
type Thing = (String, String, Facts);

impl Difference {
    /// What a reload from `old` to `new` changes.
    pub fn between(old: &Loaded, new: &Loaded) -> Difference {
        let settings = |loaded: &Loaded| gather(|out| facts::settings(&loaded.document, out));
        let words = [&old.variables, &new.variables];
        Difference {
            routes: Items::between(&routes(old), &routes(new), words),
            upstreams: Items::between(&upstreams(old), &upstreams(new), words),
            listeners: Items::between(&listeners(old), &listeners(new), words),
            settings: fields(&settings(old), &settings(new), words),
        }
    }

    pub fn is_empty(&self) -> bool {
        let Difference { routes, upstreams, listeners, settings } = self;
        [routes, upstreams, listeners].iter().all(|items| items.is_empty()) && settings.is_empty()
    }
}

fn routes(Loaded { document, variables, .. }: &Loaded) -> Vec<Thing> {
    let written = |route: &RouteConfig| match (&route.name, &route.matches) {
        (Some(name), _) => variables.as_written(&name.value).into_owned(),
        (None, MatchConfig { host, path }) => {
            let words = [host.as_ref().map(ToString::to_string), Some(path.to_string())];
            words.iter().flatten().map(|word| variables.as_written(word)).collect::<String>()
        }
    };
    let facts = |route| gather(|out| facts::route(route, &document.defaults, out));
    document.routes.iter().map(|route| (route.name().into_owned(), written(route), facts(route))).collect()
}

fn upstreams(Loaded { document, .. }: &Loaded) -> Vec<Thing> {
    let facts = |config| gather(|out| facts::upstream(config, out));
    document.upstreams.iter().map(|(name, config)| (name.to_owned(), name.to_owned(), facts(config))).collect()
}

fn listeners(Loaded { document, .. }: &Loaded) -> Vec<Thing> {
    let facts = |config| gather(|out| facts::listener(config, out));
    document.listeners.iter().map(|(name, config)| (name.to_owned(), name.to_owned(), facts(config))).collect()
}

fn gather(list: impl FnOnce(facts::Sink<'_>)) -> Facts {
    let mut facts = Vec::new();
    list(&mut |key: Arguments<'_>, value: Arguments<'_>| facts.push((key.to_string(), value.to_string())));
    facts
}

impl Items {
    fn between(old: &[Thing], new: &[Thing], words: [&Variables; 2]) -> Items {
        let mut items = Items::default();
        let mut left: HashMap<&str, &Thing> = old.iter().map(|thing| (thing.0.as_str(), thing)).collect();
        let nothing = Facts::new();
        for (name, written, facts) in new {
            let before = left.remove(name.as_str());
            let fields = fields(before.map_or(&nothing, |(.., facts)| facts), facts, words);
            let item = Item { name: written.clone(), fields };
            match before {
                None => items.added.push(item),
                Some(_) if !item.fields.is_empty() => items.changed.push(item),
                Some(_) => {}
            }
        }
        for (_, written, facts) in old.iter().filter(|(name, ..)| left.contains_key(name.as_str())) {
            items.removed.push(Item { name: written.clone(), fields: fields(facts, &nothing, words) });
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
        if self.is_empty() {
            return writeln!(f, "nothing changes");
        }
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
    use crate::config::{Bundle, Document, Report, Secrets, review_all};

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
            Loaded::new(document.unwrap_or_else(|| panic!("{report}")), Secrets::default(), report)
        };
        let difference = Difference::between(&loaded("\"b:1\""), &loaded("\"${HOST}:80\"")).to_string();
        assert!(difference.contains("endpoints[${HOST}:80]"), "{difference}");
        assert!(!difference.to_lowercase().contains("hidden"), "{difference}");
    }
}
