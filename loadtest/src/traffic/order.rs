//! Which request is next.

use super::mix::Mix;
use crate::dice::Dice;
use rand_distr::Zipf;

/// The requests that come to one outcome: numbered one after the other, the busiest client's first.
pub(super) struct Population {
    weight: f64,
    first: usize,
    len: usize,
    /// Of the ranks; none where all are equal.
    zipf: Option<Zipf<f64>>,
}

impl Population {
    /// So many requests from this number on, which together are asked as often as the weight says.
    pub(super) fn new(mix: &Mix, weight: f64, first: usize, len: usize) -> Population {
        // The mix holds the exponent to what the distribution takes.
        let zipf = mix.zipf.and_then(|exponent| Zipf::new(len as f64, exponent).ok());
        Population { weight, first, len, zipf }
    }
}

/// What each rank of a population weighs, the whole being the population's weight.
pub(super) fn weights(mix: &Mix, weight: f64, len: usize) -> Vec<f64> {
    let exponent = mix.zipf.unwrap_or(0.0);
    let raw: Vec<f64> = (1..=len).map(|rank| (rank as f64).powf(-exponent)).collect();
    let whole: f64 = raw.iter().sum();
    raw.into_iter().map(|one| one * weight / whole).collect()
}

/// Draws numbers of requests without end: an outcome by its weight, then a client of it.
pub(super) struct Order {
    dice: Dice,
    populations: Vec<Population>,
    whole: f64,
}

impl Order {
    pub(super) fn new(populations: Vec<Population>, dice: Dice) -> Order {
        let whole = populations.iter().map(|it| it.weight).sum();
        Order { dice, populations, whole }
    }

    pub(super) fn next(&mut self) -> usize {
        let mut left = self.dice.chance() * self.whole;
        let last = self.populations.len().saturating_sub(1);
        for (at, population) in self.populations.iter().enumerate() {
            if left < population.weight || at == last {
                return population.first
                    + match &population.zipf {
                        Some(zipf) => self.dice.rank(zipf).min(population.len - 1),
                        None => self.dice.below(population.len),
                    };
            }
            left -= population.weight;
        }
        0
    }
}
