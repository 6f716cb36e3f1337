//! What a table was made from, as far as it takes to tell later what changed: a mark for each thing, which differs when what it stands
//! for does.

use crate::config::{Document, ListenerConfig, Print, UpstreamConfig, Variables, facts};
use std::fmt::{self, Arguments, Write};
use std::hash::{DefaultHasher, Hash, Hasher};

/// Names, each with its mark.
pub type Marked = Box<[(Box<str>, u64)]>;

/// The marks of a document.
#[derive(Debug, Default)]
pub struct Outline {
    /// In the order of the routes, which have their names with them.
    pub routes: Box<[u64]>,
    pub upstreams: Box<[PoolOutline]>,
    pub listeners: Box<[ListenerOutline]>,
    /// Every other key that holds something.
    pub settings: Marked,
    /// Files beside the document's own, such as certificates.
    pub files: Marked,
    /// How names were written that came from the environment.
    pub variables: Variables,
}

/// A pool and the endpoints that are written for it.
#[derive(Debug, Default)]
pub struct PoolOutline {
    pub name: Box<str>,
    /// Of all but its endpoints.
    pub mark: u64,
    pub endpoints: Marked,
}

/// A listener and where it listens.
#[derive(Debug, Default)]
pub struct ListenerOutline {
    pub name: Box<str>,
    pub mark: u64,
    pub address: Box<str>,
}

impl Outline {
    pub fn of(document: &Document) -> Outline {
        let route = |route| mark(|out| facts::route(route, &document.defaults, out));
        let listener = |(name, config): (&str, &ListenerConfig)| ListenerOutline {
            name: name.into(),
            mark: mark(|out| facts::listener(config, out)),
            address: config.address.value.to_string().into(),
        };
        let mut settings = Vec::new();
        facts::settings(document, &mut |key, value| settings.push((text(key), mark(|out| out(key, value)))));
        Outline {
            routes: document.routes.iter().map(route).collect(),
            upstreams: document.upstreams.iter().map(|(name, config)| pool(name, config)).collect(),
            listeners: document.listeners.iter().map(listener).collect(),
            settings: settings.into(),
            files: Marked::default(),
            variables: Variables::default(),
        }
    }

    /// With what a load says beside the document: which files it read, and what came from the environment.
    pub fn with(self, prints: &[Print], variables: &Variables) -> Outline {
        Outline { files: prints.iter().map(file).collect(), variables: variables.clone(), ..self }
    }
}

fn file(print: &Print) -> (Box<str>, u64) {
    let mut hasher = DefaultHasher::new();
    print.hash.hash(&mut hasher);
    (print.path.display().to_string().into(), hasher.finish())
}

fn pool(name: &str, config: &UpstreamConfig) -> PoolOutline {
    let mut mark = Mark::default();
    let mut endpoints = Vec::new();
    facts::upstream(config, &mut |key, value| {
        let key = text(key);
        match key.strip_prefix("endpoints[").and_then(|rest| rest.strip_suffix(']')) {
            Some(address) => {
                let mut mark = Mark::default();
                mark.add(value);
                endpoints.push((address.into(), mark.0.finish()));
            }
            None => {
                mark.add(format_args!("{key}"));
                mark.add(value);
            }
        }
    });
    PoolOutline { name: name.into(), mark: mark.0.finish(), endpoints: endpoints.into() }
}

/// The mark of some facts.
fn mark(list: impl FnOnce(facts::Sink<'_>)) -> u64 {
    let mut mark = Mark::default();
    list(&mut |key, value| {
        mark.add(key);
        mark.add(value);
    });
    mark.0.finish()
}

/// Two marks differ by chance once in 10^19 times; they are not for anything that must be safe against who tries.
#[derive(Default)]
struct Mark(DefaultHasher);

impl Mark {
    fn add(&mut self, text: Arguments<'_>) {
        // a hasher takes everything
        let _ = self.write_fmt(text);
        // an end that no text has, so that texts cannot flow into each other
        self.0.write_u8(0xff);
    }
}

impl Write for Mark {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.write(text.as_bytes());
        Ok(())
    }
}

fn text(text: Arguments<'_>) -> Box<str> {
    text.to_string().into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse;

    fn outline(routes: &str) -> Outline {
        let head = "version: 1\nlisteners: { web: { address: ':80' } }\nupstreams: { app: { endpoints: [a:1] } }\n";
        Outline::of(&parse("test", &format!("{head}{routes}")).expect("a good document"))
    }

    #[test]
    fn the_same_in_other_words_has_the_same_marks() {
        let one = outline("routes: [{ match: { path: /* }, upstream: app }]\n");
        let same = outline(
            "defaults: { timeouts: { connect: 1s } }\n\
             routes:\n  - upstream: app\n    timeouts: { connect: 5000ms, read: 1m }\n    match: { path: /* }\n",
        );
        assert_eq!(one.routes, same.routes);
        let other = outline("routes: [{ match: { path: /* }, upstream: app, timeouts: { read: 61s } }]\n");
        assert_ne!(one.routes, other.routes);
        let inherits =
            outline("defaults: { timeouts: { read: 61s } }\nroutes: [{ match: { path: /* }, upstream: app }]\n");
        assert_eq!(other.routes, inherits.routes);
    }
}
