//! What is known of a client's TLS connection.

/// A client's TLS connection, as far as requests, logs and policies want to know.
#[derive(Clone, Copy, Debug)]
pub struct Secured<'a> {
    /// `1.2` or `1.3`.
    pub version: &'static str,
    /// The suite's name in IANA's list: `TLS_AES_128_GCM_SHA256`.
    pub cipher: &'static str,
    /// The host that the client named, in lower case.
    pub server_name: Option<&'a str>,
    /// Who the client has proven to be.
    pub client: Option<&'a ClientCertificate>,
    /// Which terms it was made on: what clients had to prove then.
    pub terms: u32,
}

/// What a client's certificate says. It is verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The distinguished name (RFC 4514).
    pub subject: Box<str>,
    /// That of who issued it.
    pub issuer: Box<str>,
    /// In hexadecimal, lower case.
    pub serial: Box<str>,
    /// SHA-256 of the certificate, in hexadecimal, lower case.
    pub fingerprint: Box<str>,
    /// Its alternative names: hosts, mail addresses, URIs; separated by commas.
    pub names: Box<str>,
    /// The certificate itself as PEM, percent-encoded so that it fits a header.
    pub pem: Box<str>,
}
