//! The countries a generated company works in, and how much of its business each one is.

pub(crate) struct Country {
    pub(crate) code: &'static str,
    /// An index of [`REGIONS`].
    pub(crate) region: usize,
    /// Its share of OUs and accounts, against the others'.
    pub(crate) weight: usize,
}

pub(crate) static REGIONS: [&str; 3] = ["emea", "apac", "americas"];

pub(crate) const ASIA: usize = 1;

const fn c(code: &'static str, region: usize, weight: usize) -> Country {
    Country { code, region, weight }
}

/// The larger first: a small registry uses the front of the list.
#[rustfmt::skip] // a table, read across
pub(crate) static COUNTRIES: [Country; 110] = [
    c("US", 2, 90), c("GB", 0, 60), c("IN", 1, 60), c("DE", 0, 50), c("BR", 2, 50), c("JP", 1, 45), c("FR", 0, 40),
    c("HK", 1, 30), c("SG", 1, 30), c("CH", 0, 30), c("CA", 2, 30), c("AU", 1, 30), c("IT", 0, 28), c("ES", 0, 28),
    c("MX", 2, 28), c("CN", 1, 40), c("AE", 0, 20), c("NL", 0, 20), c("ID", 1, 24), c("KR", 1, 20), c("TH", 1, 16),
    c("MY", 1, 16), c("ZA", 0, 16), c("SE", 0, 14), c("PL", 0, 14), c("TR", 0, 14), c("SA", 0, 14), c("AR", 2, 14),
    c("CO", 2, 14), c("CL", 2, 12), c("BE", 0, 12), c("AT", 0, 12), c("IE", 0, 12), c("PT", 0, 12), c("NO", 0, 10),
    c("DK", 0, 10), c("FI", 0, 10), c("TW", 1, 14), c("VN", 1, 14), c("PH", 1, 14), c("NZ", 1, 8), c("NG", 0, 12),
    c("EG", 0, 12), c("KE", 0, 8), c("MA", 0, 8), c("IL", 0, 10), c("QA", 0, 6), c("KW", 0, 6), c("BH", 0, 4),
    c("OM", 0, 4), c("CZ", 0, 8), c("HU", 0, 8), c("RO", 0, 8), c("GR", 0, 8), c("UA", 0, 8), c("SK", 0, 5),
    c("BG", 0, 5), c("HR", 0, 5), c("SI", 0, 4), c("RS", 0, 4), c("LT", 0, 4), c("LV", 0, 4), c("EE", 0, 4),
    c("LU", 0, 6), c("MT", 0, 3), c("CY", 0, 4), c("IS", 0, 2), c("GE", 0, 3), c("KZ", 0, 5), c("UZ", 0, 4),
    c("PE", 2, 10), c("EC", 2, 6), c("UY", 2, 5), c("PY", 2, 4), c("BO", 2, 4), c("VE", 2, 5), c("PA", 2, 4),
    c("CR", 2, 4), c("GT", 2, 4), c("SV", 2, 3), c("HN", 2, 3), c("DO", 2, 5), c("PR", 2, 4), c("JM", 2, 3),
    c("TT", 2, 3), c("BS", 2, 2), c("KY", 2, 3), c("BM", 2, 2), c("GH", 0, 6), c("CI", 0, 4), c("SN", 0, 4),
    c("CM", 0, 3), c("TZ", 0, 5), c("UG", 0, 4), c("RW", 0, 2), c("ET", 0, 4), c("ZM", 0, 3), c("BW", 0, 2),
    c("NA", 0, 2), c("MU", 0, 3), c("TN", 0, 4), c("DZ", 0, 4), c("JO", 0, 4), c("PK", 1, 12), c("BD", 1, 10),
    c("LK", 1, 6), c("NP", 1, 4), c("KH", 1, 4), c("BN", 1, 2), c("FJ", 1, 2),
];

/// The company's own geography: small places, served from the neighbour. No account is of the
/// first kind and no pool maps one of the second, so no mapping is chained or in vain.
#[rustfmt::skip] // a table, read across
pub(crate) static SATELLITES: [(&str, &str); 12] = [
    ("LI", "CH"), ("MC", "FR"), ("SM", "IT"), ("VA", "IT"), ("AD", "ES"), ("GI", "ES"),
    ("JE", "GB"), ("GG", "GB"), ("IM", "GB"), ("FO", "DK"), ("GL", "DK"), ("MO", "HK"),
];

pub(crate) fn code(country: usize) -> &'static str {
    COUNTRIES.get(country).map_or("US", |c| c.code)
}
