//! The tree of organizational units: company > regions > countries > areas > branches > desks >
//! teams > squads.

use super::world::{COUNTRIES, REGIONS, code};
use crate::{dice::Dice, error::Result, output::Sheet};
use std::path::Path;

/// An OU's level, its word in an id, and how many children its parent has where there are enough.
const LEVELS: [(&str, usize, usize); 5] =
    [("area", 4, 12), ("branch", 6, 20), ("desk", 3, 8), ("team", 2, 6), ("squad", 2, 5)];

/// The level of a country; the company is 0 and a region 1.
pub(crate) const COUNTRY: usize = 2;

pub(crate) struct Ou {
    /// Always before its children. The root's is itself.
    pub(crate) parent: u32,
    pub(crate) level: u8,
    /// An index of [`COUNTRIES`] from level 2 on; the region's index at level 1.
    pub(crate) place: u16,
    /// Its number among those of its country and level.
    serial: u32,
}

pub(crate) struct Tree<'a> {
    company: &'a str,
    pub(crate) ous: Vec<Ou>,
    /// How many countries have OUs: the first ones of [`COUNTRIES`].
    pub(crate) countries: usize,
}

impl<'a> Tree<'a> {
    pub(crate) fn grow(company: &'a str, size: usize, dice: &mut Dice) -> Self {
        let mut ous = Vec::with_capacity(size);
        ous.push(Ou { parent: 0, level: 0, place: 0, serial: 0 });
        let regions = REGIONS.len().min(size.saturating_sub(1));
        for place in 0..regions as u16 {
            ous.push(Ou { parent: 0, level: 1, place, serial: 0 });
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
            tree.ous.push(Ou { parent, level: COUNTRY as u8, place, serial: 0 });
            tree.branch_out(at, place, 0, share, &mut [0; LEVELS.len()], dice);
        }
        tree
    }

    /// Puts `size` OUs below `parent`: its children side by side, then theirs.
    fn branch_out(
        &mut self,
        parent: u32,
        place: u16,
        depth: usize,
        size: usize,
        serials: &mut [u32; LEVELS.len()],
        dice: &mut Dice,
    ) {
        let (Some(&(_, few, many)), Some(serial)) = (LEVELS.get(depth), serials.get_mut(depth)) else {
            return;
        };
        let last = depth + 1 == LEVELS.len();
        let children = if last { size } else { size.min(dice.between(few, many)) };
        let first = self.ous.len() as u32;
        for _ in 0..children {
            *serial += 1;
            let level = (COUNTRY + 1 + depth) as u8;
            self.ous.push(Ou { parent, level, place, serial: *serial });
        }
        let weights: Vec<usize> = (0..children).map(|_| dice.between(1, 4)).collect();
        for (child, share) in split(size - children, &weights).into_iter().enumerate() {
            if share > 0 {
                self.branch_out(first + child as u32, place, depth + 1, share, serials, dice);
            }
        }
    }

    pub(crate) fn parent(&self, ou: u32) -> Option<u32> {
        self.ous.get(ou as usize).filter(|o| o.level > 0).map(|o| o.parent)
    }

    pub(crate) fn id(&self, ou: u32) -> String {
        let Some(&Ou { level, place, serial, .. }) = self.ous.get(ou as usize) else { return String::new() };
        let country = || code(place as usize).to_ascii_lowercase();
        match (level, LEVELS.get((level as usize).wrapping_sub(COUNTRY + 1))) {
            (0, _) => self.company.to_owned(),
            (1, _) => REGIONS.get(place as usize).copied().unwrap_or_default().to_owned(),
            (_, Some((word, ..))) => format!("{}-{word}-{serial}", country()),
            (_, None) => country(),
        }
    }

    fn name(&self, ou: u32) -> String {
        let Some(&Ou { level, place, serial, .. }) = self.ous.get(ou as usize) else { return String::new() };
        match (level, LEVELS.get((level as usize).wrapping_sub(COUNTRY + 1))) {
            (0, _) => "Group".to_owned(),
            (1, _) => REGIONS.get(place as usize).copied().unwrap_or_default().to_uppercase(),
            (_, Some((word, ..))) => format!("{} {word} {serial}", code(place as usize)),
            (_, None) => format!("Country office {}", code(place as usize)),
        }
    }

    pub(crate) fn write(&self, dir: &Path) -> Result<()> {
        let mut sheet = Sheet::create(dir.join("ous.csv"))?;
        sheet.line(format_args!("id,parent,name"))?;
        for ou in 0..self.ous.len() as u32 {
            let parent = self.parent(ou).map(|p| self.id(p)).unwrap_or_default();
            sheet.line(format_args!("{},{parent},{}", self.id(ou), self.name(ou)))?;
        }
        sheet.finish()
    }
}

/// `total` in whole parts that stand to each other as the weights, and add up.
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
