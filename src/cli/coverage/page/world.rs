//! The countries' names and outlines.

use std::collections::BTreeMap;

use switchboard_model::Region;

const WORLD: &str = include_str!("world.tsv");
/// The part of the map that countries are on, in its units: left, top, width, height.
pub(super) const VIEW: &str = "0 0 10100 6660";

/// A country on the map.
pub(super) struct Country {
    pub(super) name: &'static str,
    /// As a path's `d`; none of a country that is too small to be seen.
    pub(super) outline: Option<&'static str>,
}

/// Every country of the table. One that the map does not know has its code for a name.
pub(super) fn countries() -> impl Iterator<Item = (Region, Country)> {
    let known: BTreeMap<&str, Country> = WORLD.lines().filter_map(country).collect();
    let mut known = known;
    Region::all().map(move |region| {
        let code = region.alpha2();
        (region, known.remove(code).unwrap_or(Country { name: code, outline: None }))
    })
}

fn country(line: &'static str) -> Option<(&'static str, Country)> {
    let mut fields = line.split('\t');
    let (code, name) = (fields.next()?, fields.next()?);
    Some((code, Country { name, outline: fields.next().filter(|outline| !outline.is_empty()) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_country_has_a_name_and_most_an_outline() {
        let all: Vec<(Region, Country)> = countries().collect();
        assert_eq!(all.len(), Region::COUNT);
        for (region, country) in &all {
            assert!(country.name.len() > 2, "{region}");
        }
        assert!(all.iter().filter(|(_, country)| country.outline.is_some()).count() > 160);
        assert_eq!(WORLD.lines().filter_map(country).count(), Region::COUNT, "none that is no country");
    }
}
