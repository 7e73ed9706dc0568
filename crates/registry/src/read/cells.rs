//! Values that are written the same way in TOML and in CSV.

use crate::shown;
use crate::{Code, Findings, Mark, Place};
use switchboard_model::Region;

/// An assigned country, in either case.
pub(super) fn country(
    key: &str,
    text: &str,
    place: &Place,
    mark: impl FnOnce() -> Mark,
    findings: &mut Findings,
) -> Option<Region> {
    let region = Region::from_alpha2(text);
    if region.is_none() {
        let help = match text.to_ascii_uppercase().as_str() {
            // The two that official papers use beside ISO 3166-1.
            "UK" => "did you mean `GB`?",
            "EL" => "did you mean `GR`?",
            _ => "write two letters that ISO 3166-1 assigns to a country, such as `GB`",
        };
        let message = format!("{key} {} is not an assigned country", shown(text));
        findings.add(place, Code::InvalidCountry, message, help).at(mark());
    }
    region
}
