//! Proving the hosts of an order: what is shown, for how long, and what the authority says of it.

use super::hook::{self, Deed, DnsRecord};
use super::issue::{Job, again};
use super::proof::Proof;
use super::proofs::Showing;
use super::trouble::tame;
use super::wire::Wire;
use super::{Challenge, Trouble, blocking, keeper};
use crate::value::HostPattern;
use instant_acme::{AuthorizationStatus, ChallengeStatus, ChallengeType, Identifier, Order, OrderStatus, RetryPolicy};
use std::time::Duration;

/// How long an authority may take to look.
const LOOK_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// A host that is to be proven.
struct Wanted {
    host: String,
    token: String,
    answer: String,
    digest: Vec<u8>,
    value: String,
}

/// What is shown of them.
struct Shown {
    _showing: Vec<Showing>,
    records: Vec<DnsRecord>,
}

/// Proves all hosts of an order that are not proven yet.
pub(super) async fn prove(job: &Job, order: &mut Order, wire: &Wire) -> Result<(), Trouble> {
    // what cannot be unset must not keep the certificate from being ordered: the authority looks for its own value among others
    if let Err(trouble) = take_back(job, job.shelf_dns().await?).await {
        log::warn!("acme: {}: {trouble}", job.authority.name);
    }
    let wanted = wanted(job, order, wire).await?;
    let shown = show(job, &wanted).await?;
    let proven = tell(job, order, wire).await;
    // a record that stays does no harm now: the next order unsets it
    if let Err(trouble) = take_back(job, shown.records).await {
        log::warn!("acme: {}: {trouble}", job.authority.name);
    }
    proven
}

fn kind(challenge: &Challenge) -> ChallengeType {
    match challenge {
        Challenge::Http01 => ChallengeType::Http01,
        Challenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
        Challenge::Dns01 { .. } => ChallengeType::Dns01,
    }
}

async fn wanted(job: &Job, order: &mut Order, wire: &Wire) -> Result<Vec<Wanted>, Trouble> {
    // what was fetched before a failure is not fetched again
    again!(fetch(order).await).map_err(|e| Trouble::while_doing("reading the order", e, wire.barred_until()))?;
    let mut wanted = Vec::new();
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization =
            authorization.map_err(|e| Trouble::while_doing("reading the order", e, wire.barred_until()))?;
        let shown = authorization.identifier().to_string();
        match authorization.status {
            AuthorizationStatus::Pending => {}
            AuthorizationStatus::Valid => continue,
            other => return Err(Trouble::new(format!("proving {shown}: the authority says {other:?} at once"))),
        }
        let host = match &authorization.identifier().identifier {
            Identifier::Dns(host) if job.hosts.iter().any(|ordered| is_of(ordered, host)) => host.clone(),
            // what an authority makes up is not proven, and no hook is told of it
            _ => return Err(Trouble::new(format!("proving {}: it was not ordered", tame(&shown)))),
        };
        let Some(challenge) = authorization.challenge(kind(&job.authority.challenge)) else {
            return Err(Trouble::new(format!("proving {shown}: the authority does not offer this challenge"))
                .hint("choose another `challenge`; a wildcard takes dns-01"));
        };
        let key = challenge.key_authorization();
        wanted.push(Wanted {
            host,
            token: challenge.token.clone(),
            answer: key.as_str().to_owned(),
            digest: key.digest().as_ref().to_vec(),
            value: key.dns_value(),
        });
    }
    Ok(wanted)
}

/// Whether who orders `ordered` proves `host`, which for a wildcard is the name without its `*.`.
fn is_of(ordered: &HostPattern, host: &str) -> bool {
    let (HostPattern::Exact(name) | HostPattern::Wildcard(name)) = ordered;
    **name == *host
}

async fn fetch(order: &mut Order) -> Result<(), instant_acme::Error> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        authorization?;
    }
    Ok(())
}

async fn show(job: &Job, wanted: &[Wanted]) -> Result<Shown, Trouble> {
    let proof = |one: &Wanted| match job.authority.challenge {
        Challenge::Http01 => Proof::Answer { token: one.token.as_str().into(), answer: one.answer.as_str().into() },
        _ => Proof::Certificate { host: one.host.as_str().into(), digest: one.digest.clone() },
    };
    if let Challenge::Dns01 { hook, wait } = &job.authority.challenge {
        let records: Vec<DnsRecord> =
            wanted.iter().map(|one| DnsRecord { domain: one.host.clone(), value: one.value.clone() }).collect();
        job.write_shelf_dns(records.clone()).await?;
        for record in &records {
            if let Err(trouble) = hook::run(hook, Deed::Set, record).await {
                take_back(job, records).await.ok();
                return Err(trouble);
            }
        }
        if !records.is_empty() {
            tokio::time::sleep(*wait).await;
        }
        return Ok(Shown { _showing: Vec::new(), records });
    }
    let (proofs, store) = (std::sync::Arc::clone(&job.proofs), job.store.clone());
    let shown: Vec<Proof> = wanted.iter().map(proof).collect();
    let show = move || shown.into_iter().map(|proof| proofs.show(&store, proof)).collect::<Result<Vec<_>, _>>();
    let showing = blocking(show).await?.map_err(Trouble::new)?;
    if !showing.is_empty() {
        // other gateways on this disk may be the ones that are asked: they have looked by then
        tokio::time::sleep(keeper::TICK * 2).await;
    }
    Ok(Shown { _showing: showing, records: Vec::new() })
}

/// Unsets records, also those that a process left that was killed.
async fn take_back(job: &Job, records: Vec<DnsRecord>) -> Result<(), Trouble> {
    let Challenge::Dns01 { hook, .. } = &job.authority.challenge else { return Ok(()) };
    for record in &records {
        hook::run(hook, Deed::Unset, record).await?;
    }
    if !records.is_empty() {
        job.write_shelf_dns(Vec::new()).await?;
    }
    Ok(())
}

/// Tells the authority to look, and waits until it has.
async fn tell(job: &Job, order: &mut Order, wire: &Wire) -> Result<(), Trouble> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let mut authorization =
            authorization.map_err(|e| Trouble::while_doing("reading the order", e, wire.barred_until()))?;
        let host = authorization.identifier().to_string();
        if authorization.status != AuthorizationStatus::Pending {
            continue;
        }
        let Some(mut challenge) = authorization.challenge(kind(&job.authority.challenge)) else { continue };
        // an order that is taken up again was told before
        if challenge.status == ChallengeStatus::Pending {
            again!(challenge.set_ready().await)
                .map_err(|e| Trouble::while_doing(&format!("proving {host}"), e, wire.barred_until()))?;
        }
    }
    let patience = RetryPolicy::new().initial_delay(Duration::from_millis(500)).backoff(1.5).timeout(LOOK_TIMEOUT);
    match again!(order.poll_ready(&patience).await) {
        Ok(OrderStatus::Ready) => Ok(()),
        Ok(_) => Err(culprit(order).await.unwrap_or_else(|| Trouble::new("the authority says the order is invalid"))),
        Err(e) => {
            let trouble = Trouble::while_doing("waiting for the authority to look", e, wire.barred_until());
            Err(culprit(order).await.unwrap_or(trouble))
        }
    }
}

/// The host that was not proven, and why.
async fn culprit(order: &mut Order) -> Option<Trouble> {
    let mut authorizations = order.authorizations();
    while let Some(authorization) = authorizations.next().await {
        let Ok(mut authorization) = authorization else { continue };
        let host = authorization.identifier().to_string();
        if again!(authorization.refresh().await.map(drop)).is_err()
            || authorization.status != AuthorizationStatus::Invalid
        {
            continue;
        }
        let problem = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
        let mut trouble = problem.map_or_else(|| Trouble::new("the authority does not say why"), Trouble::of);
        trouble.what = format!("proving {host}: {}", trouble.what);
        return Some(trouble);
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_was_not_ordered_is_not_proven() {
        let ordered = ["a.example.com", "*.b.example.com"].map(|host| HostPattern::parse(host).unwrap());
        let proven = |host: &str| ordered.iter().any(|one| is_of(one, host));
        assert!(proven("a.example.com") && proven("b.example.com"));
        for made_up in ["example.com", "x.a.example.com", "", "a.example.com. 60 TXT x\nupdate delete b.example.com"] {
            assert!(!proven(made_up), "{made_up}");
        }
    }
}
