//! TLS over real sockets: handshakes and their limits, certificates and their replacement, and the requests
//! above.

pub(crate) mod certificates;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use self::certificates::{Certificates, client_hello, connect_with, unfinished};
use crate::harness::{DaemonProcess, HttpClient, get, wait_until};

const QUERY: &str = "/v1/select?company=acme&channel=whatsapp&ou=zurich&country=FR";

/// Starts a daemon with the certificate and these options.
fn start(certificates: &Certificates, options: &[&str]) -> DaemonProcess {
    let own = certificates.options();
    let own = own.iter().map(String::as_str);
    DaemonProcess::start(
        &own.chain(["--admin-tls=off", "--poll-interval=100ms"])
            .chain(options.iter().copied())
            .collect::<Vec<_>>(),
    )
}

fn handshakes(daemon: &DaemonProcess, outcome: &str) -> f64 {
    daemon.metric(&format!("switchboard_tls_handshakes_total{{listener=\"data\",outcome=\"{outcome}\"}}"))
}

fn switchboard(arguments: &[&str]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_switchboard")).args(arguments).output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(text).unwrap())
}

/// Runs `openssl s_client` with these options and this input.
fn s_client(address: &str, options: &[&str], input: &str) -> (bool, String) {
    let mut client = Command::new("openssl")
        .args(["s_client", "-connect", address, "-servername", "localhost"])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The client may have ended.
    let _ = client.stdin.take().unwrap().write_all(input.as_bytes());
    let Output { status, stdout, stderr } = client.wait_with_output().unwrap();
    (status.success(), String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned())
}

#[test]
fn answers_over_tls_are_those_of_a_plain_socket() {
    let certificates = Certificates::new();
    let unix = format!("unix:{}", certificates.path("data").display());
    let daemon = start(&certificates, &["--listen", &unix]);
    let tls = daemon.data.split(", ").next().unwrap();
    let mut client = certificates.connect(tls);
    // The fast path, hyper, a batch whose answer has 2 MB, and the fast path again.
    let query = r#"{"company":"acme","channel":"whatsapp","ou":"zurich","country":"FR"}"#;
    let batch = format!("{query}\n").repeat(9_000);
    let mut plain = HttpClient::try_connect_unix(unix.strip_prefix("unix:").unwrap()).unwrap();
    for _ in 0..2 {
        assert_eq!(client.get(QUERY).text(), plain.get(QUERY).text());
        assert_eq!(client.get("/v1/explain?channel=sms&company=acme&ou=emea&country=GB").status, 200);
        client.post("/v1/select/batch", "", &batch);
        plain.post("/v1/select/batch", "", &batch);
        let (answer, expected) = (client.answer(), plain.answer());
        assert!(answer.lines().len() == 9_000 && answer.body == expected.body);
    }
    // Several requests at once are answered in order.
    client.send(format!("GET {QUERY} HTTP/1.1\r\nHost: x\r\n\r\n").repeat(30));
    for _ in 0..30 {
        assert_eq!(client.answer().account(), "wa-dach-ch-1");
    }
    assert_eq!((handshakes(&daemon, "completed"), handshakes(&daemon, "failed")), (1.0, 0.0));
    let expiry = "switchboard_tls_certificate_expiry_timestamp_seconds{certificate=\"server\"}";
    assert_eq!(daemon.metric(expiry), 32_503_593_600.0);
    assert_eq!(daemon.status()["tls"]["certificate"]["expires"], "2999-12-31T00:00:00Z");
}

#[test]
fn admin_listener_has_tls_unless_it_is_turned_off() {
    let certificates = Certificates::new();
    let options = certificates.options();
    let daemon = DaemonProcess::start(&options.iter().map(String::as_str).collect::<Vec<_>>());
    let mut client = certificates.connect(&daemon.admin);
    assert_eq!(client.get("/readyz").status, 200);
    let metrics = client.get("/metrics").text();
    for series in
        ["listener=\"admin\",outcome=\"completed\"} 1", "listener=\"data\",outcome=\"completed\"} 0"]
    {
        assert!(metrics.contains(series), "{metrics}");
    }
    let plain = start(&certificates, &[]);
    assert_eq!(get(&plain.admin, "/readyz").0, 200);
    assert!(!get(&plain.admin, "/metrics").1.contains("listener=\"admin\",outcome=\"completed\""));
    let without = DaemonProcess::start(&[]);
    assert!(!get(&without.admin, "/metrics").1.contains("switchboard_tls"));
    assert_eq!(without.status()["tls"], Value::Null);
}

#[test]
#[cfg_attr(not(has_openssl), ignore = "needs openssl: apt-get install openssl")]
fn openssl_gets_tls_1_2_and_1_3_with_http_1_1_and_nothing_older() {
    let certificates = Certificates::new();
    let daemon = start(&certificates, &[]);
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let ca = certificates.path("ca.pem");
    for version in ["-tls1_2", "-tls1_3"] {
        let options = [
            version,
            "-alpn",
            "h2,http/1.1",
            "-ign_eof",
            "-verify_return_error",
            "-CAfile",
            ca.to_str().unwrap(),
        ];
        let (done, text) = s_client(&daemon.data, &options, request);
        assert!(
            done && text.contains("ALPN protocol: http/1.1") && text.contains("HTTP/1.1 200 OK"),
            "{text}"
        );
    }
    for version in ["-tls1_1", "-tls1"] {
        let (done, text) = s_client(&daemon.data, &[version, "-cipher", "ALL:@SECLEVEL=0"], "");
        assert!(!done && text.contains("SSL alert number"), "{text}");
    }
    let (done, text) = s_client(&daemon.data, &["-alpn", "h2"], "");
    assert!(!done && text.contains("alert no application protocol"), "{text}");
    // A client that asks for a new handshake on its connection gets none.
    let (done, text) = s_client(&daemon.data, &["-tls1_2"], "R\n");
    assert!(!done && text.contains("no renegotiation"), "{text}");
    // No early data.
    let session = certificates.path("early.session");
    let (_, text) = s_client(&daemon.data, &["-ign_eof", "-sess_out", session.to_str().unwrap()], request);
    assert!(text.contains("Max Early Data: 0"), "{text}");
}

#[test]
#[cfg_attr(not(has_openssl), ignore = "needs openssl: apt-get install openssl")]
fn session_is_resumed_until_the_certificate_is_replaced() {
    let certificates = Certificates::new();
    let daemon = start(&certificates, &[]);
    let request = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    for version in ["-tls1_2", "-tls1_3"] {
        let session = certificates.path(&format!("session{version}"));
        let session = session.to_str().unwrap();
        s_client(&daemon.data, &[version, "-ign_eof", "-sess_out", session], request);
        let resumed = handshakes(&daemon, "resumed");
        let (_, text) = s_client(&daemon.data, &[version, "-ign_eof", "-sess_in", session], request);
        assert!(text.contains("\nReused, ") && text.contains("HTTP/1.1 200 OK"), "{text}");
        assert_eq!(handshakes(&daemon, "resumed"), resumed + 1.0);
        certificates.install(&certificates.server());
        daemon.log("certificate replaced");
        let (_, text) = s_client(&daemon.data, &[version, "-ign_eof", "-sess_in", session], request);
        assert!(text.contains("\nNew, ") && text.contains("HTTP/1.1 200 OK"), "{text}");
    }
}

#[test]
fn handshake_that_stalls_is_closed_after_the_header_timeout() {
    let certificates = Certificates::new();
    let daemon = start(&certificates, &["--header-timeout=400ms"]);
    let hello = client_hello(&certificates.client_config(None));
    for sent in [&hello[..0], &hello[..1], &hello[..hello.len() - 1], &hello[..]] {
        let began = Instant::now();
        let mut stream = TcpStream::connect(&daemon.data).unwrap();
        stream.write_all(sent).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
        let took = began.elapsed();
        assert!(took > Duration::from_millis(350) && took < Duration::from_secs(10), "{took:?}");
    }
    // The client may see the end of its connection before the daemon counts it.
    wait_until("the handshakes are counted", || handshakes(&daemon, "timed_out") == 4.0);
    let closed = || daemon.metric("switchboard_http_connections_total{outcome=\"timed_out\"}");
    wait_until("the connections are counted", || closed() == 4.0);
    wait_until("no connection is open", || daemon.metric("switchboard_http_connections") == 0.0);
}

#[test]
fn stalled_handshakes_delay_no_other_connection() {
    let certificates = Certificates::new();
    let daemon = start(&certificates, &["--workers=1", "--header-timeout=20s"]);
    let hello = client_hello(&certificates.client_config(None));
    let stalled: Vec<TcpStream> = (0..200)
        .map(|at| {
            let mut stream = TcpStream::connect(&daemon.data).unwrap();
            // Half of them stall before the message is complete.
            stream.write_all(if at % 2 == 0 { &hello } else { &hello[..100] }).unwrap();
            stream
        })
        .collect();
    for _ in 0..5 {
        let began = Instant::now();
        assert_eq!(certificates.connect(&daemon.data).get(QUERY).status, 200);
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    }
    wait_until("stalled handshakes make room", || handshakes(&daemon, "evicted") >= 68.0);
    drop(stalled);
}

/// The newest handshake is served first, so its time does not grow with the number of those that wait.
#[test]
fn many_stalled_handshakes_delay_an_honest_one_no_longer_than_few() {
    let certificates = Certificates::new();
    let daemon = start(&certificates, &["--workers=1", "--header-timeout=30s"]);
    let hello = client_hello(&certificates.client_config(None));
    let stalled: Vec<TcpStream> = (0..1_000)
        .map(|_| {
            let mut stream = TcpStream::connect(&daemon.data).unwrap();
            stream.write_all(&hello).unwrap();
            stream
        })
        .collect();
    // In the order of arrival, the first of these would wait for about 8 s.
    let began = Instant::now();
    for _ in 0..3 {
        assert_eq!(certificates.connect(&daemon.data).get(QUERY).status, 200);
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    drop(stalled);
}

#[test]
fn drain_does_not_wait_for_handshakes() {
    let certificates = Certificates::new();
    let daemon = start(&certificates, &["--header-timeout=60s", "--drain-timeout=60s"]);
    let hello = client_hello(&certificates.client_config(None));
    let mut silent = TcpStream::connect(&daemon.data).unwrap();
    let mut stalled = TcpStream::connect(&daemon.data).unwrap();
    stalled.write_all(&hello).unwrap();
    wait_until("both are open", || daemon.metric("switchboard_http_connections") == 2.0);
    let began = Instant::now();
    daemon.signal(Signal::TERM);
    for stream in [&mut silent, &mut stalled] {
        stream.set_read_timeout(Some(Duration::from_secs(50))).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}

#[test]
fn idle_connection_is_closed_with_a_notice() {
    let certificates = Certificates::new();
    let daemon = start(&certificates, &["--idle-timeout=200ms"]);
    let mut idle = certificates.connect(&daemon.data);
    assert_eq!(idle.get(QUERY).status, 200);
    // Without the notice, the read would be an error.
    assert!(idle.is_closed_in_order());
}

#[test]
fn cut_handshakes_leave_nothing_behind() {
    cut_handshakes(1_000);
}

#[test]
#[ignore = "long: 10,000 handshakes"]
fn cut_handshakes_leave_nothing_behind_long() {
    cut_handshakes(10_000);
}

/// Cuts handshakes before every byte that the client sends, over and over. No connection waits for them, and the memory
/// does not grow.
fn cut_handshakes(count: usize) {
    let certificates = Certificates::new();
    let daemon = start(&certificates, &[]);
    let config = certificates.client_config(None);
    let hello = client_hello(&config);
    let memory = || {
        let status = fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap()
    };
    let mut honest = connect_with(&config, &daemon.data);
    assert_eq!(honest.get(QUERY).status, 200);
    let bytes = hello.len() + unfinished(&config, &daemon.data).1.len();
    let mut before = None;
    for at in 0..count {
        let cut = at % bytes;
        if cut <= hello.len() {
            TcpStream::connect(&daemon.data).unwrap().write_all(&hello[..cut]).unwrap();
        } else {
            let (mut stream, last) = unfinished(&config, &daemon.data);
            stream.write_all(&last[..cut - hello.len()]).unwrap();
        }
        if at % 50 == 0 {
            assert_eq!(honest.get(QUERY).status, 200);
        }
        if at == count / 2 {
            before = Some(memory());
        }
    }
    // A connection without a byte is no handshake. The last ones may still wait to be accepted.
    // The one that counted the bytes was cut as well.
    let empty = (0..count).step_by(bytes).count();
    let expected = (count - empty + 1) as f64;
    wait_until("every cut handshake is counted", || handshakes(&daemon, "failed") >= expected);
    wait_until("every cut connection is closed", || daemon.metric("switchboard_http_connections") == 1.0);
    assert_eq!(handshakes(&daemon, "failed"), expected);
    assert!(memory() < before.unwrap() + 16 * 1024, "{before:?} {}", memory());
}

#[test]
#[cfg_attr(not(has_openssl), ignore = "needs openssl: apt-get install openssl")]
fn certificates_are_replaced_under_load() {
    replace_certificates_under_load(10);
}

#[test]
#[ignore = "long: 100 replacements; needs openssl"]
fn certificates_are_replaced_under_load_long() {
    replace_certificates_under_load(100);
}

/// Puts faulty and good pairs in place in turn: no request fails, and each faulty pair is refused once and named.
fn replace_certificates_under_load(rounds: u64) {
    let certificates = Certificates::new();
    let daemon = start(&certificates, &[]);
    let (is_running, answered) = (AtomicBool::new(true), AtomicU64::new(0));
    thread::scope(|scope| {
        let clients: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    let config = certificates.client_config(None);
                    let mut kept = connect_with(&config, &daemon.data);
                    while is_running.load(Ordering::SeqCst) {
                        assert_eq!(kept.get(QUERY).status, 200);
                        assert_eq!(connect_with(&config, &daemon.data).get(QUERY).status, 200);
                        answered.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let in_force = "switchboard_access_file_in_force{file=\"tls\"}";
        let good = certificates.server();
        let other_key = certificates.server().key;
        for round in 0..rounds {
            let bad = match round % 5 {
                0 => (
                    good.certificate.clone(),
                    other_key.clone(),
                    "--tls-key: ",
                    "does not belong to the certificate",
                ),
                1 => ("".to_owned(), good.key.clone(), "--tls-cert: ", "there is no certificate"),
                2 => (
                    good.certificate.clone(),
                    "-----BEGIN PRIVATE KEY-----\nAAAA".to_owned(),
                    "--tls-key: ",
                    "ends within a section",
                ),
                3 => (good.certificate.replace('M', "A"), good.key.clone(), "--tls-cert: ", "damaged"),
                _ => {
                    let expired = certificates.expired();
                    (expired.certificate, expired.key, "--tls-cert: ", "expired at 2020-12-31")
                }
            };
            certificates.write("server.pem", &bad.0);
            certificates.write("server.key", &bad.1);
            let refused = daemon.log("certificate refused");
            let error = refused["error"].as_str().unwrap();
            assert!(
                error.starts_with(bad.2) && error.contains(bad.3) && error.contains("/server."),
                "{error}"
            );
            assert_eq!(daemon.status()["tls"]["error"], error);
            assert_eq!(daemon.metric(in_force), 0.0);
            certificates.install(&certificates.server());
            // The next line of this kind: each faulty pair is refused once.
            let replaced = daemon.log("certificate ");
            assert_eq!(replaced["message"], "certificate replaced");
            assert_eq!(daemon.status()["tls"]["error"], Value::Null);
            assert_eq!(daemon.metric(in_force), 1.0);
            wait_until("answers", || answered.load(Ordering::SeqCst) > round);
        }
        is_running.store(false, Ordering::SeqCst);
        for client in clients {
            client.join().unwrap();
        }
    });
    let shown = certificates.path("ca.pem");
    let (done, text) =
        s_client(&daemon.data, &["-verify_return_error", "-CAfile", shown.to_str().unwrap()], "");
    assert!(done, "{text}");
    assert_eq!(handshakes(&daemon, "failed"), 0.0);
    for outcome in ["replaced", "rejected"] {
        assert_eq!(
            daemon.metric(&format!("switchboard_tls_reloads_total{{outcome=\"{outcome}\"}}")),
            rounds as f64
        );
    }
}

#[test]
fn certificate_of_a_client_is_verified_if_it_shows_one() {
    let certificates = Certificates::new();
    let other = Certificates::new();
    let client_ca = certificates.path("ca.pem");
    let daemon = start(&certificates, &["--tls-client-ca", client_ca.to_str().unwrap()]);
    let answers = |config| {
        let mut client = connect_with(&config, &daemon.data);
        let sent = client.try_send(format!("GET {QUERY} HTTP/1.1\r\nHost: x\r\n\r\n"));
        sent.and_then(|()| client.try_answer()).map(|answer| answer.status)
    };
    assert_eq!(answers(certificates.client_config(None)).unwrap(), 200);
    assert_eq!(answers(certificates.client_config(Some(&certificates.client()))).unwrap(), 200);
    // Of another authority, and of this authority for another purpose.
    for shown in [other.client(), certificates.server()] {
        let error = answers(certificates.client_config(Some(&shown))).unwrap_err();
        assert!(error.to_string().contains("received fatal alert"), "{error}");
    }
    let expiry = "switchboard_tls_certificate_expiry_timestamp_seconds{certificate=\"client_ca\"}";
    assert!(daemon.metric(expiry) > 0.0);
    // A new authority: certificates of the earlier one are refused.
    certificates.write("ca.pem", &fs::read_to_string(other.path("ca.pem")).unwrap());
    daemon.log("certificate replaced");
    assert!(answers(certificates.client_config(Some(&certificates.client()))).is_err());
    assert_eq!(answers(certificates.client_config(Some(&other.client()))).unwrap(), 200);
}

#[test]
fn drain_ends_tls_connections_after_their_request() {
    let certificates = Certificates::new();
    let mut daemon = start(&certificates, &[]);
    let mut client = certificates.connect(&daemon.data);
    assert_eq!(client.get(QUERY).status, 200);
    daemon.signal(Signal::TERM);
    daemon.log("draining");
    let answer = client.get(QUERY);
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    // The end of the session is announced, so that a client knows that nothing is missing.
    assert_eq!(client.stream.read(&mut [0; 64]).unwrap(), 0);
    drop(client);
    assert_eq!(daemon.log("stopped")["force_closed"], 0);
    assert_eq!(daemon.wait().code(), Some(0));
}

#[test]
fn connection_over_the_limit_is_answered_over_tls() {
    let certificates = Certificates::new();
    let daemon = start(&certificates, &["--max-connections=1"]);
    let mut first = certificates.connect(&daemon.data);
    assert_eq!(first.get(QUERY).status, 200);
    let mut second = certificates.connect(&daemon.data);
    // The handshake needs a write of the client.
    second.send("\r\n");
    assert_eq!(second.answer().status, 503);
    assert_eq!(daemon.metric("switchboard_http_connections_total{outcome=\"rejected\"}"), 1.0);
}

#[test]
fn request_without_tls_gets_an_answer_that_a_client_understands() {
    let certificates = Certificates::new();
    let daemon = start(&certificates, &[]);
    let mut client = HttpClient::connect(&daemon.data);
    client.send(format!("GET {QUERY} HTTP/1.1\r\nHost: x\r\n\r\n"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.header("connection")), (400, Some("close")));
    assert!(answer.problem().1.contains("https"), "{}", answer.text());
    assert!(client.is_closed());
}

#[test]
fn faulty_files_stop_a_start_and_are_named() {
    let certificates = Certificates::new();
    let good = certificates.server();
    let (certificate, key) = (certificates.path("server.pem"), certificates.path("server.key"));
    let (certificate, key) = (certificate.to_str().unwrap(), key.to_str().unwrap());
    let other_key = certificates.write("other.key", &certificates.server().key);
    let not_pem = certificates.write("not.pem", "hello");
    let encrypted = certificates.write(
        "encrypted.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let not_ca = certificates.write("client.pem", &format!("{}{}", good.key, "garbage"));
    let traditional = certificates.write(
        "traditional.key",
        "-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n\
         -----END EC PRIVATE KEY-----\n",
    );
    let leaf_second = format!("{}{}", certificates.server().certificate, good.certificate);
    let leaf_second = certificates.write("leaf-second.pem", &leaf_second);
    let good_key = certificates.write("good.key", &good.key);
    let folder = certificates.path("").to_str().unwrap().to_owned();
    let cases: [(&[&str], &str); 11] = [
        (&["--tls-cert", certificate], "--tls-cert needs --tls-key"),
        (&["--tls-key", key], "--tls-key needs --tls-cert"),
        (&["--tls-client-ca", certificate], "--tls-client-ca needs --tls-cert"),
        (
            &["--tls-cert", "/no/such.pem", "--tls-key", key],
            "--tls-cert: cannot read /no/such.pem: No such file",
        ),
        (&["--tls-cert", certificate, "--tls-key", &folder], "not a regular file"),
        (&["--tls-cert", certificate, "--tls-key", &other_key], "other.key: the key does not belong to the"),
        (&["--tls-cert", &not_pem, "--tls-key", key], "not.pem: there is no certificate"),
        (
            &["--tls-cert", certificate, "--tls-key", &encrypted],
            "encrypted.key: the private key is encrypted",
        ),
        (
            &["--tls-cert", certificate, "--tls-key", &traditional],
            "traditional.key: the private key is encrypted",
        ),
        (
            &["--tls-cert", &leaf_second, "--tls-key", &good_key],
            "leaf-second.pem: the key belongs to certificate 2 of the file; write this certificate first",
        ),
        (&["--tls-cert", certificate, "--tls-key", key, "--tls-client-ca", &not_ca], "--tls-client-ca: "),
    ];
    for (arguments, words) in cases {
        for command in ["serve", "check-config"] {
            let listen = ["--listen=127.0.0.1:0", "--admin-listen=127.0.0.1:0"];
            let (code, text) = switchboard(&[&[command], arguments, &listen[..]].concat());
            let is_unreadable = words.contains("cannot read") || words.contains("not a regular file");
            let expected = if is_unreadable { 3 } else { 2 };
            assert!(code == expected && text.contains(words), "{arguments:?}: {code} {text}");
            assert!(!text.contains("-----BEGIN"), "{text}");
        }
    }
    // All faults in one run, also of files beside one that is missing.
    let (code, text) = switchboard(&[
        "check-config",
        "--tls-cert=/no/such.pem",
        &format!("--tls-key={encrypted}"),
        &format!("--tls-client-ca={not_ca}"),
    ]);
    assert_eq!(code, 2, "{text}");
    for words in ["cannot read /no/such.pem", "the private key is encrypted", "--tls-client-ca: "] {
        assert!(text.contains(words), "{text}");
    }
    let (code, text) = switchboard(&["check-config", &format!("--tls-key={encrypted}")]);
    assert_eq!(code, 2, "{text}");
    assert!(text.contains("--tls-key needs --tls-cert") && text.contains("is encrypted"), "{text}");
    let (code, text) = switchboard(&["check-config", "--tls-cert", certificate, "--tls-key", key]);
    assert_eq!(code, 0, "{text}");
    // An expired certificate is served, because clients of the plain listeners need the daemon.
    certificates.install(&certificates.expired());
    let (code, text) = switchboard(&["check-config", "--tls-cert", certificate, "--tls-key", key]);
    assert!(
        code == 2 && text.contains("the certificate expired at 2020-12-31T00:00:00Z; renew it"),
        "{text}"
    );
    start(&certificates, &[]).logged_at_start("the certificate is served all the same");
}

#[test]
fn commands_ask_a_daemon_over_tls() {
    let certificates = Certificates::new();
    let daemon = start(&certificates, &[]);
    let url = format!("https://localhost:{}", daemon.data.rsplit_once(':').unwrap().1);
    let ca = certificates.path("ca.pem");
    let query = ["company=acme", "channel=whatsapp", "ou=zurich", "country=FR"];
    let ask = |options: &[&str]| {
        switchboard(&[&["select", "--format=json", "--url", &url], options, &query[..]].concat())
    };
    let (code, text) = ask(&["--ca", ca.to_str().unwrap()]);
    let answer: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((code, &answer["account"]), (0, &"wa-dach-ch-1".into()), "{text}");
    let (code, text) = ask(&[]);
    assert!(code == 3 && text.contains("cannot trust") && text.contains("--ca"), "{text}");
    let (code, text) = ask(&["--ca", "/no/such.pem"]);
    assert!(code == 3 && text.contains("--ca: /no/such.pem: No such file"), "{text}");
    let (code, text) = ask(&["--ca", certificates.path("server.key").to_str().unwrap()]);
    assert!(code == 2 && text.contains("there is no certificate"), "{text}");
}

/// The usual certificate for a first try has the rights of an authority, and names itself in `--ca`.
#[test]
fn commands_trust_a_certificate_that_signs_itself() {
    for (name, last_year, is_trusted) in
        [("localhost", 2999, true), ("other.example", 2999, false), ("localhost", 2020, false)]
    {
        let certificates = Certificates::new();
        certificates.install(&Certificates::self_signed(name, last_year));
        let daemon = start(&certificates, &[]);
        let url = format!("https://localhost:{}", daemon.data.rsplit_once(':').unwrap().1);
        let query = ["company=acme", "channel=whatsapp", "ou=zurich", "country=FR"];
        let ask = |ca: &str| {
            let ca = certificates.path(ca);
            let options = ["select", "--url", &url, "--ca", ca.to_str().unwrap()];
            switchboard(&[&options[..], &query[..]].concat())
        };
        let (code, text) = ask("server.pem");
        assert_eq!(code, if is_trusted { 0 } else { 3 }, "{name} {last_year}: {text}");
        assert_eq!(text.contains("cannot trust"), !is_trusted, "{text}");
        let (code, text) = ask("ca.pem");
        assert!(code == 3 && text.contains("cannot trust"), "{text}");
    }
}
