//! Questions to name servers: which of them are asked, for how long, under which names, and what counts as an answer.

use super::settings::DnsSettings;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::xfer::{DnsHandle, FirstAnswer};
use hickory_resolver::net::{DnsError, NetError, NoRecords};
use hickory_resolver::proto::op::{DnsRequestOptions, Query, ResponseCode};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use hickory_resolver::{NameServerPool, PoolContext, TlsConfig};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// Rounds in which all name servers are asked, as long as one of them is silent.
const ROUNDS_MAX: u32 = 3;
/// Aliases (CNAME) that are followed.
const ALIASES_MAX: usize = 8;
/// Questions that may be open at one name server.
const OPEN_MAX: usize = 256;

/// Asks name servers.
pub struct Resolver {
    servers: Vec<NameServerPool<TokioRuntimeProvider>>,
    /// The one that answered last is asked first: a dead one costs its time once.
    first: AtomicUsize,
    /// Domains below which a name may be meant that does not end in a dot.
    search: Vec<Name>,
    /// With so many dots a name is first taken as it is.
    dots: usize,
    /// How long one question may take, all name servers and names together.
    timeout: Duration,
}

/// What came of a question.
#[derive(Debug)]
pub enum Reply {
    Found(Records),
    /// There is no such name, or it has no such record: a name server says so.
    Nothing(&'static str),
    /// Nobody knows.
    Failed(String),
}

/// What a name server says of a name.
#[derive(Debug)]
pub struct Records {
    /// Under which name it was found, of those that could be meant.
    pub name: Name,
    /// What was asked for, at least one.
    pub data: Vec<RData>,
    /// What the name server thought to be of use beside it.
    pub beside: Vec<Record>,
    /// How long it holds.
    pub valid_for: Duration,
}

pub const NO_NAME: &str = "there is no such name";
const NO_RECORD: &str = "it has no such record";

impl Resolver {
    /// With the name servers of the settings, or those of the system; with the system's search domains.
    pub fn new(settings: &DnsSettings) -> Result<Resolver, String> {
        let said = |e: &dyn std::fmt::Display| format!("the system's resolver settings cannot be used: {e}");
        let system = read_system_conf();
        let (search, dots, patience) = match &system {
            Ok((config, options)) => {
                let domains = match config.search() {
                    [] => config.domain().into_iter().cloned().collect(),
                    search => search.to_vec(),
                };
                (domains, options.ndots, options.timeout)
            }
            Err(_) => (Vec::new(), 1, Duration::MAX),
        };
        let servers: Vec<NameServerConfig> = match (settings.servers.as_slice(), system) {
            ([], Ok((config, _))) => config.name_servers().to_vec(),
            ([], Err(e)) => return Err(said(&e)),
            (own, _) => own.iter().map(|server| at(*server)).collect(),
        };
        let mut options = ResolverOpts::default();
        options.timeout = settings.share().min(patience);
        options.num_concurrent_reqs = 1;
        options.max_active_requests = OPEN_MAX;
        let pool = |server| {
            let context = Arc::new(PoolContext::new(options.clone(), TlsConfig::new()?));
            Ok(NameServerPool::from_config([server], context, TokioRuntimeProvider::default()))
        };
        let servers = servers.into_iter().map(pool).collect::<Result<Vec<_>, NetError>>().map_err(|e| said(&e))?;
        Ok(Resolver { servers, first: AtomicUsize::new(0), search, dots, timeout: settings.timeout })
    }

    /// Asks for a name's records of one kind.
    pub async fn ask(&self, host: &str, kind: RecordType) -> Reply {
        let Ok(name) = Name::from_ascii(host) else { return Reply::Failed(format!("`{host}` is not a host name")) };
        let all = async {
            let mut failed = None;
            let mut nothing = NO_NAME;
            for name in self.meant(name) {
                match self.ask_for(name, kind).await {
                    Reply::Found(records) => return Reply::Found(records),
                    Reply::Nothing(why) => nothing = if nothing == NO_NAME { why } else { nothing },
                    // it may be there, but one that follows may be there as well, as resolvers have always seen it
                    Reply::Failed(why) => failed = failed.or(Some(why)),
                }
            }
            // where one of them is not known, nobody can say that there is none
            failed.map_or(Reply::Nothing(nothing), Reply::Failed)
        };
        tokio::time::timeout(self.timeout, all).await.unwrap_or_else(|_| Reply::Failed(SILENT.into()))
    }

    /// The whole names that a name may mean, in order.
    fn meant(&self, mut name: Name) -> Vec<Name> {
        if name.is_fqdn() {
            return vec![name];
        }
        let mut names: Vec<Name> =
            self.search.iter().filter_map(|domain| name.clone().append_domain(domain).ok()).collect();
        // `num_labels` is one more than the dots
        let as_it_is = if usize::from(name.num_labels()) > self.dots { 0 } else { names.len() };
        name.set_fqdn(true);
        names.insert(as_it_is, name);
        names
    }

    /// Asks for one whole name, and for what it is an alias of.
    async fn ask_for(&self, asked: Name, kind: RecordType) -> Reply {
        let (mut name, mut valid_for) = (asked.clone(), Duration::MAX);
        for _ in 0..ALIASES_MAX {
            let (answers, beside) = match self.put(&name, kind).await {
                Ok(said) => said,
                Err(reply) => return reply,
            };
            let (owner, ttl) = owner(&name, &answers);
            valid_for = valid_for.min(ttl);
            let own = |r: &&Record| r.record_type() == kind && r.name.eq_ignore_root(&owner);
            let found: Vec<&Record> = answers.iter().filter(own).collect();
            if let Some(ttl) = found.iter().map(|r| r.ttl).min() {
                let data = found.into_iter().map(|r| r.data.clone()).collect();
                let valid_for = valid_for.min(Duration::from_secs(ttl.into()));
                return Reply::Found(Records { name: asked, data, beside, valid_for });
            }
            if owner.eq_ignore_root(&name) {
                return Reply::Nothing(NO_RECORD);
            }
            // an alias whose end the name server did not say
            name = owner;
        }
        Reply::Failed(format!("more than {ALIASES_MAX} aliases lead on from `{asked}`"))
    }

    /// Puts one question to the name servers, in turn until one knows: its answers, and what it says beside.
    async fn put(&self, name: &Name, kind: RecordType) -> Result<(Vec<Record>, Vec<Record>), Reply> {
        let (count, begin) = (self.servers.len(), self.first.load(Relaxed));
        let mut why = "no name server is known".to_owned();
        for _ in 0..ROUNDS_MAX {
            let mut silent = false;
            for at in (begin..begin + count).map(|n| n % count) {
                match put_to(&self.servers[at], Query::query(name.clone(), kind)).await {
                    Ok(said) => {
                        self.first.store(at, Relaxed);
                        return Ok(said);
                    }
                    Err(NetError::Dns(DnsError::NoRecordsFound(none))) if !is_referral(&none) => {
                        self.first.store(at, Relaxed);
                        let there_is = none.response_code != ResponseCode::NXDomain;
                        return Err(Reply::Nothing(if there_is { NO_RECORD } else { NO_NAME }));
                    }
                    Err(e) => {
                        silent |= matches!(e, NetError::Timeout);
                        why = told(&e);
                    }
                }
            }
            // who has spoken says the same again
            if !silent {
                break;
            }
        }
        Err(Reply::Failed(why))
    }
}

const SILENT: &str = "no name server answers in time";

/// A name server at an address of the settings, by UDP, and by TCP for what is too long.
fn at(server: SocketAddr) -> NameServerConfig {
    let mut config = NameServerConfig::udp_and_tcp(server.ip());
    config.connections.iter_mut().for_each(|connection: &mut ConnectionConfig| connection.port = server.port());
    config
}

/// Puts a question to one name server. With EDNS, so that long answers mostly need no second question; without it where that is not
/// understood.
async fn put_to(
    server: &NameServerPool<TokioRuntimeProvider>,
    query: Query,
) -> Result<(Vec<Record>, Vec<Record>), NetError> {
    let put = |use_edns| {
        let mut options = DnsRequestOptions::default();
        options.use_edns = use_edns;
        server.lookup(query.clone(), options).first_answer()
    };
    let said = match put(true).await {
        Err(NetError::Dns(DnsError::ResponseCode(
            ResponseCode::FormErr | ResponseCode::NotImp | ResponseCode::BADVERS,
        ))) => put(false).await?,
        said => said?,
    };
    let message = said.into_message();
    Ok((message.answers, message.additionals))
}

/// The end of the aliases in an answer, and how long they hold.
fn owner(name: &Name, answers: &[Record]) -> (Name, Duration) {
    let (mut owner, mut valid_for) = (name.clone(), Duration::MAX);
    for _ in 0..ALIASES_MAX {
        let leads_on = answers.iter().find_map(|r| match &r.data {
            RData::CNAME(alias) if r.name.eq_ignore_root(&owner) => Some((&alias.0, r.ttl)),
            _ => None,
        });
        let Some((to, ttl)) = leads_on else { break };
        owner = to.clone();
        valid_for = valid_for.min(Duration::from_secs(ttl.into()));
    }
    (owner, valid_for)
}

/// It knows nothing itself, and only says whom else to ask.
fn is_referral(none: &NoRecords) -> bool {
    none.ns.is_some() && none.soa.is_none() && none.response_code == ResponseCode::NoError
}

fn told(e: &NetError) -> String {
    match e {
        NetError::Timeout => SILENT.into(),
        NetError::Dns(DnsError::ResponseCode(code)) => format!("a name server answers {}", code.to_str()),
        NetError::Dns(DnsError::NoRecordsFound(_)) => "a name server knows nothing of it itself".into(),
        e => format!("a name server cannot be asked: {e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hickory_resolver::proto::rr::rdata::{A, CNAME};

    fn name(text: &str) -> Name {
        Name::from_ascii(text).expect("a name")
    }

    fn resolver(search: &[&str], dots: usize) -> Resolver {
        let search = search.iter().map(|domain| name(domain)).collect();
        Resolver { servers: Vec::new(), first: AtomicUsize::new(0), search, dots, timeout: Duration::from_secs(1) }
    }

    fn meant(resolver: &Resolver, text: &str) -> Vec<String> {
        resolver.meant(name(text)).iter().map(Name::to_ascii).collect()
    }

    #[test]
    fn a_name_is_looked_for_below_the_search_domains_unless_it_ends_in_a_dot() {
        let here = resolver(&["corp.internal", "internal"], 1);
        assert_eq!(meant(&here, "app"), ["app.corp.internal.", "app.internal.", "app."]);
        assert_eq!(meant(&here, "app."), ["app."]);
        // with a dot in it a name is most likely whole
        assert_eq!(meant(&here, "a.b"), ["a.b.", "a.b.corp.internal.", "a.b.internal."]);
        let pod = resolver(&["svc.cluster.local"], 5);
        assert_eq!(meant(&pod, "_http._tcp.app"), ["_http._tcp.app.svc.cluster.local.", "_http._tcp.app."]);
        assert_eq!(meant(&resolver(&[], 0), "app"), ["app."]);
    }

    #[test]
    fn aliases_are_followed_to_their_end_and_hold_as_long_as_the_shortest() {
        let alias = |from: &str, to: &str, ttl| Record::from_rdata(name(from), ttl, RData::CNAME(CNAME(name(to))));
        let answers = [
            alias("b.test.", "C.test.", 7),
            alias("a.test.", "b.test.", 60),
            Record::from_rdata(name("c.test."), 30, RData::A(A::new(127, 0, 0, 1))),
        ];
        let (end, valid_for) = owner(&name("A.test."), &answers);
        assert!(end.eq_ignore_root(&name("c.test.")));
        assert_eq!(valid_for, Duration::from_secs(7));
        // one that leads to itself ends somewhere
        owner(&name("x."), &[alias("x.", "y.", 1), alias("y.", "x.", 1)]);
    }

    #[tokio::test]
    async fn without_a_name_server_nobody_knows() {
        assert!(
            matches!(resolver(&[], 1).ask("app", RecordType::A).await, Reply::Failed(why) if why == "no name server is known")
        );
    }

    /// A name server over UDP that answers with this code, or an address for 0; `with_edns` says whether it understands EDNS.
    async fn server(code: u8, with_edns: bool) -> SocketAddr {
        let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a socket");
        let address = socket.local_addr().expect("an address");
        tokio::spawn(async move {
            let mut question = [0; 512];
            while let Ok((len, from)) = socket.recv_from(&mut question).await {
                let end = 12 + question[12..len].iter().position(|byte| *byte == 0).expect("a name") + 5;
                let mut answer = question[..end].to_vec();
                let code = if !with_edns && question[11] > 0 { 1 } else { code };
                answer[2..12].copy_from_slice(&[0x81, 0x80 | code, 0, 1, 0, u8::from(code == 0), 0, 0, 0, 0]);
                if code == 0 {
                    answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 7, 0, 4, 127, 0, 0, 9]);
                }
                socket.send_to(&answer, from).await.expect("sent");
            }
        });
        address
    }

    fn asking(servers: &[SocketAddr]) -> Resolver {
        let settings = DnsSettings { servers: servers.to_vec(), ..DnsSettings::default() };
        Resolver { search: Vec::new(), ..Resolver::new(&settings).expect("a resolver") }
    }

    #[tokio::test]
    async fn a_name_server_in_trouble_leaves_the_turn_to_the_next_and_alone_it_is_no_answer() {
        const TROUBLE: u8 = 2;
        let (trouble, good) = (server(TROUBLE, true).await, server(0, true).await);
        let resolver = asking(&[trouble, good]);
        assert!(matches!(resolver.ask("app.test", RecordType::A).await, Reply::Found(_)));
        assert_eq!(resolver.first.load(Relaxed), 1, "it is asked first from now on");
        let alone = asking(&[trouble]).ask("app.test", RecordType::A).await;
        assert!(matches!(&alone, Reply::Failed(why) if why.contains("Server Failure")), "{alone:?}");
    }

    #[tokio::test]
    async fn a_name_server_that_does_not_understand_edns_is_asked_without_it() {
        let old = server(0, false).await;
        let reply = asking(&[old]).ask("app.test", RecordType::A).await;
        let Reply::Found(records) = reply else { panic!("{reply:?}") };
        assert_eq!((records.data.len(), records.valid_for), (1, Duration::from_secs(7)));
    }

    #[tokio::test]
    async fn that_there_is_no_name_is_an_answer() {
        const NO_SUCH_NAME: u8 = 3;
        let reply = asking(&[server(NO_SUCH_NAME, true).await]).ask("app.test", RecordType::A).await;
        assert!(matches!(reply, Reply::Nothing(NO_NAME)), "{reply:?}");
    }
}
