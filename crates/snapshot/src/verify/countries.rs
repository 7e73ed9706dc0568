//! Sets of countries, one bit each, in the order that they are stored in.

use std::sync::LazyLock;

use switchboard_model::Region;

/// A set of countries.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Countries([u64; 4]);

impl Countries {
    pub(super) fn stored(words: &[rkyv::rend::u64_le; 4]) -> Countries {
        Countries(words.map(|word| word.to_native()))
    }

    pub(super) fn only(country: u8) -> Countries {
        let mut set = Countries::default();
        set.insert(country);
        set
    }

    pub(super) fn insert(&mut self, country: u8) {
        if let Some(word) = self.0.get_mut(usize::from(country / 64)) {
            *word |= 1 << (country % 64);
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0 == [0; 4]
    }

    pub(super) fn contains(&self, country: u8) -> bool {
        self.0.get(usize::from(country / 64)).is_some_and(|word| word & (1 << (country % 64)) != 0)
    }

    pub(super) fn and(self, other: Countries) -> Countries {
        self.each_word(other, |mine, theirs| mine & theirs)
    }

    pub(super) fn without(self, other: Countries) -> Countries {
        self.each_word(other, |mine, theirs| mine & !theirs)
    }

    pub(super) fn or(self, other: Countries) -> Countries {
        self.each_word(other, |mine, theirs| mine | theirs)
    }

    fn each_word(mut self, other: Countries, with: impl Fn(u64, u64) -> u64) -> Countries {
        self.0.iter_mut().zip(other.0).for_each(|(mine, theirs)| *mine = with(*mine, theirs));
        self
    }

    /// Those that share a country's calling code, itself among them; none where it has no code.
    pub(super) fn alike(country: u8) -> Countries {
        static ALIKE: LazyLock<Vec<Countries>> = LazyLock::new(|| {
            let alike = |country: Region| {
                let mut alike = Countries::default();
                let same = |other: &Region| {
                    country.calling_code().is_some() && other.calling_code() == country.calling_code()
                };
                Region::all().filter(same).for_each(|other| alike.insert(other.index()));
                alike
            };
            Region::all().map(alike).collect()
        });
        ALIKE.get(usize::from(country)).copied().unwrap_or_default()
    }

    pub(super) fn len(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    /// In order.
    pub(super) fn iter(self) -> impl Iterator<Item = u8> {
        self.0.into_iter().zip([0, 64, 128, 192]).flat_map(|(mut left, first)| {
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as u8;
                left &= left.wrapping_sub(1);
                (bit < 64).then(|| first + bit)
            })
        })
    }
}
