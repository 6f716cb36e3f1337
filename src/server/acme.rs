//! Certificates on order: the orders of the live table, kept by a service in the background.

use super::{Gateway, state};
use crate::acme::{self, Authority, Board, Challenge, ExternalAccount, Keeper, KeyType, Order};
use crate::config::{AuthorityConfig, ChallengeKind, Document, KeyKind, Secrets};
use crate::table::Table;
use arc_swap::ArcSwap;
use async_trait::async_trait;
use pingora::server::ShutdownWatch;
use pingora::services::background::{BackgroundService, GenBackgroundService, background_service};
use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What is ordered, and how it stands.
#[derive(Debug)]
pub struct Orders {
    /// Where certificates are kept.
    state: Option<PathBuf>,
    current: ArcSwap<Vec<Order>>,
    pub board: Arc<Board>,
}

impl Orders {
    /// Nothing is ordered yet.
    pub fn none() -> Orders {
        Orders { state: state::directory(), current: ArcSwap::default(), board: Arc::default() }
    }

    /// What a table orders that is about to be served. What is on disk for it is presented from now on: no client meets a stand-in where
    /// there is a certificate.
    pub fn prepare(&self, table: &Table, document: &Document, secrets: &Secrets) -> Result<Vec<Order>, String> {
        let mut authorities = HashMap::new();
        for (name, config) in document.acme.iter() {
            authorities.insert(name, Arc::new(authority(name, config, secrets)?));
        }
        let order = |certificate: Arc<crate::tls::Ordered>| {
            let authority = Arc::clone(authorities.get(&*certificate.authority)?);
            Some(Order { authority, certificate })
        };
        let orders: Vec<Order> = table.orders().into_iter().filter_map(order).collect();
        match &self.state {
            Some(state) => acme::load_from_disk(state, &orders),
            None if !orders.is_empty() => {
                return Err("certificates are ordered only where they can be kept: none of STATE_DIRECTORY, \
                            XDG_STATE_HOME and HOME is set\nhint: STATE_DIRECTORY names a directory that the gateway may \
                            write to"
                    .into());
            }
            None => {}
        }
        Ok(orders)
    }

    /// From now on these are kept.
    pub fn adopt(&self, orders: Vec<Order>) {
        self.current.store(Arc::new(orders));
    }
}

fn authority(name: &str, config: &AuthorityConfig, secrets: &Secrets) -> Result<Authority, String> {
    let challenge = match config.challenge {
        ChallengeKind::Http01 => Challenge::Http01,
        ChallengeKind::TlsAlpn01 => Challenge::TlsAlpn01,
        ChallengeKind::Dns01 => Challenge::Dns01 {
            hook: config.dns_hook.iter().flatten().map(ToString::to_string).collect(),
            wait: config.dns_wait,
        },
    };
    let account = config.external_account.as_ref();
    let account = account.map(|account| {
        let key = secrets.account_keys.get(name).map_or("", |key| key);
        ExternalAccount::read(&account.key_id, key)
            .ok_or_else(|| format!("the key of the external account of `{name}` is not in base64url"))
    });
    Ok(Authority {
        name: name.into(),
        directory: config.directory().into(),
        email: config.email.clone(),
        challenge,
        ca: config.ca.as_ref().map(|file| file.path.clone()),
        key: match config.key {
            KeyKind::Ecdsa => KeyType::Ecdsa,
            KeyKind::Rsa => KeyType::Rsa,
        },
        external_account: account.transpose()?,
        profile: config.profile.clone(),
    })
}

/// Keeps the certificates of the live table.
pub struct Acme(Arc<Gateway>);

/// The service that does it.
pub fn service(gateway: Arc<Gateway>) -> GenBackgroundService<Acme> {
    background_service("acme", Acme(gateway))
}

#[async_trait]
impl BackgroundService for Acme {
    async fn start(&self, mut shutdown: ShutdownWatch) {
        let Gateway { orders, parts, stopping, .. } = &*self.0;
        let Some(state) = orders.state.clone() else { return };
        let mut keeper = Keeper::new(state, Arc::clone(&parts.challenges), Arc::clone(&orders.board));
        let mut followed: Arc<Vec<Order>> = Arc::default();
        loop {
            let current = orders.current.load_full();
            if !Arc::ptr_eq(&current, &followed) {
                keeper.follow(current.to_vec()).await;
                followed = current;
            }
            // who stops begins nothing; what is in flight is taken up again by whoever comes after
            if !stopping.load(Ordering::Acquire) {
                keeper.turn().await;
            }
            tokio::select! {
                _ = shutdown.changed() => return,
                () = tokio::time::sleep(keeper.pause()) => {}
            }
        }
    }
}
