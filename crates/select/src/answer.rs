//! Selections and problems as JSON, put together from pieces that the snapshot holds ready.

use switchboard_snapshot::Snapshot;
use switchboard_snapshot::view::AccountPieces;

use super::{Code, Selection};

/// More than the fixed parts, the rule, the country, the reason and the two numbers take together.
const LONGEST_REST: usize = 192;

/// Begins to fetch what [`write_selection`] copies.
#[inline]
pub(super) fn prefetch_selection(snapshot: &Snapshot, selection: &Selection) {
    snapshot.prefetch_account_json(selection.account_json);
    if let Some(found) = selection.found {
        snapshot.prefetch_location_json(found.place);
    }
}

/// Appends a selection as a JSON object, from bytes prepared in the snapshot.
///
/// All pieces are found before the first is copied: in a large snapshot each lies in memory that is far away,
/// and so they are fetched side by side.
pub fn write_selection(out: &mut Vec<u8>, snapshot: &Snapshot, selection: &Selection) {
    let AccountPieces { id, address, suffix } = snapshot.account_pieces(selection.account_json);
    let location = selection.found.map(|found| (snapshot.location_json(found.place), found.climbed));
    let location_len = location.map_or(0, |(json, _)| json.len());
    out.reserve(id.len() + address.len() + suffix.len() + location_len + LONGEST_REST);

    out.extend_from_slice(br#"{"account":""#);
    out.extend_from_slice(id);
    out.extend_from_slice(br#"","address":""#);
    out.extend_from_slice(address);
    out.extend_from_slice(suffix);
    out.extend_from_slice(selection.rule.text().as_bytes());
    out.push(b'"');
    if let Some((json, climbed)) = location {
        out.extend_from_slice(json);
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
