//! Shares that come out as asked, however unequal the requests are.

use crate::dice::Dice;

/// How many times the weight at hand a debt is spread over: enough that chance is left in each decision.
const SPREAD: f64 = 2.0;

/// A share of some weights. What chance gives too much or too little is made good by those that follow, so that
/// it comes out even where the first request weighs as much as a thousand others.
pub(super) struct Share {
    wanted: f64,
    all: f64,
    given: f64,
}

impl Share {
    /// So many per cent.
    pub(super) fn of(percent: f64) -> Share {
        Share { wanted: percent / 100.0, all: 0.0, given: 0.0 }
    }

    /// Whether the next one, which weighs so much, should be one of the share.
    pub(super) fn wants(&self, weight: f64, dice: &mut Dice) -> bool {
        let debt = self.wanted * self.all - self.given;
        dice.chance() < self.wanted + debt / (SPREAD * weight)
    }

    /// Whether it is one in the end.
    pub(super) fn settle(&mut self, weight: f64, given: bool) {
        self.all += weight;
        if given {
            self.given += weight;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_comes_out_even_where_weights_are_not() {
        for percent in [0.0, 3.0, 50.0, 97.0, 100.0] {
            for exponent in [0.0, 1.0, 1.5] {
                let (mut share, mut dice) = (Share::of(percent), Dice::new(1, 0));
                for rank in 1..=10_000 {
                    let weight = f64::from(rank).powf(-exponent);
                    let wants = share.wants(weight, &mut dice);
                    share.settle(weight, wants);
                }
                // At an exponent of 1.5 the first alone is 38 % of all: no other can make that good.
                let strays = (share.given / share.all * 100.0 - percent).abs();
                let first = 100.0 / share.all;
                assert!(
                    strays <= 0.2 || first > percent.min(100.0 - percent),
                    "{percent} % at {exponent}: off by {strays}"
                );
            }
        }
    }
}
