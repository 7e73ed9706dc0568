//! Reads the principals file, TOML. Every fault has its line and its remedy. No message repeats a value that
//! may be a token, because messages are logged.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::ops::Range;

use switchboard_model::{UnixSeconds, is_id};
use switchboard_registry::{did_you_mean, quoted};
use switchboard_server::NameKind;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::principals::{ANONYMOUS, Companies, Permission, Principal, TokenHash, kind_of, normal_name};

/// Maximum size of the file in bytes, which is enough for 4,000 principals. The limit bounds the memory of the
/// parser.
pub const MAX_FILE_BYTES: usize = 1 << 20;
/// The start of every token that `switchboard token` makes.
pub const TOKEN_PREFIX: &str = "swb_";
/// Maximum number of faults that are listed one by one.
const MAX_FAULTS: usize = 20;
/// Maximum length of the name in a certificate.
const MAX_CERTIFICATE_BYTES: usize = 1024;
/// The value of `companies` that stands for all companies.
const ALL_COMPANIES: &str = "*";
const KEYS: [&str; 6] = ["name", "token_sha256", "certificate", "companies", "allow", "expires"];

/// The content of a principals file.
#[derive(Debug, Default)]
pub struct PrincipalsFile {
    /// The principals, in the order of the file.
    pub principals: Vec<Principal>,
    /// Mistakes that do not keep the file from being used, each with file and line.
    pub warnings: Vec<String>,
}

/// The faults of a principals file: at most 20, and the number of the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileFaults {
    faults: Vec<String>,
    more: usize,
}

impl FileFaults {
    /// Returns the faults, each with file, line and remedy.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.faults.iter().map(String::as_str)
    }
}

impl fmt::Display for FileFaults {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.faults.join("\n"))?;
        if self.more > 0 { write!(out, "\n(and {} more faults)", self.more) } else { Ok(()) }
    }
}

impl std::error::Error for FileFaults {}

/// Returns whether a name of a certificate can be a DNS name. An IP address and a distinguished name cannot.
fn can_be_host(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._*".contains(&byte))
        && name.parse::<std::net::IpAddr>().is_err()
}

/// Returns whether a text can be the name of a principal: an id that is no token.
pub fn is_principal_name(text: &str) -> bool {
    is_id(text) && !text.starts_with(TOKEN_PREFIX)
}

impl PrincipalsFile {
    /// Reads the content of a file. `path` is its name in messages.
    ///
    /// # Errors
    /// Returns the faults. The file is used as a whole or not at all.
    pub fn parse(path: &str, content: &[u8]) -> Result<PrincipalsFile, FileFaults> {
        let mut reader = FileReader { path, text: "", faults: FileFaults::default(), warnings: Vec::new() };
        let content = content.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(content);
        if content.len() > MAX_FILE_BYTES {
            let size = format!("the file has more than {MAX_FILE_BYTES} bytes; remove principals");
            reader.fault(0, size);
            return Err(reader.faults);
        }
        match str::from_utf8(content) {
            Ok(text) => reader.text = text,
            Err(error) => {
                let before = content.get(..error.valid_up_to()).unwrap_or_default();
                reader.text = str::from_utf8(before).unwrap_or_default();
                reader.fault(before.len(), "the line is not UTF-8 text; save the file as UTF-8");
                return Err(reader.faults);
            }
        }
        let principals = reader.read();
        if reader.faults == FileFaults::default() {
            Ok(PrincipalsFile { principals, warnings: reader.warnings })
        } else {
            Err(reader.faults)
        }
    }
}

/// The state of reading one file.
struct FileReader<'t> {
    path: &'t str,
    text: &'t str,
    faults: FileFaults,
    warnings: Vec<String>,
}

/// One `[[principal]]`: its keys, its offset, and its label in messages.
struct Section<'d> {
    keys: &'d DeTable<'d>,
    at: usize,
    label: String,
}

/// The offsets at which names, hashes and certificates first occur.
#[derive(Default)]
struct SeenKeys {
    names: HashMap<String, usize>,
    hashes: HashMap<[u8; 32], usize>,
    certificates: HashMap<String, usize>,
}

impl FileReader<'_> {
    fn line(&self, at: usize) -> usize {
        1 + self.text.bytes().take(at).filter(|byte| *byte == b'\n').count()
    }

    fn fault(&mut self, at: usize, message: impl AsRef<str>) {
        if self.faults.faults.len() < MAX_FAULTS {
            let fault = format!("{}:{}: {}", self.path, self.line(at), without_tokens(message.as_ref()));
            self.faults.faults.push(fault);
        } else {
            self.faults.more += 1;
        }
    }

    fn warn(&mut self, at: usize, message: &str) {
        self.warnings.push(format!("{}:{}: {}", self.path, self.line(at), without_tokens(message)));
    }

    fn read(&mut self) -> Vec<Principal> {
        let (root, errors) = DeTable::parse_recoverable(self.text);
        if !errors.is_empty() {
            // After its first fault, a TOML parser reports following lines too.
            let first = errors.iter().min_by_key(|error| error.span().unwrap_or_default().start);
            if let Some(error) = first {
                let message = error.message().replace('\n', " ");
                let at = error.span().unwrap_or_default().start;
                self.fault(at, format!("the file is not valid TOML: {message}; correct the line"));
            }
            return Vec::new();
        }
        let root = root.into_inner();
        let mut known = None;
        for (key, value) in in_order(&root) {
            if *key.get_ref() == "principal" {
                known = Some(value);
            } else {
                let help = did_you_mean(key.get_ref(), ["principal"].into_iter(), || {
                    "write each principal under its own `[[principal]]`".to_owned()
                });
                let message = format!("key {} is unknown; {help}", quoted(key.get_ref()));
                self.fault(key.span().start, message);
            }
        }
        let Some(value) = known else {
            if self.faults == FileFaults::default() {
                let message =
                    "the file has no principal; add one under `[[principal]]`, or start without --principals";
                self.fault(0, message);
            }
            return Vec::new();
        };
        let DeValue::Array(items) = value.get_ref() else {
            self.fault(value.span().start, "write each principal under `[[principal]]`, in two brackets");
            return Vec::new();
        };
        if items.is_empty() {
            self.fault(value.span().start, "the file has no principal; add one under `[[principal]]`");
        }
        let mut seen = SeenKeys::default();
        let mut principals = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::Table(keys) => principals.push(self.principal(keys, item.span().start, &mut seen)),
                _ => self.fault(item.span().start, "write each principal under its own `[[principal]]`"),
            }
        }
        principals
    }

    /// Reads one principal. The result is used only if the file has no fault.
    fn principal(&mut self, keys: &DeTable<'_>, at: usize, seen: &mut SeenKeys) -> Principal {
        let mut section = Section { keys, at, label: "the principal".to_owned() };
        let name = self.name(&mut section, seen);
        let label = section.label.clone();
        for (key, _) in in_order(keys).filter(|(key, _)| !KEYS.contains(&&**key.get_ref())) {
            let help =
                did_you_mean(key.get_ref(), KEYS.into_iter(), || format!("the keys are {}", KEYS.join(", ")));
            let message = format!("{label} has the unknown key {}; {help}", quoted(key.get_ref()));
            self.fault(key.span().start, message);
        }
        let tokens = self.tokens(&section, seen);
        let certificate = self.certificate(&section, seen);
        let has_credential = keys.contains_key("token_sha256") || keys.contains_key("certificate");
        let is_anonymous = name == ANONYMOUS;
        if is_anonymous && has_credential {
            let message = "`anonymous` stands for callers without a credential, so it has neither `token_sha256` nor \
                           `certificate`; remove the key, or choose another name";
            self.fault(at, message);
        } else if !is_anonymous && !name.is_empty() && tokens.is_empty() && certificate.is_none() {
            // A faulty credential is already reported.
            let is_empty = |key| matches!(keys.get(key).map(Spanned::get_ref), Some(DeValue::Array(items)) if items.is_empty());
            if !has_credential || is_empty("token_sha256") {
                let help = format!(
                    "add `token_sha256` (`switchboard token {name}` prints a token with its hash) or `certificate`"
                );
                self.fault(at, format!("{label} has no credential; {help}"));
            }
        }
        let allow = self.allow(&section);
        let companies = self.companies(&section, &allow);
        if allow.contains(&Permission::Metrics) && matches!(companies, Companies::Listed(_)) {
            let warning = format!(
                "{label} cannot read the metrics, because they cover all companies; write `companies = [\"*\"]`, or \
                 make a principal with `allow = [\"metrics\"]` and without `companies`"
            );
            self.warn(at, &warning);
        }
        let expires = self.expires(&section);
        Principal { name: name.into(), tokens, certificate, companies, allow, expires }
    }

    /// Reads the name. Returns an empty text if it is missing or faulty.
    fn name(&mut self, section: &mut Section<'_>, seen: &mut SeenKeys) -> String {
        let Some((name, at)) = self.text_of(section, "name") else {
            if !section.keys.contains_key("name") {
                self.fault(section.at, "the principal has no `name`; add one, such as name = \"gateway-eu\"");
            }
            return String::new();
        };
        if !is_principal_name(&name) {
            let message = "`name` is not a name; write 1 to 128 letters, digits and signs without blank, comma, slash \
                           and quote, and no token";
            self.fault(at.start, message);
            return String::new();
        }
        if name.eq_ignore_ascii_case(ANONYMOUS) && name != ANONYMOUS {
            self.fault(at.start, format!("`name` is {}; write `{ANONYMOUS}` in lower case", quoted(&name)));
            return String::new();
        }
        section.label = format!("principal {}", quoted(&name));
        match seen.names.entry(name.clone()) {
            Entry::Vacant(entry) => drop(entry.insert(at.start)),
            Entry::Occupied(first) => {
                let line = self.line(*first.get());
                let message = format!("{} is also on line {line}; give each its own name", section.label);
                self.fault(at.start, message);
            }
        }
        name
    }

    fn tokens(&mut self, section: &Section<'_>, seen: &mut SeenKeys) -> Vec<TokenHash> {
        let label = &section.label;
        let mut tokens = Vec::new();
        for (text, at) in self.texts_of(section, "token_sha256").unwrap_or_default() {
            // The value is not repeated, because it may be the token itself.
            let Some(sha256) = parse_hash(&text) else {
                let help = if text.starts_with(TOKEN_PREFIX) {
                    "it is a token; write the hash that `switchboard token` printed, and replace the token, because it \
                     was in a file"
                } else {
                    "write the SHA-256 of the token as 64 hexadecimal digits"
                };
                let length = text.chars().count();
                let message = format!("`token_sha256` of {label} has a text of {length} characters; {help}");
                self.fault(at.start, message);
                continue;
            };
            match seen.hashes.entry(sha256) {
                Entry::Vacant(entry) => {
                    entry.insert(at.start);
                    tokens.push(TokenHash::new(sha256));
                }
                Entry::Occupied(first) => {
                    let line = self.line(*first.get());
                    let message = format!(
                        "this hash of {label} is also on line {line}; give each principal a token of its own"
                    );
                    self.fault(at.start, message);
                }
            }
        }
        tokens
    }

    fn certificate(&mut self, section: &Section<'_>, seen: &mut SeenKeys) -> Option<Box<str>> {
        let (name, at) = self.text_of(section, "certificate")?;
        let label = &section.label;
        let is_name = (1..=MAX_CERTIFICATE_BYTES).contains(&name.len())
            && name.chars().all(|letter| !letter.is_whitespace() && !letter.is_control())
            && !name.starts_with(TOKEN_PREFIX);
        if !is_name {
            let help = "write a URI, a DNS name or an e-mail address of the certificate, such as spiffe://acme.example/gateway";
            self.fault(at.start, format!("`certificate` of {label} is no name of a certificate; {help}"));
            return None;
        }
        match seen.certificates.entry(normal_name(&name).into_owned()) {
            Entry::Vacant(entry) => {
                entry.insert(at.start);
                if kind_of(&name) == NameKind::Dns && !can_be_host(&name) {
                    let help = "write a URI, a DNS name or an e-mail address of the certificate";
                    let name = quoted(&name);
                    self.warn(
                        at.start,
                        &format!("{label} never calls, because {name} is no name that a certificate is found by; {help}"),
                    );
                }
                Some(name.into())
            }
            Entry::Occupied(first) => {
                let line = self.line(*first.get());
                let message = format!(
                    "the certificate of {label} is also on line {line}; give each principal a certificate of its own"
                );
                self.fault(at.start, message);
                None
            }
        }
    }

    fn allow(&mut self, section: &Section<'_>) -> Vec<Permission> {
        let label = &section.label;
        let names = Permission::ALL.map(Permission::as_str);
        if !section.keys.contains_key("allow") {
            let message = format!("{label} has no `allow`; add one, such as allow = [\"select\"]");
            self.fault(section.at, message);
        }
        let mut allow = Vec::new();
        for (text, at) in self.texts_of(section, "allow").unwrap_or_default() {
            match Permission::ALL.into_iter().find(|known| known.as_str() == text) {
                Some(known) if allow.contains(&known) => {}
                Some(known) => allow.push(known),
                None => {
                    let help = did_you_mean(&text, names.into_iter(), || {
                        format!("the permissions are {}", names.join(", "))
                    });
                    let message =
                        format!("`allow` of {label} has the unknown permission {}; {help}", quoted(&text));
                    self.fault(at.start, message);
                }
            }
        }
        allow
    }

    fn companies(&mut self, section: &Section<'_>, allow: &[Permission]) -> Companies {
        let label = &section.label;
        let help = "write the ids of companies, such as companies = [\"acme\"], or [\"*\"] for all";
        if !section.keys.contains_key("companies") {
            if allow.iter().any(|permission| *permission != Permission::Metrics) {
                self.fault(section.at, format!("{label} has no `companies`; {help}"));
            }
            return Companies::None;
        }
        let Some(texts) = self.texts_of(section, "companies") else { return Companies::None };
        let at = section.keys.get("companies").map_or(section.at, |value| value.span().start);
        if texts.is_empty() {
            self.fault(at, format!("`companies` of {label} is empty; {help}"));
        }
        if texts.iter().any(|(text, _)| text == ALL_COMPANIES) {
            if texts.len() > 1 {
                let message = format!("`companies` of {label} has `*` and further ids; write either");
                self.fault(at, message);
            }
            return Companies::All;
        }
        let mut ids: Vec<Box<str>> = Vec::new();
        for (text, at) in texts {
            // An administrator may write the token itself here, and ids of companies are shown.
            if !is_id(&text) || text.starts_with(TOKEN_PREFIX) {
                let message = format!(
                    "`companies` of {label} has {}, which cannot be the id of a company; {help}",
                    quoted(&text)
                );
                self.fault(at.start, message);
            } else {
                ids.push(text.into());
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Companies::Listed(ids)
    }

    fn expires(&mut self, section: &Section<'_>) -> Option<(jiff::civil::Date, UnixSeconds)> {
        let value = section.keys.get("expires")?;
        let date = match value.get_ref() {
            DeValue::Datetime(given) if given.time.is_none() => given.date,
            _ => None,
        };
        let date = date.and_then(|date| {
            let (year, month) = (i16::try_from(date.year).ok()?, i8::try_from(date.month).ok()?);
            jiff::civil::Date::new(year, month, i8::try_from(date.day).ok()?).ok()
        });
        // Not through a timestamp, because those end a day before 9999-12-31.
        let epoch = jiff::civil::Date::constant(1970, 1, 1);
        let start = date.map(|date| (date, UnixSeconds(date.duration_since(epoch).as_secs())));
        if start.is_none() {
            let message = format!(
                "`expires` of {} is not a date; write one without quotes and without a time, such as expires = 2027-06-30",
                section.label
            );
            self.fault(value.span().start, message);
        }
        start
    }

    /// Returns the text of a key with its place. Reports a value of another type.
    fn text_of(&mut self, section: &Section<'_>, key: &str) -> Option<(String, Range<usize>)> {
        let value = section.keys.get(key)?;
        match value.get_ref() {
            DeValue::String(text) => Some((text.to_string(), value.span())),
            _ => {
                let message = format!("`{key}` of {} is not a text; write it in quotes", section.label);
                self.fault(value.span().start, message);
                None
            }
        }
    }

    /// Returns the texts of a list with their places. Reports a value of another type.
    fn texts_of(&mut self, section: &Section<'_>, key: &str) -> Option<Vec<(String, Range<usize>)>> {
        let value = section.keys.get(key)?;
        let mut texts = Some(Vec::new());
        let items = match value.get_ref() {
            DeValue::Array(items) => items.iter().collect(),
            _ => vec![value],
        };
        for item in items {
            match (value.get_ref(), item.get_ref()) {
                (DeValue::Array(_), DeValue::String(text)) => {
                    if let Some(texts) = &mut texts {
                        texts.push((text.to_string(), item.span()));
                    }
                }
                _ => {
                    let label = &section.label;
                    let message = format!(
                        "`{key}` of {label} is not a list of texts; write texts in quotes and brackets"
                    );
                    self.fault(item.span().start, message);
                    texts = None;
                }
            }
        }
        texts
    }
}

/// Returns the keys and values of a table, in the order of the text.
fn in_order<'d>(
    table: &'d DeTable<'d>,
) -> impl Iterator<Item = (&'d Spanned<std::borrow::Cow<'d, str>>, &'d Spanned<DeValue<'d>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(key, _)| key.span().start);
    entries.into_iter()
}

fn parse_hash(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|value| u8::try_from(value).ok());
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        let [high, low] = pair else { return None };
        *byte = digit(*high)? << 4 | digit(*low)?;
    }
    Some(hash)
}

/// Replaces every token in a message, because an administrator may have written it into the wrong key.
fn without_tokens(message: &str) -> String {
    let mut parts = message.split(TOKEN_PREFIX);
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(TOKEN_PREFIX);
        let is_secret = |letter: char| letter.is_ascii_alphanumeric() || letter == '-' || letter == '_';
        let rest = part.trim_start_matches(is_secret);
        if rest.len() < part.len() {
            text.push('…');
        }
        text.push_str(rest);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const HASH: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    fn parse(text: &str) -> Result<PrincipalsFile, Vec<String>> {
        PrincipalsFile::parse("p.toml", text.as_bytes())
            .map_err(|faults| faults.iter().map(str::to_owned).collect())
    }

    /// Returns the faults of a file whose only principal has these lines.
    fn faults_of(lines: &str) -> Vec<String> {
        parse(&format!("[[principal]]\n{lines}")).err().unwrap_or_default()
    }

    #[test]
    fn every_field_is_read() {
        let text = format!(
            "# callers\n[[principal]]\nname = \"gateway-eu\"\ntoken_sha256 = [\"{HASH}\", \"{}\"]\n\
             certificate = \"spiffe://acme.example/gateway\"\ncompanies = [\"acme\", \"globex\"]\n\
             allow = [\"select\", \"explain\"]\nexpires = 2027-06-30\n\n\
             [[principal]]\nname = \"prometheus\"\ncertificate = \"scraper.acme.example\"\nallow = [\"metrics\"]\n\n\
             [[principal]]\nname = \"anonymous\"\ncompanies = [\"*\"]\nallow = [\"select\"]\n",
            HASH.to_uppercase().replace("9F", "00")
        );
        let PrincipalsFile { principals, warnings } = parse(&text).unwrap();
        assert!(warnings.is_empty(), "{warnings:?}");
        let [gateway, prometheus, anonymous] = &principals[..] else { panic!("{principals:?}") };
        assert_eq!((&*gateway.name, gateway.tokens.len()), ("gateway-eu", 2));
        assert_eq!(gateway.tokens[0].sha256[..2], [0x9f, 0x86]);
        assert_eq!(gateway.companies, Companies::Listed(vec!["acme".into(), "globex".into()]));
        assert_eq!(gateway.allow, [Permission::Select, Permission::Explain]);
        let (date, at) = gateway.expires.unwrap();
        assert_eq!((date.to_string(), at), ("2027-06-30".to_owned(), UnixSeconds(1_814_313_600)));
        assert_eq!(prometheus.certificate.as_deref(), Some("scraper.acme.example"));
        assert_eq!(prometheus.companies, Companies::None);
        assert_eq!(anonymous.companies, Companies::All);
    }

    #[test]
    fn each_fault_has_its_line_and_its_remedy() {
        let good = "name = \"a\"\ncompanies = [\"*\"]\nallow = []\n";
        let with = |line: &str| format!("{good}token_sha256 = [\"{HASH}\"]\n{line}\n");
        for (lines, line, message) in [
            (with("token = \"x\""), 6, "unknown key `token`"),
            (with("expire = 2027-01-01"), 6, "did you mean `expires`?"),
            (
                with("expires = \"2027-01-01\""),
                6,
                "`expires` of principal `a` is not a date; write one without quotes",
            ),
            (with("expires = 2027-01-01T00:00:00Z"), 6, "without a time"),
            (with("expires = 2027"), 6, "is not a date"),
            (with("certificate = \"\""), 6, "no name of a certificate"),
            (with("certificate = \"a b\""), 6, "no name of a certificate"),
            (with("certificate = [\"a\"]"), 6, "`certificate` of principal `a` is not a text"),
            (good.to_owned(), 1, "has no credential; add `token_sha256` (`switchboard token a`"),
            (format!("{good}token_sha256 = []\n"), 1, "has no credential"),
            (format!("{good}token_sha256 = \"{HASH}\"\n"), 5, "is not a list of texts"),
            (format!("{good}token_sha256 = [7]\n"), 5, "is not a list of texts"),
            (
                format!("{good}token_sha256 = [\"{}\"]\n", &HASH[1..]),
                5,
                "a text of 63 characters; write the SHA-256",
            ),
            (format!("{good}token_sha256 = [\"{}\"]\n", HASH.replace('9', "g")), 5, "64 hexadecimal digits"),
            (format!("{good}token_sha256 = [\"{HASH}\", \"{HASH}\"]\n"), 5, "is also on line 5"),
            (format!("companies = [\"*\"]\nallow = []\ntoken_sha256 = [\"{HASH}\"]\n"), 1, "has no `name`"),
            (with("").replace("\"a\"", "\"a b\""), 2, "`name` is not a name"),
            (with("").replace("\"a\"", "\"\""), 2, "`name` is not a name"),
            (with("").replace("\"a\"", "7"), 2, "`name` of the principal is not a text"),
            (with("").replace("\"a\"", "\"Anonymous\""), 2, "write `anonymous` in lower case"),
            (with("").replace("\"a\"", "\"anonymous\""), 1, "remove the key, or choose another name"),
            (with("").replace("allow = []\n", ""), 1, "has no `allow`"),
            (with("").replace("[]", "[\"selct\"]"), 4, "unknown permission `selct`; did you mean `select`?"),
            (
                with("").replace("[]", "[\"admin\"]"),
                4,
                "the permissions are select, explain, read, standings, metrics",
            ),
            (with("").replace("[]", "\"select\""), 4, "is not a list of texts"),
            (
                with("").replace("companies = [\"*\"]\nallow = []", "allow = [\"select\"]"),
                1,
                "has no `companies`",
            ),
            (with("").replace("[\"*\"]", "[]"), 3, "is empty; write the ids of companies"),
            (with("").replace("[\"*\"]", "[\"*\", \"acme\"]"), 3, "has `*` and further ids"),
            (with("").replace("[\"*\"]", "[\"acme corp\"]"), 3, "cannot be the id of a company"),
        ] {
            let faults = faults_of(&lines);
            assert_eq!(faults.len(), 1, "{lines}: {faults:?}");
            assert!(faults[0].starts_with(&format!("p.toml:{line}: ")), "{line}: {faults:?}");
            assert!(faults[0].contains(message), "{message}: {faults:?}");
            assert!(faults[0].contains("; "), "no remedy: {faults:?}");
        }
    }

    #[test]
    fn faults_of_the_file_are_found() {
        for (text, line, message) in [
            ("", 1, "has no principal"),
            ("# nothing\n", 1, "has no principal"),
            ("principal = []\n", 1, "has no principal"),
            ("[[principals]]\nname = \"a\"\n", 1, "did you mean `principal`?"),
            ("\n[principal]\nname = \"a\"\n", 2, "in two brackets"),
            ("principal = [1]\n", 1, "under its own `[[principal]]`"),
            ("[[principal]]\nname = a\n", 2, "is not valid TOML"),
            ("[[principal]]\nname = \"a\"\nname = \"b\"\n", 3, "is not valid TOML"),
            ("[[principal]]\nexpires = 2027-02-30\n", 2, ""),
        ] {
            let faults = parse(text).err().unwrap();
            assert!(faults[0].starts_with(&format!("p.toml:{line}: ")), "{text}: {faults:?}");
            assert!(faults.iter().any(|fault| fault.contains(message)), "{text}: {faults:?}");
        }
        let faults = PrincipalsFile::parse("p.toml", b"a\n\xff").err().unwrap();
        assert!(faults.to_string().starts_with("p.toml:2: the line is not UTF-8"), "{faults}");
        let faults = PrincipalsFile::parse("p.toml", &vec![b'\n'; MAX_FILE_BYTES + 1]).err().unwrap();
        assert!(faults.to_string().contains("more than 1048576 bytes"), "{faults}");
        assert!(
            PrincipalsFile::parse("p.toml", b"\xEF\xBB\xBF[[principal]]\nname=\"anonymous\"\nallow=[]")
                .is_ok()
        );
    }

    #[test]
    fn same_name_hash_and_certificate_of_two_principals_are_faults() {
        let one = |name: &str, credential: &str| {
            format!("[[principal]]\nname = \"{name}\"\n{credential}\ncompanies = [\"*\"]\nallow = []\n")
        };
        let hash = format!("token_sha256 = [\"{HASH}\"]");
        let upper = format!("token_sha256 = [\"{}\"]", HASH.to_uppercase());
        for (second, message) in [
            (one("a", "certificate = \"b.example\""), "principal `a` is also on line 2"),
            (one("b", &hash), "this hash of principal `b` is also on line 3"),
            (one("b", &upper), "this hash of principal `b` is also on line 3"),
        ] {
            let faults = parse(&format!("{}{second}", one("a", &hash))).err().unwrap();
            assert!(faults.len() == 1 && faults[0].contains(message), "{faults:?}");
        }
        let text = format!(
            "{}{}",
            one("a", "certificate = \"Gw.example\""),
            one("b", "certificate = \"gw.Example\"")
        );
        let faults = parse(&text).err().unwrap();
        assert!(faults[0].contains("certificate of principal `b` is also on line 3"), "{faults:?}");
    }

    #[test]
    fn no_message_has_a_token() {
        let secret = "swb_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let good = format!("name = \"a\"\ntoken_sha256 = [\"{HASH}\"]\ncompanies = [\"*\"]\nallow = []\n");
        for lines in [
            good.replace(HASH, secret),
            good.replace("\"a\"", &format!("\"{secret}\"")),
            good.replace("[]", &format!("[\"{secret}\"]")),
            good.replace("\"*\"", &format!("\"{secret} \"")),
            good.replace("\"*\"", &format!("\"acme\", \"{secret}\"")),
            format!("{good}{secret} = 1\n"),
            format!("{good}certificate = \"{secret}\"\n"),
            format!("{good}expires = \"{secret}\"\n"),
            format!("{good}x = {secret}\n"),
            format!("{good}[{secret}]\n"),
        ] {
            let faults = faults_of(&lines).join("\n");
            assert!(!faults.is_empty() && !faults.contains("AAAA"), "{lines}: {faults}");
        }
    }

    #[test]
    fn metrics_without_all_companies_are_a_warning() {
        let text = format!(
            "[[principal]]\nname = \"a\"\ntoken_sha256 = [\"{HASH}\"]\ncompanies = [\"acme\"]\nallow = [\"metrics\"]\n"
        );
        let file = parse(&text).unwrap();
        assert!(file.warnings[0].starts_with("p.toml:1: principal `a` cannot read the metrics"), "{file:?}");
    }

    #[test]
    fn certificate_that_no_client_can_have_is_a_warning() {
        let warnings = |name: &str| {
            let text = format!(
                "[[principal]]\nname = \"a\"\ncertificate = \"{name}\"\ncompanies = [\"acme\"]\nallow = []\n"
            );
            parse(&text).unwrap().warnings
        };
        for name in ["CN=gateway,O=Acme", "192.0.2.1", "a/b"] {
            assert!(warnings(name)[0].contains("never calls"), "{name}");
        }
        for name in ["gw.acme.example", "spiffe://acme.example/gw", "urn:x:y", "ops@acme.example", "a_b-1"] {
            assert_eq!(warnings(name), [""; 0], "{name}");
        }
    }

    #[test]
    fn companies_are_sorted_and_last_day_of_the_calendar_is_a_date() {
        let text = format!(
            "[[principal]]\nname = \"a\"\ntoken_sha256 = [\"{HASH}\"]\ncompanies = [\"b\", \"a\", \"b\"]\nallow = []\n\
             expires = 9999-12-31\n"
        );
        let principal = &parse(&text).unwrap().principals[0];
        assert_eq!(principal.companies, Companies::Listed(vec!["a".into(), "b".into()]));
        assert!(
            ["a", "b"].into_iter().all(|id| principal.scope().contains(id))
                && !principal.scope().contains("c")
        );
        assert_eq!(principal.expires.unwrap().1, UnixSeconds(253_402_214_400));
    }

    #[test]
    fn many_faults_are_counted() {
        let faults = PrincipalsFile::parse("p.toml", "[[principal]]\n".repeat(50).as_bytes()).err().unwrap();
        assert_eq!(faults.iter().count(), MAX_FAULTS);
        assert!(faults.to_string().ends_with(" more faults)"), "{faults}");
    }
}
