//! What a container says of itself in its labels: the service that it belongs to, and the routes that it asks for.

use super::container::{Container, Wrong, shown};
use crate::discovery::Claim;

/// The service that a container belongs to.
pub const SERVICE: &str = "wharf.service";
/// The container asks for routes to its service.
pub const ENABLE: &str = "wharf.enable";
/// The hosts of these routes, apart by commas.
pub const HOST: &str = "wharf.host";
/// Their paths.
pub const PATH: &str = "wharf.path";

/// A project of Compose and the service of it, and the service of Swarm, that a container was made for.
const PROJECT: &str = "com.docker.compose.project";
const COMPOSED: &str = "com.docker.compose.service";
const SWARM: &str = "com.docker.swarm.service.name";

/// The most hosts, and the most paths, that are read of one container.
const PLACES_MAX: usize = 16;
/// The longest host, path or service that is taken up, in bytes: longer ones are refused by whoever reads them, and need not be kept until
/// then.
const WORD_LONGEST: usize = 512;

impl Container {
    /// The service that it belongs to: the one that it names, or, where it asks for routes without naming one, what it was made for.
    pub fn service(&self) -> Option<String> {
        if let Some(named) = self.label(SERVICE) {
            return Some(named.trim().to_owned());
        }
        if self.enables() != Ok(true) {
            return None;
        }
        let composed = self.label(PROJECT).zip(self.label(COMPOSED)).map(|(project, of)| format!("{project}-{of}"));
        Some(composed.or_else(|| self.label(SWARM).map(str::to_owned)).unwrap_or_else(|| self.name().to_owned()))
    }

    /// Whether it asks for routes.
    pub fn enables(&self) -> Result<bool, Wrong> {
        match self.label(ENABLE).map(str::trim) {
            None => Ok(false),
            Some(word) if word.eq_ignore_ascii_case("true") => Ok(true),
            Some(word) if word.eq_ignore_ascii_case("false") => Ok(false),
            Some(word) => Err(self.wrong(ENABLE, &format!("`{}` is neither `true` nor `false`", shown(word)))),
        }
    }

    /// The routes that it asks for, to this service, with what is odd about them.
    pub fn claims(&self, service: &str) -> (Vec<Claim>, Vec<Wrong>) {
        let mut odd = Vec::new();
        let (hosts, paths) = (self.list(HOST, &mut odd), self.list(PATH, &mut odd));
        if hosts.is_none() && paths.is_none() {
            let said = "a route needs `wharf.host`, `wharf.path` or both (`wharf.path=/*` for every request)";
            odd.push(self.wrong(ENABLE, said));
            return (Vec::new(), odd);
        }
        if service.len() > WORD_LONGEST {
            odd.push(self.wrong(SERVICE, "is too long for a name"));
            return (Vec::new(), odd);
        }
        // a label that is there and says nothing, such as one whose variable is not set, does not stand for everything
        let any = |list: Option<Vec<Box<str>>>| match list {
            None => vec![None],
            Some(list) => list.into_iter().map(Some).collect(),
        };
        let (hosts, paths) = (any(hosts), any(paths));
        let claim = |host: &Option<Box<str>>, path: &Option<Box<str>>| Claim {
            service: service.into(),
            host: host.clone(),
            path: path.clone(),
            by: self.name().into(),
        };
        (hosts.iter().flat_map(|host| paths.iter().map(move |path| claim(host, path))).collect(), odd)
    }

    /// What a label lists, if it is there.
    fn list(&self, label: &str, odd: &mut Vec<Wrong>) -> Option<Vec<Box<str>>> {
        let text = self.label(label)?;
        let mut items: Vec<Box<str>> =
            text.split(',').map(str::trim).filter(|item| !item.is_empty()).map(Into::into).collect();
        if items.is_empty() {
            odd.push(self.wrong(label, "is empty: no route is made (leave the label out for any)"));
        }
        if let Some(long) = items.iter().find(|item| item.len() > WORD_LONGEST) {
            odd.push(
                self.wrong(label, &format!("`{}…` is too long, so that nothing of the label counts", shown(long))),
            );
            items.clear();
        }
        if items.len() > PLACES_MAX {
            odd.push(self.wrong(label, &format!("lists {}, of which the first {PLACES_MAX} count", items.len())));
            items.truncate(PLACES_MAX);
        }
        Some(items)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn container(labels: &Value) -> Container {
        serde_json::from_value(json!({"Id": "abc", "Names": ["/cart-1"], "Labels": labels})).expect("a container")
    }

    #[test]
    fn the_service_is_the_one_that_is_named_or_what_the_container_was_made_for() {
        let of = |labels: Value| container(&labels).service();
        let made =
            json!({"wharf.enable": "true", "com.docker.compose.project": "shop", "com.docker.compose.service": "cart"});
        assert_eq!(of(json!({"wharf.service": " cart "})).as_deref(), Some("cart"));
        assert_eq!(of(made).as_deref(), Some("shop-cart"));
        assert_eq!(
            of(json!({"wharf.enable": "True", "com.docker.swarm.service.name": "shop_cart"})).as_deref(),
            Some("shop_cart")
        );
        assert_eq!(of(json!({"wharf.enable": "true"})).as_deref(), Some("cart-1"));
        for labels in [json!({}), json!({"wharf.enable": "false"}), json!({"wharf.enable": "yes"})] {
            assert_eq!(of(labels), None);
        }
    }

    #[test]
    fn each_host_with_each_path_is_a_route() {
        let of = |labels: Value| {
            let (claims, odd) = container(&labels).claims("cart");
            let place = |claim: &Claim| {
                format!("{}{}", claim.host.as_deref().unwrap_or("-"), claim.path.as_deref().unwrap_or(""))
            };
            (claims.iter().map(place).collect::<Vec<_>>().join(" "), odd.join("; "))
        };
        let all = of(json!({"wharf.host": "a.test, b.test,", "wharf.path": "/x/*,/y"}));
        assert_eq!(all, ("a.test/x/* a.test/y b.test/x/* b.test/y".into(), String::new()));
        assert_eq!(of(json!({"wharf.host": "a.test"})).0, "a.test");
        assert_eq!(of(json!({"wharf.path": "/x"})).0, "-/x");
        let (none, odd) = of(json!({"wharf.enable": "true"}));
        assert_eq!(none, "");
        assert!(odd.starts_with("container cart-1: label wharf.enable: a route needs `wharf.host`, "), "{odd}");
        // a variable that was not set is not every host, nor every path
        for labels in
            [json!({"wharf.host": "", "wharf.path": "/*"}), json!({"wharf.host": "a.test", "wharf.path": " ,"})]
        {
            let (none, odd) = of(labels);
            assert_eq!(none, "");
            assert!(odd.ends_with(": is empty: no route is made (leave the label out for any)"), "{odd}");
        }
        let many = vec!["/x"; 99].join(",");
        assert_eq!(container(&json!({"wharf.path": many})).claims("cart").0.len(), PLACES_MAX);
    }

    #[test]
    fn words_without_end_are_not_taken_up() {
        let long = "x".repeat(WORD_LONGEST + 1);
        let hosts = container(&json!({ "wharf.host": format!("a.test,{long}"), "wharf.path": "/x" }));
        let (claims, odd) = hosts.claims("cart");
        assert!(claims.is_empty(), "the path alone was not asked for");
        assert!(odd[0].starts_with("container cart-1: label wharf.host: `xxx") && odd[0].len() < 300, "{odd:?}");
        let (claims, odd) = container(&json!({ "wharf.path": "/x" })).claims(&long);
        assert!(claims.is_empty() && odd == ["container cart-1: label wharf.service: is too long for a name"]);
    }

    #[test]
    fn a_word_that_is_neither_yes_nor_no_is_said() {
        let said = "container cart-1: label wharf.enable: `yes` is neither `true` nor `false`";
        assert_eq!(container(&json!({"wharf.enable": "yes"})).enables(), Err(said.to_owned()));
    }
}
