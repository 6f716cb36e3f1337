//! Warnings about TLS: certificates, authorities, and upstreams that are not spoken to as was meant.

use super::lints::{Lint, Mend};

/// A document whose only listener has these certificates, and what is written below them.
macro_rules! presents {
    ($certificates:literal) => {
        concat!(
            "version: 1\nlisteners:\n  web:\n    address: \":443\"\n    tls:\n      certificates:\n        ",
            $certificates,
            "routes:\n  - { match: { path: /* }, respond: { body: pong } }\n"
        )
    };
}

pub static AUTHORITY_CERTIFICATE: Lint = Lint {
    name: "authority-certificate",
    summary: "a listener presents a certificate that may issue others",
    manual: "What `openssl req -x509` makes without further words is the certificate of an authority. Browsers and curl \
             take it once they are told to believe it; stricter clients, such as those written with rustls, take no such \
             certificate for that of a host. Silence it where all clients are of the first kind.",
    example: presents!("- { cert: /etc/wharf/authority.crt, key: /etc/wharf/authority.key }\n"),
    mend: Mend::Do("make it anew with `-addext basicConstraints=critical,CA:FALSE`"),
};

pub static DUPLICATE_CERTIFICATE: Lint = Lint {
    name: "duplicate-certificate",
    summary: "a listener has two certificates for the same names, with keys of one kind",
    manual: "Clients get the first one, so the second is never presented: mostly it is an old one that was to be removed. \
             Two for one name are of use where one has an ECDSA and one an RSA key. Silence it while one takes the place of \
             the other.",
    example: presents!(
        "- { cert: /etc/wharf/site.crt, key: /etc/wharf/site.key }\n        \
                      - { cert: /etc/wharf/again.crt, key: /etc/wharf/again.key }\n"
    ),
    mend: Mend::Do("leave one of the two out"),
};

pub static EXPIRED_CERTIFICATE: Lint = Lint {
    name: "expired-certificate",
    summary: "a certificate is no longer valid",
    manual: "Clients refuse it. It is no error, so that a gateway can be restarted whatever the date is; a new file in the \
             place of the old one is taken up at once. Looked at where the document is read from disk and the file is \
             there. Silence it for a listener whose clients do not look.",
    example: presents!("- { cert: /etc/wharf/expired.crt, key: /etc/wharf/expired.key }\n"),
    mend: Mend::Do("put a new certificate in its place"),
};

pub static EXPIRING_CERTIFICATE: Lint = Lint {
    name: "expiring-certificate",
    summary: "a certificate is valid for two weeks at most",
    manual: "Less than 14 days are left of it, and less than a tenth of its life: whatever was to renew it did not. Silence \
             it where it is always renewed so late.",
    example: presents!("- { cert: /etc/wharf/expiring.crt, key: /etc/wharf/expiring.key }\n"),
    mend: Mend::Do("put a new certificate in its place, or order it: `{ acme: letsencrypt, hosts: [example.com] }`"),
};

pub static FUTURE_CERTIFICATE: Lint = Lint {
    name: "future-certificate",
    summary: "a certificate is not valid yet",
    manual: "Clients refuse it until then. Mostly the clock of this machine, or of the one that made it, is wrong. Silence \
             it for a certificate that waits for its day.",
    example: presents!("- { cert: /etc/wharf/future.crt, key: /etc/wharf/future.key }\n"),
    mend: Mend::Do("look at the clock with `date -u`, and set it"),
};

pub static PLAIN_TO_443: Lint = Lint {
    name: "plain-to-443",
    summary: "an endpoint with the port of HTTPS is spoken to in plain text",
    manual: "Without `tls` an upstream is spoken to in plain text, whatever the port. What listens on 443 mostly expects \
             TLS, and answers 400 to everything else. Silence it where a service in plain text has that port.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app: { endpoints: [app-1.example:443] }\n\
              routes:\n  \
                - { match: { path: /* }, upstream: app }\n",
    mend: Mend::Write("endpoints: [app-1.example:443]", "endpoints: [app-1.example:443], tls: {}"),
};

pub static STALE_REVOCATION: Lint = Lint {
    name: "stale-revocation",
    summary: "what an authority says about revoked certificates is out of date",
    manual: "A list in `client_crl` says when the next one is due, and so does the response in `ocsp`. Past that time \
             certificates may have been revoked that the gateway lets in, and clients refuse a stapled response. Fetch it \
             by a timer; the new file is taken up at once. Silence it for a list that is replaced when there is need.",
    example: presents!(
        "- { cert: /etc/wharf/site.crt, key: /etc/wharf/site.key }\n      \
                    client_ca: /etc/wharf/clients.pem\n      \
                    client_crl: /etc/wharf/stale.crl\n"
    ),
    mend: Mend::Do("fetch the list anew from the authority"),
};

pub static UNREAD_FILE: Lint = Lint {
    name: "unread-file",
    summary: "a file that the document names cannot be read here",
    manual: "`wharf check` looks into certificates, keys and lists where they are. It may run where they are not, or for a \
             user that may not read them, so that is no error there; `wharf run` does not start without them. Silence it in \
             the checks of a repository that has no keys.",
    example: presents!("- { cert: /etc/wharf/elsewhere.crt, key: /etc/wharf/site.key }\n"),
    mend: Mend::Write("elsewhere.crt", "site.crt"),
};

pub static UNUSED_AUTHORITY: Lint = Lint {
    name: "unused-authority",
    summary: "no certificate is ordered from an authority",
    manual: "An entry of `acme` orders nothing by itself: a certificate of a listener names it, with the hosts it is for. \
             Silence it for an authority that waits for its certificates.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              acme:\n  \
                letsencrypt: { email: ops@example.com }\n\
              routes:\n  \
                - { match: { path: /* }, respond: { body: pong } }\n",
    mend: Mend::Do("order a certificate from it, or leave it out"),
};

pub static UNVERIFIED_UPSTREAM: Lint = Lint {
    name: "unverified-upstream",
    summary: "nobody checks who the endpoints of an upstream are",
    manual: "With `verify: false` the connection is encrypted, but whoever is in the way can take the endpoint's place, \
             read all requests and answer them. Certificates of your own are no reason for it: name their authority in \
             `ca`, or the certificate itself where it is self-signed. Silence it for a trial.",
    example: "version: 1\n\
              listeners: { web: { address: \":8080\" } }\n\
              upstreams:\n  \
                app:\n    \
                  endpoints: [app-1:3443, app-2:3443]\n    \
                  tls: { verify: false }\n\
              routes:\n  \
                - { match: { path: /* }, upstream: app }\n",
    mend: Mend::Write("{ verify: false }", "{}"),
};
