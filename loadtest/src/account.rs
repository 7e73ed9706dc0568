//! The rows of accounts.csv, and who has which id and address in a company.

use crate::{
    channel::{CHANNELS, Channel, Kind},
    error::Result,
    numbers::Numbers,
    output::Sheet,
};
use std::{collections::HashMap, path::Path};

/// A row before its id and address are known. Empty means: not said, the default holds.
#[derive(Clone, Copy, Default)]
pub(crate) struct Account<'a> {
    pub(crate) role: &'a str,
    pub(crate) pool: &'a str,
    pub(crate) user: &'a str,
    pub(crate) weight: &'a str,
    pub(crate) state: &'a str,
    pub(crate) available_from: &'a str,
    /// Leave the country to be derived from the number, where the address is one.
    pub(crate) derive_country: bool,
}

/// Writes a company's accounts.csv and hands out its ids and addresses, each once.
pub(crate) struct Accounts<'a> {
    sheet: Sheet,
    company: &'a str,
    numbers: Numbers,
    serials: HashMap<(usize, &'static str), u32>,
    /// Digits of a serial in an id: enough that ids sort as they count.
    digits: usize,
}

impl<'a> Accounts<'a> {
    pub(crate) fn create(dir: &Path, company: &'a str, digits: usize) -> Result<Self> {
        let mut sheet = Sheet::create(dir.join("accounts.csv"))?;
        sheet.line(format_args!("id,channel,role,address,country,pool,user,weight,state,available_from"))?;
        Ok(Self { sheet, company, numbers: Numbers::default(), serials: HashMap::new(), digits })
    }

    /// Writes one account of `country` and returns its serial (see [`Accounts::id`]).
    pub(crate) fn add(&mut self, channel: &Channel, country: &'static str, row: Account<'_>) -> Result<u32> {
        let serial = self.serials.entry((channel.index, country)).or_default();
        *serial += 1;
        let serial = *serial;
        let id = self.id(channel, country, serial);
        let company = self.company;
        let cc = country.to_ascii_lowercase();
        let address = match channel.kind {
            Kind::Phone => self.numbers.next(channel.index, country)?,
            Kind::Email => format!("{}-{cc}-{serial}@{company}.example", channel.prefix),
            Kind::Handle => format!("@{}_{cc}_{serial}", company.replace('-', "_")),
        };
        let said = if row.derive_country && channel.kind == Kind::Phone { "" } else { country };
        let Account { role, pool, user, weight, state, available_from, derive_country: _ } = row;
        self.sheet.line(format_args!(
            "{id},{},{role},{address},{said},{pool},{user},{weight},{state},{available_from}",
            channel.id
        ))?;
        Ok(serial)
    }

    /// As in `wa-gb-000123`.
    pub(crate) fn id(&self, channel: &Channel, country: &str, serial: u32) -> String {
        let digits = self.digits;
        format!("{}-{}-{serial:0digits$}", channel.prefix, country.to_ascii_lowercase())
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.sheet.finish()
    }
}

/// The channel of a pool or account id, by its prefix.
pub(crate) fn channel_of(id: &str) -> Option<&'static Channel> {
    let prefix = id.split('-').next()?;
    CHANNELS.iter().find(|channel| channel.prefix == prefix)
}
