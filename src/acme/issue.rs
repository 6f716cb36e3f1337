//! One order, from the account to the certificate.

use super::hook::DnsRecord;
use super::proofs::Proofs;
use super::store::{InFlight, Shelf, Store};
use super::wire::Wire;
use super::{Authority, Trouble, blocking, keys, prove};
use crate::tls::Certificate;
use crate::value::HostPattern;
use instant_acme::{Account, CertificateIdentifier, Error, Identifier, NewOrder, Order, OrderStatus, RetryPolicy};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// How long an authority may take to issue what it has agreed to.
const ISSUE_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// How often a request is made anew whose nonce is refused, beside the times that the library does.
pub(super) const NONCES_MAX: u32 = 8;

/// Does a request again whose nonce was refused: that says nothing of the request.
macro_rules! again {
    ($request:expr) => {{
        let mut left = $crate::acme::issue::NONCES_MAX;
        loop {
            match $request {
                Err(e) if left > 0 && $crate::acme::issue::is_nonce(&e) => left -= 1,
                done => break done,
            }
        }
    }};
}
pub(super) use again;

/// Was only the nonce refused?
pub(super) fn is_nonce(error: &Error) -> bool {
    matches!(error, Error::Api(problem) if problem.r#type.as_deref().is_some_and(|kind| kind.ends_with(":badNonce")))
}

/// What is ordered, and from whom.
#[derive(Clone)]
pub(super) struct Job {
    pub authority: Arc<Authority>,
    pub hosts: Box<[HostPattern]>,
    pub store: Store,
    pub shelf: Shelf,
    pub proofs: Arc<Proofs>,
}

/// What came of it.
pub(super) struct Issued {
    pub chain: String,
    pub key: String,
    pub certificate: Certificate,
}

impl Job {
    /// Its hosts, in words.
    pub fn names(&self) -> String {
        self.hosts.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }

    /// Works on the shelf, away from the runtime's thread.
    pub async fn shelf<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Shelf) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Trouble> {
        let shelf = self.shelf.clone();
        let done = blocking(move || work(&shelf)).await?;
        done.map_err(|e| Trouble::new(format!("the state directory: {e}")).hint("see that it can be written to"))
    }

    pub async fn shelf_dns(&self) -> Result<Vec<DnsRecord>, Trouble> {
        self.shelf(|shelf| Ok(shelf.dns())).await
    }

    pub async fn write_shelf_dns(&self, records: Vec<DnsRecord>) -> Result<(), Trouble> {
        self.shelf(move |shelf| shelf.write_dns(&records)).await
    }
}

/// Orders a certificate. An order that was in flight when a process stopped is taken up again.
pub(super) async fn issue(
    job: &Job,
    account: &Account,
    wire: &Wire,
    replaces: Option<CertificateIdentifier<'_>>,
) -> Result<Issued, Trouble> {
    let (mut order, key) = match taken_up(job, account, wire).await? {
        Some(order) => order,
        None => begun(job, account, wire, replaces).await?,
    };
    let issued = to_the_end(job, &mut order, key, wire).await;
    if issued.as_ref().err().is_none_or(|trouble| !trouble.order_stands) {
        job.shelf(Shelf::forget_in_flight).await?;
    }
    issued
}

async fn to_the_end(job: &Job, order: &mut Order, key: String, wire: &Wire) -> Result<Issued, Trouble> {
    let fail = |step, e| Trouble::while_doing(step, e, wire.barred_until());
    if order.state().status == OrderStatus::Pending {
        prove::prove(job, order, wire).await?;
    }
    if order.state().status == OrderStatus::Ready {
        let (hosts, pem) = (job.hosts.clone(), key.clone());
        let request = blocking(move || keys::request(&hosts, &pem)).await?;
        let request = request.map_err(|e| Trouble::new(format!("the request for a certificate: {e}")))?;
        again!(order.finalize_csr(&request).await).map_err(|e| fail("asking for the certificate", e))?;
    }
    let patience = RetryPolicy::new().initial_delay(Duration::from_millis(250)).backoff(1.5).timeout(ISSUE_TIMEOUT);
    let chain = again!(order.poll_certificate(&patience).await).map_err(|e| fail("fetching the certificate", e))?;
    let certificate = Certificate::read(chain.as_bytes(), key.as_bytes(), None)
        .map_err(|flaw| Trouble::new(format!("the certificate that came is of no use: {flaw}")))?;
    if let Some(host) = job.hosts.iter().find(|host| !certificate.hosts.contains(host)) {
        return Err(Trouble::new(format!("the certificate that came is not for {host}")));
    }
    Ok(Issued { chain, key, certificate })
}

/// The order that is in flight, if the authority still knows it.
async fn taken_up(job: &Job, account: &Account, wire: &Wire) -> Result<Option<(Order, String)>, Trouble> {
    let Some(InFlight { url, key }) = job.shelf(|shelf| Ok(shelf.in_flight())).await? else { return Ok(None) };
    match again!(account.order(url.clone()).await) {
        Ok(mut order) => {
            if order.state().status != OrderStatus::Invalid {
                log::info!("acme: {}: takes up the order for {} again", job.authority.name, job.names());
                return Ok(Some((order, key)));
            }
        }
        Err(Error::Api(problem)) => {
            log::debug!("acme: {}: the order in flight is no more: {}", job.authority.name, Trouble::of(&problem));
        }
        Err(e) => return Err(Trouble::while_doing("reading the order", e, wire.barred_until())),
    }
    job.shelf(Shelf::forget_in_flight).await?;
    Ok(None)
}

async fn begun(
    job: &Job,
    account: &Account,
    wire: &Wire,
    replaces: Option<CertificateIdentifier<'_>>,
) -> Result<(Order, String), Trouble> {
    let mut identifiers = Vec::new();
    for host in &job.hosts {
        let host = host.to_string();
        if host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok() {
            return Err(Trouble::new(format!("{host} is an address: certificates are ordered for names"))
                .hint("take it from `hosts`"));
        }
        identifiers.push(Identifier::Dns(host));
    }
    let plain = || {
        let order = NewOrder::new(&identifiers);
        job.authority.profile.as_ref().map_or(NewOrder::new(&identifiers), |profile| order.profile(profile))
    };
    let kind = job.authority.key;
    let key = blocking(move || keys::generate(kind)).await?;
    let key = key.map_err(|e| Trouble::new(format!("a new key: {e}")))?;
    let mut order = None;
    if let Some(replaces) = replaces {
        let renewing = plain().replaces(replaces);
        match again!(account.new_order(&renewing).await) {
            Ok(made) => order = Some(made),
            Err(e) => {
                let trouble = Trouble::while_doing("ordering", e, wire.barred_until());
                // an authority that does not want to hear what is replaced still issues
                if trouble.kind.as_deref().is_some_and(|kind| matches!(kind, "rateLimited" | "accountDoesNotExist")) {
                    return Err(trouble);
                }
                log::debug!("acme: {}: ordered again, without what it replaces: {trouble}", job.authority.name);
            }
        }
    }
    let order = match order {
        Some(order) => order,
        None => again!(account.new_order(&plain()).await)
            .map_err(|e| Trouble::while_doing("ordering", e, wire.barred_until()))?,
    };
    let in_flight = InFlight { url: order.url().to_owned(), key: key.clone() };
    job.shelf(move |shelf| shelf.write_in_flight(&in_flight)).await?;
    log::info!("acme: {}: ordered a certificate for {}", job.authority.name, job.names());
    Ok((order, key))
}
