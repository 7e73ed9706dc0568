//! Reads `accounts.csv`, the file of a company's official accounts.

use switchboard_model::{Condition, E164, Region, Role, UnixSeconds, find_invisible};

use super::channels::Channels;
use super::layout::SourceFile;
use super::sheet::Sheet;
use super::value::{
    cell_help, date_help, meant_help, parse_country, phone_spelling, require_id, require_user_id,
    weight_help, without_hidden,
};
use crate::redact::quoted;
use crate::suggest::did_you_mean;
use crate::{Account, AddressKind, ChannelProfile, Code, Company, Findings, Holder, Place, Span, UnreadPart};

const COLUMNS: [&str; 10] =
    ["id", "channel", "role", "address", "country", "pool", "user", "weight", "state", "available_from"];
const REQUIRED: [&str; 3] = ["id", "channel", "address"];

/// Reads the accounts of a company.
pub(super) fn read_accounts(
    file: SourceFile<'_>,
    channels: &Channels,
    company: &mut Company,
    findings: &mut Findings,
) {
    let Some(sheet) = Sheet::open(file, COLUMNS, &REQUIRED, findings) else {
        company.unread.accounts = UnreadPart::Everything;
        return;
    };
    company.accounts.reserve_exact(sheet.capacity());
    let mut reader = AccountReader {
        channels,
        has_role_column: sheet.has_column("role"),
        country_may_be_mistyped: sheet.may_be_mistyped("country"),
        first_without_role: None,
    };
    let role_column_missing = !reader.has_role_column && !sheet.may_be_mistyped("role");
    let unread = sheet.read_rows(findings, |cells, place, findings| {
        company.accounts.push(reader.read(cells, place, findings));
    });
    company.unread.accounts.add(unread);
    if reader.first_without_role.is_some() {
        company.unread.accounts = UnreadPart::Everything;
    }
    if let Some(first) = reader.first_without_role.filter(|_| role_column_missing) {
        let message =
            format!("the column `role` is missing, and the account on line {} needs it", first.line);
        let help = "add it: `primary` or `secondary` for an account of a pool, empty for a dedicated account";
        findings.add(&file.place(1), Code::MissingColumn, message, help);
    }
}

/// Reads the rows, and keeps the facts that concern all rows.
struct AccountReader<'c> {
    channels: &'c Channels,
    has_role_column: bool,
    /// Whether an unknown column may be the mistyped column `country`. An absent country is then no fault.
    country_may_be_mistyped: bool,
    /// The place of the first shared account, if the file has no column `role`.
    first_without_role: Option<Place>,
}

impl AccountReader<'_> {
    fn read(&mut self, cells: [&str; 10], place: &Place, findings: &mut Findings) -> Account {
        let [id, channel, role, address, country, pool, user, weight, state, available_from] = cells;
        require_id(id, "account id", place, Span::value("id"), findings);

        let profile = self.channels.find(channel);
        let kind = profile.and_then(|(_, profile)| self.channels.address_kind(profile));
        match profile {
            Some((_, profile)) => {
                if kind.is_some_and(|kind| !kind.accepts(address)) {
                    report_address(id, address, profile, place, findings);
                }
            }
            None => self.channels.report_unknown(channel, place, findings),
        }
        Account {
            id: id.into(),
            channel: profile.map(|(at, _)| at),
            country: self.country(id, (kind, address), country, place, findings),
            role: self.role(id, role, (pool, user), place, findings),
            address: address.into(),
            holder: match (pool, user) {
                ("", "") => Holder::Spare,
                ("", user) => Holder::User(user.into()),
                (pool, _) => Holder::Pool(pool.into()),
            },
            weight: read_weight(id, weight, place, findings),
            state: read_state(id, state, place, findings),
            available_from: read_available_from(id, available_from, place, findings),
            place: place.clone(),
        }
    }

    /// Returns the country of the cell. If the cell is empty, returns the country of the phone number.
    fn country(
        &self,
        id: &str,
        (kind, address): (Option<AddressKind>, &str),
        country: &str,
        place: &Place,
        findings: &mut Findings,
    ) -> Option<Region> {
        if !country.is_empty() {
            return parse_country("country", country, place, || Span::value("country"), findings);
        }
        if kind == Some(AddressKind::Phone) && address.starts_with('+') {
            return E164::parse(address).ok().and_then(|number| number.region());
        }
        if !self.country_may_be_mistyped && kind.is_some_and(|kind| kind != AddressKind::Phone) {
            let message =
                format!("account {} has no country, and its address does not determine one", quoted(id));
            let help = "write the country of the account; only a phone number determines the country";
            findings.add(place, Code::MissingCountry, message, help).primary(Span::value("country"));
        }
        None
    }

    /// Reads the role. Reports a role that does not fit the pool or the user of the account.
    fn role(
        &mut self,
        id: &str,
        role: &str,
        (pool, user): (&str, &str),
        place: &Place,
        findings: &mut Findings,
    ) -> Option<Role> {
        if !user.is_empty() {
            require_user_id(user, place, Span::value("user"), findings);
        }
        if !pool.is_empty() && !user.is_empty() {
            let message =
                format!("account {} has both pool {} and user {}", quoted(id), quoted(pool), quoted(user));
            let help = "leave one of the two cells empty: an account is either shared or dedicated";
            findings.add(place, Code::PoolAndUser, message, help).primary(Span::value("user")).secondary(
                place,
                Span::value("pool"),
                "the pool of the account",
            );
        }
        let mut report = |code: Code, message: String, help: &str| {
            findings.add(place, code, message, help).primary(Span::value("role"));
        };
        let is_shared = !pool.is_empty() && user.is_empty();
        match (Role::parse(role), role) {
            (Some(_), _) if pool.is_empty() && !user.is_empty() => {
                let message =
                    format!("account {} is dedicated to a user, but has role {}", quoted(id), quoted(role));
                let help =
                    "leave the role empty: a dedicated account has the conversation role of its channel";
                report(Code::Role, message, help);
                None
            }
            (Some(role), _) => Some(role),
            (None, "") if !is_shared => None,
            (None, "") if !self.has_role_column => {
                self.first_without_role.get_or_insert_with(|| place.clone());
                None
            }
            (None, "") => {
                let message = format!("account {} of pool {} has no role", quoted(id), quoted(pool));
                report(Code::Role, message, "write `primary` or `secondary`");
                None
            }
            (None, other) => {
                let words = Role::ALL.into_iter().map(Role::as_str);
                let help = did_you_mean(other, words, || "write `primary` or `secondary`".to_owned());
                let message = format!(
                    "role {} of account {} is neither `primary` nor `secondary`",
                    quoted(other),
                    quoted(id)
                );
                report(Code::InvalidValue, message, &help);
                None
            }
        }
    }
}

/// Reports an address that is not of the channel's kind, as it was typed.
fn report_address(id: &str, address: &str, profile: &ChannelProfile, place: &Place, findings: &mut Findings) {
    let wanted = profile.address.description();
    let of_account = format!("the address {} of account {}", quoted(address), quoted(id));
    let mut spelling = None;
    if profile.address == AddressKind::Phone {
        spelling = phone_spelling(address);
    }
    let hidden = find_invisible(address);
    // Blanks between the digits of a phone number are usual.
    let is_invisible = hidden.is_some_and(|found| !found.character.is_whitespace());
    let message = match (&hidden, &spelling) {
        (Some(fault), _) if is_invisible => format!("{of_account} has {fault}"),
        (_, Some(it)) => format!("{of_account} is not a phone number in E.164, because it {}", it.fault),
        (Some(fault), None) => format!("{of_account} has {fault}"),
        (None, None) => format!("{of_account} is not {wanted}"),
    };
    let help = match (spelling, without_hidden(address, |meant| profile.address.accepts(meant))) {
        (Some(spelling), _) => spelling.help,
        (None, Some(meant)) => meant_help(address, &meant),
        (None, None) if hidden.is_some() => "delete the character, or type the address again".to_owned(),
        (None, None) => {
            format!("write {wanted}, because channel {} has addresses of this kind", quoted(&profile.id))
        }
    };
    findings.add(place, Code::InvalidAddress, message, help).primary(Span::value("address"));
}

fn read_weight(id: &str, text: &str, place: &Place, findings: &mut Findings) -> u16 {
    if text.is_empty() {
        return 1;
    }
    let only_digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse() {
        Ok(weight @ 1..=1000) if only_digits => weight,
        _ => {
            let message = format!(
                "weight {} of account {} is not a whole number from 1 to 1000",
                quoted(text),
                quoted(id)
            );
            let help = weight_help(text);
            findings.add(place, Code::InvalidValue, message, help).primary(Span::value("weight"));
            1
        }
    }
}

fn read_state(id: &str, text: &str, place: &Place, findings: &mut Findings) -> Condition {
    if text.is_empty() {
        return Condition::Active;
    }
    Condition::parse(text).unwrap_or_else(|| {
        let words = Condition::ALL.into_iter().map(Condition::as_str);
        let message = format!("state {} of account {} is unknown", quoted(text), quoted(id));
        let help = cell_help(text).unwrap_or_else(|| {
            did_you_mean(text, words, || "write one of `active`, `draining`, `suspended`".to_owned())
        });
        findings.add(place, Code::InvalidValue, message, help).primary(Span::value("state"));
        Condition::Active
    })
}

fn read_available_from(id: &str, text: &str, place: &Place, findings: &mut Findings) -> Option<UnixSeconds> {
    if text.is_empty() {
        return None;
    }
    let moment = UnixSeconds::from_rfc3339(text);
    if moment.is_none() {
        let message =
            format!("available_from {} of account {} is not an RFC 3339 date", quoted(text), quoted(id));
        let help = date_help(text);
        findings.add(place, Code::InvalidValue, message, help).primary(Span::value("available_from"));
    }
    moment
}
