//! Endpoints that are found by asking for a name, again and again: its addresses, or the services that its SRV records name.

use super::dns::{ADDRESSES_MAX, Answer, Dns, Family, NoAnswer};
use super::found::Found;
use super::services::{Service, endpoints};
use crate::value::{DnsTarget, SrvName};
use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use tokio::task::JoinSet;

/// After no answer, and while there is nothing, it is asked again this soon.
const AGAIN: Duration = Duration::from_secs(2);
/// Targets of SRV records that are looked up at one time.
const QUESTIONS_MAX: usize = 32;
/// More records than this are not taken of one name.
pub(super) const SERVICES_MAX: usize = 256;

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Asked {
    /// The addresses of a name.
    Addresses(DnsTarget),
    /// The SRV records of a name.
    Services(SrvName),
}

/// What one look has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The endpoints; none where a name server says that there is none.
    pub found: Vec<Found>,
    /// How long this holds.
    pub valid_for: Duration,
    /// That there is none was said on purpose, by the target `.`, and needs no second look.
    pub decided: bool,
    /// What could not be learned, where something is known all the same.
    pub unsure: Option<String>,
}

/// SRV records of a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Services {
    pub records: Vec<Service>,
    /// Addresses of targets that came with them.
    pub beside: HashMap<Box<str>, Vec<IpAddr>>,
    /// How long they hold.
    pub valid_for: Duration,
}

/// Who is asked.
pub trait Names {
    /// The addresses of a host.
    fn addresses(&self, host: &str) -> impl Future<Output = Result<Answer, NoAnswer>> + Send + 'static;
    /// The SRV records of a name.
    fn services(&self, name: &SrvName) -> impl Future<Output = Result<Services, NoAnswer>> + Send + 'static;
}

impl Names for Dns {
    fn addresses(&self, host: &str) -> impl Future<Output = Result<Answer, NoAnswer>> + Send + 'static {
        self.look_up(host)
    }

    fn services(&self, name: &SrvName) -> impl Future<Output = Result<Services, NoAnswer>> + Send + 'static {
        self.look_up_services(name.as_str())
    }
}

/// Looks for the endpoints behind one name. Remembers what it needs for answers that leave something open.
pub struct Look {
    asked: Asked,
    /// The last addresses of each host.
    known: HashMap<Box<str>, Vec<IpAddr>>,
}

impl Look {
    pub fn new(asked: Asked) -> Look {
        Look { asked, known: HashMap::new() }
    }

    /// Looks once. An error says that nobody knows.
    pub async fn look(&mut self, names: &impl Names) -> Result<Seen, String> {
        let seen = match self.asked.clone() {
            Asked::Addresses(target) => self.addresses(names, &target).await,
            Asked::Services(name) => self.services(names, &name).await,
        };
        match seen {
            Ok(seen) => Ok(seen),
            Err(NoAnswer::Nothing(_)) => Ok(Seen { found: Vec::new(), valid_for: AGAIN, decided: false, unsure: None }),
            Err(NoAnswer::Failed(why)) => Err(why),
        }
    }

    async fn addresses(&mut self, names: &impl Names, target: &DnsTarget) -> Result<Seen, NoAnswer> {
        let answer = names.addresses(&target.host).await?;
        let (valid_for, unsure) = (answer.valid_for, answer.open.map(|family| unheard(&target.host, family)));
        let found = self.learn(&target.host, answer).into_iter().map(|ip| Found {
            address: SocketAddr::new(ip, target.port),
            weight: 1,
            backup: false,
            name: target.host.trim_end_matches('.').into(),
            leaving: false,
            healthy: None,
        });
        Ok(Seen { found: found.collect(), valid_for, decided: false, unsure })
    }

    async fn services(&mut self, names: &impl Names, name: &SrvName) -> Result<Seen, NoAnswer> {
        let Services { mut records, mut beside, mut valid_for } = names.services(name).await?;
        if let [only] = records.as_slice()
            && only.target.is_empty()
        {
            return Ok(Seen { found: Vec::new(), valid_for, decided: true, unsure: None });
        }
        records.retain(|record| !record.target.is_empty());
        records.sort_unstable();
        records.dedup();
        records.truncate(SERVICES_MAX);
        self.known.retain(|host, _| records.iter().any(|record| record.target == *host));
        let (mut asking, mut unsure) = (JoinSet::new(), None);
        let mut open: Vec<&Box<str>> = records.iter().map(|r| &r.target).filter(|t| !beside.contains_key(*t)).collect();
        open.sort_unstable();
        open.dedup();
        let mut open = open.into_iter();
        loop {
            while asking.len() < QUESTIONS_MAX
                && let Some(target) = open.next()
            {
                // a target is a whole name
                let (target, question) = (target.clone(), names.addresses(&format!("{target}.")));
                asking.spawn(async move { (target, question.await) });
            }
            let Some(answered) = asking.join_next().await else { break };
            let Ok((target, answered)) = answered else { continue };
            let addresses = match answered {
                Ok(answer) => {
                    valid_for = valid_for.min(answer.valid_for);
                    unsure = unsure.or(answer.open.map(|family| unheard(&target, family)));
                    self.learn(&target, answer)
                }
                Err(NoAnswer::Nothing(_)) => Vec::new(),
                Err(NoAnswer::Failed(why)) => {
                    unsure = unsure.or(Some(format!("the addresses of {target} are not known: {why}")));
                    valid_for = valid_for.min(AGAIN);
                    self.known.get(&target).cloned().unwrap_or_default()
                }
            };
            beside.insert(target, addresses);
        }
        self.known = beside.clone();
        let addresses = |record: Service| {
            let addresses = beside.get(&record.target).cloned().unwrap_or_default();
            (record, addresses)
        };
        let found = endpoints(&records.into_iter().map(addresses).collect::<Vec<_>>());
        match (found.is_empty(), unsure) {
            (true, Some(why)) => Err(NoAnswer::Failed(why)),
            (_, unsure) => Ok(Seen { found, valid_for, decided: false, unsure }),
        }
    }

    /// The addresses of a host: those of the answer, and those known before of the family of which it says nothing.
    fn learn(&mut self, host: &str, answer: Answer) -> Vec<IpAddr> {
        let Answer { mut addresses, valid_for: _, open } = answer;
        let known = self.known.get(host).into_iter().flatten();
        addresses.extend(known.copied().filter(|ip| open == Some(Family::of(*ip))));
        addresses.sort_unstable();
        addresses.dedup();
        addresses.truncate(ADDRESSES_MAX);
        self.known.insert(host.into(), addresses.clone());
        addresses
    }

    /// How long after a look the next one is due.
    pub fn rest(seen: &Result<Seen, String>, names: &super::DnsSettings) -> Duration {
        match seen {
            Ok(seen) if !seen.found.is_empty() => names.holds(seen.valid_for),
            _ => AGAIN.max(names.min_ttl),
        }
    }
}

fn unheard(host: &str, family: Family) -> String {
    let kind = match family {
        Family::V4 => "IPv4",
        Family::V6 => "IPv6",
    };
    format!("nothing is heard of the {kind} addresses of {host}")
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asked::Addresses(target) => target.fmt(f),
            Asked::Services(name) => name.fmt(f),
        }
    }
}
