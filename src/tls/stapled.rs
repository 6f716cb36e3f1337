//! An OCSP response, as far as it must be understood to know whether stapling it is of use.

use crate::value::Complaint;
use std::time::SystemTime;
use x509_parser::asn1_rs::{Any, FromDer, GeneralizedTime};

/// The most parts of one structure that are looked at.
const PARTS_MAX: usize = 100;

/// Until when a response to a certificate of this serial number says that it is good; the sentence of a complaint goes on after the
/// file's name. A time that it does not say is never over.
pub(super) fn read(bytes: &[u8], serial: &[u8]) -> Result<Option<SystemTime>, Complaint> {
    if bytes.starts_with(b"-----BEGIN") {
        return Err(Complaint::new("is PEM, not DER").hint("OCSP responses are stapled as the authority sends them"));
    }
    if bytes.is_empty() {
        return Err(Complaint::new("is empty"));
    }
    let damaged = || {
        Complaint::new("holds no OCSP response")
            .hint("fetch it with `openssl ocsp -issuer … -cert … -url … -respout FILE`")
    };
    let [status, rest @ ..] = &*parts(bytes, 0x30).ok_or_else(damaged)? else { return Err(damaged()) };
    if status.tag != 0x0a {
        return Err(damaged());
    }
    if status.data != [0] {
        return Err(Complaint::new("holds the word of an authority that it does not answer")
            .hint("ask it again; until then leave `ocsp` out"));
    }
    let answers = rest.first().and_then(|bytes| answers(bytes.data)).ok_or_else(damaged)?;
    let Some(answer) = answers.iter().find(|answer| answer.serial == serial) else {
        return Err(Complaint::new("is about another certificate").hint("fetch it for this one"));
    };
    match answer.status {
        // good, revoked, unknown
        0x80 => Ok(answer.next_update),
        0xa1 => Err(Complaint::new("says that the certificate is revoked")
            .hint("get a new certificate: clients refuse this one")),
        _ => Err(Complaint::new("says that the authority does not know the certificate")
            .hint("ask the authority that issued it")),
    }
}

struct Answer {
    serial: Vec<u8>,
    status: u8,
    next_update: Option<SystemTime>,
}

/// One part of a structure.
struct Part<'a> {
    tag: u8,
    data: &'a [u8],
}

/// The single responses within `responseBytes`.
fn answers(bytes: &[u8]) -> Option<Vec<Answer>> {
    let response = parts(bytes, 0x30)?;
    let basic = parts(response.get(1)?.data, 0x30)?;
    let data = within(basic.first()?.data)?;
    // the responder and the time before it are told by other tags
    let list = data.iter().find(|part| part.tag == 0x30)?;
    within(list.data)?.iter().map(|single| answer(single.data)).collect()
}

fn answer(single: &[u8]) -> Option<Answer> {
    let [id, status, rest @ ..] = &*within(single)? else { return None };
    let serial = within(id.data)?.get(3)?.data.to_vec();
    let next = rest.iter().find(|part| part.tag == 0xa0);
    let next_update = next
        .and_then(|next| GeneralizedTime::from_der(next.data).ok())
        .and_then(|(_, time)| Some(super::certificate::at(time.utc_datetime().ok()?.unix_timestamp())));
    Some(Answer { serial, status: status.tag, next_update })
}

/// The parts of the structure that all of `bytes` is.
fn parts(bytes: &[u8], tag: u8) -> Option<Vec<Part<'_>>> {
    match &*within(bytes)? {
        [whole] if whole.tag == tag => within(whole.data),
        _ => None,
    }
}

/// What stands side by side.
fn within(mut bytes: &[u8]) -> Option<Vec<Part<'_>>> {
    let mut parts = Vec::new();
    while !bytes.is_empty() && parts.len() < PARTS_MAX {
        let tag = *bytes.first()?;
        let (rest, any) = Any::from_der(bytes).ok()?;
        parts.push(Part { tag, data: any.data });
        bytes = rest;
    }
    Some(parts)
}
