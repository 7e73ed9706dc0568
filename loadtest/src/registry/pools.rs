//! Pools: which OUs they serve, which countries they hold, and how they fall back.

use super::{
    tree::{COUNTRY, Tree, split},
    world::{ASIA, COUNTRIES, SATELLITES, code},
};
use crate::{
    channel::{CHANNELS, Channel},
    dice::Dice,
};
use std::collections::HashMap;

/// Countries that share their calling code with another one in [`COUNTRIES`].
const SHARING: [&str; 10] = ["US", "CA", "PR", "DO", "JM", "TT", "BS", "KY", "BM", "KZ"];

pub(crate) struct Pool {
    pub(crate) channel: &'static Channel,
    /// The first one gives the pool its name.
    pub(crate) ous: Vec<u32>,
    /// 1 for the first pool named after that OU, 2 for the next.
    ordinal: u32,
    pub(crate) priority: u32,
    pub(crate) calling_code: bool,
    pub(crate) upward: bool,
    /// Indices of [`COUNTRIES`]; the first one is the home country.
    pub(crate) countries: Vec<usize>,
    /// The home country is the default too.
    pub(crate) default_country: bool,
    /// From a country that the pool has no account of, to one it has.
    pub(crate) geography: Vec<(usize, usize)>,
    /// How many accounts.
    pub(crate) size: usize,
    /// The serial of its first account of the conversation role: of the home country, active.
    pub(crate) anchor: u32,
}

impl Pool {
    pub(crate) fn home(&self) -> usize {
        self.countries.first().copied().unwrap_or_default()
    }

    pub(crate) fn id(&self, tree: &Tree<'_>) -> String {
        let ou = tree.id(self.ous.first().copied().unwrap_or_default());
        match self.ordinal {
            1 => format!("{}-{ou}", self.channel.prefix),
            n => format!("{}-{ou}-{n}", self.channel.prefix),
        }
    }
}

pub(crate) struct Pools {
    pub(crate) all: Vec<Pool>,
    /// How many pools of a channel an OU has.
    allocated: HashMap<(u32, usize), u32>,
    named: HashMap<(u32, usize), u32>,
}

impl Pools {
    /// `count` pools that hold `accounts` accounts together; three or more each.
    pub(crate) fn plan(tree: &Tree<'_>, count: usize, accounts: usize, dice: &mut Dice) -> Self {
        let mut pools =
            Self { all: Vec::with_capacity(count), allocated: HashMap::new(), named: HashMap::new() };
        let channels = CHANNELS.len().min(count);
        // Each channel in use has a pool at the root: so every OU is served.
        for channel in CHANNELS.iter().take(channels) {
            pools.add(tree, channel, 0, dice);
        }
        // Then the regions and the countries, for what everybody uses, half the pools at most.
        'upper: for level in 1..=COUNTRY {
            for channel in CHANNELS.iter().take(2) {
                for ou in (0..tree.ous.len() as u32).filter(|&ou| level_of(tree, ou) == level) {
                    if pools.all.len() >= count / 2 {
                        break 'upper;
                    }
                    pools.add(tree, channel, ou, dice);
                }
            }
        }
        while pools.all.len() < count {
            // Now and then a second pool where there is one of the channel already.
            let twin = if dice.per_mille(40) { dice.below(pools.all.len()) } else { usize::MAX };
            if let Some((channel, ou)) = pools.all.get(twin).and_then(|p| Some((p.channel, *p.ous.first()?)))
            {
                pools.add(tree, channel, ou, dice);
                continue;
            }
            let shares = CHANNELS.iter().take(channels).map(|channel| channel.share);
            let Some(channel) = CHANNELS.get(dice.weighted(shares)) else { continue };
            let ou = somewhere(tree, channel, dice);
            pools.add(tree, channel, ou, dice);
        }
        pools.stock(tree, accounts, dice);
        pools
    }

    pub(crate) fn allocated(&self, ou: u32, channel: &Channel) -> u32 {
        self.allocated.get(&(ou, channel.index)).copied().unwrap_or_default()
    }

    /// A pool of `channel` at `ou`, and now and then at a sibling or two as well.
    fn add(&mut self, tree: &Tree<'_>, channel: &'static Channel, ou: u32, dice: &mut Dice) {
        let mut ous = vec![ou];
        if ou > 0 && dice.per_mille(120) {
            let siblings = (ou + 1..=ou + dice.between(1, 2) as u32).filter(|&s| {
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
        self.all.push(Pool {
            channel,
            priority: (self.allocated(ou, channel) - 1) * 10,
            ous,
            ordinal,
            calling_code: dice.per_mille(150),
            upward: ou > 0 && dice.per_mille(850),
            countries: Vec::new(),
            default_country: ou == 0 || dice.per_mille(400),
            geography: Vec::new(),
            size: 0,
            anchor: 0,
        });
    }

    /// Gives every pool its countries, its mappings and its part of the accounts.
    fn stock(&mut self, tree: &Tree<'_>, accounts: usize, dice: &mut Dice) {
        let average = accounts / self.all.len().max(1);
        let mut weights = Vec::with_capacity(self.all.len());
        for pool in &mut self.all {
            let root = pool.ous.first() == Some(&0);
            let most = (average / 3).clamp(1, if root { 24 } else { 10 });
            pool.countries = countries_of(tree, pool, dice.between(1, most), dice);
            if dice.per_mille(300) {
                pool.geography = mappings(pool, dice);
            }
            // Some are dozens of times as large as others; the first of all has a sixtieth of everything.
            let weight = 10 * (1 << dice.between(0, 6)) + dice.below(20);
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

fn level_of(tree: &Tree<'_>, ou: u32) -> usize {
    tree.ous.get(ou as usize).map_or(0, |o| o.level as usize)
}

/// An OU below the countries, mostly: for Asia's channels an Asian one, where a few throws find one.
fn somewhere(tree: &Tree<'_>, channel: &Channel, dice: &mut Dice) -> u32 {
    let mut ou = 0;
    for _ in 0..64 {
        ou = dice.below(tree.ous.len());
        let Some(found) = tree.ous.get(ou) else { continue };
        // Leaves outnumber all else: climb from half of them, so that every level has its pools.
        if found.level as usize > COUNTRY + 1 && dice.per_mille(500) {
            ou = found.parent as usize;
        }
        let asian = tree
            .ous
            .get(ou)
            .and_then(|o| COUNTRIES.get(o.place as usize).filter(|_| o.level as usize >= COUNTRY))
            .is_some_and(|country| country.region == ASIA);
        if asian || !channel.asian {
            break;
        }
    }
    ou as u32
}

/// The home country and up to `most` - 1 others of its region; from everywhere at the root.
fn countries_of(tree: &Tree<'_>, pool: &Pool, most: usize, dice: &mut Dice) -> Vec<usize> {
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
    chosen.push(if level >= COUNTRY { place } else { near.first().copied().unwrap_or_default() });
    for _ in 1..most {
        let weights = near.iter().map(|&c| COUNTRIES.get(c).map_or(0, |c| c.weight));
        if let Some(&country) = near.get(dice.weighted(weights))
            && !chosen.contains(&country)
        {
            chosen.push(country);
        }
    }
    chosen
}

/// One to three countries that the pool has not, each to one it has. Left out is what would chain
/// with the company's geography.
fn mappings(pool: &Pool, dice: &mut Dice) -> Vec<(usize, usize)> {
    let region = COUNTRIES.get(pool.home()).map(|c| c.region);
    let mut found: Vec<(usize, usize)> = Vec::new();
    for _ in 0..dice.between(1, 3) {
        let from = dice.below(COUNTRIES.len());
        let Some(&to) = dice.one_of(&pool.countries) else { continue };
        let near = COUNTRIES.get(from).map(|c| c.region) == region;
        let satellite = SATELLITES.iter().any(|&(a, b)| code(from) == a || code(from) == b);
        // By its calling code it would be served before any mapping is looked at.
        let shadowed = pool.calling_code && SHARING.contains(&code(from));
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
