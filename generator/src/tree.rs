//! ous.csv: the countries of a generated company, and its tree of organizational units: company > regions >
//! countries > areas > branches > desks > teams > squads.

use crate::{error::Result, rng::SeededRng, text_file::TextFile};
use std::path::Path;

pub(crate) struct WeightedCountry {
    pub(crate) code: &'static str,
    /// Index in [`REGIONS`].
    pub(crate) region: usize,
    /// Weight of the country in the number of OUs and accounts.
    pub(crate) weight: usize,
}

pub(crate) static REGIONS: [&str; 3] = ["emea", "apac", "americas"];

pub(crate) const ASIA: usize = 1;

const fn c(code: &'static str, region: usize, weight: usize) -> WeightedCountry {
    WeightedCountry { code, region, weight }
}

/// The countries. Large ones come first, because a small registry uses the beginning of the list.
#[rustfmt::skip] // a table, read across
pub(crate) static COUNTRIES: [WeightedCountry; 110] = [
    c("US", 2, 90), c("GB", 0, 60), c("IN", 1, 60), c("DE", 0, 50), c("BR", 2, 50), c("JP", 1, 45), c("FR", 0, 40),
    c("HK", 1, 30), c("SG", 1, 30), c("CH", 0, 30), c("CA", 2, 30), c("AU", 1, 30), c("IT", 0, 28), c("ES", 0, 28),
    c("MX", 2, 28), c("CN", 1, 40), c("AE", 0, 20), c("NL", 0, 20), c("ID", 1, 24), c("KR", 1, 20), c("TH", 1, 16),
    c("MY", 1, 16), c("ZA", 0, 16), c("SE", 0, 14), c("PL", 0, 14), c("TR", 0, 14), c("SA", 0, 14), c("AR", 2, 14),
    c("CO", 2, 14), c("CL", 2, 12), c("BE", 0, 12), c("AT", 0, 12), c("IE", 0, 12), c("PT", 0, 12), c("NO", 0, 10),
    c("DK", 0, 10), c("FI", 0, 10), c("TW", 1, 14), c("VN", 1, 14), c("PH", 1, 14), c("NZ", 1, 8), c("NG", 0, 12),
    c("EG", 0, 12), c("KE", 0, 8), c("MA", 0, 8), c("IL", 0, 10), c("QA", 0, 6), c("KW", 0, 6), c("BH", 0, 4),
    c("OM", 0, 4), c("CZ", 0, 8), c("HU", 0, 8), c("RO", 0, 8), c("GR", 0, 8), c("UA", 0, 8), c("SK", 0, 5),
    c("BG", 0, 5), c("HR", 0, 5), c("SI", 0, 4), c("RS", 0, 4), c("LT", 0, 4), c("LV", 0, 4), c("EE", 0, 4),
    c("LU", 0, 6), c("MT", 0, 3), c("CY", 0, 4), c("IS", 0, 2), c("GE", 0, 3), c("KZ", 0, 5), c("UZ", 0, 4),
    c("PE", 2, 10), c("EC", 2, 6), c("UY", 2, 5), c("PY", 2, 4), c("BO", 2, 4), c("VE", 2, 5), c("PA", 2, 4),
    c("CR", 2, 4), c("GT", 2, 4), c("SV", 2, 3), c("HN", 2, 3), c("DO", 2, 5), c("PR", 2, 4), c("JM", 2, 3),
    c("TT", 2, 3), c("BS", 2, 2), c("KY", 2, 3), c("BM", 2, 2), c("GH", 0, 6), c("CI", 0, 4), c("SN", 0, 4),
    c("CM", 0, 3), c("TZ", 0, 5), c("UG", 0, 4), c("RW", 0, 2), c("ET", 0, 4), c("ZM", 0, 3), c("BW", 0, 2),
    c("NA", 0, 2), c("MU", 0, 3), c("TN", 0, 4), c("DZ", 0, 4), c("JO", 0, 4), c("PK", 1, 12), c("BD", 1, 10),
    c("LK", 1, 6), c("NP", 1, 4), c("KH", 1, 4), c("BN", 1, 2), c("FJ", 1, 2),
];

/// The company's geography: small countries, each with the neighbour that serves it. No account belongs to
/// the first country and no pool maps the second, so no mapping is part of a chain or unused.
#[rustfmt::skip] // a table, read across
pub(crate) static SATELLITES: [(&str, &str); 12] = [
    ("LI", "CH"), ("MC", "FR"), ("SM", "IT"), ("VA", "IT"), ("AD", "ES"), ("GI", "ES"),
    ("JE", "GB"), ("GG", "GB"), ("IM", "GB"), ("FO", "DK"), ("GL", "DK"), ("MO", "HK"),
];

pub(crate) fn country_code(country: usize) -> &'static str {
    COUNTRIES.get(country).map_or("US", |c| c.code)
}

/// For each level below the country: the word in an id, and the smallest and the largest number of children.
const LEVELS: [(&str, usize, usize); 5] =
    [("area", 4, 12), ("branch", 6, 20), ("desk", 3, 8), ("team", 2, 6), ("squad", 2, 5)];

/// Level of a country. The company is at level 0 and a region at level 1.
pub(crate) const COUNTRY_LEVEL: usize = 2;

pub(crate) struct GeneratedOu {
    /// Index of the parent, which is smaller than the OU's index. The parent of the root is the root.
    pub(crate) parent: u32,
    pub(crate) level: u8,
    /// Index of the region at level 1, and of the country from level 2 on.
    pub(crate) place: u16,
    /// Number among the OUs of the same country and level, from 1.
    serial: u32,
}

pub(crate) struct GeneratedTree<'a> {
    company: &'a str,
    pub(crate) ous: Vec<GeneratedOu>,
    /// Number of countries with OUs. They are the first of [`COUNTRIES`].
    pub(crate) countries: usize,
}

impl<'a> GeneratedTree<'a> {
    pub(crate) fn new(company: &'a str, size: usize, rng: &mut SeededRng) -> Self {
        let mut ous = Vec::with_capacity(size);
        ous.push(GeneratedOu { parent: 0, level: 0, place: 0, serial: 0 });
        let regions = REGIONS.len().min(size.saturating_sub(1));
        for place in 0..regions as u16 {
            ous.push(GeneratedOu { parent: 0, level: 1, place, serial: 0 });
        }
        let countries = COUNTRIES.len().min(size.saturating_sub(ous.len()));
        let spread = size.saturating_sub(ous.len() + countries);
        let weights: Vec<usize> = COUNTRIES.iter().take(countries).map(|c| c.weight).collect();
        let shares = split(spread, &weights);
        let mut tree = Self { company, ous, countries };
        for (place, (country, share)) in COUNTRIES.iter().zip(shares).enumerate() {
            let parent = 1 + country.region as u32;
            let at = tree.ous.len() as u32;
            let place = place as u16;
            tree.ous.push(GeneratedOu { parent, level: COUNTRY_LEVEL as u8, place, serial: 0 });
            tree.branch_out(at, place, 0, share, &mut [0; LEVELS.len()], rng);
        }
        tree
    }

    /// Adds `size` OUs below a parent: first its children, then the OUs below each child.
    fn branch_out(
        &mut self,
        parent: u32,
        place: u16,
        depth: usize,
        size: usize,
        serials: &mut [u32; LEVELS.len()],
        rng: &mut SeededRng,
    ) {
        let (Some(&(_, few, many)), Some(serial)) = (LEVELS.get(depth), serials.get_mut(depth)) else {
            return;
        };
        let last = depth + 1 == LEVELS.len();
        let children = if last { size } else { size.min(rng.between(few, many)) };
        let first = self.ous.len() as u32;
        for _ in 0..children {
            *serial += 1;
            let level = (COUNTRY_LEVEL + 1 + depth) as u8;
            self.ous.push(GeneratedOu { parent, level, place, serial: *serial });
        }
        let weights: Vec<usize> = (0..children).map(|_| rng.between(1, 4)).collect();
        for (child, share) in split(size - children, &weights).into_iter().enumerate() {
            if share > 0 {
                self.branch_out(first + child as u32, place, depth + 1, share, serials, rng);
            }
        }
    }

    pub(crate) fn parent(&self, ou: u32) -> Option<u32> {
        self.ous.get(ou as usize).filter(|o| o.level > 0).map(|o| o.parent)
    }

    pub(crate) fn id(&self, ou: u32) -> String {
        let Some(&GeneratedOu { level, place, serial, .. }) = self.ous.get(ou as usize) else {
            return String::new();
        };
        let country = || country_code(place as usize).to_ascii_lowercase();
        match (level, LEVELS.get((level as usize).wrapping_sub(COUNTRY_LEVEL + 1))) {
            (0, _) => self.company.to_owned(),
            (1, _) => REGIONS.get(place as usize).copied().unwrap_or_default().to_owned(),
            (_, Some((word, ..))) => format!("{}-{word}-{serial}", country()),
            (_, None) => country(),
        }
    }

    fn name(&self, ou: u32) -> String {
        let Some(&GeneratedOu { level, place, serial, .. }) = self.ous.get(ou as usize) else {
            return String::new();
        };
        match (level, LEVELS.get((level as usize).wrapping_sub(COUNTRY_LEVEL + 1))) {
            (0, _) => "Group".to_owned(),
            (1, _) => REGIONS.get(place as usize).copied().unwrap_or_default().to_uppercase(),
            (_, Some((word, ..))) => format!("{} {word} {serial}", country_code(place as usize)),
            (_, None) => format!("Country office {}", country_code(place as usize)),
        }
    }

    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let mut sheet = TextFile::create(dir.join("ous.csv"))?;
        sheet.line(format_args!("id,parent,name"))?;
        for ou in 0..self.ous.len() as u32 {
            let parent = self.parent(ou).map(|p| self.id(p)).unwrap_or_default();
            sheet.line(format_args!("{},{parent},{}", self.id(ou), self.name(ou)))?;
        }
        sheet.finish()
    }
}

/// Divides a number into whole parts in proportion to the weights.
pub(crate) fn split(total: usize, weights: &[usize]) -> Vec<usize> {
    let sum: usize = weights.iter().sum::<usize>().max(1);
    let (mut seen, mut given) = (0, 0);
    let part = |weight: &usize| {
        seen += weight;
        let until = (total as u128 * seen as u128 / sum as u128) as usize;
        let part = until - given;
        given = until;
        part
    };
    weights.iter().map(part).collect()
}
