//! Phone numbers that libphonenumber calls valid, without end: a region's example mobile number
//! with its last digits varied, then more of them, every number checked before it is given out.

use crate::{
    dice::Dice,
    error::{Error, Result},
};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType, Region};
use std::collections::HashMap;

/// Digits varied at first: a block of 10,000 numbers, as carriers sell them.
const FIRST_BLOCK: usize = 4;
/// Spreads neighbours over the block; odd and no multiple of five, so it visits every number once.
const STRIDE: u64 = 7_919;

/// One book per company: no number twice on a channel. Two channels may share one, as a SIM does.
#[derive(Default)]
pub(crate) struct Numbers(HashMap<(usize, &'static str), Line>);

impl Numbers {
    /// The next number of `country` on the channel with this index, in E.164 with its plus.
    pub(crate) fn next(&mut self, channel: usize, country: &'static str) -> Result<String> {
        use std::collections::hash_map::Entry;
        match self.0.entry((channel, country)) {
            Entry::Occupied(known) => known.into_mut().next(),
            Entry::Vacant(new) => new.insert(Line::of(country)?).next(),
        }
    }
}

/// How many tries a number of a client gets: in most regions the first is valid.
const TRIES: usize = 20;

/// Numbers of clients, of whom two may share one.
#[derive(Default)]
pub(crate) struct Clients(HashMap<&'static str, Option<Line>>);

impl Clients {
    /// A number of `country` in E.164 with its plus; none where no mobile number of it is known.
    pub(crate) fn draw(&mut self, country: &'static str, dice: &mut Dice) -> Option<String> {
        let line = self.0.entry(country).or_insert_with(|| Line::of(country).ok()).as_ref()?;
        (0..TRIES).find_map(|_| {
            let tail = dice.below(10_usize.pow(FIRST_BLOCK as u32));
            let (stem, _) = line.example.split_at_checked(line.example.len().checked_sub(FIRST_BLOCK)?)?;
            let number = format!("{}{stem}{tail:0width$}", line.calling_code, width = FIRST_BLOCK);
            line.is_ours(&number).then_some(number)
        })
    }
}

/// Where the numbers of one region have got to.
struct Line {
    country: &'static str,
    region: Region,
    /// The calling code with its plus.
    calling_code: String,
    /// The example's national digits.
    example: String,
    /// How many of the last digits vary.
    free: usize,
    next: u64,
}

impl Line {
    fn of(country: &'static str) -> Result<Self> {
        let missing = |what: String| Error::Refused(format!("{country}: {what}: choose another country"));
        let region = country.parse::<Region>().map_err(|e| missing(format!("no region ({e})")))?;
        let number = PHONE_NUMBER_UTIL
            .get_example_number_for_type_and_region(region, PhoneNumberType::Mobile)
            .map_err(|e| missing(format!("no example of a mobile number ({e})")))?;
        let written = number.format_as(PhoneNumberFormat::E164).into_owned();
        let calling_code = format!("+{}", number.country_code);
        let example = written.strip_prefix(&calling_code).map(str::to_owned);
        let example = example.ok_or_else(|| missing(format!("an odd example number ({written})")))?;
        Ok(Self { country, region, calling_code, example, free: FIRST_BLOCK, next: 0 })
    }

    fn next(&mut self) -> Result<String> {
        loop {
            let block = 10_u64.pow(self.free as u32);
            if self.next == block {
                // One digit more is free; what the smaller block held is left out below.
                self.free += 1;
                self.next = 0;
                if self.free >= self.example.len() {
                    return Err(Error::Refused(format!(
                        "{} has no more valid mobile numbers: ask for fewer accounts, or more companies",
                        self.country
                    )));
                }
                continue;
            }
            let tail = (self.next * STRIDE) % block;
            self.next += 1;
            let (stem, varied) = self.example.split_at(self.example.len() - self.free);
            let tail = format!("{tail:0width$}", width = self.free);
            if self.free > FIRST_BLOCK && tail.as_bytes().first() == varied.as_bytes().first() {
                continue;
            }
            let number = format!("{}{stem}{tail}", self.calling_code);
            if self.is_ours(&number) {
                return Ok(number);
            }
        }
    }

    /// Valid, of this region, and written as libphonenumber writes it.
    fn is_ours(&self, number: &str) -> bool {
        let Ok(parsed) = PHONE_NUMBER_UTIL.parse(number, None) else { return false };
        parsed.is_valid()
            && parsed.get_region_code() == Some(self.region)
            && parsed.format_as(PhoneNumberFormat::E164) == number
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn numbers_are_valid_of_their_country_and_never_twice() {
        // GB and IT have neighbours in their calling code, CI a leading zero, MX and AR old mobile
        // tokens; 12,000 leaves the first block.
        for country in ["GB", "IT", "CI", "MX", "AR", "US", "KZ"] {
            let mut book = Numbers::default();
            let mut seen = HashSet::new();
            for _ in 0..12_000 {
                let number = book.next(0, country).expect(country);
                let parsed = PHONE_NUMBER_UTIL.parse(&number, None).expect(country);
                assert!(parsed.is_valid(), "{number}");
                let region = parsed.get_region_code().expect(country);
                assert_eq!(region, country.parse::<Region>().expect(country), "{number}");
                assert!(seen.insert(number.clone()), "{number} came twice");
            }
        }
    }

    #[test]
    fn clients_have_valid_numbers_of_their_country_or_none() {
        let (mut clients, mut dice) = (Clients::default(), Dice::new(1, 0));
        let mut known = 0;
        for country in switchboard_model::Region::all().map(|region| region.alpha2()) {
            let Some(number) = clients.draw(country, &mut dice) else { continue };
            let parsed = PHONE_NUMBER_UTIL.parse(&number, None).expect(country);
            assert!(parsed.is_valid(), "{number}");
            assert_eq!(parsed.get_region_code(), country.parse::<Region>().ok(), "{number}");
            known += 1;
        }
        assert!(known > 230, "{known}");
    }

    #[test]
    fn a_country_that_is_none_is_refused() {
        let error = Numbers::default().next(0, "ZZ").expect_err("ZZ is no region");
        assert_eq!(error.exit_code(), 1);
    }
}
