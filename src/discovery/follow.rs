//! A name that is asked for as long as somebody wants to know.

use super::DnsSettings;
use super::names::{Asked, Look, Names, Seen};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};

/// Asks for a name for ever, and tells what came of it each time. `names` says whom to ask, and how often; whoever doubts what was found,
/// since it refuses connections, has it asked again at once, but not more often than the settings allow.
pub async fn follow<N: Names>(
    asked: Asked,
    mut names: impl FnMut() -> (N, DnsSettings),
    doubted: &Notify,
    mut tell: impl FnMut(Result<Seen, String>),
) {
    let mut look = Look::new(asked);
    loop {
        let (names, settings) = names();
        let began = Instant::now();
        let seen = look.look(&names).await;
        let rest = Look::rest(&seen, &settings);
        tell(seen);
        tokio::select! {
            () = sleep(rest) => {}
            () = doubted.notified() => sleep_until(began + settings.min_ttl).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dns::{Answer, Family, NoAnswer};
    use super::super::names::Services;
    use super::super::services::Service;
    use super::*;
    use crate::value::{DnsTarget, SrvName};
    use std::collections::HashMap;
    use std::future::{Ready, ready};
    use std::net::IpAddr;
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    /// What is said, from each second on.
    type Said<T> = Vec<(u64, Result<T, NoAnswer>)>;

    /// What is said of each name, and when it was asked.
    #[derive(Clone)]
    struct Script {
        began: Instant,
        hosts: Arc<HashMap<&'static str, Said<Answer>>>,
        services: Arc<Said<Services>>,
        asked: Arc<Mutex<Vec<u128>>>,
    }

    impl Script {
        fn new(hosts: Vec<(&'static str, Said<Answer>)>) -> Script {
            Script {
                began: Instant::now(),
                hosts: Arc::new(hosts.into_iter().collect()),
                services: Arc::default(),
                asked: Arc::default(),
            }
        }

        fn now<T: Clone>(&self, said: &[(u64, T)]) -> T {
            let past = said.iter().rev().find(|(from, _)| Duration::from_secs(*from) <= self.began.elapsed());
            past.expect("something is said from the beginning").1.clone()
        }
    }

    impl Names for Script {
        fn addresses(&self, host: &str) -> impl Future<Output = Result<Answer, NoAnswer>> + Send + 'static {
            self.asked.lock().expect("a list").push(self.began.elapsed().as_millis());
            let said: Ready<_> = ready(self.now(&self.hosts[host]));
            said
        }

        fn services(&self, _: &SrvName) -> impl Future<Output = Result<Services, NoAnswer>> + Send + 'static {
            self.asked.lock().expect("a list").push(self.began.elapsed().as_millis());
            ready(self.now(&self.services))
        }
    }

    fn at(ips: &str, seconds: u64) -> Result<Answer, NoAnswer> {
        let addresses: Vec<IpAddr> = ips.split(' ').map(|ip| ip.parse().expect("an address")).collect();
        Ok(Answer { addresses, valid_for: Duration::from_secs(seconds), open: None })
    }

    fn failed() -> Result<Answer, NoAnswer> {
        Err(NoAnswer::Failed("no name server answers in time".into()))
    }

    /// What was told in so many seconds: when, and the addresses or why not.
    async fn told(script: &Script, asked: Asked, seconds: u64, doubted: &Notify) -> Vec<(u64, String)> {
        let mut told = Vec::new();
        let tell = |seen: Result<Seen, String>| {
            let said = match seen {
                Ok(seen) => {
                    let mut all: Vec<String> = seen.found.iter().map(|f| f.address.to_string()).collect();
                    all.extend(seen.decided.then(|| "decided".to_owned()));
                    all.extend(seen.unsure);
                    all.join(" ")
                }
                Err(why) => why,
            };
            told.push((script.began.elapsed().as_secs(), said));
        };
        let names = || (script.clone(), DnsSettings::default());
        let forever = follow(asked, names, doubted, tell);
        // it never ends by itself
        let _ = tokio::time::timeout(Duration::from_secs(seconds), forever).await;
        told
    }

    fn app() -> Asked {
        Asked::Addresses(DnsTarget::parse("app:80").expect("a target"))
    }

    fn srv() -> Asked {
        Asked::Services(SrvName::parse("_http._tcp.app").expect("a name"))
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_server_that_is_dead_for_a_minute_is_asked_every_two_seconds_and_believed_when_it_is_back() {
        let script = Script::new(vec![("app", vec![(0, at("10.0.0.1", 1)), (5, failed()), (65, at("10.0.0.2", 1))])]);
        let told = told(&script, app(), 70, &Notify::new()).await;
        let dead: Vec<&u64> = told.iter().filter(|(_, said)| said.contains("in time")).map(|(at, _)| at).collect();
        assert_eq!((dead.len(), *dead[0], *dead[29]), (30, 5, 63));
        // while it is dead nothing else is said: what was found before holds
        assert!(told.iter().all(|(at, said)| match at {
            0..5 => said == "10.0.0.1:80",
            5..65 => said == "no name server answers in time",
            _ => said == "10.0.0.2:80",
        }));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_does_not_hold_at_all_is_asked_for_once_a_second_and_one_that_holds_for_hours_every_quarter_of_a_minute()
     {
        for (ttl, asked) in [(0, 60), (1, 60), (5, 12), (7200, 4)] {
            let script = Script::new(vec![("app", vec![(0, at("10.0.0.1", ttl))])]);
            assert_eq!(told(&script, app(), 59, &Notify::new()).await.len(), asked, "{ttl}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_doubt_has_the_name_asked_at_once_but_never_more_than_once_a_second() {
        let script = Script::new(vec![("app", vec![(0, at("10.0.0.1", 600))])]);
        let doubted = Notify::new();
        let doubts = async {
            tokio::time::sleep(Duration::from_millis(5300)).await;
            loop {
                doubted.notify_one();
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            _ = told(&script, app(), 9, &doubted) => {}
            () = doubts => {}
        }
        assert_eq!(*script.asked.lock().expect("a list"), [0, 5300, 6300, 7300, 8300]);
    }

    #[tokio::test(start_paused = true)]
    async fn a_name_that_is_said_not_to_be_there_is_asked_for_again_soon() {
        let gone = Err(NoAnswer::Nothing("there is no such name"));
        let script = Script::new(vec![("app", vec![(0, at("10.0.0.1", 1)), (1, gone), (4, at("10.0.0.1", 9))])]);
        let told = told(&script, app(), 6, &Notify::new()).await;
        let told: Vec<_> = told.iter().map(|(at, said)| (*at, &**said)).collect();
        assert_eq!(told, [(0, "10.0.0.1:80"), (1, ""), (3, ""), (5, "10.0.0.1:80")]);
    }

    #[tokio::test(start_paused = true)]
    async fn addresses_of_a_family_of_which_nothing_is_heard_are_kept() {
        let mut half = at("10.0.0.2", 1);
        if let Ok(answer) = &mut half {
            answer.open = Some(Family::V6);
        }
        let script = Script::new(vec![("app", vec![(0, at("10.0.0.1 fd00::1", 1)), (1, half)])]);
        let told = told(&script, app(), 2, &Notify::new()).await;
        assert_eq!(told[0].1, "10.0.0.1:80 [fd00::1]:80");
        assert_eq!(told[1].1, "10.0.0.2:80 [fd00::1]:80 nothing is heard of the IPv6 addresses of app");
    }

    fn services(records: &[(u16, &str)]) -> Result<Services, NoAnswer> {
        let service = |(priority, target): &(u16, &str)| Service {
            priority: *priority,
            weight: 1,
            port: 80,
            target: (*target).into(),
        };
        let records = records.iter().map(service).collect();
        Ok(Services { records, beside: HashMap::new(), valid_for: Duration::from_secs(1) })
    }

    #[tokio::test(start_paused = true)]
    async fn a_target_whose_addresses_nobody_knows_keeps_its_last_ones() {
        let mut script = Script::new(vec![
            ("a.", vec![(0, at("10.0.0.1", 60)), (1, failed())]),
            ("b.", vec![(0, failed()), (3, at("10.0.0.2", 60))]),
        ]);
        script.services = Arc::new(vec![(0, services(&[(0, "a"), (0, "b")])), (5, services(&[(0, "b")]))]);
        let told = told(&script, srv(), 6, &Notify::new()).await;
        let told: Vec<_> = told.iter().map(|(at, said)| (*at, &**said)).collect();
        let (no_a, no_b) = (
            "the addresses of a are not known: no name server answers in time",
            "the addresses of b are not known: no name server answers in time",
        );
        assert_eq!(told[0], (0, &*format!("10.0.0.1:80 {no_b}")));
        assert!(told[1].1.starts_with("10.0.0.1:80 the addresses of"), "{told:?}");
        assert_eq!(told[3], (3, &*format!("10.0.0.1:80 10.0.0.2:80 {no_a}")));
        // and is let go with its record
        assert_eq!(told[5], (5, "10.0.0.2:80"));
    }

    #[tokio::test(start_paused = true)]
    async fn services_none_of_whose_targets_is_known_are_not_known_and_those_that_are_not_there_are_not_there() {
        let mut script = Script::new(vec![
            ("a.", vec![(0, failed()), (1, Err(NoAnswer::Nothing("there is no such name")))]),
            ("b.", vec![(0, Err(NoAnswer::Nothing("it has no address")))]),
        ]);
        script.services = Arc::new(vec![(0, services(&[(0, "a"), (0, "b")])), (3, services(&[(0, "")]))]);
        let told = told(&script, srv(), 5, &Notify::new()).await;
        let told: Vec<_> = told.iter().map(|(_, said)| &**said).collect();
        assert_eq!(told, ["the addresses of a are not known: no name server answers in time", "", "decided"]);
    }
}
