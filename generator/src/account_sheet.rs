//! accounts.csv: the channels, and the rows with an id and an address that are unique in the company.

use crate::{error::Result, phone_numbers::PhoneNumbers, text_file::TextFile};
use std::{collections::HashMap, path::Path};
use switchboard_registry::AddressKind;

pub(crate) struct Channel {
    /// Index in [`CHANNELS`].
    pub(crate) index: usize,
    pub(crate) id: &'static str,
    /// Prefix of the ids of its pools and accounts.
    pub(crate) prefix: &'static str,
    pub(crate) kind: AddressKind,
    /// Role of the accounts that talk to clients.
    pub(crate) conversation: &'static str,
    /// Whether a pool must have a primary account in addition to the conversation role.
    pub(crate) needs_primary: bool,
    /// Whether users have accounts of their own on this channel.
    pub(crate) dedicated: bool,
    /// Percentage of pools of this channel.
    pub(crate) share: usize,
    /// Whether all pools but that of the company's root are in Asia.
    pub(crate) asian: bool,
}

const fn secondary(
    index: usize,
    id: &'static str,
    prefix: &'static str,
    kind: AddressKind,
    share: usize,
) -> Channel {
    Channel {
        index,
        id,
        prefix,
        kind,
        conversation: "secondary",
        needs_primary: false,
        dedicated: false,
        share,
        asian: false,
    }
}

pub(crate) static CHANNELS: [Channel; 8] = [
    Channel {
        needs_primary: true,
        dedicated: true,
        ..secondary(0, "whatsapp", "wa", AddressKind::Phone, 45)
    },
    Channel { needs_primary: true, dedicated: true, ..secondary(1, "sms", "sms", AddressKind::Phone, 30) },
    Channel { needs_primary: true, ..secondary(2, "imessage", "im", AddressKind::Phone, 6) },
    secondary(3, "signal", "sig", AddressKind::Phone, 4),
    Channel {
        conversation: "primary",
        asian: true,
        ..secondary(4, "wechat_miniapp", "mini", AddressKind::Email, 4)
    },
    Channel { asian: true, ..secondary(5, "wechat", "wx", AddressKind::Handle, 5) },
    Channel { asian: true, ..secondary(6, "line", "line", AddressKind::Handle, 3) },
    secondary(7, "telegram", "tg", AddressKind::Handle, 3),
];

/// A row without its id and address. An empty text stands for the column's default.
#[derive(Clone, Copy, Default)]
pub(crate) struct AccountRow<'a> {
    pub(crate) role: &'a str,
    pub(crate) pool: &'a str,
    pub(crate) user: &'a str,
    pub(crate) weight: &'a str,
    pub(crate) state: &'a str,
    pub(crate) available_from: &'a str,
    /// Whether the country column is left empty, if the address is a phone number that implies the country.
    pub(crate) derive_country: bool,
}

/// Writes the accounts.csv of one company.
pub(crate) struct AccountSheet<'a> {
    sheet: TextFile,
    company: &'a str,
    numbers: PhoneNumbers,
    serials: HashMap<(usize, &'static str), u32>,
    /// Width of the serial number in an id.
    digits: usize,
}

impl<'a> AccountSheet<'a> {
    pub(crate) fn create(dir: &Path, company: &'a str, digits: usize) -> Result<Self> {
        let mut sheet = TextFile::create(dir.join("accounts.csv"))?;
        sheet.line(format_args!("id,channel,role,address,country,pool,user,weight,state,available_from"))?;
        Ok(Self { sheet, company, numbers: PhoneNumbers::default(), serials: HashMap::new(), digits })
    }

    /// Writes an account and returns its serial number, from which [`AccountSheet::id`] makes its id.
    pub(crate) fn add(
        &mut self,
        channel: &Channel,
        country: &'static str,
        row: AccountRow<'_>,
    ) -> Result<u32> {
        let serial = self.serials.entry((channel.index, country)).or_default();
        *serial += 1;
        let serial = *serial;
        let id = self.id(channel, country, serial);
        let company = self.company;
        let cc = country.to_ascii_lowercase();
        let address = match channel.kind {
            AddressKind::Phone => self.numbers.next(channel.index, country)?,
            AddressKind::Email => format!("{}-{cc}-{serial}@{company}.example", channel.prefix),
            AddressKind::Handle => format!("@{}_{cc}_{serial}", company.replace('-', "_")),
        };
        let country_column =
            if row.derive_country && channel.kind == AddressKind::Phone { "" } else { country };
        let AccountRow { role, pool, user, weight, state, available_from, derive_country: _ } = row;
        self.sheet.line(format_args!(
            "{id},{},{role},{address},{country_column},{pool},{user},{weight},{state},{available_from}",
            channel.id
        ))?;
        Ok(serial)
    }

    /// Returns the id of an account, for example `wa-gb-000123`.
    pub(crate) fn id(&self, channel: &Channel, country: &str, serial: u32) -> String {
        let digits = self.digits;
        format!("{}-{}-{serial:0digits$}", channel.prefix, country.to_ascii_lowercase())
    }

    pub(crate) fn finish(self) -> Result<()> {
        self.sheet.finish()
    }
}

/// Returns the channel of a pool or an account by the prefix of its id.
pub(crate) fn channel_by_id(id: &str) -> Option<&'static Channel> {
    let prefix = id.split('-').next()?;
    CHANNELS.iter().find(|channel| channel.prefix == prefix)
}
