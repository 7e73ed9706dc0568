//! The label values that the data listener counts by.

use super::route::Route;
use switchboard_select::{Answer, Code, Rule};

/// Label values of `outcome`: every rule, every code that a selection can end with, and that there was
/// nothing to select from.
pub fn outcomes() -> Vec<&'static str> {
    let mut texts = vec![""; Rule::ALL.len()];
    for rule in Rule::ALL {
        if let Some(text) = texts.get_mut(rule as usize) {
            *text = rule.text();
        }
    }
    texts.extend(Code::OF_SELECTION.map(Code::text));
    texts.push(Code::NoSnapshot.text());
    texts
}

/// Label values of `route`.
pub fn routes() -> Vec<&'static str> {
    Route::TEXTS.to_vec()
}

/// Label values of `code`.
pub fn statuses() -> Vec<u16> {
    let mut statuses = vec![200];
    statuses.extend(Code::ALL.map(Code::status));
    statuses.sort_unstable();
    statuses.dedup();
    statuses
}

/// Where in [`outcomes`] an answer is.
pub(super) fn outcome(answer: &Answer) -> usize {
    match answer.result {
        Ok(selection) => selection.rule as usize,
        Err(code) => outcome_of(code),
    }
}

/// Where in [`outcomes`] a code is.
pub(super) fn outcome_of(code: Code) -> usize {
    let among = Code::OF_SELECTION.iter().position(|known| *known == code);
    Rule::ALL.len() + among.unwrap_or(Code::OF_SELECTION.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_outcome_is_counted_under_its_own_name() {
        let outcomes = outcomes();
        for rule in Rule::ALL {
            assert_eq!(outcomes[rule as usize], rule.text());
        }
        for code in Code::OF_SELECTION.into_iter().chain([Code::NoSnapshot]) {
            assert_eq!(outcomes[outcome_of(code)], code.text());
        }
    }
}
