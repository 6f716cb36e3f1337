//! A container as the engine lists it, and the endpoint that it is.

use super::Network;
use crate::discovery::Found;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The port it answers at.
const PORT: &str = "wharf.port";
/// Its share of the requests.
const WEIGHT: &str = "wharf.weight";
/// Swarm's network for published ports: nothing else is reached on it.
const INGRESS: &str = "ingress";
/// The engine's name for the host's own network.
const HOST: &str = "host";
/// The network of containers that were given none, which is preferred among several.
const BRIDGE: &str = "bridge";

/// An item of `GET /containers/json`.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Container {
    pub id: Box<str>,
    #[serde(default)]
    names: Option<Vec<Box<str>>>,
    #[serde(default)]
    labels: Option<BTreeMap<Box<str>, Box<str>>>,
    #[serde(default)]
    state: Box<str>,
    #[serde(default)]
    status: Box<str>,
    /// When it was made, in seconds since 1970.
    #[serde(default)]
    pub created: i64,
    #[serde(default)]
    ports: Option<Vec<Port>>,
    #[serde(default)]
    network_settings: Option<NetworkSettings>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Port {
    #[serde(default, rename = "IP")]
    ip: Option<Box<str>>,
    private_port: u16,
    #[serde(default)]
    public_port: Option<u16>,
    #[serde(default, rename = "Type")]
    kind: Box<str>,
}

/// The networks of a container.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NetworkSettings {
    #[serde(default)]
    networks: Option<BTreeMap<Box<str>, Attached>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Attached {
    #[serde(default, rename = "IPAddress")]
    four: Box<str>,
    #[serde(default, rename = "GlobalIPv6Address")]
    six: Box<str>,
}

impl Attached {
    fn ip(&self) -> Option<IpAddr> {
        let four = self.four.parse::<Ipv4Addr>().ok().map(IpAddr::from);
        four.or_else(|| self.six.parse::<Ipv6Addr>().ok().map(IpAddr::from)).filter(|ip| !ip.is_unspecified())
    }
}

impl NetworkSettings {
    /// What the networks are called.
    pub fn names(&self) -> BTreeSet<Box<str>> {
        self.networks.iter().flatten().map(|(name, _)| name.clone()).collect()
    }
}

/// Where the gateway stands when it looks at containers.
#[derive(Clone, Debug)]
pub struct Standpoint {
    pub network: Network,
    /// The networks of the container that the gateway runs in, if it runs in one.
    pub own: Option<BTreeSet<Box<str>>>,
    /// Where the engine's host is reached: published ports, and containers on its own network.
    pub host: Option<IpAddr>,
}

/// What is wrong with a container, so that it is no endpoint.
pub(super) type Wrong = String;

impl Container {
    /// What people call it.
    pub fn name(&self) -> &str {
        let names = || self.names.iter().flatten().map(|name| name.strip_prefix('/').unwrap_or(name));
        // links are names below another container's
        names().find(|name| !name.contains('/')).or_else(|| names().next()).unwrap_or(&self.id)
    }

    /// There is a process in it that runs, or is paused.
    pub fn is_alive(&self) -> bool {
        matches!(&*self.state, "running" | "paused")
    }

    /// What a label of it says.
    pub(super) fn label(&self, label: &str) -> Option<&str> {
        self.labels.as_ref()?.get(label).map(|value| &**value)
    }

    /// The endpoint that it is, with what is odd about it.
    pub fn endpoint(&self, standpoint: &Standpoint) -> Result<(Found, Vec<Wrong>), Wrong> {
        let mut odd = Vec::new();
        let port = self.port(standpoint)?;
        let address = match standpoint.network {
            Network::Published => self.published(port, standpoint)?,
            _ => SocketAddr::new(self.ip(standpoint, &mut odd)?, port),
        };
        let weight = match self.label(WEIGHT).map(|text| (text, text.trim().parse::<u16>())) {
            None => 1,
            Some((_, Ok(weight))) if weight > 0 => weight,
            Some((text, _)) => {
                odd.push(self.wrong(WEIGHT, &format!("`{text}` is no weight from 1 to 65535; it counts as 1")));
                1
            }
        };
        let found =
            Found { address, weight, backup: false, name: self.name().into(), leaving: false, healthy: self.healthy() };
        Ok((found, odd))
    }

    /// The engine's own word, where the container has a health check. One that is paused answers nobody.
    fn healthy(&self) -> Option<bool> {
        match &*self.status {
            _ if &*self.state == "paused" => Some(false),
            text if text.contains("(healthy)") => Some(true),
            text if text.contains("(unhealthy)") || text.contains("(health: starting)") => Some(false),
            _ => None,
        }
    }

    fn port(&self, standpoint: &Standpoint) -> Result<u16, Wrong> {
        if let Some(text) = self.label(PORT) {
            let port = text.trim().parse().ok().filter(|port: &u16| *port > 0);
            return port.ok_or_else(|| self.wrong(PORT, &format!("`{text}` is no port")));
        }
        let published = standpoint.network == Network::Published;
        let of_use = |port: &&Port| &*port.kind == "tcp" && (!published || port.public_port.is_some());
        let ports: BTreeSet<u16> = self.ports.iter().flatten().filter(of_use).map(|port| port.private_port).collect();
        let word = if published { "publishes" } else { "exposes" };
        match (ports.first(), ports.len()) {
            (Some(port), 1) => Ok(*port),
            (None, _) => Err(self.wrong(PORT, &format!("is missing, and the container {word} no tcp port"))),
            (Some(_), _) => {
                let ports: Vec<String> = ports.iter().take(8).map(u16::to_string).collect();
                Err(self.wrong(PORT, &format!("is missing, and the container {word} several: {}", ports.join(", "))))
            }
        }
    }

    fn published(&self, port: u16, standpoint: &Standpoint) -> Result<SocketAddr, Wrong> {
        let of_port = self.ports.iter().flatten().filter(|p| &*p.kind == "tcp" && p.private_port == port);
        let mut places: Vec<(IpAddr, u16)> = of_port
            .filter_map(|p| Some((p.ip.as_deref().unwrap_or("0.0.0.0").parse().ok()?, p.public_port?)))
            .collect();
        // the host by IPv4, where it is published there
        places.sort_unstable();
        let Some((ip, public)) = places.first().copied() else {
            return Err(self.wrong(PORT, &format!("the container does not publish {port}/tcp")));
        };
        let ip = match (ip, standpoint.host) {
            (ip, Some(host)) if ip.is_unspecified() => host,
            (ip, None) if ip.is_unspecified() => return Err(self.no_host()),
            (ip, _) => ip,
        };
        Ok(SocketAddr::new(ip, public))
    }

    fn ip(&self, standpoint: &Standpoint, odd: &mut Vec<Wrong>) -> Result<IpAddr, Wrong> {
        let networks = self.network_settings.iter().flat_map(|settings| settings.networks.iter().flatten());
        let all: Vec<(&str, IpAddr)> = networks
            .clone()
            .filter(|(name, _)| &***name != INGRESS)
            .filter_map(|(name, attached)| Some((&**name, attached.ip()?)))
            .collect();
        if let Network::Named(wanted) = &standpoint.network {
            let named = all.iter().find(|(name, _)| *name == &**wanted).map(|(_, ip)| *ip);
            return named
                .ok_or_else(|| self.said(&format!("it is not on the network `{wanted}` (discovery.docker.network)")));
        }
        if all.is_empty() {
            return match networks.clone().any(|(name, _)| &**name == HOST) {
                true if standpoint.own.is_none() => standpoint.host.ok_or_else(|| self.no_host()),
                true => {
                    Err(self.said("it is on the host's own network, which a gateway in a container does not share"))
                }
                false => Err(self.said("it is on no network")),
            };
        }
        let shared: Vec<(&str, IpAddr)> = match &standpoint.own {
            Some(own) => all.iter().copied().filter(|(name, _)| own.contains(*name)).collect(),
            None => all.clone(),
        };
        let preferred = || shared.iter().find(|(name, _)| *name == BRIDGE);
        match (&*shared, &standpoint.own) {
            ([], _) => Err(self.said("it shares no network with the gateway's own container")),
            ([(_, ip)], _) | ([(_, ip), ..], Some(_)) => Ok(*ip),
            ([(first, ip), ..], None) => {
                let (name, ip) = preferred().map_or((*first, *ip), |(name, ip)| (*name, *ip));
                let names: Vec<&str> = shared.iter().map(|(name, _)| *name).collect();
                odd.push(self.said(&format!(
                    "it is on several networks ({}), of which `{name}` is taken: name one in discovery.docker.network",
                    names.join(", ")
                )));
                Ok(ip)
            }
        }
    }

    fn no_host(&self) -> Wrong {
        self.said("nobody knows the address of the engine's host: name a network in discovery.docker.network")
    }

    /// A sentence about one of its labels.
    pub fn wrong(&self, label: &str, what: &str) -> Wrong {
        format!("container {}: label {label}: {what}", shown(self.name()))
    }

    fn said(&self, what: &str) -> Wrong {
        format!("container {}: {what}", shown(self.name()))
    }
}

/// A text from outside, as a line of the log can hold it.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(100).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn container(labels: Value, ports: Value, networks: Value, status: &str) -> Container {
        let item = json!({
            "Id": "abc", "Names": ["/shop/cart", "/cart-1"], "Labels": labels, "State": "running", "Status": status,
            "Ports": ports, "NetworkSettings": {"Networks": networks},
        });
        serde_json::from_value(item).expect("a container")
    }

    fn on(ip: &str) -> Value {
        json!({"IPAddress": ip, "GlobalIPv6Address": ""})
    }

    fn from(network: Network, own: Option<&[&str]>) -> Standpoint {
        let own = own.map(|names| names.iter().map(|name| (*name).into()).collect());
        Standpoint { network, own, host: Some(Ipv4Addr::LOCALHOST.into()) }
    }

    fn address(container: &Container, standpoint: &Standpoint) -> Result<String, String> {
        container.endpoint(standpoint).map(|(found, odd)| {
            let odd = if odd.is_empty() { String::new() } else { format!(" ({})", odd.join("; ")) };
            format!("{}{odd}", found.address)
        })
    }

    const PLAIN: &str = "Up 2 minutes";

    #[test]
    fn the_port_is_the_label_s_or_the_only_one() {
        let of = |labels, ports| {
            address(&container(labels, ports, json!({"b": on("10.0.0.2")}), PLAIN), &from(Network::Shared, None))
        };
        let tcp = |port: u16| json!({"PrivatePort": port, "Type": "tcp"});
        assert_eq!(of(json!({}), json!([tcp(80), {"PrivatePort": 53, "Type": "udp"}])).as_deref(), Ok("10.0.0.2:80"));
        assert_eq!(of(json!({"wharf.port": "81"}), json!([tcp(80)])).as_deref(), Ok("10.0.0.2:81"));
        let published_twice = json!([
            {"IP": "0.0.0.0", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
            {"IP": "::", "PrivatePort": 80, "PublicPort": 8080, "Type": "tcp"},
        ]);
        assert_eq!(of(json!({}), published_twice).as_deref(), Ok("10.0.0.2:80"));
        let none = "container cart-1: label wharf.port: is missing, and the container exposes no tcp port";
        assert_eq!(of(json!({}), json!([])), Err(none.to_owned()));
        let several = "container cart-1: label wharf.port: is missing, and the container exposes several: 80, 443";
        assert_eq!(of(json!({}), json!([tcp(443), tcp(80)])), Err(several.to_owned()));
        let odd = "container cart-1: label wharf.port: `http` is no port";
        assert_eq!(of(json!({"wharf.port": "http"}), json!([tcp(80)])), Err(odd.to_owned()));
    }

    #[test]
    fn the_network_is_the_named_one_the_shared_one_or_the_only_one() {
        let networks = json!({"bridge": on("172.17.0.2"), "front": on("10.1.0.2"), "ingress": on("10.255.0.3")});
        let of = |standpoint| {
            address(&container(json!({"wharf.port": "80"}), json!([]), networks.clone(), PLAIN), &standpoint)
        };
        assert_eq!(of(from(Network::Named("front".into()), None)).as_deref(), Ok("10.1.0.2:80"));
        assert!(of(from(Network::Named("back".into()), None)).is_err_and(|e| e.contains("`back`")));
        assert_eq!(of(from(Network::Shared, Some(&["front"]))).as_deref(), Ok("10.1.0.2:80"));
        assert!(of(from(Network::Shared, Some(&["back"]))).is_err_and(|e| e.contains("shares no network")));
        let several = of(from(Network::Shared, None)).expect("an endpoint");
        assert!(several.starts_with("172.17.0.2:80 (container cart-1: it is on several networks"), "{several}");
    }

    #[test]
    fn a_published_port_is_reached_on_the_host() {
        let ports = |ip: &str| json!([{"IP": ip, "PrivatePort": 80, "PublicPort": 49153, "Type": "tcp"}]);
        let of = |ip| address(&container(json!({}), ports(ip), json!({}), PLAIN), &from(Network::Published, None));
        assert_eq!(of("0.0.0.0").as_deref(), Ok("127.0.0.1:49153"));
        assert_eq!(of("192.0.2.9").as_deref(), Ok("192.0.2.9:49153"));
        let inside = container(json!({}), json!([{"PrivatePort": 80, "Type": "tcp"}]), json!({}), PLAIN);
        assert!(address(&inside, &from(Network::Published, None)).is_err_and(|e| e.contains("publishes no tcp port")));
    }

    #[test]
    fn a_container_of_the_host_s_network_is_reached_on_the_host() {
        let of = |own| {
            let networks = json!({"host": on("")});
            address(&container(json!({"wharf.port": "80"}), json!([]), networks, PLAIN), &from(Network::Shared, own))
        };
        assert_eq!(of(None).as_deref(), Ok("127.0.0.1:80"));
        assert!(of(Some(&["front"])).is_err());
    }

    #[test]
    fn the_engine_s_word_on_health_counts() {
        for (status, healthy) in [
            ("Up 2 minutes", None),
            ("Up 2 minutes (healthy)", Some(true)),
            ("Up 2 minutes (unhealthy)", Some(false)),
            ("Up 1 second (health: starting)", Some(false)),
        ] {
            assert_eq!(container(json!({}), json!([]), json!({}), status).healthy(), healthy, "{status}");
        }
    }

    #[test]
    fn a_weight_that_is_none_counts_as_one() {
        let of = |weight: &str| {
            let labels = json!({"wharf.port": "80", "wharf.weight": weight});
            let found = container(labels, json!([]), json!({"b": on("10.0.0.2")}), PLAIN);
            found.endpoint(&from(Network::Shared, None)).map(|(found, odd)| (found.weight, odd.len()))
        };
        assert_eq!((of("7"), of("0"), of("many")), (Ok((7, 0)), Ok((1, 1)), Ok((1, 1))));
    }

    #[test]
    fn a_container_is_called_by_its_own_name() {
        assert_eq!(container(json!({}), json!([]), json!({}), PLAIN).name(), "cart-1");
        let nameless: Container = serde_json::from_value(json!({"Id": "abc"})).expect("a container");
        assert_eq!((nameless.name(), nameless.is_alive()), ("abc", false));
    }
}
