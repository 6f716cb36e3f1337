//! What an engine tells while one listens: a line of `GET /events`.

use super::labels::{ENABLE, SERVICE};
use serde::Deserialize;
use std::collections::BTreeMap;

/// The actions that are asked for. `health_status` stands for all that begin with it.
pub const ACTIONS: [&str; 15] = [
    "create",
    "start",
    "kill",
    "die",
    "oom",
    "stop",
    "restart",
    "pause",
    "unpause",
    "rename",
    "destroy",
    "update",
    "health_status",
    "connect",
    "disconnect",
];

/// One event.
#[derive(Debug, Deserialize)]
pub struct Event {
    #[serde(default, rename = "Type")]
    kind: Box<str>,
    #[serde(default, rename = "Action")]
    action: Box<str>,
    #[serde(default, rename = "Actor")]
    actor: Actor,
    /// When it was, in nanoseconds of the engine's clock; 0 where it does not say.
    #[serde(default, rename = "timeNano")]
    pub time_ns: u64,
}

#[derive(Debug, Default, Deserialize)]
struct Actor {
    #[serde(default, rename = "ID")]
    id: Box<str>,
    #[serde(default, rename = "Attributes")]
    attributes: Option<BTreeMap<Box<str>, Box<str>>>,
}

/// What an event means for a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Its process got this signal.
    Signal(i32),
    /// Its process is gone.
    Gone,
    /// It runs, anew.
    Started,
    /// Something else is different: the list tells.
    Different,
}

impl Event {
    /// One of which nothing is known but that it was.
    pub fn unknown() -> Event {
        Event { kind: Box::default(), action: Box::default(), actor: Actor::default(), time_ns: 0 }
    }

    pub fn is_unknown(&self) -> bool {
        self.kind.is_empty()
    }

    /// The container that it is about.
    pub fn container(&self) -> Option<&str> {
        match &*self.kind {
            "container" => Some(&*self.actor.id),
            "network" => self.attribute("container"),
            _ => None,
        }
        .filter(|id| !id.is_empty())
    }

    /// The container names a service, or asks for routes: the engine tells labels with events.
    pub fn is_labelled(&self) -> bool {
        [SERVICE, ENABLE].into_iter().any(|label| self.attribute(label).is_some())
    }

    pub fn meaning(&self) -> Meaning {
        match (&*self.kind, &*self.action) {
            ("container", "kill") => {
                self.attribute("signal").and_then(signal).map_or(Meaning::Different, Meaning::Signal)
            }
            ("container", "die" | "destroy") => Meaning::Gone,
            ("container", "start") => Meaning::Started,
            _ => Meaning::Different,
        }
    }

    fn attribute(&self, name: &str) -> Option<&str> {
        self.actor.attributes.as_ref()?.get(name).map(|value| &**value)
    }
}

/// A signal by its number or its name, as engines and images write it: `15`, `SIGTERM`, `TERM`, `SIGRTMIN+3`.
pub fn signal(text: &str) -> Option<i32> {
    const NAMES: [(&str, i32); 10] = [
        ("HUP", 1),
        ("INT", 2),
        ("QUIT", 3),
        ("ABRT", 6),
        ("KILL", 9),
        ("USR1", 10),
        ("USR2", 12),
        ("TERM", 15),
        ("WINCH", 28),
        ("PWR", 30),
    ];
    const REALTIME: i32 = 34;
    if let Ok(number) = text.parse() {
        return Some(number);
    }
    let name = text.strip_prefix("SIG").unwrap_or(text);
    if let Some(after) = name.strip_prefix("RTMIN") {
        return after.strip_prefix('+').unwrap_or("0").parse::<i32>().ok().and_then(|n| REALTIME.checked_add(n));
    }
    NAMES.iter().find(|(known, _)| *known == name).map(|(_, number)| *number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_says_what_became_of_a_container() {
        let of = |text: &str| {
            let event: Event = serde_json::from_str(text).expect("an event");
            (event.container().map(str::to_owned), event.is_labelled(), event.meaning())
        };
        let a = Some("a".to_owned());
        let kill = r#"{"Type":"container","Action":"kill","Actor":{"ID":"a","Attributes":{"signal":"15","wharf.service":"app"}}}"#;
        assert_eq!(of(kill), (a.clone(), true, Meaning::Signal(15)));
        let die = r#"{"Type":"container","Action":"die","Actor":{"ID":"a","Attributes":{}}}"#;
        assert_eq!(of(die), (a.clone(), false, Meaning::Gone));
        let health = r#"{"Type":"container","Action":"health_status: healthy","Actor":{"ID":"a"}}"#;
        assert_eq!(of(health), (a.clone(), false, Meaning::Different));
        let connect = r#"{"Type":"network","Action":"connect","Actor":{"ID":"net","Attributes":{"container":"a"}}}"#;
        assert_eq!(of(connect), (a, false, Meaning::Different));
        assert_eq!(of("{}"), (None, false, Meaning::Different));
    }

    #[test]
    fn signals_are_known_by_number_and_name() {
        for (text, number) in [
            ("15", Some(15)),
            ("SIGTERM", Some(15)),
            ("QUIT", Some(3)),
            ("SIGRTMIN+3", Some(37)),
            ("SIGNONSENSE", None),
            ("", None),
        ] {
            assert_eq!(signal(text), number, "{text}");
        }
    }
}
