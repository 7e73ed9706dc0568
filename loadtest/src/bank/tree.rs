//! ous.csv: group > regions and group functions > clusters > countries > businesses > cities >
//! desks.

use super::offices::{CLUSTERS, DESKS, FLOORS, FUNCTIONS, OFFICES, Office, Presence, REGIONS};
use crate::{error::Result, output::Sheet};
use std::path::Path;

/// A business: its word in an id, its name, in how many cities, and from which presence on.
struct Business(&'static str, &'static str, usize, &'static [Presence]);

static BUSINESSES: [Business; 6] = [
    Business("wealth", "Wealth Management", 4, &[Presence::Full, Presence::Branch, Presence::Office]),
    Business("corporate", "Corporate Banking", 3, &[Presence::Full, Presence::Branch, Presence::Office]),
    Business("retail", "Retail Banking", 3, &[Presence::Full, Presence::Branch]),
    Business("private-banking", "Private Banking", 2, &[Presence::Full]),
    Business("markets", "Markets", 1, &[Presence::Full]),
    Business("treasury", "Treasury Services", 0, &[Presence::Full]),
];

pub(crate) fn write(dir: &Path, root: &str) -> Result<()> {
    let mut ous = Ous(Sheet::create(dir.join("ous.csv"))?);
    ous.add("id", "parent", "name")?;
    ous.add(root, "", "Meridian Bank")?;
    for (id, name) in FUNCTIONS {
        ous.add(id, root, name)?;
    }
    for (region, name) in REGIONS {
        ous.add(region, root, name)?;
        for (cluster, _, name) in CLUSTERS.iter().filter(|(_, of, _)| *of == region) {
            ous.add(cluster, region, name)?;
            for office in OFFICES.iter().filter(|office| office.cluster == *cluster) {
                ous.add(&office.code.to_ascii_lowercase(), cluster, office.name)?;
                ous.businesses(office)?;
            }
        }
    }
    ous.0.finish()
}

struct Ous(Sheet);

impl Ous {
    fn add(&mut self, id: &str, parent: &str, name: &str) -> Result<()> {
        // A comma in a name is the only thing here that CSV wants quoted.
        let quote = if name.contains(',') { "\"" } else { "" };
        self.0.line(format_args!("{id},{parent},{quote}{name}{quote}"))
    }

    fn businesses(&mut self, office: &Office) -> Result<()> {
        let country = office.code.to_ascii_lowercase();
        for Business(word, name, cities, presences) in &BUSINESSES {
            if !presences.contains(&office.presence) {
                continue;
            }
            let business = format!("{country}-{word}");
            self.add(&business, &country, &format!("{name} {}", office.name))?;
            // A country with one city has no need of a level for it.
            let cities = if office.cities.len() > 1 { *cities } else { 0 };
            for city in office.cities.iter().take(cities) {
                let id = format!("{business}-{}", plain(city));
                self.add(&id, &business, &format!("{name} {city}"))?;
                if *word == "markets" && FLOORS.contains(&office.code) {
                    for (desk, title) in DESKS {
                        self.add(&format!("{id}-{desk}"), &id, &format!("{title} {city}"))?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A city's name as an id: lower case, hyphens, no accents.
fn plain(city: &str) -> String {
    let letter = |c: char| match c {
        ' ' => '-',
        'ã' => 'a',
        'é' => 'e',
        'í' => 'i',
        'ó' => 'o',
        'ü' => 'u',
        other => other.to_ascii_lowercase(),
    };
    city.chars().map(letter).collect()
}
