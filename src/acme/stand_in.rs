//! What is presented until the first certificate comes: one that nobody vouches for.

use super::keys;
use crate::tls::{Certificate, Flaw};
use crate::value::{Complaint, HostPattern};
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, date_time_ymd};

/// A self-signed certificate for these hosts.
pub fn stand_in(hosts: &[HostPattern]) -> Result<Certificate, Flaw> {
    let flaw = |e: rcgen::Error| Flaw::Chain(Complaint::new(format!("no stand-in can be made: {e}")));
    let mut params = keys::params(hosts).map_err(flaw)?;
    name(&mut params);
    let key = KeyPair::generate().map_err(flaw)?;
    let certificate = params.self_signed(&key).map_err(flaw)?;
    Certificate::read(certificate.pem().as_bytes(), key.serialize_pem().as_bytes(), None)
}

fn name(params: &mut CertificateParams) {
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "wharf, until a certificate is issued");
    // whoever sees it must not believe it anyway; it only shall not run out while an authority cannot be reached
    (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2049, 1, 1));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stand_in_is_for_its_hosts() {
        let hosts = ["a.example.com", "*.b.example.com"].map(|host| HostPattern::parse(host).unwrap());
        let certificate = stand_in(&hosts).unwrap();
        assert_eq!(&*certificate.hosts, hosts);
        assert!(certificate.not_after > std::time::SystemTime::now());
    }
}
