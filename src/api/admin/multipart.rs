//! Divides a complete body of the type `multipart/form-data` (RFC 7578) into its files.
//!
//! The body is in memory, because the registry that it contains is built in memory. One pass over it finds every
//! part, whatever the sizes of the pieces in which it arrived.

use hyper::HeaderMap;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use memchr::memmem::{self, Finder};
use switchboard_server::Problem;
use switchboard_server::response::{BAD_REQUEST, UNSUPPORTED_MEDIA_TYPE};

use crate::api::routes::check_encoding;

/// The only media type that is read, as in the header `Accept`.
const MEDIA_TYPE: &str = "multipart/form-data";
/// Maximum length of a boundary in bytes (RFC 2046, 5.1.1).
const MAX_BOUNDARY_BYTES: usize = 70;
/// Maximum number of bytes in the head of a part.
const MAX_HEAD_BYTES: usize = 4 * 1024;

/// A part of the body.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FilePart<'b> {
    /// The name of the file, as the client states it.
    pub(super) name: String,
    pub(super) content: &'b [u8],
}

/// Iterates over the parts of a body. Ends after the first malformed part.
pub(super) struct FileParts<'b> {
    /// The rest of the body, which begins after a boundary. `None` after the last part.
    rest: Option<&'b [u8]>,
    /// Finds the boundary with the line end before it.
    boundary: Finder<'b>,
    /// Whether the first boundary has been found.
    has_begun: bool,
}

/// Returns the boundary that the header `Content-Type` states.
///
/// # Errors
/// Returns `unsupported_media_type` for another type or encoding, and `bad_request` for a type without a valid boundary.
pub(super) fn boundary(headers: &HeaderMap) -> Result<String, Problem> {
    check_encoding(headers)?;
    let stated = headers.get(CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    let (essence, parameters) = match memchr::memchr(b';', stated) {
        Some(at) => stated.split_at(at),
        None => (stated, &b""[..]),
    };
    if !essence.trim_ascii().eq_ignore_ascii_case(MEDIA_TYPE.as_bytes()) {
        let problem = Problem::new(&UNSUPPORTED_MEDIA_TYPE).with_header(ACCEPT, MEDIA_TYPE);
        return Err(problem
            .with_detail("Send the files of a registry as multipart/form-data, as a form with files does."));
    }
    let boundary = parameter(parameters, "boundary").filter(|boundary| {
        // The characters of RFC 2046. None of them is special in the search.
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
        (1..=MAX_BOUNDARY_BYTES).contains(&boundary.len())
            && boundary.bytes().all(is_allowed)
            && !boundary.ends_with(' ')
    });
    boundary.ok_or_else(|| {
        bad_request(
            "The header Content-Type has no valid boundary. Let the program that builds the form set the header.",
        )
    })
}

/// Returns the line that separates parts, with the line end before it.
pub(super) fn delimiter(boundary: &str) -> Vec<u8> {
    format!("\r\n--{boundary}").into_bytes()
}

impl<'b> FileParts<'b> {
    /// Creates an iterator over the parts of a body. `delimiter` is the result of [`delimiter`].
    pub(super) fn new(body: &'b [u8], delimiter: &'b [u8]) -> FileParts<'b> {
        FileParts { rest: Some(body), boundary: Finder::new(delimiter), has_begun: false }
    }

    /// Skips the text before the first boundary.
    fn begin(&mut self, body: &'b [u8]) -> Result<&'b [u8], Problem> {
        self.has_begun = true;
        let delimiter = self.boundary.needle();
        let at_start = delimiter.get(2..).and_then(|dashes| body.strip_prefix(dashes));
        let after = || body.get(self.boundary.find(body)? + delimiter.len()..);
        at_start.or_else(after).ok_or_else(malformed)
    }

    fn read(&mut self, rest: &'b [u8]) -> Result<Option<FilePart<'b>>, Problem> {
        let rest = if self.has_begun { rest } else { self.begin(rest)? };
        if rest.starts_with(b"--") {
            return Ok(None);
        }
        // Blanks may follow a boundary (RFC 2046, 5.1.1).
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let line_end = rest.get(blanks..).filter(|rest| rest.starts_with(b"\r\n")).ok_or_else(malformed)?;
        // The line end belongs to the search, because a part without headers begins with an empty line.
        let searched = line_end.get(..line_end.len().min(MAX_HEAD_BYTES)).unwrap_or_default();
        let head_end = memmem::find(searched, b"\r\n\r\n").ok_or_else(malformed)?;
        let (head, content) = line_end.split_at(head_end + 4);
        let end = self
            .boundary
            .find(content)
            .ok_or_else(|| bad_request("The last part of the body has no end. Send the whole form again."))?;
        let name = file_name(head).ok_or_else(|| {
            bad_request(
                "A part has no file name in UTF-8. Send each file of the registry as a part whose filename is its \
                 path in the registry, such as acme/company.toml.",
            )
        })?;
        let (content, after) = content.split_at(end);
        self.rest = after.get(self.boundary.needle().len()..);
        Ok(Some(FilePart { name, content }))
    }
}

impl<'b> Iterator for FileParts<'b> {
    type Item = Result<FilePart<'b>, Problem>;

    fn next(&mut self) -> Option<Result<FilePart<'b>, Problem>> {
        let rest = self.rest.take()?;
        self.read(rest).transpose()
    }
}

fn malformed() -> Problem {
    bad_request(
        "The body is not a form of the boundary that Content-Type states, or a part has a head of more than 4096 \
         bytes. Send each file as one part.",
    )
}

fn bad_request(detail: &'static str) -> Problem {
    Problem::new(&BAD_REQUEST).with_detail(detail)
}

/// Returns the file name in the head of a part.
fn file_name(head: &[u8]) -> Option<String> {
    let mut dispositions = head.split(|&byte| byte == b'\n').filter_map(|line| {
        let (name, value) = line.split_at(memchr::memchr(b':', line)?);
        name.trim_ascii().eq_ignore_ascii_case(b"content-disposition").then_some(value.get(1..)?)
    });
    let (disposition, second) = (dispositions.next()?, dispositions.next());
    let (kind, parameters) = disposition.split_at(memchr::memchr(b';', disposition)?);
    if second.is_some() || !kind.trim_ascii().eq_ignore_ascii_case(b"form-data") {
        return None;
    }
    let name = parameter(parameters, "filename")?;
    // Browsers write three characters so, and no other (the HTML standard, multipart/form-data encoding).
    Some(name.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"))
}

/// Returns the value of a parameter in `; name=value; name="value"`. Returns `None` if the text is malformed, or if
/// the parameter is missing or occurs twice.
fn parameter(text: &[u8], wanted: &str) -> Option<String> {
    let mut rest = text.trim_ascii();
    let mut found = None;
    while let Some(after) = rest.strip_prefix(b";") {
        let after = after.trim_ascii_start();
        if after.is_empty() {
            break;
        }
        let (name, after) = after.split_at(memchr::memchr(b'=', after)?);
        let after = after.get(1..)?;
        let (value, after) = match after.strip_prefix(b"\"") {
            Some(quoted) => quoted_value(quoted)?,
            None => {
                let end = memchr::memchr(b';', after).unwrap_or(after.len());
                let (value, after) = after.split_at(end);
                (value.trim_ascii().to_vec(), after)
            }
        };
        if name.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes())
            && found.replace(String::from_utf8(value).ok()?).is_some()
        {
            return None;
        }
        rest = after.trim_ascii_start();
    }
    if rest.is_empty() || rest == b";" { found } else { None }
}

/// Reads a text up to its closing quote. Returns the text and what follows. A backslash before a quote or a backslash
/// is an escape; before another character it stands for itself, as in a path of Windows.
fn quoted_value(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut value = Vec::new();
    let mut at = 0;
    loop {
        match (text.get(at)?, text.get(at + 1)) {
            (b'"', _) => return Some((value, text.get(at + 1..).unwrap_or_default())),
            (b'\\', Some(&escaped @ (b'"' | b'\\'))) => {
                value.push(escaped);
                at += 2;
            }
            (&byte, _) => {
                value.push(byte);
                at += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn parts(body: &str) -> Result<Vec<(String, String)>, String> {
        let delimiter = delimiter("x");
        let text = |part: FilePart<'_>| (part.name, String::from_utf8(part.content.to_vec()).unwrap());
        let detail = |problem: Problem| {
            let mut json = Vec::new();
            problem.write(&mut json);
            String::from_utf8(json).unwrap()
        };
        FileParts::new(body.as_bytes(), &delimiter).map(|part| part.map(text).map_err(detail)).collect()
    }

    fn part(name: &str, content: &str) -> String {
        format!(
            "--x\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: text/csv\r\n\r\n{content}\r\n"
        )
    }

    fn owned(parts: &[(&str, &str)]) -> Vec<(String, String)> {
        parts.iter().map(|(name, content)| ((*name).to_owned(), (*content).to_owned())).collect()
    }

    #[test]
    fn parts_have_their_names_and_bytes() {
        let body = [part("a/b", "1\r\n--y\r\n"), part("c", ""), "--x--\r\nignored".to_owned()].concat();
        let expected = owned(&[("a/b", "1\r\n--y\r\n"), ("c", "")]);
        assert_eq!(parts(&body).unwrap(), expected);
        assert_eq!(parts(&format!("preamble\r\n{body}")).unwrap(), expected);
        assert_eq!(parts("--x--").unwrap(), []);
        assert_eq!(
            parts("--x \t\r\ncontent-disposition:form-data;FILENAME=a\r\n\r\n1\r\n--x--").unwrap(),
            owned(&[("a", "1")])
        );
    }

    #[test]
    fn names_are_unescaped_as_browsers_and_other_programs_write_them() {
        for (written, name) in [
            ("a%22b", "a\"b"),
            (r#"a\"b"#, "a\"b"),
            ("a%2Fb%zz", "a%2Fb%zz"),
            ("c:\\d\\e", "c:\\d\\e"),
            ("zürich \u{202e}x", "zürich \u{202e}x"),
            ("a; filename=b", "a; filename=b"),
            ("", ""),
        ] {
            assert_eq!(parts(&(part(written, "1") + "--x--")).unwrap(), owned(&[(name, "1")]), "{written}");
        }
    }

    #[test]
    fn malformed_bodies_are_refused() {
        let whole = part("a", "1");
        for (body, why) in [
            ("", "not a form"),
            ("--y--", "not a form"),
            ("x--x--", "not a form"),
            ("--x", "not a form"),
            ("--xx\r\n\r\n", "not a form"),
            ("--x\n\n", "not a form"),
            ("--x\r\nContent-Disposition: form-data; filename=a\r\n", "not a form"),
            ("--x\r\nContent-Disposition: form-data; filename=a\r\n\r\n1", "has no end"),
            (&whole, "has no end"),
            (&part(&"n".repeat(MAX_HEAD_BYTES), "1"), "not a form"),
            ("--x\r\n\r\n1\r\n--x--", "no file name"),
            ("--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--", "no file name"),
            ("--x\r\nContent-Disposition: attachment; filename=a\r\n\r\n1\r\n--x--", "no file name"),
            ("--x\r\nContent-Disposition: form-data; filename=\"a\r\n\r\n1\r\n--x--", "no file name"),
            (
                "--x\r\nContent-Disposition: form-data; filename=a; filename=b\r\n\r\n1\r\n--x--",
                "no file name",
            ),
            (
                "--x\r\nContent-Disposition: form-data; filename=a\r\nContent-Disposition: form-data; filename=b\r\n\r\n1\r\n--x--",
                "no file name",
            ),
        ] {
            let refused = parts(body).unwrap_err();
            assert!(refused.contains(why) && refused.contains("bad_request"), "{body}: {refused}");
        }
    }

    #[test]
    fn boundary_is_read_from_the_media_type() {
        let of = |value: &str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, HeaderValue::from_str(value).unwrap())]);
            boundary(&headers).map_err(|problem| problem.kind().status)
        };
        assert_eq!(of("multipart/form-data; boundary=----WebKit0aB").unwrap(), "----WebKit0aB");
        assert_eq!(of("Multipart/Form-Data;charset=utf-8; Boundary=\"a b\"").unwrap(), "a b");
        assert_eq!(of("multipart/mixed; boundary=x"), Err(415));
        assert_eq!(of("application/json"), Err(415));
        for value in
            ["", "; boundary", "; boundary=", "; boundary=\"a", "; boundary=a; boundary=b", "; boundary=a\"b"]
        {
            assert_eq!(of(&format!("multipart/form-data{value}")), Err(400), "{value}");
        }
        assert_eq!(of(&format!("multipart/form-data; boundary={}", "x".repeat(71))), Err(400));
        assert_eq!(boundary(&HeaderMap::new()).map_err(|problem| problem.kind().status), Err(415));
    }

    proptest! {
        #[test]
        fn files_of_any_content_are_read_as_they_were_written(contents in vec(vec(0u8..=255, 0..40), 0..5)) {
            let mut body = Vec::new();
            for content in &contents {
                body.extend_from_slice(b"--a b\r\nContent-Disposition: form-data; filename=\"n\"\r\n\r\n");
                body.extend_from_slice(content);
                body.extend_from_slice(b"\r\n");
            }
            body.extend_from_slice(b"--a b--\r\n");
            let delimiter = delimiter("a b");
            let read: Vec<&[u8]> = FileParts::new(&body, &delimiter).map(|part| part.unwrap().content).collect();
            prop_assert_eq!(read, contents);
        }

        #[test]
        fn any_body_is_read_to_its_end(words in vec(prop::sample::select(&[
            "--x", "--", "\r\n", "\r", "\n", "\"", "\\", ";", "=", ":", "filename", "form-data", "Content-Disposition", " ", "é", "\0",
        ][..]), 0..60)) {
            let (body, delimiter) = (words.concat(), delimiter("x"));
            let parts = FileParts::new(body.as_bytes(), &delimiter).take_while(Result::is_ok).count();
            prop_assert!(parts <= body.matches("--x").count());
        }
    }
}
