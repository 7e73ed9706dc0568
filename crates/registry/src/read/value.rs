//! Reads values that TOML and CSV write alike: ids and countries.

use switchboard_model::{MAX_ID_BYTES, MAX_USER_ID_BYTES, Region, find_invisible, is_id, is_user_id};

use super::spelling::country_help;
use crate::redact::quoted;
use crate::{Code, Findings, Place, Span};

/// Reports a text that is not an id. `what` names the id in the message, such as `OU id`.
pub(super) fn require_id(text: &str, what: &str, place: &Place, span: Span, findings: &mut Findings) {
    if is_id(text) {
        return;
    }
    let message = if text.is_empty() {
        format!("{what} is empty")
    } else if text.len() > MAX_ID_BYTES {
        format!("{what} {} is longer than {MAX_ID_BYTES} bytes", quoted(text))
    } else {
        format!("{what} {} has a character that is not allowed in ids", quoted(text))
    };
    let help =
        format!("use 1 to {MAX_ID_BYTES} printable ASCII characters without space, comma, slash or quote");
    findings.add(place, Code::InvalidId, message, help).primary(span);
}

/// Reports a text that is not the id of a user.
pub(super) fn require_user_id(text: &str, place: &Place, span: Span, findings: &mut Findings) {
    if is_user_id(text) {
        return;
    }
    let (message, help) = match find_invisible(text) {
        Some(found) => {
            let message = format!("user id {} has the invisible character {found}", quoted(text));
            (message, "delete the character, or type the id again".to_owned())
        }
        None => {
            let message = format!("user id {} is longer than {MAX_USER_ID_BYTES} bytes", quoted(text));
            (message, format!("use 1 to {MAX_USER_ID_BYTES} bytes of UTF-8"))
        }
    };
    findings.add(place, Code::InvalidId, message, help).primary(span);
}

/// Parses an assigned country code in upper or lower case. Reports any other text.
pub(super) fn parse_country(
    key: &str,
    text: &str,
    place: &Place,
    span: impl FnOnce() -> Span,
    findings: &mut Findings,
) -> Option<Region> {
    let region = Region::from_alpha2(text);
    if region.is_none() {
        let help = match text.to_ascii_uppercase().as_str() {
            // Some official documents use these two codes instead of the codes of ISO 3166-1.
            "UK" => "did you mean `GB`?",
            "EL" => "did you mean `GR`?",
            _ => "write two letters that ISO 3166-1 assigns to a country, such as `GB`",
        };
        let help = country_help(text).unwrap_or_else(|| help.to_owned());
        let message = format!("{key} {} is not an assigned country code", quoted(text));
        findings.add(place, Code::InvalidCountry, message, help).primary(span());
    }
    region
}
