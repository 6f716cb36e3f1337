//! What is done for one order away from the others: it is ordered, or the authority is asked when to renew it.

use super::issue::{self, Issued, Job};
use super::schedule::{self, Record, Window};
use super::store::{Shelf, life};
use super::wire::Wire;
use super::{Trouble, account, blocking, now, shown};
use crate::tls::Certificate;
use instant_acme::{CertificateIdentifier, Error};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// The longest an order may take; then it is taken up again with the next attempt.
const ORDER_TIMEOUT: Duration = Duration::from_secs(20 * 60);

/// What is known of an order when a task begins, and when it ends.
#[derive(Clone)]
pub(super) struct Known {
    pub record: Record,
    pub certificate: Option<Arc<Certificate>>,
}

/// What came of a task.
pub(super) enum Outcome {
    /// Another process holds the order.
    Elsewhere,
    /// Another process did something about it meanwhile: this is what is known now.
    Found(Known),
    /// A certificate came, and whether it counts.
    Issued(Known, bool),
    /// It was tried, and this is known now.
    Tried(Known),
}

/// Orders a certificate, unless another process does or did.
pub(super) async fn order(job: Job, known: Known) -> Outcome {
    let (lock, mut known) = match hold(&job, known).await {
        Ok(held) => held,
        Err(outcome) => return outcome,
    };
    let began = now();
    known.record.note_begun(began);
    let result = match write(&job, &known.record).await {
        Ok(()) => timeout(ORDER_TIMEOUT, ordered(&job, &known)).await.unwrap_or_else(|_| {
            Err(Trouble::new(format!("it did not come to an end within {} s", ORDER_TIMEOUT.as_secs())))
        }),
        Err(trouble) => Err(trouble),
    };
    let (name, names, random) = (&job.authority.name, job.names(), fastrand::f64());
    let outcome = match result {
        Ok(certificate) => {
            let life = life(&certificate);
            let counts = schedule::issued(&mut known.record, life, now(), random);
            let next = known.record.renew_at.map(shown).unwrap_or_default();
            log::info!("acme: {name}: {names}: issued, valid until {}; renewed about {next}", shown(life.until));
            known.certificate = Some(certificate);
            Outcome::Issued(known, counts)
        }
        Err(trouble) => {
            let life = known.certificate.as_deref().map(life);
            let text = trouble.to_string();
            schedule::failed(&mut known.record, life, trouble.barred_until, text, now(), random);
            let next = shown(known.record.not_before.max(known.record.barred_until));
            log::warn!("acme: {name}: {names}: no certificate: {trouble}; next attempt not before {next}");
            Outcome::Tried(known)
        }
    };
    if let Outcome::Issued(known, _) | Outcome::Tried(known) = &outcome
        && let Err(trouble) = write(&job, &known.record).await
    {
        log::warn!("acme: {name}: {names}: {trouble}");
    }
    drop(lock);
    outcome
}

async fn ordered(job: &Job, known: &Known) -> Result<Arc<Certificate>, Trouble> {
    let authority = Arc::clone(&job.authority);
    let wire = blocking(move || Wire::new(&authority)).await??;
    let replaced = known.certificate.as_ref().filter(|_| known.record.is_foreseen());
    let replaced = replaced.and_then(|certificate| certificate.key.cert.first());
    let replaces = replaced.and_then(|leaf| CertificateIdentifier::try_from(leaf).ok());
    let issue = async || {
        let account = account::open(&job.authority, &job.store, &wire).await?;
        issue::issue(job, &account, &wire, replaces.clone()).await
    };
    let issued = match issue().await {
        Err(trouble) if trouble.kind.as_deref() == Some("accountDoesNotExist") => {
            account::forget(&job.store).await;
            issue().await
        }
        done => done,
    };
    let Issued { chain, key, certificate } = issued?;
    job.shelf(move |shelf| shelf.write_certificate(&chain, &key)).await?;
    Ok(Arc::new(certificate))
}

/// Asks the authority when to renew (RFC 9773).
pub(super) async fn ask(job: Job, known: Known) -> Outcome {
    let (lock, mut known) = match hold(&job, known).await {
        Ok(held) => held,
        Err(outcome) => return outcome,
    };
    match suggestion(&job, &known).await {
        Ok((window, after, explanation)) => {
            if schedule::suggested(&mut known.record, window, after, now(), fastrand::f64()) {
                let at = known.record.renew_at.map(shown).unwrap_or_default();
                let why = explanation.map(|url| format!("; it explains why: {url}")).unwrap_or_default();
                let (name, names) = (&job.authority.name, job.names());
                log::info!("acme: {name}: {names}: the authority suggests to renew it, which is done about {at}{why}");
            }
        }
        Err(why) => {
            log::debug!("acme: {}: {}: no suggestion when to renew: {why}", job.authority.name, job.names());
            schedule::not_suggested(&mut known.record, now(), fastrand::f64());
        }
    }
    if let Err(trouble) = write(&job, &known.record).await {
        log::warn!("acme: {}: {}: {trouble}", job.authority.name, job.names());
    }
    drop(lock);
    Outcome::Tried(known)
}

async fn suggestion(job: &Job, known: &Known) -> Result<(Window, u64, Option<String>), Trouble> {
    let leaf = known.certificate.as_ref().and_then(|certificate| certificate.key.cert.first());
    let leaf = leaf.ok_or_else(|| Trouble::new("there is no certificate"))?;
    let id = CertificateIdentifier::try_from(leaf).map_err(Trouble::new)?;
    let authority = Arc::clone(&job.authority);
    let wire = blocking(move || Wire::new(&authority)).await??;
    let account = account::known(&job.authority, &job.store, &wire).await?;
    let account = account.ok_or_else(|| Trouble::new("there is no account"))?;
    let (info, after) = account.renewal_info(&id).await.map_err(|e| match e {
        Error::Unsupported(what) => Trouble::new(what),
        other => Trouble::while_doing("asking when to renew", other, wire.barred_until()),
    })?;
    let at = |moment: i64| u64::try_from(moment).unwrap_or(0);
    let window = info.suggested_window;
    let window = Window { start: at(window.start.unix_timestamp()), end: at(window.end.unix_timestamp()) };
    Ok((window, after.as_secs(), info.explanation_url.map(|url| super::trouble::tame(&url))))
}

/// Holds the order for this process, and sees that what is known of it is still so.
async fn hold(job: &Job, known: Known) -> Result<(super::files::Lock, Known), Outcome> {
    let hosts: Vec<String> = job.hosts.iter().map(ToString::to_string).collect();
    let look = job.shelf(move |shelf| {
        let Some(lock) = shelf.lock()? else { return Ok(None) };
        Ok(Some((lock, shelf.record(&hosts), shelf.certificate())))
    });
    let (lock, record, certificate) = match look.await {
        Ok(Some(held)) => held,
        Ok(None) => return Err(Outcome::Elsewhere),
        Err(trouble) => {
            let mut known = known;
            let life = known.certificate.as_deref().map(life);
            log::warn!("acme: {}: {}: {trouble}", job.authority.name, job.names());
            schedule::failed(&mut known.record, life, None, trouble.to_string(), now(), fastrand::f64());
            return Err(Outcome::Tried(known));
        }
    };
    let print = |certificate: Option<&Certificate>| certificate.map(|certificate| certificate.print);
    if print(certificate.as_ref()) == print(known.certificate.as_deref()) && record.did_the_same(&known.record) {
        return Ok((lock, known));
    }
    let certificate = certificate.map(Arc::new);
    Err(Outcome::Found(Known { record, certificate }))
}

async fn write(job: &Job, record: &Record) -> Result<(), Trouble> {
    let record = record.clone();
    job.shelf(move |shelf: &Shelf| shelf.write_record(&record)).await
}
