//! What the keys of one upstream mean for each other: those that contradict, and those that could do nothing.

use super::section::Fields;
use super::{Balance, Diagnostic, UpstreamConfig};
use crate::value::EndpointAddress;

/// The largest weight in a pool that balances by `hash`: every unit of it takes 160 places on the ring.
const HASH_WEIGHT_MAX: u16 = 256;

/// Complains about keys of one upstream that contradict each other, and warns of those that could do nothing.
pub(super) fn check(upstream: &UpstreamConfig, fields: &Fields<'_, '_>) {
    // What could not be read has its complaint, and would only look like another mistake.
    if !fields.are_sound() {
        return;
    }
    backups(upstream, fields);
    hashes(upstream, fields);
    if let [only] = upstream.endpoints.as_slice()
        && !matches!(*only.address, EndpointAddress::Name { .. })
        && fields.are_sound()
    {
        alone(upstream, fields);
    }
}

/// A pool of backups alone would have nobody to back up.
fn backups(upstream: &UpstreamConfig, fields: &Fields<'_, '_>) {
    if let [first, ..] = upstream.endpoints.as_slice()
        && upstream.endpoints.iter().all(|endpoint| endpoint.backup)
    {
        fields.reading.tell(
            Diagnostic::error(first.address.at, "every endpoint of the pool is a backup")
                .label("a backup of nothing")
                .hint("leave `backup` out of the endpoints that are to serve first"),
        );
    }
}

/// Where the request decides which endpoint it belongs to, some keys have no say.
fn hashes(upstream: &UpstreamConfig, fields: &Fields<'_, '_>) {
    let by = match upstream.balance {
        Balance::IpHash => "ip_hash",
        Balance::Hash(_) => "hash",
        Balance::LeastConn | Balance::RoundRobin | Balance::Random | Balance::P2c => return,
    };
    let balance = fields.place("balance").unwrap_or_default();
    let because = "requests belong to their endpoint, whatever its share";
    fields.useless("slow_start", "balance", by, because);
    for endpoint in &upstream.endpoints {
        if endpoint.backup {
            fields.reading.tell(
                Diagnostic::error(endpoint.address.at, format!("`backup` has no effect beside `{by}`"))
                    .label("a backup")
                    .other(balance, "requests go to the next endpoint of their hash, never to a backup")
                    .hint("leave `backup` out, or balance in another way"),
            );
        }
        if matches!(upstream.balance, Balance::Hash(_)) && endpoint.weight > HASH_WEIGHT_MAX {
            let message = format!("the weight {} is too large for `hash`", endpoint.weight);
            fields.reading.tell(
                Diagnostic::error(endpoint.address.at, message)
                    .label("of this endpoint")
                    .other(balance, "every unit of weight takes 160 places on the hash ring")
                    .hint(format!("write weights from 1 to {HASH_WEIGHT_MAX}, in the same proportions")),
            );
        }
    }
}

/// The only endpoint of a pool gets every request, whatever its state.
fn alone(upstream: &UpstreamConfig, fields: &Fields<'_, '_>) {
    let warn = |name: &str, because: &str| {
        if let Some(at) = fields.place(name) {
            let message = format!("`{name}` has no effect in a pool of one address");
            fields
                .reading
                .tell(Diagnostic::warning(at, message).label(because).hint("leave it out, or add an endpoint"));
        }
    };
    warn("sticky", "every client is on it anyway");
    warn("slow_start", "it gets every request anyway");
    if upstream.passive.max_fails > 0 {
        warn("passive", "with no other to turn to, the only endpoint is never taken out");
    }
}
