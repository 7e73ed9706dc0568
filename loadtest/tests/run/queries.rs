//! Queries from a file.

use loadtest::{
    engine::{FailureKind, Media, OutcomeCounts, Received, Source},
    run::Queries,
};
use std::{fs, time::Instant};

#[test]
fn queries_are_sent_in_turn_and_the_form_of_answers_is_checked() {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), "{\"ou\":\"a\"}\n\n{\"ou\":\"b\"}\n").unwrap();
    let mut queries = Queries::read(file.path()).unwrap();
    assert_eq!([queries.next(), queries.next(), queries.next()], [0, 1, 0]);
    assert!(queries.bytes(1).ends_with(b"content-length: 10\r\n\r\n{\"ou\":\"b\"}"));
    let mut outcomes = OutcomeCounts::default();
    let mut check = |status, body: &str| {
        let now = Instant::now();
        let media = if status == 200 { Media::Json } else { Media::Problem };
        let body = body.as_bytes();
        let answer = Received { status, media, body, connection: (0, 0), sent: now, read: now };
        let other = queries.check(0, &Received { media: Media::Other, ..answer }, &mut outcomes);
        assert!(other.is_err());
        queries.check(0, &answer, &mut outcomes).map_err(|wrong| wrong.kind())
    };
    assert_eq!(check(200, r#"{"account":"a","rule":"country"}"#), Ok(()));
    assert_eq!(check(404, r#"{"code":"unknown_ou"}"#), Ok(()));
    assert_eq!(check(200, "hello"), Err(FailureKind::WrongAnswer));
    for (status, code) in [(401, "unauthorized"), (403, "forbidden"), (503, "overloaded")] {
        let body = format!("{{\"code\":\"{code}\"}}");
        assert_eq!(check(status, &body), Err(FailureKind::UnexpectedStatus), "{code}");
    }
    for malformed in ["[]", "/v1/select?ou=a b", "ou=a"] {
        fs::write(file.path(), malformed).unwrap();
        assert!(Queries::read(file.path()).is_err(), "{malformed}");
    }
    fs::write(file.path(), "/v1/select?ou=a\n").unwrap();
    let queries = Queries::read(file.path()).unwrap();
    assert_eq!(queries.bytes(0), b"GET /v1/select?ou=a HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n");
}
