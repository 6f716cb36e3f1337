//! The account at an authority: made once, kept on disk.

use super::files::{self, Lock};
use super::issue::again;
use super::store::Store;
use super::wire::Wire;
use super::{Authority, Trouble, blocking};
use instant_acme::{Account, AccountCredentials, ExternalAccountKey, NewAccount};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long another process may take to make the account.
const OTHERS_TAKE: Duration = Duration::from_secs(120);
/// How often it is looked whether it has.
const LOOK: Duration = Duration::from_millis(500);

#[derive(Serialize, Deserialize)]
struct Kept {
    contact: Vec<String>,
    credentials: AccountCredentials,
}

/// The account that is kept, if one is.
pub(super) async fn known(authority: &Authority, store: &Store, wire: &Wire) -> Result<Option<Account>, Trouble> {
    let path = store.account();
    let read = move || {
        let bytes = match files::read_own(&path) {
            Ok(bytes) => bytes?,
            Err(e) => {
                log::warn!("acme: {} cannot be read: {e}", path.display());
                return None;
            }
        };
        serde_json::from_slice::<Kept>(&bytes).map_err(|e| files::put_aside(&path, &files::place(&e))).ok()
    };
    let Some(kept) = blocking(read).await? else { return Ok(None) };
    let fail = |step, e| Trouble::while_doing(step, e, wire.barred_until());
    let text = serde_json::to_string(&kept.credentials).map_err(|e| Trouble::new(e.to_string()))?;
    let account = Account::builder_with_http(Box::new(wire.clone())).from_credentials(kept.credentials).await;
    let account = account.map_err(|e| fail("reading the directory", e))?;
    let contact = contact(authority);
    if kept.contact != contact {
        let contacts: Vec<&str> = contact.iter().map(String::as_str).collect();
        again!(account.update_contacts(&contacts).await).map_err(|e| fail("changing the account's address", e))?;
        let credentials = serde_json::from_str(&text).map_err(|e| Trouble::new(e.to_string()))?;
        write(store, Kept { contact, credentials }).await?;
        log::info!("acme: {}: the account has another address for mail now", authority.name);
    }
    Ok(Some(account))
}

/// The account that is kept, or a new one.
pub(super) async fn open(authority: &Authority, store: &Store, wire: &Wire) -> Result<Account, Trouble> {
    if let Some(account) = known(authority, store, wire).await? {
        return Ok(account);
    }
    let _lock = lock(store).await?;
    // another process may have made it meanwhile
    if let Some(account) = known(authority, store, wire).await? {
        return Ok(account);
    }
    let contact = contact(authority);
    let contacts: Vec<&str> = contact.iter().map(String::as_str).collect();
    let new = NewAccount { contact: &contacts, terms_of_service_agreed: true, only_return_existing: false };
    let external = authority.external_account.as_ref();
    let external = external.map(|account| ExternalAccountKey::new(account.key_id.to_string(), &account.key));
    let directory = || authority.directory.to_string();
    let builder = || Account::builder_with_http(Box::new(wire.clone()));
    let made = again!(builder().create(&new, directory(), external.as_ref()).await);
    let (account, credentials) = made.map_err(|e| {
        let trouble = Trouble::while_doing("making an account", e, wire.barred_until());
        match trouble.kind.as_deref() {
            // nothing is proven yet: it is about the account that this one is bound to
            Some("unauthorized" | "malformed") if external.is_some() => {
                trouble.hint("see `key_id` and `key` of `external_account`: both are as the authority gave them to you")
            }
            _ => trouble,
        }
    })?;
    write(store, Kept { contact, credentials }).await?;
    let (name, id) = (&authority.name, account.id());
    log::info!("acme: {name}: a new account, {id}; who names an authority agrees to its terms of service");
    Ok(account)
}

/// The authority knows the account no more: the next attempt makes another.
pub(super) async fn forget(store: &Store) {
    let path = store.account();
    let put = move || files::put_aside(&path, "the authority does not know this account");
    if let Err(e) = blocking(put).await {
        log::warn!("acme: {e}");
    }
}

async fn write(store: &Store, kept: Kept) -> Result<(), Trouble> {
    let path = store.account();
    let bytes = serde_json::to_vec(&kept).map_err(|e| Trouble::new(e.to_string()))?;
    let written = blocking(move || files::write(&path, &bytes).map_err(|e| format!("{}: {e}", path.display()))).await?;
    written.map_err(|why| Trouble::new(why).hint("see that the state directory can be written to"))
}

async fn lock(store: &Store) -> Result<Lock, Trouble> {
    let mut waited = Duration::ZERO;
    while waited < OTHERS_TAKE {
        let path = store.account_lock();
        let taken = blocking(move || Lock::take(&path)).await?;
        if let Some(lock) = taken.map_err(|e| Trouble::new(format!("the lock of the account: {e}")))? {
            return Ok(lock);
        }
        tokio::time::sleep(LOOK).await;
        waited += LOOK;
    }
    Err(Trouble::new("another process on this disk takes very long to make the account"))
}

fn contact(authority: &Authority) -> Vec<String> {
    authority.email.iter().map(|email| format!("mailto:{email}")).collect()
}
