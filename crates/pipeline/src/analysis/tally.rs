//! How many countries are served by which rule.

use std::collections::BTreeMap;

use super::Row;
use switchboard_select::Rule;

/// Each decision is counted once: as none, as climbed whatever the rule, or by its rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// By the client's country, at the OU itself.
    pub country: usize,
    /// By its calling code, at the OU itself.
    pub calling_code: usize,
    /// By a mapping, at the OU itself.
    pub mapping: usize,
    /// By a pool's default country, at the OU itself.
    pub default: usize,
    /// By whatever rule, above the OU.
    pub climbed: usize,
    /// By nothing.
    pub none: usize,
    /// Why by nothing.
    pub reasons: BTreeMap<&'static str, usize>,
}

impl Tally {
    /// Of a row.
    pub fn of(row: &Row) -> Tally {
        let mut tally = Tally::default();
        for (_, decision) in row.countries() {
            let count = match decision.served() {
                None => {
                    *tally.reasons.entry(decision.text()).or_default() += 1;
                    &mut tally.none
                }
                Some(served) if served.climbed > 0 => &mut tally.climbed,
                Some(served) => match served.rule {
                    Rule::CallingCode => &mut tally.calling_code,
                    Rule::Geography => &mut tally.mapping,
                    Rule::DefaultRegion => &mut tally.default,
                    Rule::Country | Rule::Current | Rule::Dedicated => &mut tally.country,
                },
            };
            *count += 1;
        }
        tally
    }

    /// Adds another's counts, `times` times over.
    pub fn add(&mut self, other: &Tally, times: usize) {
        let Tally { country, calling_code, mapping, default, climbed, none, reasons } = other;
        self.country += country * times;
        self.calling_code += calling_code * times;
        self.mapping += mapping * times;
        self.default += default * times;
        self.climbed += climbed * times;
        self.none += none * times;
        for (reason, count) in reasons {
            *self.reasons.entry(reason).or_default() += count * times;
        }
    }

    /// How many decisions were counted.
    pub fn sum(&self) -> usize {
        let Tally { country, calling_code, mapping, default, climbed, none, reasons: _ } = self;
        country + calling_code + mapping + default + climbed + none
    }
}
