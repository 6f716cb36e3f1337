//! The certificates that are presented: for which hosts, until when, and where they are from.

use super::Admin;
use super::answer::Problem;
use crate::acme::{self, Progress};
use crate::table::{Listener, Table};
use crate::telemetry::rfc3339;
use crate::tls::{Certificate, Presented};
use axum::extract::State;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::time::{Duration, SystemTime};

/// A certificate expires soon when it has no longer than this.
const SOON_MAX: Duration = Duration::from_secs(14 * 24 * 3600);
/// And no more than this part of its whole life, since some live for days only.
const SOON_PART: u32 = 5;

/// A certificate that is presented.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateStatus {
    /// Its first name.
    pub subject: String,
    pub hosts: Vec<String>,
    pub not_before: String,
    pub not_after: String,
    /// Who present it.
    pub listeners: Vec<String>,
    /// The file it is read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The authority it is ordered from, by its name in the configuration.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<String>,
    /// How its next order stands, of one that is ordered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order: Option<OrderStatus>,
    /// `valid`, `expires_soon`, `expired`, `not_yet_valid`, or `stand_in` until the first one has come that is ordered.
    pub state: String,
}

/// How the next order of a certificate stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderStatus {
    /// It is being ordered, or its authority is being asked when to renew it.
    pub busy: bool,
    /// When it is ordered next, as far as is known now; `None` for at once.
    pub next_at: Option<String>,
    /// Orders in a row that failed.
    pub failures: u32,
    /// Why the last one failed, and what to do about it.
    pub last_error: Option<String>,
}

impl OrderStatus {
    fn of(progress: &Progress) -> OrderStatus {
        let Progress { busy, failures, last_error, next_order_at, .. } = progress;
        let next_at = (*next_order_at > acme::now()).then(|| acme::shown(*next_order_at));
        OrderStatus { busy: *busy, next_at, failures: *failures, last_error: last_error.clone() }
    }
}

impl CertificateStatus {
    fn of(
        listener: &Listener,
        presented: &Presented,
        file: &str,
        orders: &[Progress],
        now: SystemTime,
    ) -> CertificateStatus {
        let certificate = presented.current();
        let (file, acme, order) = match presented {
            Presented::Fixed(_) => (Some(file.to_owned()), None, None),
            Presented::Ordered(ordered) => {
                let order = orders.iter().find(|progress| progress.is_of(ordered)).map(OrderStatus::of);
                (None, Some(ordered.authority.to_string()), order)
            }
        };
        let stands_in = stands_in(presented, &certificate);
        CertificateStatus {
            subject: certificate.subject.to_string(),
            hosts: certificate.hosts.iter().map(ToString::to_string).collect(),
            not_before: rfc3339(certificate.not_before),
            not_after: rfc3339(certificate.not_after),
            listeners: vec![listener.name.to_string()],
            file,
            acme,
            order,
            state: if stands_in { "stand_in" } else { state(&certificate, now) }.to_owned(),
        }
    }
}

fn state(certificate: &Certificate, now: SystemTime) -> &'static str {
    let Certificate { not_before, not_after, .. } = certificate;
    let life = not_after.duration_since(*not_before).unwrap_or_default();
    match not_after.duration_since(now) {
        _ if now < *not_before => "not_yet_valid",
        Err(_) => "expired",
        Ok(left) if left <= SOON_MAX.min(life / SOON_PART) => "expires_soon",
        Ok(_) => "valid",
    }
}

/// What the listeners of a table present, in the order of the configuration, each certificate once.
pub fn all(table: &Table, orders: &[Progress], now: SystemTime) -> Vec<CertificateStatus> {
    let mut all: Vec<CertificateStatus> = Vec::new();
    let mut places = HashMap::new();
    for (listener, presented, file) in presented(table) {
        match places.entry((presented.current().print, file)) {
            Entry::Vacant(place) => {
                place.insert(all.len());
                all.push(CertificateStatus::of(listener, presented, file, orders, now));
            }
            Entry::Occupied(place) => {
                let listeners = &mut all[*place.get()].listeners;
                if listeners.last().is_none_or(|last| **last != *listener.name) {
                    listeners.push(listener.name.to_string());
                }
            }
        }
    }
    all
}

/// What each certificate is called, and when it expires. One that stands in for another is believed by nobody: to whoever waits for an
/// alert it has expired long ago.
pub fn expiries(table: &Table) -> Vec<(Box<str>, SystemTime)> {
    let expiry = |presented: &Presented| {
        let certificate = presented.current();
        let stands_in = stands_in(presented, &certificate);
        (certificate.subject.clone(), if stands_in { SystemTime::UNIX_EPOCH } else { certificate.not_after })
    };
    presented(table).map(|(_, presented, _)| expiry(presented)).collect()
}

/// Whether it is there only until the first one comes that is ordered.
fn stands_in(presented: &Presented, certificate: &Certificate) -> bool {
    matches!(presented, Presented::Ordered(_)) && certificate.is_self_signed()
}

/// What is presented, by whom, and from which file if from one.
fn presented(table: &Table) -> impl Iterator<Item = (&Listener, &Presented, &str)> {
    table.listeners.iter().flat_map(|listener| {
        let terms = listener.tls.iter().flat_map(|tls| &tls.server.terms.certificates);
        terms.zip(&listener.files).map(|(presented, file)| (&**listener, presented, &**file))
    })
}

pub async fn certificates(State(admin): State<Admin>) -> Result<Response, Problem> {
    let view = admin.view;
    admin.texts.json(move || all(&view.table(), &view.orders(), SystemTime::now())).await
}
