//! The SRV records of a name, asked of the name servers.

use super::dns::{Dns, NoAnswer, tidy};
use super::names::{SERVICES_MAX, Services};
use super::resolver::{Records, Reply};
use super::services::Service;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

impl Dns {
    /// The question, as a future of its own that needs nothing of `self` any more.
    pub fn look_up_services(&self, name: &str) -> impl Future<Output = Result<Services, NoAnswer>> + Send + use<> {
        let (resolver, name) = (self.resolver().cloned(), name.to_owned());
        async move {
            match resolver.map_err(NoAnswer::Failed)?.ask(&name, RecordType::SRV).await {
                Reply::Found(records) => Ok(services(records)),
                Reply::Nothing(why) => Err(NoAnswer::Nothing(why)),
                Reply::Failed(why) => Err(NoAnswer::Failed(why)),
            }
        }
    }
}

/// What an answer says: the services, and what it says beside of where their hosts are.
fn services(found: Records) -> Services {
    let records: Vec<Service> = found
        .data
        .iter()
        .filter_map(|data| match data {
            RData::SRV(srv) => {
                Some(Service { priority: srv.priority, weight: srv.weight, port: srv.port, target: host(&srv.target) })
            }
            _ => None,
        })
        .take(SERVICES_MAX)
        .collect();
    let targets: HashSet<&str> = records.iter().map(|service| &*service.target).collect();
    let (mut beside, mut valid_for): (HashMap<Box<str>, Vec<IpAddr>>, _) = (HashMap::new(), found.valid_for);
    for record in &found.beside {
        let owner = host(&record.name);
        if let Some(ip) = record.data.ip_addr()
            && targets.contains(&*owner)
        {
            beside.entry(owner).or_default().push(ip);
            valid_for = valid_for.min(Duration::from_secs(record.ttl.into()));
        }
    }
    let beside = beside.into_iter().map(|(host, ips)| (host, tidy(ips))).filter(|(_, ips)| !ips.is_empty());
    let beside = beside.collect();
    Services { records, beside, valid_for }
}

/// A host as it is written, lower-case and without the final dot.
fn host(name: &Name) -> Box<str> {
    name.to_ascii().to_ascii_lowercase().trim_end_matches('.').into()
}
