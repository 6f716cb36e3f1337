//! Keys, and requests to certify them.

use super::KeyType;
use crate::value::HostPattern;
use rcgen::{CertificateParams, DistinguishedName, Error, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

/// A new key as PEM. That of RSA takes a good while.
pub(super) fn generate(kind: KeyType) -> Result<String, Error> {
    let key = match kind {
        KeyType::Ecdsa => KeyPair::generate()?,
        KeyType::Rsa => KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?,
    };
    Ok(key.serialize_pem())
}

/// The request to certify a key for hosts, as DER.
pub(super) fn request(hosts: &[HostPattern], key_pem: &str) -> Result<Vec<u8>, Error> {
    let key = KeyPair::from_pem(key_pem)?;
    Ok(params(hosts)?.serialize_request(&key)?.der().to_vec())
}

/// What a certificate for hosts is made from. It has no name but theirs.
pub(super) fn params(hosts: &[HostPattern]) -> Result<CertificateParams, Error> {
    let names: Vec<String> = hosts.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = DistinguishedName::new();
    Ok(params)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_of_keys_are_made_and_certified() {
        let hosts = [HostPattern::parse("a.example.com").unwrap()];
        for kind in [KeyType::Ecdsa, KeyType::Rsa] {
            let key = generate(kind).unwrap();
            assert!(request(&hosts, &key).is_ok_and(|der| !der.is_empty()), "{kind:?}");
        }
    }
}
