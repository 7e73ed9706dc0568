//! Clients that send a request byte by byte.

use loadtest::run::{SlowRequests, StopFlag, run_slow_client};
use std::{
    io::{Read, Write},
    net::TcpListener,
    sync::mpsc,
    thread,
};

#[test]
fn body_is_sent_byte_by_byte_and_a_503_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let target = listener.local_addr().unwrap();
    // Length of the request after each read.
    let (sender, lengths) = mpsc::channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"{}") {
            let mut piece = [0; 1_024];
            let length = stream.read(&mut piece).unwrap();
            request.extend(&piece[..length]);
            sender.send(request.len()).unwrap();
        }
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n").unwrap();
    });
    let (stop, requests) = (StopFlag::default(), SlowRequests::new(None, Some("{}")));
    let (report, reports) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| run_slow_client(&stop, &target.into(), &requests, 0, &|it| drop(report.send(it))));
        assert_eq!(reports.recv().unwrap(), Err("refused with 503".to_owned()));
        stop.set();
    });
    let lengths: Vec<usize> = lengths.iter().collect();
    let whole = *lengths.last().unwrap();
    assert!(lengths.ends_with(&[whole - 1, whole]), "{lengths:?} of {whole}");
}
