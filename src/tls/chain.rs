//! The certificates of a chain: who they are for, who issued which, and what clients would not take of them.

use crate::value::{Complaint, HostPattern};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
use x509_parser::public_key::PublicKey;

/// The smallest RSA key, in bits. Clients refuse smaller ones.
const RSA_BITS_MIN: usize = 2048;

/// Signatures with MD5 and SHA-1, which can be forged.
const BROKEN: [(&str, &str); 4] = [
    ("1.2.840.113549.1.1.4", "MD5"),
    ("1.2.840.113549.1.1.5", "SHA-1"),
    ("1.2.840.10045.4.1", "SHA-1"),
    ("1.2.840.10040.4.3", "SHA-1"),
];

/// Reads the certificates of a file; the sentence of a complaint goes on after the file's name.
pub(super) fn parse<D: AsRef<[u8]>>(ders: &[D]) -> Result<Vec<X509Certificate<'_>>, Complaint> {
    let mut parsed = Vec::with_capacity(ders.len());
    for (number, der) in ders.iter().enumerate() {
        let (_, certificate) = X509Certificate::from_der(der.as_ref()).map_err(|_| {
            Complaint::new(format!("holds what is no certificate: the {} is damaged", nth(number)))
                .hint("copy it anew from the authority")
        })?;
        parsed.push(certificate);
    }
    Ok(parsed)
}

/// Complains of a chain that is not in order, or that lacks one in between.
pub(super) fn order(chain: &[X509Certificate<'_>]) -> Result<(), Complaint> {
    for (number, pair) in chain.windows(2).enumerate() {
        let [one, next] = pair else { continue };
        if one.issuer().as_raw() == next.subject().as_raw() {
            continue;
        }
        if one.as_raw() == next.as_raw() {
            return Err(
                Complaint::new(format!("holds the {} certificate twice", nth(number))).hint("leave one of the two out")
            );
        }
        let (this, other) = (nth(number), nth(number + 1));
        let is_elsewhere = chain.iter().any(|other| other.subject().as_raw() == one.issuer().as_raw());
        let complaint = match is_elsewhere && one.issuer().as_raw() != one.subject().as_raw() {
            true => Complaint::new("holds its certificates in another order than that in which they were issued"),
            false => Complaint::new(format!("holds a gap: the {other} certificate did not issue the {this}")),
        };
        return Err(complaint.hint(format!(
            "the certificate of the host comes first, and after each the one that issued it: the {this} was issued by `{}`",
            short(&one.issuer().to_string())
        )));
    }
    Ok(())
}

/// Complains of keys and signatures that clients refuse.
pub(super) fn strength(chain: &[X509Certificate<'_>]) -> Result<(), Complaint> {
    for (number, certificate) in chain.iter().enumerate() {
        if let Some(bits) = rsa_bits(certificate).filter(|bits| *bits < RSA_BITS_MIN) {
            return Err(Complaint::new(format!(
                "holds a weak certificate: the {} has an RSA key of {bits} bits",
                nth(number)
            ))
            .hint(format!(
                "make one with ECDSA, or with RSA of at least {RSA_BITS_MIN} bits: clients refuse this one"
            )));
        }
        // nobody looks at what an authority says of itself
        let algorithm = certificate.signature_algorithm.algorithm.to_id_string();
        if certificate.issuer().as_raw() != certificate.subject().as_raw()
            && let Some((_, name)) = BROKEN.iter().find(|(id, _)| *id == algorithm)
        {
            return Err(Complaint::new(format!("holds a weak certificate: the {} is signed with {name}", nth(number)))
                .hint("get one that is signed with SHA-256: clients refuse this one"));
        }
    }
    Ok(())
}

fn rsa_bits(certificate: &X509Certificate<'_>) -> Option<usize> {
    match certificate.public_key().parsed().ok()? {
        // a leading zero says that it is positive
        PublicKey::RSA(key) => Some(key.modulus.iter().skip_while(|byte| **byte == 0).count() * 8),
        _ => None,
    }
}

/// The names and addresses that a certificate is for.
pub(super) fn hosts(certificate: &X509Certificate<'_>) -> Vec<HostPattern> {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|extension| &extension.value.general_names);
    let host = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => HostPattern::parse(name).ok(),
        GeneralName::IPAddress(bytes) => match address(bytes)? {
            IpAddr::V4(v4) => Some(HostPattern::Exact(v4.to_string().into())),
            IpAddr::V6(v6) => Some(HostPattern::Exact(format!("[{v6}]").into())),
        },
        _ => None,
    };
    names.filter_map(host).collect()
}

/// An address as a certificate holds it.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(bytes).map(|octets| IpAddr::V4(Ipv4Addr::from(octets)));
    v4.or_else(|_| <[u8; 16]>::try_from(bytes).map(|octets| IpAddr::V6(Ipv6Addr::from(octets)))).ok()
}

/// `2nd`, counted from 0.
pub(super) fn nth(number: usize) -> String {
    match number {
        0 => "1st".to_owned(),
        1 => "2nd".to_owned(),
        2 => "3rd".to_owned(),
        _ => format!("{}th", number + 1),
    }
}

/// A name that an unknown file chose, on one line and not too long.
pub(super) fn short(name: &str) -> String {
    let mut short = String::new();
    for c in name.chars().take(100) {
        match c {
            '\'' | '"' => short.push(c),
            c => short.extend(c.escape_debug()),
        }
    }
    short
}
