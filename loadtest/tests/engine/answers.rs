//! The parser of answers: heads, and answers that arrive in pieces.

use loadtest::engine::{Head, Media, PartialAnswer};

#[test]
fn valid_heads_are_parsed_and_others_refused() {
    let of = |text: &str| Head::parse(text.as_bytes());
    let whole = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    let head = Head { status: 200, media: Media::Other, head_bytes: 38, body_bytes: 5, last: false };
    assert_eq!(of(whole), Ok(Some(head)));
    for cut in 0..38 {
        assert_eq!(of(&whole[..cut]), Ok(None), "{cut}");
    }
    let last = "HTTP/1.1 503 \r\nconnection: Close\r\ncontent-length: 0\r\n\r\n";
    assert!(of(last).unwrap().unwrap().last);
    for (text, media) in [
        ("application/json", Media::Json),
        ("Application/Problem+JSON; charset=utf-8", Media::Problem),
        ("application/x-ndjson", Media::Lines),
        ("application/jsonl", Media::Other),
    ] {
        let whole = format!("HTTP/1.1 200 OK\r\nContent-Type: {text}\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(of(&whole).unwrap().unwrap().media, media, "{text}");
    }
    assert_eq!(of("HTTP/1.1 204 No Content\r\n\r\n").unwrap().unwrap().body_bytes, 0);
    for broken in [
        "SMTP ready\r\n\r\n",
        "HTTP/1.1 200 OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        assert!(of(broken).is_err(), "{broken}");
    }
}

#[test]
fn answer_in_two_pieces_is_put_together() {
    let whole = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    for cut in 0..whole.len() {
        let mut answer = PartialAnswer::default();
        if cut > 0 {
            assert_eq!(answer.append(&whole[..cut]), Ok(None), "{cut}");
        }
        let head = answer.append(&whole[cut..]).unwrap().unwrap();
        assert_eq!((head.status, head.body_bytes), (200, 5));
    }
    let more = [whole.as_slice(), b"!"].concat();
    assert!(PartialAnswer::default().append(&more).unwrap_err().contains("1 bytes after"));
}
