//! Standings that the load test sets, and clears even if it is interrupted.

use jiff::Timestamp;
use loadtest::run::{AdminClient, StandingsToRestore, standing_of, without_standing};
use serde_json::Value;
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    sync::{Mutex, mpsc},
    thread,
};

/// Serves answers that `answer` makes from the first line and the body, until the process ends.
fn serve(answer: impl Fn(&str, &str) -> (u16, &'static str) + Send + 'static) -> AdminClient {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let (mut head, mut length) = (String::new(), 0);
            while !head.ends_with("\r\n\r\n") {
                let start = head.len();
                assert_ne!(reader.read_line(&mut head).unwrap(), 0, "{head}");
                if let Some(value) = head[start..].to_lowercase().strip_prefix("content-length: ") {
                    length = value.trim().parse().unwrap();
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body).unwrap();
            let line = head.lines().next().unwrap();
            let (status, text) = answer(line, std::str::from_utf8(&body).unwrap());
            let length =
                if status == 204 { String::new() } else { format!("content-length: {}\r\n", text.len()) };
            let head = format!("HTTP/1.1 {status} X\r\nconnection: close\r\n{length}\r\n");
            reader.get_mut().write_all((head + text).as_bytes()).unwrap();
        }
    });
    AdminClient::new(address.into())
}

#[test]
fn standing_expires_and_is_kept_until_it_is_cleared() {
    let (sender, requests) = mpsc::channel();
    let refusals = Mutex::new(1);
    let admin = serve(move |line, body| {
        sender.send((line.to_owned(), body.to_owned())).unwrap();
        let mut left = refusals.lock().unwrap();
        match line.starts_with("PUT") {
            true => (200, "{}"),
            false if *left > 0 => {
                *left -= 1;
                (500, "{}")
            }
            false => (204, ""),
        }
    });
    let (standings, path) = (StandingsToRestore::default(), standing_of("acme", "a/b c"));
    assert_eq!(standings.suspend(&admin, &path), Ok(200));
    let (line, body) = requests.recv().unwrap();
    assert_eq!(line, "PUT /v1/standings/acme/a%2Fb%20c HTTP/1.1");
    let body: Value = serde_json::from_str(&body).unwrap();
    let until: Timestamp = body["until"].as_str().unwrap().parse().unwrap();
    let left = until.duration_since(Timestamp::now()).as_secs();
    assert!((30..=60).contains(&left), "{left}");
    assert_eq!(standings.restore(&admin, &path), Ok(500));
    assert_eq!(standings.restore_all(), Vec::<String>::new(), "the second time");
    assert_eq!(requests.try_iter().count(), 2);
    assert!(standings.restore_all().is_empty() && requests.try_recv().is_err(), "nothing is left");
}

#[test]
fn refused_standing_is_not_kept_and_a_failed_one_is_reported() {
    let (standings, gone) = (StandingsToRestore::default(), TcpListener::bind("127.0.0.1:0").unwrap());
    let admin = serve(|_, _| (400, "{}"));
    assert_eq!(standings.suspend(&admin, "/v1/standings/acme/a"), Ok(400));
    assert!(standings.restore_before_exit().is_empty());
    let standings = StandingsToRestore::default();
    let admin = AdminClient::new(gone.local_addr().unwrap().into());
    drop(gone);
    assert!(standings.suspend(&admin, "/v1/standings/acme/a").is_err());
    let failed = standings.restore_before_exit();
    assert!(failed[0].contains("/v1/standings/acme/a is not cleared"), "{failed:?}");
}

#[test]
fn accounts_with_a_standing_are_left_out() {
    let admin = serve(|line, _| {
        assert!(line.starts_with("GET /v1/standings?company=a%20b "), "{line}");
        (200, r#"{"company":"a b","standings":[{"account":"x","standing":"draining"}]}"#)
    });
    let accounts = ["x", "y"].map(|account| ("a b".to_owned(), account.to_owned()));
    assert_eq!(without_standing(&admin, accounts.to_vec()).unwrap(), [accounts[1].clone()]);
    let other = serve(|_, _| (404, "{}"));
    assert!(without_standing(&other, accounts.to_vec()).unwrap_err().to_string().contains("--registry"));
}
