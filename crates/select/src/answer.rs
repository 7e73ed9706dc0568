//! Selections and problems as JSON, put together from pieces that the snapshot holds ready.

use switchboard_snapshot::Snapshot;
use switchboard_snapshot::format::{ArchivedAccount, ArchivedMember};
use switchboard_snapshot::view::Records;

use super::{Code, Selection};

/// More than the fixed parts, the rule, the country, the reason and the two numbers take together.
const LONGEST_REST: usize = 192;

/// Where in the snapshot lies what an answer says of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lead {
    start: u32,
    len: u16,
    id_len: u16,
    tail: u16,
}

impl Lead {
    /// A candidate's.
    pub fn of_member(member: &ArchivedMember) -> Lead {
        Lead {
            start: member.lead.start.to_native(),
            len: member.lead.len.to_native(),
            id_len: member.lead.id_len.to_native(),
            tail: member.tail.to_native(),
        }
    }

    /// Any account's.
    pub fn of_account(account: &ArchivedAccount) -> Lead {
        Lead {
            start: account.lead.start.to_native(),
            len: account.lead.len.to_native(),
            id_len: account.lead.id_len.to_native(),
            tail: account.tail.to_native(),
        }
    }
}

/// Begins to fetch what [`write_selection`] copies.
pub(super) fn near_selection(snapshot: &Snapshot, selection: &Selection) {
    snapshot.near_text(selection.lead.start);
    if let Some(found) = selection.found {
        snapshot.near_text(snapshot.contents().level_pools.at(found.place).place.start.to_native());
    }
}

/// Appends a selection as a JSON object, from bytes prepared in the snapshot.
///
/// All pieces are found before the first is copied: in a large snapshot each lies in memory that is far away,
/// and so they are fetched side by side.
pub fn write_selection(out: &mut Vec<u8>, snapshot: &Snapshot, selection: &Selection) {
    let contents = snapshot.contents();
    let Lead { start, len, id_len, tail } = selection.lead;
    let lead = snapshot.slice(start, u32::from(len));
    let tail = snapshot.text(contents.tails.at(u32::from(tail)));
    let place = selection
        .found
        .map(|found| (snapshot.text(&contents.level_pools.at(found.place).place), found.climbed));
    let (id, address) = lead.split_at_checked(usize::from(id_len)).unwrap_or_default();
    out.reserve(lead.len() + tail.len() + place.map_or(0, |(place, _)| place.len()) + LONGEST_REST);

    out.extend_from_slice(br#"{"account":""#);
    out.extend_from_slice(id);
    out.extend_from_slice(br#"","address":""#);
    out.extend_from_slice(address);
    out.extend_from_slice(tail);
    out.extend_from_slice(selection.rule.text().as_bytes());
    out.push(b'"');
    if let Some((place, climbed)) = place {
        out.extend_from_slice(place);
        out.extend_from_slice(itoa::Buffer::new().format(climbed).as_bytes());
    }
    if let Some(country) = selection.client_country {
        out.extend_from_slice(br#","client_country":""#);
        // Two letters: where the compiler knows that, it writes them without a call.
        if let Some(letters) = country.alpha2().as_bytes().first_chunk::<2>() {
            out.extend_from_slice(letters);
        }
        out.push(b'"');
    }
    if let Some(ignored) = selection.current_ignored {
        out.extend_from_slice(br#","current_ignored":""#);
        out.extend_from_slice(ignored.text().as_bytes());
        out.push(b'"');
    }
    out.extend_from_slice(br#","generation":"#);
    out.extend_from_slice(snapshot.generation_digits().as_bytes());
    out.push(b'}');
}

/// Appends a problem (RFC 9457) as a JSON object.
///
/// `detail` replaces the code's own where more is known; it must not repeat anything a caller sent.
pub fn write_problem(out: &mut Vec<u8>, code: Code, detail: Option<&str>, generation: Option<u64>) {
    out.extend_from_slice(br#"{"type":"urn:switchboard:problem:"#);
    out.extend_from_slice(code.text().as_bytes());
    out.extend_from_slice(br#"","title":""#);
    out.extend_from_slice(code.title().as_bytes());
    out.extend_from_slice(br#"","status":"#);
    out.extend_from_slice(itoa::Buffer::new().format(code.status()).as_bytes());
    out.extend_from_slice(br#","detail":"#);
    match detail {
        // Titles and details of our own need no escaping; what a message quotes may.
        Some(detail) => out.extend_from_slice(serde_json::Value::from(detail).to_string().as_bytes()),
        None => {
            out.push(b'"');
            out.extend_from_slice(code.detail().as_bytes());
            out.push(b'"');
        }
    }
    out.extend_from_slice(br#","code":""#);
    out.extend_from_slice(code.text().as_bytes());
    out.push(b'"');
    if let Some(generation) = generation {
        out.extend_from_slice(br#","generation":"#);
        out.extend_from_slice(itoa::Buffer::new().format(generation).as_bytes());
    }
    out.push(b'}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_problems_say_needs_no_escaping_or_is_escaped() {
        for code in Code::ALL {
            for detail in [None, Some("a \"b\" \\ \u{1} c")] {
                let mut out = Vec::new();
                write_problem(&mut out, code, detail, Some(7));
                let read: serde_json::Value = serde_json::from_slice(&out).unwrap();
                assert_eq!(read["title"], code.title());
                assert_eq!(read["detail"], detail.unwrap_or(code.detail()));
            }
        }
    }
}
