//! Companies, and what each of them owns: they tile the tables, and ids ascend.

use super::super::format::*;
use super::super::rejection::Rejection;
use super::texts::Texts;
use super::{Tiles, require};

pub(super) fn verify(all: &ArchivedContents, texts: &Texts<'_>) -> Result<(), Rejection> {
    let mut previous = None;
    for channel in all.channels.iter() {
        let id = texts.id(&channel.id)?;
        require(previous < Some(id), "order of channels")?;
        require(channel.conversation_role <= 1, "conversation role")?;
        previous = Some(id);
    }
    // Accounts keep it in 16 bits.
    require(all.channels.len() <= usize::from(u16::MAX), "number of channels")?;
    let mut ous = Tiles::new(&all.ous, "OUs of a company");
    let mut pools = Tiles::new(&all.pools, "pools of a company");
    let mut accounts = Tiles::new(&all.accounts, "accounts of a company");
    let mut columns = Tiles::new(&all.columns, "columns of a company");
    let mut entries = Tiles::new(&all.entries, "entries of a company");
    let mut previous = None;
    for (number, company) in all.companies.iter().enumerate() {
        let id = texts.id(&company.id)?;
        require(previous < Some(id), "order of companies")?;
        previous = Some(id);
        require(company.dedicated_falls_back <= 1, "setting of a company")?;
        let own = ous.take_range(&company.ous)?;
        let mut previous = None;
        for ou in own {
            let id = texts.id(&ou.id)?;
            require(previous < Some(id), "order of OUs")?;
            require(ou.company.to_native() as usize == number, "company of an OU")?;
            require(ou.head == head(id.as_bytes()), "head of an OU's id")?;
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
        entries.take(company.entries.to_native(), own.len() as u64 * u64::from(used) * 2)?;
    }
    ous.finish()?;
    pools.finish()?;
    accounts.finish()?;
    columns.finish()?;
    entries.finish()
}
