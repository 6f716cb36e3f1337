//! Who a client has proven to be: what its certificate says, as texts that fit a header.

use super::chain::address;
use crate::http::secured::ClientCertificate;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use std::fmt::Write;
use x509_parser::asn1_rs::{Oid, ToDer};
use x509_parser::objects::{oid_registry, oid2abbrev};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate, X509Name};

/// Characters on a line of PEM.
const PEM_LINE: usize = 64;

/// What a certificate says. rustls has verified it.
pub fn of(certificate: &CertificateDer<'_>) -> Option<ClientCertificate> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    Some(ClientCertificate {
        subject: name(parsed.subject()).into(),
        issuer: name(parsed.issuer()).into(),
        serial: hex(parsed.raw_serial()).into(),
        fingerprint: hex(ring::digest::digest(&ring::digest::SHA256, certificate).as_ref()).into(),
        names: names(&parsed).into(),
        pem: pem(certificate).into(),
    })
}

/// A distinguished name as RFC 4514 writes it: the most specific part first.
fn name(name: &X509Name<'_>) -> String {
    let parts: Vec<_> = name.iter().collect();
    let mut out = String::new();
    for part in parts.into_iter().rev() {
        for (i, attribute) in part.iter().enumerate() {
            if !out.is_empty() {
                out.push(if i == 0 { ',' } else { '+' });
            }
            let kind: &Oid<'_> = attribute.attr_type();
            match oid2abbrev(kind, oid_registry()) {
                Ok(short) => out.push_str(short),
                Err(_) => out.push_str(&kind.to_id_string()),
            }
            out.push('=');
            match attribute.as_str() {
                Ok(text) => escape(text, &mut out),
                // of another kind of text: RFC 4514 shows it as it is encoded, so that two that differ look different
                Err(_) => {
                    out.push('#');
                    let value = attribute.attr_value();
                    out.push_str(&hex(&value.to_der_vec().unwrap_or_else(|_| value.data.to_vec())));
                }
            }
        }
    }
    out
}

/// Appends a value as RFC 4514 escapes it; control bytes and what is not ASCII as their hexadecimal pairs.
fn escape(value: &str, out: &mut String) {
    let last = value.len().saturating_sub(1);
    for (i, byte) in value.bytes().enumerate() {
        match byte {
            b'"' | b'+' | b',' | b';' | b'<' | b'>' | b'\\' => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b'#' | b' ' if i == 0 => {
                out.push('\\');
                out.push(char::from(byte));
            }
            b' ' if i == last => out.push_str("\\ "),
            b' '..=b'~' => out.push(char::from(byte)),
            // writing to a string cannot fail
            _ => drop(write!(out, "\\{byte:02x}")),
        }
    }
}

/// The alternative names that a header can hold, separated by commas.
fn names(certificate: &X509Certificate<'_>) -> String {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|extension| &extension.value.general_names).filter_map(|name| match name {
        GeneralName::DNSName(name) | GeneralName::RFC822Name(name) | GeneralName::URI(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    });
    let plain: Vec<String> = names.filter(|name| name.bytes().all(|b| b.is_ascii_graphic() && b != b',')).collect();
    plain.join(",")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// The certificate as PEM, percent-encoded as in nginx's `$ssl_client_escaped_cert`.
fn pem(certificate: &[u8]) -> String {
    let mut out = String::from("-----BEGIN%20CERTIFICATE-----%0A");
    for line in STANDARD.encode(certificate).as_bytes().chunks(PEM_LINE) {
        for byte in line {
            match byte {
                b'+' => out.push_str("%2B"),
                b'/' => out.push_str("%2F"),
                b'=' => out.push_str("%3D"),
                other => out.push(char::from(*other)),
            }
        }
        out.push_str("%0A");
    }
    out.push_str("-----END%20CERTIFICATE-----%0A");
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::string::BmpString;
    use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, KeyPair};

    #[test]
    fn a_certificate_is_told_in_words_that_fit_a_header() {
        let names = ["user.internal", "10.0.0.7", "fd00::7"].map(str::to_owned);
        let mut params = CertificateParams::new(names).expect("parameters");
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "NO");
        params.distinguished_name.push(DnType::OrganizationName, "Fisk, Laks & S\u{f8}nner\n");
        params.distinguished_name.push(DnType::CommonName, " billing ");
        params.serial_number = Some(vec![0x0a, 0xff].into());
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        let said = of(certificate.der()).expect("what it says");
        assert_eq!(&*said.subject, "CN=\\ billing\\ ,O=Fisk\\, Laks & S\\c3\\b8nner\\0a,C=NO");
        assert_eq!(said.subject, said.issuer);
        assert_eq!(&*said.serial, "0aff");
        assert_eq!(&*said.names, "user.internal,10.0.0.7,fd00::7");
        assert_eq!(said.fingerprint.len(), 64);
        assert!(
            said.pem.starts_with("-----BEGIN%20CERTIFICATE-----%0AMII")
                && said.pem.bytes().all(|b| b.is_ascii_graphic())
        );
    }

    #[test]
    fn a_text_of_an_old_kind_is_told_as_it_is_encoded() {
        let mut params = CertificateParams::new(Vec::new()).expect("parameters");
        params.distinguished_name = DistinguishedName::new();
        let old = BmpString::try_from("é").expect("a text");
        params.distinguished_name.push(DnType::CommonName, DnValue::BmpString(old));
        let certificate = params.self_signed(&KeyPair::generate().expect("a key")).expect("a certificate");
        assert_eq!(&*of(certificate.der()).expect("what it says").subject, "CN=#1e0200e9");
    }
}
