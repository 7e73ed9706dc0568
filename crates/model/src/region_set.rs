//! Sets of regions, with one bit per region.

use std::sync::LazyLock;

use crate::Region;

/// The number of bits in a word.
const WORD: u8 = u64::BITS as u8;

/// A set of regions. A region is bit `index % 64` of word `index / 64`, by its [`index`](Region::index).
///
/// Snapshots store sets in this form. All operations take constant time and no heap memory.
///
/// ```
/// use switchboard_model::{Region, RegionSet};
///
/// let [gb, je] = ["GB", "JE"].map(|letters| Region::from_alpha2(letters).unwrap());
/// let set = RegionSet::from_iter([je, gb]);
/// assert_eq!(set.iter().collect::<Vec<_>>(), [gb, je]);
/// assert_eq!(set.rank(je), Some(1));
/// assert!(RegionSet::with_calling_code_of(gb).contains(je));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct RegionSet([u64; 4]);

impl RegionSet {
    /// The set that has no region.
    pub const EMPTY: RegionSet = RegionSet([0; 4]);

    /// Creates a set from its stored words. Keeps bits beyond the last region.
    #[inline]
    pub const fn from_words(words: [u64; 4]) -> RegionSet {
        RegionSet(words)
    }

    /// Returns the set as words, which is its stored form.
    #[inline]
    pub const fn words(self) -> [u64; 4] {
        self.0
    }

    /// Returns the regions that share the calling code of a region, including that region. Returns an empty
    /// set if the region has no calling code.
    pub fn with_calling_code_of(region: Region) -> RegionSet {
        static SETS: LazyLock<Vec<RegionSet>> = LazyLock::new(|| {
            let set = |region: Region| {
                let code = region.calling_code();
                Region::all().filter(|other| code.is_some() && other.calling_code() == code).collect()
            };
            Region::all().map(set).collect()
        });
        SETS.get(usize::from(region.index())).copied().unwrap_or_default()
    }

    /// Adds a region to the set.
    #[inline]
    pub fn insert(&mut self, region: Region) {
        if let Some(word) = self.0.get_mut(usize::from(region.index() / WORD)) {
            *word |= 1 << (region.index() % WORD);
        }
    }

    /// Returns whether the set contains a region.
    #[inline]
    pub fn contains(self, region: Region) -> bool {
        self.rank(region).is_some()
    }

    /// Returns how many regions of the set come before a region. Returns `None` if the set does not contain
    /// the region.
    #[inline]
    pub fn rank(self, region: Region) -> Option<u32> {
        let (at, mask) = (usize::from(region.index() / WORD), 1u64 << (region.index() % WORD));
        let word = *self.0.get(at)?;
        if word & mask == 0 {
            return None;
        }
        let before: u32 = self.0.iter().take(at).map(|word| word.count_ones()).sum();
        Some(before + (word & (mask - 1)).count_ones())
    }

    /// Returns whether the set is empty. Counts bits beyond the last region.
    #[inline]
    pub fn is_empty(self) -> bool {
        self == RegionSet::EMPTY
    }

    /// Returns the number of regions in the set. Counts bits beyond the last region.
    #[inline]
    pub fn len(self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// Returns the regions that are in both sets.
    #[must_use]
    pub fn intersection(self, other: RegionSet) -> RegionSet {
        self.zip_words(other, |mine, theirs| mine & theirs)
    }

    /// Returns the regions that are in at least one of the sets.
    #[must_use]
    pub fn union(self, other: RegionSet) -> RegionSet {
        self.zip_words(other, |mine, theirs| mine | theirs)
    }

    /// Returns the regions that are in this set and not in the other one.
    #[must_use]
    pub fn difference(self, other: RegionSet) -> RegionSet {
        self.zip_words(other, |mine, theirs| mine & !theirs)
    }

    /// Returns the regions in alphabetical order. Skips bits beyond the last region.
    pub fn iter(self) -> impl Iterator<Item = Region> {
        let words = self.0.into_iter().zip((0u8..).step_by(usize::from(WORD)));
        let indices = words.flat_map(|(mut left, first)| {
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as u8;
                left &= left.wrapping_sub(1);
                (bit < WORD).then(|| first + bit)
            })
        });
        indices.filter_map(Region::from_index)
    }

    fn zip_words(mut self, other: RegionSet, with: impl Fn(u64, u64) -> u64) -> RegionSet {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine = with(*mine, theirs));
        self
    }
}

impl From<Region> for RegionSet {
    /// Creates the set that contains only this region.
    fn from(region: Region) -> RegionSet {
        RegionSet::from_iter([region])
    }
}

impl FromIterator<Region> for RegionSet {
    fn from_iter<I: IntoIterator<Item = Region>>(regions: I) -> RegionSet {
        let mut set = RegionSet::EMPTY;
        regions.into_iter().for_each(|region| set.insert(region));
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_of_all_regions_ranks_each_by_its_index() {
        let all: RegionSet = Region::all().collect();
        assert_eq!(all.len() as usize, Region::COUNT);
        for region in Region::all() {
            assert_eq!(all.rank(region), Some(u32::from(region.index())));
        }
        assert!(all.iter().eq(Region::all()));
    }

    #[test]
    fn set_operations_agree_with_those_of_sorted_sets() {
        use std::collections::BTreeSet;
        let of = |modulus: u8| Region::all().filter(move |region| region.index() % modulus == 0);
        let (twos, threes): (RegionSet, RegionSet) = (of(2).collect(), of(3).collect());
        let (two, three): (BTreeSet<Region>, BTreeSet<Region>) = (of(2).collect(), of(3).collect());
        assert!(twos.intersection(threes).iter().eq(two.intersection(&three).copied()));
        assert!(twos.union(threes).iter().eq(two.union(&three).copied()));
        assert!(twos.difference(threes).iter().eq(two.difference(&three).copied()));
        assert!(twos.difference(twos).is_empty());
    }

    #[test]
    fn bits_beyond_the_last_region_name_none() {
        let beyond = RegionSet::from_words([0, 0, 0, 1 << 63]);
        assert_eq!(beyond.iter().count(), 0);
        assert!(!beyond.is_empty());
    }
}
