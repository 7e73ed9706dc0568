//! Valid phone numbers: the example of a region's mobile numbers in libphonenumber with its last digits
//! varied. libphonenumber checks each number.

use crate::{
    error::{Error, Result},
    rng::SeededRng,
};
use rlibphonenumber::{PHONE_NUMBER_UTIL, PhoneNumberFormat, PhoneNumberType, Region};
use std::collections::{HashMap, hash_map::Entry};

/// Number of digits that vary at first. They are a block of 10,000 numbers, the unit that carriers sell.
const FIRST_BLOCK_DIGITS: usize = 4;
/// Distance of consecutive numbers in the block. It has no factor in common with ten, so every number is
/// visited once.
const STRIDE: u64 = 7_919;

/// Phone numbers of a company's accounts. A number is unique on its channel. Two channels may share a number,
/// because one SIM can serve both.
#[derive(Default)]
pub(crate) struct PhoneNumbers(HashMap<(usize, &'static str), RegionNumbers>);

impl PhoneNumbers {
    /// Returns the next number of a country on the channel of this index, in E.164 with the plus sign.
    pub(crate) fn next(&mut self, channel: usize, country: &'static str) -> Result<String> {
        match self.0.entry((channel, country)) {
            Entry::Occupied(known) => known.into_mut().next(),
            Entry::Vacant(new) => new.insert(RegionNumbers::new(country)?).next(),
        }
    }
}

/// Number of random numbers that are tried for a valid one. In most regions, the first is valid.
const MAX_TRIES: usize = 20;

/// Phone numbers of clients. Two clients may have the same number.
#[derive(Default)]
pub struct ClientNumbers(HashMap<&'static str, Option<RegionNumbers>>);

impl ClientNumbers {
    /// Returns a random number of a country in E.164 with the plus sign. Returns `None` if libphonenumber has
    /// no example of the country's mobile numbers.
    pub fn draw(&mut self, country: &'static str, rng: &mut SeededRng) -> Option<String> {
        let line = self.0.entry(country).or_insert_with(|| RegionNumbers::new(country).ok()).as_ref()?;
        (0..MAX_TRIES).find_map(|_| {
            let tail = rng.below(10_usize.pow(FIRST_BLOCK_DIGITS as u32));
            let (stem, _) =
                line.example.split_at_checked(line.example.len().checked_sub(FIRST_BLOCK_DIGITS)?)?;
            let number = format!("{}{stem}{tail:0width$}", line.calling_code, width = FIRST_BLOCK_DIGITS);
            line.accepts(&number).then_some(number)
        })
    }
}

/// Phone numbers of one region.
struct RegionNumbers {
    country: &'static str,
    region: Region,
    /// Calling code with the plus sign.
    calling_code: String,
    /// Digits of the example number without the calling code.
    example: String,
    /// Number of last digits that vary.
    varied_digits: usize,
    next: u64,
}

impl RegionNumbers {
    fn new(country: &'static str) -> Result<Self> {
        let missing = |what: String| Error::Refused(format!("{country}: {what}: choose another country"));
        let region = country.parse::<Region>().map_err(|e| missing(format!("no region ({e})")))?;
        let number = PHONE_NUMBER_UTIL
            .get_example_number_for_type_and_region(region, PhoneNumberType::Mobile)
            .map_err(|e| missing(format!("no example of a mobile number ({e})")))?;
        let written = number.format_as(PhoneNumberFormat::E164).into_owned();
        let calling_code = format!("+{}", number.country_code);
        let example = written.strip_prefix(&calling_code).map(str::to_owned);
        let example = example.ok_or_else(|| missing(format!("an odd example number ({written})")))?;
        Ok(Self { country, region, calling_code, example, varied_digits: FIRST_BLOCK_DIGITS, next: 0 })
    }

    fn next(&mut self) -> Result<String> {
        loop {
            let block = 10_u64.pow(self.varied_digits as u32);
            if self.next == block {
                // One more digit varies from here. The numbers of the smaller block are skipped below.
                self.varied_digits += 1;
                self.next = 0;
                if self.varied_digits >= self.example.len() {
                    return Err(Error::Refused(format!(
                        "{} has no more valid mobile numbers: choose fewer accounts, or more companies",
                        self.country
                    )));
                }
                continue;
            }
            let tail = (self.next * STRIDE) % block;
            self.next += 1;
            let (stem, varied) = self.example.split_at(self.example.len() - self.varied_digits);
            let tail = format!("{tail:0width$}", width = self.varied_digits);
            if self.varied_digits > FIRST_BLOCK_DIGITS && tail.as_bytes().first() == varied.as_bytes().first()
            {
                continue;
            }
            let number = format!("{}{stem}{tail}", self.calling_code);
            if self.accepts(&number) {
                return Ok(number);
            }
        }
    }

    /// Returns whether the number is valid, belongs to this region and is in libphonenumber's format.
    fn accepts(&self, number: &str) -> bool {
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
    fn numbers_are_valid_of_their_country_and_unique() {
        // GB and IT share their calling code with other regions, CI has a leading zero, MX and AR have old
        // mobile tokens. 12,000 numbers exceed the first block.
        for country in ["GB", "IT", "CI", "MX", "AR", "US", "KZ"] {
            let mut numbers = PhoneNumbers::default();
            let mut seen = HashSet::new();
            for _ in 0..12_000 {
                let number = numbers.next(0, country).expect(country);
                let parsed = PHONE_NUMBER_UTIL.parse(&number, None).expect(country);
                assert!(parsed.is_valid(), "{number}");
                let region = parsed.get_region_code().expect(country);
                assert_eq!(region, country.parse::<Region>().expect(country), "{number}");
                assert!(seen.insert(number.clone()), "{number} came twice");
            }
        }
    }

    #[test]
    fn client_numbers_are_valid_and_of_their_country_if_it_has_any() {
        let (mut clients, mut rng) = (ClientNumbers::default(), SeededRng::new(1, 0));
        let mut known = 0;
        for country in switchboard_model::Region::all().map(|region| region.alpha2()) {
            let Some(number) = clients.draw(country, &mut rng) else { continue };
            let parsed = PHONE_NUMBER_UTIL.parse(&number, None).expect(country);
            assert!(parsed.is_valid(), "{number}");
            assert_eq!(parsed.get_region_code(), country.parse::<Region>().ok(), "{number}");
            known += 1;
        }
        assert!(known > 230, "{known}");
    }

    #[test]
    fn unknown_country_is_refused() {
        assert!(matches!(PhoneNumbers::default().next(0, "ZZ"), Err(Error::Refused(_))));
    }
}
