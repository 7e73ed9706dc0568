//! company.toml: the settings of a generated company, and its pools with their OUs, countries and fallbacks.

use crate::{
    account_sheet::{CHANNELS, Channel},
    error::Result,
    rng::SeededRng,
    text_file::TextFile,
    tree::{ASIA, COUNTRIES, COUNTRY_LEVEL, GeneratedTree, SATELLITES, country_code, split},
};
use std::{collections::HashMap, path::Path};

/// Countries that share their calling code with another country of [`COUNTRIES`].
const SHARED_CALLING_CODES: [&str; 10] = ["US", "CA", "PR", "DO", "JM", "TT", "BS", "KY", "BM", "KZ"];

pub(crate) struct GeneratedPool {
    pub(crate) channel: &'static Channel,
    /// Indices of the pool's OUs. The id of the first OU is a part of the pool's id.
    pub(crate) ous: Vec<u32>,
    /// Number of the pool among those with the same OU in their id, from 1.
    ordinal: u32,
    pub(crate) priority: u32,
    pub(crate) calling_code: bool,
    pub(crate) upward: bool,
    /// Indices in [`COUNTRIES`]. The first is the home country.
    pub(crate) countries: Vec<usize>,
    /// Whether the home country is the pool's default country.
    pub(crate) default_country: bool,
    /// Mappings from a country without accounts in the pool to a country with accounts.
    pub(crate) geography: Vec<(usize, usize)>,
    pub(crate) size: usize,
    /// Serial number of the pool's first account of the conversation role. The account is active and belongs
    /// to the home country.
    pub(crate) anchor: u32,
}

impl GeneratedPool {
    pub(crate) fn home(&self) -> usize {
        self.countries.first().copied().unwrap_or_default()
    }

    pub(crate) fn id(&self, tree: &GeneratedTree<'_>) -> String {
        let ou = tree.id(self.ous.first().copied().unwrap_or_default());
        match self.ordinal {
            1 => format!("{}-{ou}", self.channel.prefix),
            n => format!("{}-{ou}-{n}", self.channel.prefix),
        }
    }
}

pub(crate) struct Pools {
    pub(crate) all: Vec<GeneratedPool>,
    /// Number of pools by OU and channel.
    allocated: HashMap<(u32, usize), u32>,
    /// Number of pools whose id has the OU, by OU and channel.
    named: HashMap<(u32, usize), u32>,
}

impl Pools {
    /// Plans `count` pools that have `accounts` accounts together, and at least three accounts each.
    pub(crate) fn new(tree: &GeneratedTree<'_>, count: usize, accounts: usize, rng: &mut SeededRng) -> Self {
        let mut pools =
            Self { all: Vec::with_capacity(count), allocated: HashMap::new(), named: HashMap::new() };
        let channels = CHANNELS.len().min(count);
        // Each channel has a pool at the root. It serves every OU.
        for channel in CHANNELS.iter().take(channels) {
            pools.add(tree, channel, 0, rng);
        }
        // At most half of the pools are at regions and countries, on the two most common channels.
        'upper: for level in 1..=COUNTRY_LEVEL {
            for channel in CHANNELS.iter().take(2) {
                for ou in (0..tree.ous.len() as u32).filter(|&ou| level_of(tree, ou) == level) {
                    if pools.all.len() >= count / 2 {
                        break 'upper;
                    }
                    pools.add(tree, channel, ou, rng);
                }
            }
        }
        while pools.all.len() < count {
            // One pool in 25 shares its OU and channel with another pool.
            let twin = if rng.per_mille(40) { rng.below(pools.all.len()) } else { usize::MAX };
            if let Some((channel, ou)) = pools.all.get(twin).and_then(|p| Some((p.channel, *p.ous.first()?)))
            {
                pools.add(tree, channel, ou, rng);
                continue;
            }
            let shares = CHANNELS.iter().take(channels).map(|channel| channel.share);
            let Some(channel) = CHANNELS.get(rng.weighted(shares)) else { continue };
            let ou = draw_ou(tree, channel, rng);
            pools.add(tree, channel, ou, rng);
        }
        pools.stock(tree, accounts, rng);
        pools
    }

    pub(crate) fn allocated(&self, ou: u32, channel: &Channel) -> u32 {
        self.allocated.get(&(ou, channel.index)).copied().unwrap_or_default()
    }

    /// Adds a pool of a channel at an OU. One pool in eight is also at one or two sibling OUs.
    fn add(&mut self, tree: &GeneratedTree<'_>, channel: &'static Channel, ou: u32, rng: &mut SeededRng) {
        let mut ous = vec![ou];
        if ou > 0 && rng.per_mille(120) {
            let siblings = (ou + 1..=ou + rng.between(1, 2) as u32).filter(|&s| {
                (s as usize) < tree.ous.len()
                    && tree.parent(s) == tree.parent(ou)
                    && level_of(tree, s) == level_of(tree, ou)
            });
            ous.extend(siblings);
        }
        let ordinal = self.named.entry((ou, channel.index)).or_default();
        *ordinal += 1;
        let ordinal = *ordinal;
        for &ou in &ous {
            *self.allocated.entry((ou, channel.index)).or_default() += 1;
        }
        self.all.push(GeneratedPool {
            channel,
            priority: (self.allocated(ou, channel) - 1) * 10,
            ous,
            ordinal,
            calling_code: rng.per_mille(150),
            upward: ou > 0 && rng.per_mille(850),
            countries: Vec::new(),
            default_country: ou == 0 || rng.per_mille(400),
            geography: Vec::new(),
            size: 0,
            anchor: 0,
        });
    }

    /// Sets the countries, the mappings and the number of accounts of every pool.
    fn stock(&mut self, tree: &GeneratedTree<'_>, accounts: usize, rng: &mut SeededRng) {
        let average = accounts / self.all.len().max(1);
        let mut weights = Vec::with_capacity(self.all.len());
        for pool in &mut self.all {
            let root = pool.ous.first() == Some(&0);
            let most = (average / 3).clamp(1, if root { 24 } else { 10 });
            pool.countries = countries_of(tree, pool, rng.between(1, most), rng);
            if rng.per_mille(300) {
                pool.geography = mappings(pool, rng);
            }
            // Some pools are dozens of times as large as others. The first has a sixtieth of all accounts.
            let weight = 10 * (1 << rng.between(0, 6)) + rng.below(20);
            weights.push(weight);
        }
        let sum: usize = weights.iter().sum();
        if let Some(first) = weights.first_mut() {
            *first += sum / 60;
        }
        let reserved: usize = self.all.iter().map(|p| p.countries.len() + 1).sum();
        let spread = split(accounts.saturating_sub(reserved), &weights);
        for (pool, more) in self.all.iter_mut().zip(spread) {
            pool.size = pool.countries.len() + 1 + more;
        }
    }
}

fn level_of(tree: &GeneratedTree<'_>, ou: u32) -> usize {
    tree.ous.get(ou as usize).map_or(0, |o| o.level as usize)
}

/// Returns a random OU. For an Asian channel, it is in Asia unless 64 draws find none there.
fn draw_ou(tree: &GeneratedTree<'_>, channel: &Channel, rng: &mut SeededRng) -> u32 {
    let mut ou = 0;
    for _ in 0..64 {
        ou = rng.below(tree.ous.len());
        let Some(found) = tree.ous.get(ou) else { continue };
        // Most OUs are leaves. Taking the parent of every second one gives pools to every level.
        if found.level as usize > COUNTRY_LEVEL + 1 && rng.per_mille(500) {
            ou = found.parent as usize;
        }
        let asian = tree
            .ous
            .get(ou)
            .and_then(|o| COUNTRIES.get(o.place as usize).filter(|_| o.level as usize >= COUNTRY_LEVEL))
            .is_some_and(|country| country.region == ASIA);
        if asian || !channel.asian {
            break;
        }
    }
    ou as u32
}

/// Returns the home country and up to `most` - 1 other countries of its region, or of the world at the root.
fn countries_of(
    tree: &GeneratedTree<'_>,
    pool: &GeneratedPool,
    most: usize,
    rng: &mut SeededRng,
) -> Vec<usize> {
    let ou = pool.ous.first().and_then(|&ou| tree.ous.get(ou as usize));
    let (level, place) = ou.map_or((0, 0), |o| (o.level as usize, o.place as usize));
    let region = match level {
        0 => None,
        1 => Some(place),
        _ => COUNTRIES.get(place).map(|c| c.region),
    };
    let near: Vec<usize> = (0..COUNTRIES.len())
        .filter(|&c| region.is_none_or(|r| COUNTRIES.get(c).is_some_and(|c| c.region == r)))
        .collect();
    let mut chosen = Vec::with_capacity(most);
    chosen.push(if level >= COUNTRY_LEVEL { place } else { near.first().copied().unwrap_or_default() });
    for _ in 1..most {
        let weights = near.iter().map(|&c| COUNTRIES.get(c).map_or(0, |c| c.weight));
        if let Some(&country) = near.get(rng.weighted(weights))
            && !chosen.contains(&country)
        {
            chosen.push(country);
        }
    }
    chosen
}

/// Returns up to three mappings from a country that the pool does not have to a country that it has. Leaves
/// out a mapping that forms a chain with the company's geography.
fn mappings(pool: &GeneratedPool, rng: &mut SeededRng) -> Vec<(usize, usize)> {
    let region = COUNTRIES.get(pool.home()).map(|c| c.region);
    let mut found: Vec<(usize, usize)> = Vec::new();
    for _ in 0..rng.between(1, 3) {
        let from = rng.below(COUNTRIES.len());
        let Some(&to) = rng.choose(&pool.countries) else { continue };
        let near = COUNTRIES.get(from).map(|c| c.region) == region;
        let satellite = SATELLITES.iter().any(|&(a, b)| country_code(from) == a || country_code(from) == b);
        // The calling code's rule precedes the mapping.
        let shadowed = pool.calling_code && SHARED_CALLING_CODES.contains(&country_code(from));
        if near
            && !satellite
            && !shadowed
            && !pool.countries.contains(&from)
            && found.iter().all(|&(f, _)| f != from)
        {
            found.push((from, to));
        }
    }
    found
}

pub(crate) fn write(dir: &Path, tree: &GeneratedTree<'_>, pools: &Pools) -> Result<()> {
    let mut sheet = TextFile::create(dir.join("company.toml"))?;
    sheet.text("# Generated by loadtest; the OUs are in ous.csv.\n")?;
    sheet.line(format_args!("name = \"{}\"", tree.id(0)))?;
    sheet.line(format_args!("ou_without_pool = \"inherit\""))?;
    sheet.line(format_args!("dedicated_unavailable = \"error\""))?;
    sheet.line(format_args!("platform_version = \"1.24.0\"\n"))?;
    sheet.line(format_args!("[geography]"))?;
    // A mapping to a country without accounts is a finding, because no selection uses it.
    let held =
        |country: &str| pools.all.iter().any(|p| p.countries.iter().any(|&c| country_code(c) == country));
    for (from, to) in SATELLITES.iter().filter(|(_, to)| held(to)) {
        sheet.line(format_args!("{from} = \"{to}\""))?;
    }
    for pool in &pools.all {
        write_pool(&mut sheet, tree, pool)?;
    }
    sheet.finish()
}

fn write_pool(sheet: &mut TextFile, tree: &GeneratedTree<'_>, pool: &GeneratedPool) -> Result<()> {
    let ous: Vec<String> = pool.ous.iter().map(|&ou| format!("\"{}\"", tree.id(ou))).collect();
    sheet.line(format_args!("\n[[pool]]\nid = \"{}\"", pool.id(tree)))?;
    sheet.line(format_args!("channel = \"{}\"\nous = [{}]", pool.channel.id, ous.join(", ")))?;
    if pool.priority > 0 {
        sheet.line(format_args!("priority = {}", pool.priority))?;
    }
    if pool.calling_code {
        sheet.line(format_args!("country_match = \"calling_code\""))?;
    }
    if pool.default_country {
        sheet.line(format_args!("default_country = \"{}\"", country_code(pool.home())))?;
    }
    if pool.upward {
        sheet.line(format_args!("fallback_upward = true"))?;
    }
    if !pool.geography.is_empty() {
        let pairs: Vec<String> = pool
            .geography
            .iter()
            .map(|&(from, to)| format!("{} = \"{}\"", country_code(from), country_code(to)))
            .collect();
        sheet.line(format_args!("geography = {{ {} }}", pairs.join(", ")))?;
    }
    Ok(())
}
