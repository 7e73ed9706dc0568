//! Accounts, company by company, and the users who have one of their own.

use super::super::format::*;
use super::super::rejection::Rejection;
use super::super::view::Records;
use super::super::{hash_index, rendezvous};
use super::texts::{self, Texts};
use super::{is_country_or_none, record, require};
use switchboard_model::Region;
use switchboard_model::Role;
use switchboard_model::is_id;

/// Returns the hashes that the index of accounts is made of: whoever has the ids at hand computes them
/// for nothing.
pub(super) fn verify(all: &ArchivedContents, texts: &Texts<'_>) -> Result<Vec<u64>, Rejection> {
    let mut hashes = Vec::with_capacity(all.accounts.len());
    let mut tails = Tails::new(all, texts)?;
    let mut dedicated = 0;
    for (number, company) in all.companies.iter().enumerate() {
        let pools = &company.pools;
        let mut previous = None;
        for account in all.accounts.range(&company.accounts) {
            let id = texts.run(account.id.to_native(), u32::from(account.id_len))?;
            require(is_id(id), "id of an account")?;
            require(previous < Some(id), "order of accounts")?;
            previous = Some(id);
            require(account.company.to_native() as usize == number, "company of an account")?;
            texts.lead(&account.lead, id)?;
            require(account.id_hash.to_native() == rendezvous::id_hash(id.as_bytes()), "hash of an account")?;
            hashes.push(hash_index::hash(number as u64, id.as_bytes()));
            let channel = record(&all.channels, u32::from(account.channel.to_native()), "channel");
            channel.and_then(|channel| tails.check(account, channel))?;
            require((1..=1000).contains(&account.weight.to_native()), "weight of an account")?;
            require(account.state <= 2, "state of an account")?;
            require(is_country_or_none(account.country), "country of an account")?;
            require(account.role <= 1 || account.role >= CONVERSATION, "role of an account")?;
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
        // Ascending and as many as there are: so every one of them is somebody's.
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

/// How answers go on behind the account's own part: one for each (channel, role, country).
struct Tails<'a> {
    texts: &'a Texts<'a>,
    all: Vec<&'a str>,
    /// Whose each one was found to be.
    of: Vec<Option<(u16, Option<Role>, u8)>>,
}

impl<'a> Tails<'a> {
    fn new(all: &ArchivedContents, texts: &'a Texts<'a>) -> Result<Tails<'a>, Rejection> {
        let all = all.tails.iter().map(|tail| texts.span(tail)).collect::<Result<Vec<_>, _>>()?;
        Ok(Tails { texts, of: vec![None; all.len()], all })
    }

    fn check(&mut self, account: &ArchivedAccount, channel: &ArchivedChannel) -> Result<(), Rejection> {
        let at = u32::from(account.tail.to_native());
        let text = record(&self.all, at, "tail")?;
        let key = (account.channel.to_native(), account.role(), account.country);
        let Some(of) = self.of.get_mut(at as usize) else { return Ok(()) };
        if *of != Some(key) {
            require(of.is_none(), "tail of an account")?;
            require(is_tail(text, self.texts.span(&channel.id)?, account), "JSON of a tail")?;
            *of = Some(key);
        }
        Ok(())
    }
}

/// Whether a text is `","channel":"…","role":"…","country":"…","rule":"`, as far as the account has them.
fn is_tail(text: &str, channel: &str, account: &ArchivedAccount) -> bool {
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
