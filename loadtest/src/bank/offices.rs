//! Where the bank works.

/// How much of a bank a country has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Presence {
    /// Every business, in several cities.
    Full,
    /// Wealth, corporate and retail.
    Branch,
    /// A representative: wealth and corporate.
    Office,
}

pub(crate) struct Office {
    /// Its ISO 3166-1 code, and in lower case its OU's id.
    pub(crate) code: &'static str,
    pub(crate) name: &'static str,
    pub(crate) cluster: &'static str,
    pub(crate) presence: Presence,
    /// The main one first.
    pub(crate) cities: &'static [&'static str],
}

/// Region, its name.
pub(crate) static REGIONS: [(&str, &str); 3] =
    [("emea", "Europe, Middle East and Africa"), ("apac", "Asia Pacific"), ("americas", "Americas")];

/// Cluster, its region, its name.
pub(crate) static CLUSTERS: [(&str, &str, &str); 16] = [
    ("uk-ireland", "emea", "United Kingdom and Ireland"),
    ("dach", "emea", "Germany, Austria and Switzerland"),
    ("france-benelux", "emea", "France and Benelux"),
    ("southern-europe", "emea", "Southern Europe"),
    ("nordics", "emea", "Nordics"),
    ("cee", "emea", "Central and Eastern Europe"),
    ("middle-east", "emea", "Middle East"),
    ("africa", "emea", "Africa"),
    ("greater-china", "apac", "Greater China"),
    ("north-asia", "apac", "Japan and Korea"),
    ("southeast-asia", "apac", "Southeast Asia"),
    ("south-asia", "apac", "South Asia"),
    ("anz", "apac", "Australia and New Zealand"),
    ("north-america", "americas", "North America"),
    ("caribbean", "americas", "Caribbean"),
    ("latam", "americas", "Latin America"),
];

/// Functions of the whole group, at the same level as the regions.
pub(crate) static FUNCTIONS: [(&str, &str); 5] = [
    ("group-treasury", "Group Treasury"),
    ("group-research", "Group Research"),
    ("group-investor-relations", "Investor Relations"),
    ("group-compliance", "Group Compliance"),
    ("group-technology", "Group Technology"),
];

/// The countries with a trading floor, and its desks.
pub(crate) static FLOORS: [&str; 5] = ["GB", "US", "HK", "SG", "JP"];
pub(crate) static DESKS: [(&str, &str); 4] =
    [("fx", "Foreign Exchange"), ("rates", "Rates"), ("credit", "Credit"), ("equities", "Equities")];

const fn o(
    code: &'static str,
    name: &'static str,
    cluster: &'static str,
    presence: Presence,
    cities: &'static [&'static str],
) -> Office {
    Office { code, name, cluster, presence, cities }
}

use Presence::{Branch as B, Full as F, Office as R};

#[rustfmt::skip] // a table, read across
pub(crate) static OFFICES: [Office; 60] = [
    o("GB", "United Kingdom", "uk-ireland", F, &["London", "Edinburgh", "Manchester", "Birmingham", "Leeds"]),
    o("IE", "Ireland", "uk-ireland", B, &["Dublin", "Cork"]),
    o("DE", "Germany", "dach", F, &["Frankfurt", "Munich", "Hamburg", "Düsseldorf", "Berlin"]),
    o("CH", "Switzerland", "dach", F, &["Zürich", "Geneva", "Basel", "Lugano"]),
    o("AT", "Austria", "dach", B, &["Vienna", "Salzburg"]),
    o("FR", "France", "france-benelux", F, &["Paris", "Lyon", "Marseille", "Bordeaux"]),
    o("BE", "Belgium", "france-benelux", B, &["Brussels", "Antwerp"]),
    o("NL", "Netherlands", "france-benelux", B, &["Amsterdam", "Rotterdam"]),
    o("LU", "Luxembourg", "france-benelux", R, &["Luxembourg"]),
    o("IT", "Italy", "southern-europe", B, &["Milan", "Rome", "Turin"]),
    o("ES", "Spain", "southern-europe", B, &["Madrid", "Barcelona", "Valencia"]),
    o("PT", "Portugal", "southern-europe", B, &["Lisbon", "Porto"]),
    o("GR", "Greece", "southern-europe", R, &["Athens"]),
    o("CY", "Cyprus", "southern-europe", R, &["Limassol"]),
    o("MT", "Malta", "southern-europe", R, &["Valletta"]),
    o("SE", "Sweden", "nordics", B, &["Stockholm", "Gothenburg"]),
    o("NO", "Norway", "nordics", B, &["Oslo", "Bergen"]),
    o("DK", "Denmark", "nordics", B, &["Copenhagen", "Aarhus"]),
    o("FI", "Finland", "nordics", R, &["Helsinki"]),
    o("PL", "Poland", "cee", B, &["Warsaw", "Kraków"]),
    o("CZ", "Czechia", "cee", R, &["Prague"]),
    o("HU", "Hungary", "cee", R, &["Budapest"]),
    o("RO", "Romania", "cee", R, &["Bucharest"]),
    o("SK", "Slovakia", "cee", R, &["Bratislava"]),
    o("BG", "Bulgaria", "cee", R, &["Sofia"]),
    o("AE", "United Arab Emirates", "middle-east", F, &["Dubai", "Abu Dhabi", "Sharjah"]),
    o("SA", "Saudi Arabia", "middle-east", B, &["Riyadh", "Jeddah"]),
    o("QA", "Qatar", "middle-east", R, &["Doha"]),
    o("BH", "Bahrain", "middle-east", R, &["Manama"]),
    o("KW", "Kuwait", "middle-east", R, &["Kuwait City"]),
    o("IL", "Israel", "middle-east", R, &["Tel Aviv"]),
    o("TR", "Türkiye", "middle-east", B, &["Istanbul", "Ankara"]),
    o("ZA", "South Africa", "africa", B, &["Johannesburg", "Cape Town"]),
    o("EG", "Egypt", "africa", R, &["Cairo"]),
    o("NG", "Nigeria", "africa", R, &["Lagos"]),
    o("KE", "Kenya", "africa", R, &["Nairobi"]),
    o("MA", "Morocco", "africa", R, &["Casablanca"]),
    o("HK", "Hong Kong", "greater-china", F, &["Central", "Kowloon", "Causeway Bay"]),
    o("CN", "Mainland China", "greater-china", B, &["Shanghai", "Beijing", "Shenzhen"]),
    o("TW", "Taiwan", "greater-china", B, &["Taipei", "Kaohsiung"]),
    o("JP", "Japan", "north-asia", F, &["Tokyo", "Osaka", "Nagoya"]),
    o("KR", "South Korea", "north-asia", B, &["Seoul", "Busan"]),
    o("SG", "Singapore", "southeast-asia", F, &["Marina Bay", "Orchard", "Jurong"]),
    o("MY", "Malaysia", "southeast-asia", B, &["Kuala Lumpur", "Penang"]),
    o("TH", "Thailand", "southeast-asia", B, &["Bangkok", "Chiang Mai"]),
    o("ID", "Indonesia", "southeast-asia", B, &["Jakarta", "Surabaya"]),
    o("PH", "Philippines", "southeast-asia", R, &["Manila"]),
    o("VN", "Vietnam", "southeast-asia", R, &["Ho Chi Minh City"]),
    o("IN", "India", "south-asia", F, &["Mumbai", "New Delhi", "Bengaluru", "Chennai"]),
    o("AU", "Australia", "anz", F, &["Sydney", "Melbourne", "Brisbane", "Perth"]),
    o("NZ", "New Zealand", "anz", B, &["Auckland", "Wellington"]),
    o("US", "United States", "north-america", F, &["New York", "Boston", "Chicago", "Houston", "San Francisco", "Miami"]),
    o("CA", "Canada", "north-america", B, &["Toronto", "Montréal", "Vancouver"]),
    o("BS", "Bahamas", "caribbean", R, &["Nassau"]),
    o("KY", "Cayman Islands", "caribbean", R, &["George Town"]),
    o("MX", "Mexico", "latam", B, &["Mexico City", "Monterrey"]),
    o("BR", "Brazil", "latam", F, &["São Paulo", "Rio de Janeiro", "Brasília"]),
    o("AR", "Argentina", "latam", R, &["Buenos Aires"]),
    o("CL", "Chile", "latam", R, &["Santiago"]),
    o("CO", "Colombia", "latam", R, &["Bogotá"]),
];
