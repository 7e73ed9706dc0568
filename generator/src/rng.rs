//! Random numbers from a seed.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use rand_distr::{Distribution, Zipf};

/// A generator of random numbers: the same seed and stream give the same numbers on every machine.
pub struct SeededRng(ChaCha8Rng);

impl SeededRng {
    /// Creates a generator. Streams of one seed are independent of each other.
    pub fn new(seed: u64, stream: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Returns a number from 0 to `n` - 1, and 0 for `n` = 0. The bias is below 2^-32 for every `n` below
    /// 2^32.
    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Returns a number from `low` to `high`, both included.
    pub fn between(&mut self, low: usize, high: usize) -> usize {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// Returns true with a probability of `n` in a thousand.
    pub fn per_mille(&mut self, n: usize) -> bool {
        self.below(1000) < n
    }

    /// Returns a number from 0 to below 1, in steps of 2^-53.
    pub fn fraction(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Returns a rank of the distribution. Rank 0 is the most frequent.
    pub fn rank(&mut self, zipf: &Zipf<f64>) -> usize {
        (zipf.sample(&mut self.0) as usize).saturating_sub(1)
    }

    /// Returns one of the items, each with the same probability. Returns `None` for an empty slice.
    pub fn choose<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(self.below(items.len()))
    }

    /// Returns an index of `weights`, each with the probability of its share.
    pub fn weighted(&mut self, weights: impl Iterator<Item = usize> + Clone) -> usize {
        let mut left = self.below(weights.clone().sum());
        for (index, weight) in weights.enumerate() {
            if left < weight {
                return index;
            }
            left -= weight;
        }
        0
    }
}
