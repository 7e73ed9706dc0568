//! `/v1/account`: finds the account that has an address, for messages that arrive on the address.

use std::borrow::Cow;

use switchboard_model::{SelectError, UnixSeconds};
use switchboard_select::{Overlay, unknown_field};
use switchboard_server::Problem;
use switchboard_server::response::BAD_REQUEST;
use switchboard_snapshot::view::{AccountRef, AddressMatch};
use switchboard_snapshot::{AccountIdx, ChannelIdx, CompanyIdx, Snapshot};

use super::context::WorkerContext;
use super::query_string::{decode, pairs, restore_plus};
use super::select::ResponseMeta;
use crate::access::CompanyScope;
use crate::api::problem::{GENERATION, UNKNOWN_ACCOUNT, from_error};
use crate::runtime::Generation;

/// Maximum number of OUs that an answer lists. The others are counted.
pub const MAX_LISTED_OUS: usize = 50;

/// The fields of the query string.
const FIELDS: [&str; 3] = ["company", "channel", "address"];

/// A well-formed query for the account of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountQuery<'a> {
    company: Option<Cow<'a, str>>,
    channel: Cow<'a, str>,
    address: Cow<'a, str>,
}

impl<'a> AccountQuery<'a> {
    /// Parses a query string.
    ///
    /// # Errors
    /// Returns the first fault in a sentence. The sentence repeats no value, because an address may be that
    /// of a client.
    pub fn parse(text: &'a str) -> Result<AccountQuery<'a>, String> {
        let mut values: [Option<Cow<'a, str>>; FIELDS.len()] = [const { None }; FIELDS.len()];
        for (name, value) in pairs(text) {
            let name = decode(name).ok_or("Percent-encode the name of every field as UTF-8.")?;
            let at = FIELDS.iter().position(|field| *field == name);
            let Some((field, slot)) = at.and_then(|at| FIELDS.get(at).zip(values.get_mut(at))) else {
                return Err(unknown_field(&name, &FIELDS));
            };
            let value = decode(value).ok_or_else(|| format!("Percent-encode `{field}` as UTF-8."))?;
            if slot.is_some() {
                return Err(format!("Send the field `{field}` once. The query has it twice."));
            }
            if value.is_empty() {
                let how = if *field == "company" { ", or leave the field out" } else { "" };
                return Err(format!("The field `{field}` is empty. Send a value{how}."));
            }
            *slot = Some(value);
        }
        let [company, channel, address] = values;
        Ok(AccountQuery {
            company,
            channel: channel.ok_or("Add the required field `channel`.")?,
            address: restore_plus(address.ok_or("Add the required field `address`.")?),
        })
    }

    /// Finds the account in the companies of a snapshot that the caller may name.
    ///
    /// # Errors
    /// Returns the problem if the caller may name no such company, if the snapshot has no such company,
    /// channel or account, or if several companies have the address and the query names none of them.
    pub fn find(&self, snapshot: &Snapshot, scope: CompanyScope<'_>) -> Result<AccountIdx, Problem> {
        let unknown = |error| Problem::new(from_error(error)).with_number(GENERATION, snapshot.generation());
        let company = match self.company.as_deref().or(scope.only()) {
            Some(id) => {
                let found = Some(id).filter(|id| scope.contains(id)).and_then(|id| snapshot.find_company(id));
                Some(found.ok_or_else(|| unknown(SelectError::UnknownCompany))?)
            }
            None => None,
        };
        let channel =
            snapshot.find_channel(&self.channel).ok_or_else(|| unknown(SelectError::UnknownChannel))?;
        let found = match (company, scope) {
            (None, CompanyScope::Listed(ids)) => {
                let companies = ids.iter().filter_map(|id| snapshot.find_company(id));
                self.find_in(snapshot, companies, channel)
            }
            _ => snapshot.find_address(company, channel, &self.address),
        };
        match found {
            AddressMatch::Account(account) => Ok(account),
            AddressMatch::None => {
                Err(Problem::new(&UNKNOWN_ACCOUNT).with_number(GENERATION, snapshot.generation()))
            }
            AddressMatch::SeveralCompanies => Err(unknown(SelectError::BadRequest)
                .with_detail("Several companies have this address on the channel. Add the field `company`.")),
        }
    }
}

impl AccountQuery<'_> {
    /// Finds the address in several companies.
    fn find_in(
        &self,
        snapshot: &Snapshot,
        companies: impl Iterator<Item = CompanyIdx>,
        channel: ChannelIdx,
    ) -> AddressMatch {
        let mut found = AddressMatch::None;
        for company in companies {
            match (snapshot.find_address(Some(company), channel, &self.address), &found) {
                (AddressMatch::None, _) => {}
                (one, AddressMatch::None) => found = one,
                _ => return AddressMatch::SeveralCompanies,
            }
        }
        found
    }
}

/// Answers a query string from the snapshot in service: appends the account or the problem. Returns `None` if
/// the query is well formed and there is no snapshot.
pub(super) fn answer(
    context: &WorkerContext,
    scope: CompanyScope<'_>,
    text: &str,
    out: &mut Vec<u8>,
) -> Option<ResponseMeta> {
    // Also for malformed queries, because the header `date` uses the time that is read here.
    let now = context.clock.read();
    let found = match AccountQuery::parse(text) {
        Err(fault) => Err(Problem::new(&BAD_REQUEST).with_detail(fault)),
        Ok(query) => context.with_generation(|generation| {
            let Generation { snapshot, overlay } = &**generation;
            let account = query.find(snapshot, scope)?;
            write_account(out, snapshot, overlay, now, account);
            Ok(())
        })?,
    };
    Some(match found {
        Ok(()) => ResponseMeta::JSON,
        Err(problem) => {
            problem.write(out);
            ResponseMeta::problem(problem.kind().status)
        }
    })
}

/// Appends an account as a JSON object. `now` is compared with the account's `available_from`.
pub fn write_account(
    out: &mut Vec<u8>,
    snapshot: &Snapshot,
    standings: &Overlay,
    now: UnixSeconds,
    idx: AccountIdx,
) {
    let account: AccountRef<'_> = snapshot.account(idx);
    let pieces = snapshot.account_pieces(account.json());
    out.extend_from_slice(br#"{"company":"#);
    write_text(out, snapshot.company(account.company()).id());
    // Both pieces are escaped as JSON.
    out.extend_from_slice(br#","account":""#);
    out.extend_from_slice(pieces.id);
    out.extend_from_slice(br#"","address":""#);
    out.extend_from_slice(pieces.address);
    out.extend_from_slice(br#"","channel":"#);
    write_text(out, snapshot.channel(account.channel()).id());
    if let Some(role) = account.role() {
        write_member(out, "role", role.as_str());
    }
    if let Some(country) = account.country() {
        write_member(out, "country", country.alpha2());
    }
    if let Some(pool) = account.pool() {
        let pool = snapshot.pool(pool);
        write_member(out, "pool", pool.id());
        out.extend_from_slice(br#","ous":["#);
        let ous = pool.ous();
        let more = ous.len().saturating_sub(MAX_LISTED_OUS);
        for (at, ou) in ous.take(MAX_LISTED_OUS).enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_text(out, ou.id());
        }
        out.extend_from_slice(br#"],"more":"#);
        out.extend_from_slice(itoa::Buffer::new().format(more).as_bytes());
    }
    if let Some(user) = snapshot.user_of(idx) {
        write_member(out, "user", user);
    }
    write_member(out, "condition", account.condition().max(standings.condition(idx)).as_str());
    if let Some(from) = account.available_from().filter(|from| *from > now)
        && let Ok(from) = jiff::Timestamp::from_second(from.0)
    {
        write_member(out, "available_from", &from.to_string());
    }
    out.extend_from_slice(br#","generation":"#);
    out.extend_from_slice(snapshot.generation_digits().as_bytes());
    out.push(b'}');
}

fn write_member(out: &mut Vec<u8>, name: &str, value: &str) {
    out.extend_from_slice(br#",""#);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(br#"":"#);
    write_text(out, value);
}

/// Appends a text as a JSON string.
fn write_text(out: &mut Vec<u8>, text: &str) {
    let before = out.len();
    if serde_json::to_writer(&mut *out, text).is_err() {
        // Never happens, because writing to memory cannot fail.
        out.truncate(before);
        out.extend_from_slice(br#""""#);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plus_of_an_address_is_restored_and_faults_name_their_field() {
        for (given, address) in [
            ("%2B4479", "+4479"),
            ("+4479", "+4479"),
            ("%204479", "+4479"),
            ("4479", "4479"),
            ("a%40b.example", "a@b.example"),
        ] {
            let text = format!("channel=sms&address={given}");
            assert_eq!(AccountQuery::parse(&text).unwrap().address, address, "{given}");
        }
        for (text, fault) in [
            ("", "Add the required field `channel`."),
            ("channel=sms", "Add the required field `address`."),
            ("address=1", "Add the required field `channel`."),
            ("channel=&address=1", "The field `channel` is empty. Send a value."),
            ("channel=sms&address=", "The field `address` is empty. Send a value."),
            ("channel=sms&address", "The field `address` is empty. Send a value."),
            (
                "company=&channel=sms&address=1",
                "The field `company` is empty. Send a value, or leave the field out.",
            ),
            ("channel=sms&address=1&address=1", "Send the field `address` once. The query has it twice."),
            ("channel=sms&address=%zz", "Percent-encode `address` as UTF-8."),
            ("%zz=1", "Percent-encode the name of every field as UTF-8."),
            ("ou=a", "The field `ou` is unknown. The fields are company, channel, address."),
            ("447400123456=1", "A field is unknown. The fields are company, channel, address."),
            (
                "channel=sms&address[]=1",
                "The field `address[]` is unknown. Send `address` once, without brackets.",
            ),
            (
                "channel%5B0%5D=sms&address=1",
                "The field `channel[]` is unknown. Send `channel` once, without brackets.",
            ),
            ("447400123456[]=1", "A field is unknown. The fields are company, channel, address."),
        ] {
            assert_eq!(AccountQuery::parse(text).err().as_deref(), Some(fault), "{text}");
        }
    }
}
