//! Quotes values in findings: on one line and shortened. Redacts what may be personal data of clients.
//!
//! An official number is no secret, and a finding shows it as it was typed. The queries of `tests.toml` may
//! hold numbers and ids of clients. In lines of that file, a value is shown only if its key is known to have no
//! personal data ([`hidden_in_tests`]). In addition, every text about that file is searched for phone numbers,
//! because a mistake can move a phone number into any field.

use std::fmt::Write;
use std::ops::Range;

use switchboard_model::QueryField;
use toml_parser::Source;
use toml_parser::lexer::{Token, TokenKind};

/// The maximum number of characters of a quoted value.
const MAX_QUOTED_CHARS: usize = 80;
/// The minimum number of digits of a possible phone number. Shorter numbers are usually numbers of OUs or
/// employees.
const MIN_NUMBER_DIGITS: usize = 10;
/// The minimum number of digits of a possible phone number that begins with `+`.
const MIN_DIGITS_AFTER_PLUS: usize = 5;
/// The number of digits at the end of a phone number that stay visible. They help to find the line, and do
/// not reveal the number.
const VISIBLE_DIGITS: usize = 2;

/// Returns the value in backticks for a message. Escapes control characters, and shortens a value of more than
/// 80 characters. Does not redact phone numbers: see [`redacted`].
///
/// ```
/// use switchboard_registry::quoted;
///
/// assert_eq!(quoted("emea-whatsapp"), "`emea-whatsapp`");
/// ```
pub fn quoted(value: &str) -> String {
    let mut out = String::new();
    out.push('`');
    for (count, letter) in value.chars().enumerate() {
        if count == MAX_QUOTED_CHARS {
            out.push('…');
            break;
        }
        if letter == '\'' || letter == '"' {
            out.push(letter);
        } else {
            let _ = write!(out, "{}", letter.escape_debug());
        }
    }
    out.push('`');
    out
}

/// Quotes several values and separates them by commas.
pub(crate) fn quoted_list<'a>(values: impl IntoIterator<Item = &'a str>) -> String {
    values.into_iter().map(quoted).collect::<Vec<_>>().join(", ")
}

/// Returns whether the numbers in a file may be numbers of clients.
pub(crate) fn is_confidential(path: &str) -> bool {
    path.ends_with("/tests.toml")
}

/// Replaces every possible phone number in a text by `…` and the last digits of the number.
///
/// ```
/// use switchboard_registry::redacted;
///
/// assert_eq!(redacted("`+447400123456` is no country"), "`+…56` is no country");
/// ```
pub fn redacted(value: &str) -> String {
    let letters: Vec<char> = value.chars().collect();
    let mut out = String::with_capacity(value.len());
    let mut done = 0;
    for run in possible_numbers(&letters) {
        out.extend(letters.get(done..run.start).unwrap_or_default());
        out.push('…');
        let number = letters.get(run.clone()).unwrap_or_default();
        let digits: Vec<&char> = number.iter().filter(|letter| letter.is_numeric()).collect();
        out.extend(digits.iter().skip(digits.len().saturating_sub(VISIBLE_DIGITS)).copied());
        out.extend(number.iter().rev().take_while(|letter| !letter.is_numeric()));
        done = run.end;
    }
    out.extend(letters.get(done..).unwrap_or_default());
    out
}

/// Returns the name of a test in backticks, without phone numbers and without the values of clients in the
/// test's query, which is a JSON object.
///
/// ```
/// use switchboard_registry::quoted_test;
///
/// assert_eq!(quoted_test("client jane@x.example", r#"{"client":"jane@x.example"}"#), "`client …`");
/// ```
pub fn quoted_test(name: &str, query: &str) -> String {
    let query: serde_json::Map<String, serde_json::Value> = serde_json::from_str(query).unwrap_or_default();
    let mut name = name.to_owned();
    for field in [QueryField::Phone, QueryField::Bsuid, QueryField::Client] {
        let value = query.get(field.as_str()).and_then(|value| value.as_str()).unwrap_or_default();
        for value in [value, value.trim_start_matches('+')] {
            if value.len() >= MIN_REPEATED_BYTES {
                name = name.replace(value, "…");
            }
        }
    }
    redacted(&quoted(&name))
}

/// Replaces the digits of every possible phone number by `•`, except the last ones. Keeps the number of
/// characters, because the positions of underlined parts must not change.
pub(crate) fn redact_in_place(letters: &mut [char]) {
    for run in possible_numbers(letters) {
        let number = letters.get_mut(run).unwrap_or_default();
        let digits = number.iter().filter(|letter| letter.is_numeric()).count();
        let hidden = digits.saturating_sub(VISIBLE_DIGITS);
        number.iter_mut().filter(|letter| letter.is_numeric()).take(hidden).for_each(|digit| *digit = '•');
    }
}

/// Finds possible phone numbers. The spaces and signs that people write between digits are part of a number,
/// so two neighbouring numbers count as one.
fn possible_numbers(letters: &[char]) -> Vec<Range<usize>> {
    let mut numbers = Vec::new();
    let mut run = 0..0;
    let mut digits = 0;
    let mut after_plus = false;
    for (at, &letter) in letters.iter().chain(&['\n']).enumerate() {
        if letter.is_numeric() || (digits > 0 && " -.()/\u{a0}".contains(letter)) {
            if digits == 0 {
                run.start = at;
            }
            digits += usize::from(letter.is_numeric());
            run.end = at + 1;
            continue;
        }
        if digits >= if after_plus { MIN_DIGITS_AFTER_PLUS } else { MIN_NUMBER_DIGITS } {
            numbers.push(run.clone());
        }
        digits = 0;
        after_plus = letter == '+';
    }
    numbers
}

/// The minimum length of a hidden value that is also looked for in the name of its test.
const MIN_REPEATED_BYTES: usize = 4;

/// Returns the parts of the text of a `tests.toml` that a finding must not show, in ascending order: comments,
/// and the values of all keys but those that are known to have no personal data. The text may have any faults. In
/// doubt a part is hidden.
pub(crate) fn hidden_in_tests(text: &str) -> Vec<Range<usize>> {
    let mut masker = Masker { text, ..Masker::default() };
    for token in Source::new(text).lex() {
        masker.take(token);
    }
    masker.end_test();
    masker.hidden.sort_unstable_by_key(|range| range.start);
    masker.hidden
}

/// The meaning of a key's value.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Content {
    /// The file, or a test.
    #[default]
    Test,
    Query,
    Expect,
    /// A value without personal data.
    Shown,
    Hidden,
}

impl Content {
    /// Returns the content of a key in a table of this content.
    fn of(self, key: &str) -> Content {
        match (self, key) {
            (Content::Test, "test") => Content::Test,
            (Content::Test, "query") => Content::Query,
            (Content::Test, "expect") => Content::Expect,
            (Content::Test, "name") => Content::Shown,
            (Content::Expect, "account" | "rule" | "ou" | "pool" | "climbed" | "error") => Content::Shown,
            (Content::Query, key) => match QueryField::parse(key) {
                None | Some(QueryField::Phone | QueryField::Bsuid | QueryField::Client) => Content::Hidden,
                Some(_) => Content::Shown,
            },
            _ => Content::Hidden,
        }
    }
}

/// What the next token can be.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Next {
    #[default]
    Key,
    Value,
    /// A separator behind a value, or the end of its table.
    Separator,
    /// A key of a table header.
    Header,
    /// Anything, because the text is faulty. Everything is hidden to the end of the line, or of the table.
    Unknown,
}

/// Reads the tokens of a file, and collects the parts to hide.
#[derive(Default)]
struct Masker<'t> {
    text: &'t str,
    hidden: Vec<Range<usize>>,
    /// The content of the table of the last header.
    header: Content,
    /// The content of the open inline tables and lists, and whether each is a list.
    open: Vec<(Content, bool)>,
    next: Next,
    /// The content of the value whose key is read.
    content: Content,
    /// The parts of a key that is not known. Shown only if a value follows.
    unknown_key: Vec<Range<usize>>,
    is_in_key: bool,
    line_has_token: bool,
    /// The texts of the present test that are shown, and the values that are hidden.
    shown_texts: Vec<Range<usize>>,
    hidden_values: Vec<&'t str>,
}

impl<'t> Masker<'t> {
    fn take(&mut self, token: Token) {
        let range = token.span().start()..token.span().end();
        let opens_line = !self.line_has_token;
        match token.kind() {
            TokenKind::Whitespace => return,
            TokenKind::Comment => return self.hide(range.start + 1..range.end),
            TokenKind::Newline | TokenKind::Eof => {
                self.line_has_token = false;
                self.hide_unknown_key();
                if self.open.is_empty() {
                    self.begin_entry();
                }
                return;
            }
            _ => self.line_has_token = true,
        }
        if opens_line && token.kind() == TokenKind::LeftSquareBracket && self.is_header(range.start) {
            self.hide_unknown_key();
            self.end_test();
            self.open.clear();
            (self.next, self.header) = (Next::Header, Content::Test);
            return;
        }
        let is_text = is_text(token.kind()) || token.kind() == TokenKind::Atom;
        match (self.next, token.kind()) {
            (Next::Header, _) if is_text => {
                let key = self.key(&range);
                self.header = self.header.of(key);
                if self.header == Content::Hidden {
                    self.hide(range);
                }
            }
            (Next::Header, TokenKind::LeftSquareBracket | TokenKind::Dot) => {}
            (Next::Header, TokenKind::RightSquareBracket) => self.next = Next::Separator,
            (Next::Separator, TokenKind::RightSquareBracket) if self.open.is_empty() => {}
            (Next::Key, _) if is_text && !self.is_in_key => {
                let key = self.key(&range);
                self.content = self.content.of(key);
                self.is_in_key = true;
                if self.content == Content::Hidden {
                    self.unknown_key.push(range);
                }
            }
            (Next::Key, TokenKind::Dot) if self.is_in_key => self.is_in_key = false,
            (Next::Key, TokenKind::Equals) if self.is_in_key => {
                self.next = Next::Value;
                self.show_unknown_key();
            }
            (Next::Value, TokenKind::LeftCurlyBracket | TokenKind::LeftSquareBracket) => {
                let is_list = token.kind() == TokenKind::LeftSquareBracket;
                let is_table_of_values = !is_list && self.content == Content::Shown;
                let content = if is_table_of_values { Content::Hidden } else { self.content };
                self.open.push((content, is_list));
                self.begin_entry();
            }
            (Next::Value, _) if is_text => {
                self.next = Next::Separator;
                if self.content == Content::Shown && self.is_whole(token) {
                    self.shown_texts.push(range);
                } else {
                    self.hidden_values.extend(self.text.get(inside(self.text, &range)));
                    self.hide(inside(self.text, &range));
                }
            }
            (Next::Separator, TokenKind::Comma) if !self.open.is_empty() => self.begin_entry(),
            (_, TokenKind::RightCurlyBracket | TokenKind::RightSquareBracket)
                if self.open.last().is_some_and(|(_, is_list)| {
                    *is_list == (token.kind() == TokenKind::RightSquareBracket)
                }) =>
            {
                self.hide_unknown_key();
                self.open.pop();
                if self.next != Next::Unknown {
                    self.next = Next::Separator;
                }
            }
            _ => {
                self.hide_unknown_key();
                self.next = Next::Unknown;
                if is_text {
                    self.hide(range);
                }
            }
        }
    }

    /// Prepares for the first key or value of a line, a table or a list, or of the next entry in it.
    fn begin_entry(&mut self) {
        let (content, is_list) = self.open.last().copied().unwrap_or((self.header, false));
        self.content = content;
        self.is_in_key = false;
        self.next = if is_list { Next::Value } else { Next::Key };
    }

    /// Returns whether a bracket at the beginning of a line opens a table header.
    fn is_header(&self, at: usize) -> bool {
        let rest = self.text.get(at..).unwrap_or_default().trim_start_matches(['[', ' ', '\t']);
        rest.starts_with(|letter: char| letter.is_alphabetic() || matches!(letter, '_' | '"' | '\''))
            && (self.open.is_empty() || !rest.starts_with(['"', '\'']))
    }

    fn key(&self, range: &Range<usize>) -> &'t str {
        self.text.get(inside(self.text, range)).unwrap_or_default()
    }

    /// Returns whether a value has no further text in it that belongs to another key.
    fn is_whole(&self, token: Token) -> bool {
        let text = self.text.get(token.span().start()..token.span().end()).unwrap_or_default();
        let quote = if is_text(token.kind()) { text.get(..1).unwrap_or_default() } else { "" };
        !text.contains('=') && (quote.is_empty() || text.len() > 1 && text.ends_with(quote))
    }

    fn hide(&mut self, range: Range<usize>) {
        self.hidden.push(range);
    }

    fn hide_unknown_key(&mut self) {
        self.hidden.append(&mut self.unknown_key);
    }

    fn show_unknown_key(&mut self) {
        // A key with a digit or a sign of an e-mail address may be a value in the wrong place.
        let is_word = |key: &str| key.chars().all(|letter| letter.is_alphabetic() || "_- ".contains(letter));
        for range in std::mem::take(&mut self.unknown_key) {
            if !is_word(self.key(&range)) {
                self.hide(inside(self.text, &range));
            }
        }
    }

    /// Hides the shown texts of the test that ends if they repeat one of its hidden values.
    fn end_test(&mut self) {
        self.hidden_values.retain(|value| value.trim_start_matches('+').len() >= MIN_REPEATED_BYTES);
        for range in std::mem::take(&mut self.shown_texts) {
            let text = self.text.get(range.clone()).unwrap_or_default();
            if self.hidden_values.iter().any(|value| text.contains(value.trim_start_matches('+'))) {
                self.hide(inside(self.text, &range));
            }
        }
        self.hidden_values.clear();
    }
}

fn is_text(kind: TokenKind) -> bool {
    matches!(
        kind,
        TokenKind::BasicString
            | TokenKind::LiteralString
            | TokenKind::MlBasicString
            | TokenKind::MlLiteralString
    )
}

/// Returns the bytes of a value without the quotes around it.
fn inside(text: &str, range: &Range<usize>) -> Range<usize> {
    let value = text.get(range.clone()).unwrap_or_default();
    let Some(quote) = value.chars().next().filter(|letter| matches!(letter, '"' | '\'')) else {
        return range.clone();
    };
    let opening = value.len() - value.trim_start_matches(quote).len();
    let closing = value.len() - value.trim_end_matches(quote).len();
    let start = range.start + opening;
    start..(range.end - closing).max(start)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows a text of `tests.toml` with its hidden parts replaced.
    fn masked(text: &str) -> String {
        let hidden = hidden_in_tests(text);
        let mask = |(at, letter)| match hidden.iter().any(|range| range.contains(&at)) {
            true if letter != '\n' => '•',
            _ => letter,
        };
        text.char_indices().map(mask).collect()
    }

    #[test]
    fn values_of_clients_are_hidden_by_their_keys() {
        for (text, wanted) in [
            ("query = { ou = \"x\", phone = \"123\" }", "query = { ou = \"x\", phone = \"•••\" }"),
            ("query = { client = 'a b', role=\"primary\" }", "query = { client = '•••', role=\"primary\" }"),
            (
                "query = { \"client\" = \"a\", 'bsuid' = \"b\" }",
                "query = { \"client\" = \"•\", 'bsuid' = \"•\" }",
            ),
            ("query.phone = \"1\"\nquery.ou = \"x\"", "query.phone = \"•\"\nquery.ou = \"x\""),
            ("[test.query]\nclient = \"a\"\nou = \"x\"", "[test.query]\nclient = \"•\"\nou = \"x\""),
            (
                "query = { phone = 123, exclude = [\"a\", \"b\"] }",
                "query = { phone = •••, exclude = [\"a\", \"b\"] }",
            ),
            ("query = { phone = [\"12\", 34], ou = \"x\" }", "query = { phone = [\"••\", ••], ou = \"x\" }"),
            ("query = { client = { ou = \"a\" } }", "query = { client = { ou = \"•\" } }"),
            ("query = { client = \"\"\"a\nb\"\"\" }", "query = { client = \"\"\"•\n•\"\"\" }"),
            (
                "query = {\n  client = '''ab''',\n  ou = \"x\"\n}",
                "query = {\n  client = '''••''',\n  ou = \"x\"\n}",
            ),
            ("query = { phnoe = \"12\" }", "query = { phnoe = \"••\" }"),
            ("query = { Phone = \"12\" }", "query = { Phone = \"••\" }"),
            ("query = { \"ph\\u006fne\" = \"12\" }", "query = { \"••••••••••\" = \"••\" }"),
            ("query = { a12 = \"phone\" }", "query = { ••• = \"•••••\" }"),
            ("qery = { ou = \"x\" }", "qery = { ou = \"•\" }"),
            ("query = \"ab\"", "query = \"••\""),
            ("name = \"n\" # ann", "name = \"n\" #••••"),
            ("name = \"ann\"\nquery = { client = \"ann\" }", "name = \"ann\"\nquery = { client = \"•••\" }"),
            (
                "name = \"call anna\"\nquery = { client = \"anna\" }",
                "name = \"•••••••••\"\nquery = { client = \"••••\" }",
            ),
            (
                "expect = { account = \"a\", climbed = 1, phone = \"b\" }",
                "expect = { account = \"a\", climbed = 1, phone = \"•\" }",
            ),
        ] {
            assert_eq!(masked(text), wanted);
            let header = "[[test]]\n";
            if !text.starts_with('[') {
                assert_eq!(masked(&format!("{header}{text}")), format!("{header}{wanted}"));
            }
        }
    }

    #[test]
    fn values_are_hidden_where_the_text_is_faulty() {
        for text in [
            "query = { ou = \"x\" phone = \"12\" }",
            "query = { ou = \"x, phone = \"12\" }",
            "query = { ou = 'x, phone = \"12\" }",
            "query = { phone = 12\" }",
            "query = { \"12\" }",
            "query = { = \"12\" }",
            "query = { phone \"12\" }",
            "[query = { phone = \"12\" }",
            "query = [[ou]] { phone = \"12\" }",
            "query =\n{ phone = \"12\" }",
            "12\n\"ann\"",
            "ann.x\nx.ann",
        ] {
            let found = masked(text);
            assert!(!found.contains("12") && !found.contains("ann"), "{text}: {found}");
        }
        assert_eq!(masked("query = { ou = \"x\" client = \"12\" }"), "query = { ou = \"x\" •••••• = •••• }");
    }

    #[test]
    fn phone_numbers_are_shortened_in_every_position() {
        for (text, wanted) in [
            ("+447400123456", "+…56"),
            ("447400123456", "…56"),
            ("wa-447400123456-x", "wa-…56-x"),
            ("+44 (0) 7400-123456", "+…56"),
            ("+12345", "+…45"),
            ("1234567890", "…90"),
            ("2015-55-0123", "…23"),
        ] {
            assert_eq!(redacted(text), wanted);
            assert_eq!(redacted(&quoted(text)), format!("`{wanted}`"));
            assert_eq!(quoted(text), format!("`{text}`"));
        }
    }

    #[test]
    fn dates_ids_and_short_numbers_are_not_redacted() {
        for text in
            ["2026-13-01", "2026-01-01T25:00:00Z", "wa-emea-gb-1", "1.24.0", "10023412", "123456789", "+1234"]
        {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn redaction_in_place_keeps_every_position() {
        for (line, redacted) in [
            ("phone = \"+44 7400 123456\" }", "phone = \"+•• •••• ••••56\" }"),
            ("a,447400123456,2027-01-01,x", "a,••••••••••56,2027-01-01,x"),
        ] {
            let mut letters: Vec<char> = line.chars().collect();
            redact_in_place(&mut letters);
            assert_eq!(letters.iter().collect::<String>(), redacted);
        }
    }

    #[test]
    fn values_are_quoted_on_one_line_and_cut() {
        assert_eq!(quoted("a\nb"), "`a\\nb`");
        assert_eq!(quoted(&"x".repeat(500)).chars().count(), MAX_QUOTED_CHARS + 3);
    }
}
