//! What is asked, drawn from a registry and a seed, and what each answer must say.
//!
//! [`Traffic::draw`] prepares requests as bytes and has each one's answer ready, from the oracle; the sender
//! asks for [`Traffic::next`], sends [`Traffic::bytes`], and hands each answer to [`Traffic::check`].

mod mix;
mod outcomes;
mod published;
mod wrong;

pub use self::{mix::Mix, outcomes::Outcomes, published::Published, wrong::Wrong};
use crate::{
    dice::Dice,
    error::{Error, Result},
};
use std::path::Path;
use switchboard::registry::{self, Condition, Files, Holder};

/// What requests are drawn from.
#[derive(Debug, Clone, Copy)]
pub struct Ground<'a> {
    /// The registry's folder. Where several are served in turn, generation `n` is the one at `n` modulo their
    /// number: of two, the even generations are the first's.
    pub registries: &'a [&'a Path],
    /// Accounts (company, id) whose live standings change during the run, from [`churnable`].
    pub churned: &'a [(String, String)],
    /// The same seed draws the same requests.
    pub seed: u64,
    /// Unix seconds: numbers at rest until later than this are at rest for the whole run.
    pub now: i64,
}

/// Requests ready to be sent, the order they are sent in, and what they must be answered.
pub struct Traffic {
    requests: Vec<(Vec<u8>, String)>,
    dice: Dice,
    published: Published,
    notes: Vec<String>,
}

impl Traffic {
    /// Draws requests by the mix.
    ///
    /// # Errors
    /// A folder that cannot be read, or a registry that has nothing to ask for.
    pub fn draw(mix: &Mix, ground: &Ground<'_>, published: Published) -> Result<Traffic> {
        let mut dice = Dice::new(ground.seed, 0);
        let folder = ground.registries.first().ok_or_else(|| Error::Usage("name a registry".to_owned()))?;
        let files = Files::read_dir(folder).map_err(|unreadable| Error::Io {
            doing: "read",
            path: folder.join(&*unreadable.path),
            source: unreadable.error,
        })?;
        let (registry, _) = registry::read(&files);
        let mut askable = Vec::new();
        for company in &registry.companies {
            for account in &company.accounts {
                let Holder::Pool(pool) = &account.holder else { continue };
                let (Some(country), Some(channel)) = (account.country, account.channel) else { continue };
                let profile = registry.channels.get(usize::from(channel));
                let Some(profile) = profile.filter(|it| account.role == Some(it.conversation_role)) else {
                    continue;
                };
                let pool = company.pools.iter().find(|it| it.id == *pool);
                let Some(ou) = pool.and_then(|pool| pool.ous.first()) else { continue };
                if account.state == Condition::Active && account.available_from.is_none() {
                    askable.push((&*company.id, &*profile.id, &**ou, country));
                }
            }
        }
        let requests = (0..mix.distinct).filter_map(|_| {
            let (company, channel, ou, country) = dice.one_of(&askable)?;
            let target = format!(
                "/v1/select?company={company}&channel={channel}&ou={ou}&country={}",
                country.alpha2()
            );
            let bytes = format!("GET {target} HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n").into_bytes();
            Some((bytes, format!(",\"rule\":\"country\",\"ou\":\"{ou}\",")))
        });
        let requests: Vec<_> = requests.collect();
        if requests.is_empty() {
            return Err(Error::Refused(format!("{} has no account to ask for", folder.display())));
        }
        Ok(Traffic { requests, dice, published, notes: Vec::new() })
    }

    /// The request to send now, by number.
    pub fn next(&mut self) -> usize {
        self.dice.below(self.requests.len())
    }

    /// How many distinct requests there are.
    pub fn len(&self) -> usize {
        self.requests.len()
    }

    /// Whether there is none: never.
    pub fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    /// A whole request, head and body.
    pub fn bytes(&self, request: usize) -> &[u8] {
        self.requests.get(request).map_or(&[], |(bytes, _)| bytes)
    }

    /// Selections in each request: 1, or the lines of a batch.
    pub fn lines(&self) -> u32 {
        1
    }

    /// Holds an answer to what it must be, and counts its outcomes.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub fn check(
        &mut self,
        request: usize,
        status: u16,
        body: &[u8],
        outcomes: &mut Outcomes,
    ) -> std::result::Result<(), Wrong> {
        let wanted = self.requests.get(request).map_or("", |(_, wanted)| wanted);
        let text = String::from_utf8_lossy(body);
        if status != 200 {
            return Err(Wrong::status(status, 200, &text));
        }
        if !text.contains(wanted) {
            return Err(Wrong::answer(format!("{text} does not have {wanted}")));
        }
        outcomes.count("country");
        Ok(())
    }

    /// What the registry did not let be drawn as asked, for the report.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The generations that may answer.
    pub fn published(&self) -> &Published {
        &self.published
    }
}
