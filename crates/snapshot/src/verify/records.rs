//! Companies, channels, organizational units, pools and accounts: order, owners, and texts.

use super::super::format::*;
use super::super::rejection::Rejection;
use super::super::view::Records;
use super::super::{hash_index, rendezvous};
use super::texts::{self, Texts};
use super::{Partition, is_country_or_none, record, require};
use switchboard_model::{Region, Role, is_id};

/// Checks companies, and what each of them owns: owners partition the tables, and ids ascend.
pub(super) fn verify_companies(all: &ArchivedTables, texts: &Texts<'_>) -> Result<(), Rejection> {
    let mut previous = None;
    for channel in all.channels.iter() {
        let id = texts.id(&channel.id)?;
        require(previous < Some(id), "order of channels")?;
        require(channel.conversation_role <= 1, "conversation role")?;
        previous = Some(id);
    }
    // Accounts keep it in 16 bits.
    require(all.channels.len() <= usize::from(u16::MAX), "number of channels")?;
    let mut ous = Partition::new(&all.ous, "OUs of a company");
    let mut pools = Partition::new(&all.pools, "pools of a company");
    let mut accounts = Partition::new(&all.accounts, "accounts of a company");
    let mut columns = Partition::new(&all.columns, "columns of a company");
    let mut chain_starts = Partition::new(&all.chain_starts, "chain_starts of a company");
    let mut previous = None;
    for (idx, company) in all.companies.iter().enumerate() {
        let id = texts.id(&company.id)?;
        require(previous < Some(id), "order of companies")?;
        previous = Some(id);
        require(company.dedicated_falls_back <= 1, "setting of a company")?;
        let own = ous.take_range(&company.ous)?;
        let mut previous = None;
        for ou in own {
            let id = texts.id(&ou.id)?;
            require(previous < Some(id), "order of OUs")?;
            require(ou.company.to_native() as usize == idx, "company of an OU")?;
            require(ou.id_prefix == id_prefix(id.as_bytes()), "id_prefix of an OU's id")?;
            require(ou.depth.to_native() < company.ous.len.to_native(), "depth of an OU")?;
            previous = Some(id);
        }
        let mut previous = None;
        for pool in pools.take_range(&company.pools)? {
            let id = texts.id(&pool.id)?;
            require(previous < Some(id), "order of pools")?;
            previous = Some(id);
        }
        accounts.take_range(&company.accounts)?;
        let mut used = 0;
        for column in columns.take(company.columns.to_native(), all.channels.len() as u64)? {
            let column = column.to_native();
            require(column == NO_COLUMN || column == used, "column")?;
            used += u16::from(column != NO_COLUMN);
        }
        require(company.column_count.to_native() == used, "number of columns")?;
        chain_starts.take(company.chain_starts.to_native(), own.len() as u64 * u64::from(used) * 2)?;
    }
    ous.finish()?;
    pools.finish()?;
    accounts.finish()?;
    columns.finish()?;
    chain_starts.finish()
}

/// Checks accounts, and the users who have one of their own. Returns the hashes that the index of accounts is made of,
/// because the ids are at hand here.
pub(super) fn verify_accounts(all: &ArchivedTables, texts: &Texts<'_>) -> Result<Vec<u64>, Rejection> {
    let mut hashes = Vec::with_capacity(all.accounts.len());
    let mut suffixes = Suffixes::new(all, texts)?;
    let mut dedicated = 0;
    for (idx, company) in all.companies.iter().enumerate() {
        let pools = &company.pools;
        let mut previous = None;
        for account in all.accounts.range(&company.accounts) {
            let id = texts.run(account.id.to_native(), u32::from(account.id_len))?;
            require(is_id(id), "id of an account")?;
            require(previous < Some(id), "order of accounts")?;
            previous = Some(id);
            require(account.company.to_native() as usize == idx, "company of an account")?;
            texts.id_and_address(&account.id_and_address, id)?;
            require(account.id_hash.to_native() == rendezvous::id_hash(id.as_bytes()), "hash of an account")?;
            hashes.push(hash_index::hash(idx as u64, id.as_bytes()));
            let channel = record(&all.channels, u32::from(account.channel.to_native()), "channel");
            channel.and_then(|channel| suffixes.check(account, channel))?;
            require((1..=1000).contains(&account.weight.to_native()), "weight of an account")?;
            require(account.state <= 2, "state of an account")?;
            require(is_country_or_none(account.country), "country of an account")?;
            require(account.role <= 1 || account.role >= CONVERSATION_ROLE, "role of an account")?;
            dedicated += usize::from(account.is_dedicated());
            let pool = account.pool.to_native();
            let own = pool.wrapping_sub(pools.start.to_native()) < pools.len.to_native();
            require(pool == NONE || (own && account.role <= 1), "pool of an account")?;
        }
    }
    require(dedicated == all.dedicated.len(), "number of dedicated accounts")?;
    let mut next = 0;
    for dedicated in all.dedicated.iter() {
        texts.span(&dedicated.user)?;
        let at = dedicated.account.to_native();
        let account = record(&all.accounts, at, "account")?;
        // Ascending and as many as there are dedicated accounts: each has one user.
        require(at >= next && account.is_dedicated(), "account of a user")?;
        require(account.company == dedicated.company, "company of a user")?;
        require(
            u32::from(account.channel.to_native()) == dedicated.channel.to_native(),
            "channel of a user",
        )?;
        next = at + 1;
    }
    Ok(hashes)
}

/// How answers continue behind the account's own part: one text for each (channel, role, country).
struct Suffixes<'a> {
    texts: &'a Texts<'a>,
    all: Vec<&'a str>,
    /// The (channel, role, country) of each, once an account has used it.
    key_of: Vec<Option<(u16, Option<Role>, u8)>>,
}

impl<'a> Suffixes<'a> {
    fn new(all: &ArchivedTables, texts: &'a Texts<'a>) -> Result<Suffixes<'a>, Rejection> {
        let all = all.suffixes.iter().map(|suffix| texts.span(suffix)).collect::<Result<Vec<_>, _>>()?;
        Ok(Suffixes { texts, key_of: vec![None; all.len()], all })
    }

    fn check(&mut self, account: &ArchivedAccount, channel: &ArchivedChannel) -> Result<(), Rejection> {
        let at = u32::from(account.suffix.to_native());
        let text = record(&self.all, at, "suffix")?;
        let key = (account.channel.to_native(), account.role(), account.country);
        let Some(key_of) = self.key_of.get_mut(at as usize) else { return Ok(()) };
        if *key_of != Some(key) {
            require(key_of.is_none(), "suffix of an account")?;
            require(is_suffix(text, self.texts.span(&channel.id)?, account), "JSON of a suffix")?;
            *key_of = Some(key);
        }
        Ok(())
    }
}

/// Whether a text is `","channel":"…","role":"…","country":"…","rule":"`, as far as the account has them.
fn is_suffix(text: &str, channel: &str, account: &ArchivedAccount) -> bool {
    let channel =
        text.strip_prefix(r#"","channel":""#).and_then(|rest| texts::without_escaped(rest, channel));
    let mut rest = channel.and_then(|rest| rest.strip_prefix('"'));
    let fields =
        [("role", account.role().map(Role::as_str)), ("country", account.country().map(Region::alpha2))];
    for (name, value) in fields {
        if let Some(value) = value {
            rest = rest.and_then(|rest| rest.strip_prefix(&*format!(r#","{name}":"{value}""#)));
        }
    }
    rest == Some(r#","rule":""#)
}
