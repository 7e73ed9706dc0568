//! Snapshots from web servers and object stores, good and bad.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use switchboard_fleet::bus::{BusSettings, DEFAULT_PREFIX};
use switchboard_fleet::fetch::{FetchError, Fetched, Fetcher};
use switchboard_fleet::release::{Current, Encoding, Reason, Source};
use switchboard_release::Variant;

use fleet_testbed::broker::{Broker, programs};

const STALL: Duration = Duration::from_secs(1);

/// A web server with an answer for each request, in order. The last answer is repeated.
struct Server {
    url: String,
    /// The heads of the requests.
    requests: Arc<Mutex<Vec<String>>>,
}

/// What a server does with a request.
#[derive(Clone)]
enum Answer {
    /// Sends bytes and closes the connection.
    Close(Vec<u8>),
    /// Sends bytes, and then nothing more.
    Stall(Vec<u8>),
}

impl Server {
    fn start(answers: Vec<Answer>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/snapshot", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let heads = Arc::clone(&requests);
        thread::spawn(move || {
            let mut stalled = Vec::new();
            for (at, stream) in listener.incoming().enumerate() {
                let mut stream = stream.unwrap();
                heads.lock().unwrap().push(read_head(&stream));
                match &answers[at.min(answers.len() - 1)] {
                    Answer::Close(bytes) => {
                        // The client may have gone.
                        let _ = stream.write_all(bytes);
                    }
                    Answer::Stall(bytes) => {
                        let _ = stream.write_all(bytes);
                        stalled.push(stream);
                    }
                }
            }
        });
        Server { url, requests }
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn read_head(stream: &TcpStream) -> String {
    let lines = BufReader::new(stream).lines().map_while(Result::ok);
    lines.take_while(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let mut answer = format!("HTTP/1.1 {status}\r\n{headers}\r\n").into_bytes();
    answer.extend_from_slice(body);
    answer
}

fn whole(body: &[u8]) -> Vec<u8> {
    answer("200 OK", &format!("content-length: {}\r\netag: \"v1\"\r\n", body.len()), body)
}

/// A snapshot, as far as a transfer is concerned.
fn snapshot() -> Vec<u8> {
    (0..300_000u32).flat_map(|number| (number / 3).to_le_bytes()).collect()
}

fn variant(bytes: &[u8]) -> Variant {
    Variant {
        schema: "s".to_owned(),
        size: bytes.len() as u64,
        digest: Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect(),
        content: "0".repeat(64),
    }
}

fn release(variant: &Variant, encoding: Encoding, size: usize, urls: &[&str]) -> Current {
    let urls = urls.iter().map(|url| (*url).to_owned()).collect();
    let source = Source { digest: variant.digest.clone(), encoding, size: size as u64, urls };
    Current { manifest: RawValue::from_string("{}".to_owned()).unwrap(), sources: vec![source] }
}

fn settings() -> BusSettings {
    BusSettings { prefix: DEFAULT_PREFIX.to_owned(), ..BusSettings::default() }
}

/// Fetches an unencoded snapshot from URLs. Checks the bytes if it succeeds, and that no file is left.
async fn fetch(bytes: &[u8], urls: &[&str]) -> Result<u64, FetchError> {
    let variant = variant(bytes);
    fetch_with(&variant, release(&variant, Encoding::Identity, bytes.len(), urls), bytes).await
}

async fn fetch_with(variant: &Variant, current: Current, bytes: &[u8]) -> Result<u64, FetchError> {
    let fetcher = Fetcher::new(&settings(), None).unwrap().with_stall_timeout(STALL);
    fetch_by(fetcher, variant, current, bytes).await
}

async fn fetch_by(
    fetcher: Fetcher,
    variant: &Variant,
    current: Current,
    bytes: &[u8],
) -> Result<u64, FetchError> {
    let folder = tempfile::tempdir().unwrap();
    let arrived = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&arrived);
    let fetcher = fetcher.with_counter(move |bytes| {
        counter.fetch_add(bytes, Ordering::Relaxed);
    });
    let fetched = fetcher.fetch(&current, variant, folder.path(), Duration::ZERO).await;
    let result = fetched.map(|fetched: Fetched| {
        assert!(fs::read(fetched.path()).unwrap() == bytes, "the file has other bytes");
        arrived.load(Ordering::Relaxed)
    });
    let left: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    result
}

#[tokio::test]
async fn snapshot_is_fetched_whole_or_encoded() {
    let bytes = snapshot();
    let server = Server::start(vec![Answer::Close(whole(&bytes))]);
    assert_eq!(fetch(&bytes, &[&server.url]).await.unwrap(), bytes.len() as u64);
    let requests = server.requests();
    assert!(requests.len() == 1 && requests[0].starts_with("GET /snapshot HTTP/1.1\n"), "{requests:?}");

    let encoded = zstd::encode_all(&bytes[..], 3).unwrap();
    let server = Server::start(vec![Answer::Close(whole(&encoded))]);
    let variant = variant(&bytes);
    let current = release(&variant, Encoding::Zstd, encoded.len(), &[&server.url]);
    assert_eq!(fetch_with(&variant, current, &bytes).await.unwrap(), encoded.len() as u64);
}

#[tokio::test]
async fn stalled_transfer_is_resumed_at_its_offset() {
    let bytes = snapshot();
    let (first, second) = (400_000, 900_000);
    let part = |from: usize, to: usize| {
        let headers = format!(
            "content-length: {}\r\ncontent-range: bytes {from}-{}/{}\r\netag: \"v1\"\r\n",
            bytes.len() - from,
            bytes.len() - 1,
            bytes.len()
        );
        answer("206 Partial Content", &headers, &bytes[from..to])
    };
    let head = whole(&bytes);
    let cut = head.len() - (bytes.len() - first);
    // One stalls, one is cut, and the third sends the rest.
    let server = Server::start(vec![
        Answer::Stall(head[..cut].to_vec()),
        Answer::Close(part(first, second)),
        Answer::Close(part(second, bytes.len())),
    ]);
    let started = Instant::now();
    assert_eq!(fetch(&bytes, &[&server.url]).await.unwrap(), bytes.len() as u64);
    assert!(started.elapsed() >= STALL);
    let requests = server.requests();
    assert!(!requests[0].contains("range"), "{requests:?}");
    for (request, from) in requests[1..].iter().zip([first, second]) {
        assert!(request.contains(&format!("range: bytes={from}-\nif-range: \"v1\"")), "{request}");
    }
    assert_eq!(requests.len(), 3);
}

#[tokio::test]
async fn changed_file_is_fetched_from_its_beginning() {
    let bytes = snapshot();
    let old = answer("200 OK", &format!("content-length: {}\r\netag: \"v0\"\r\n", bytes.len()), &[7; 5000]);
    let weak =
        answer("200 OK", &format!("content-length: {}\r\netag: W/\"v0\"\r\n", bytes.len()), &[7; 5000]);
    for first in [old, weak] {
        let server = Server::start(vec![Answer::Close(first), Answer::Close(whole(&bytes))]);
        assert_eq!(fetch(&bytes, &[&server.url]).await.unwrap(), bytes.len() as u64 + 5000);
        assert_eq!(server.requests().len(), 2);
    }
}

#[tokio::test]
async fn other_places_and_pauses_are_tried() {
    let bytes = snapshot();
    let good = Answer::Close(whole(&bytes));
    let refuse = |status: &str, headers: &str| {
        Answer::Close(answer(status, &format!("content-length: 0\r\n{headers}"), b""))
    };
    let encoded_again =
        answer("200 OK", &format!("content-length: {}\r\ncontent-encoding: gzip\r\n", bytes.len()), &bytes);
    for bad in [
        refuse("404 Not Found", ""),
        refuse("403 Forbidden", ""),
        refuse("429 Too Many Requests", ""),
        refuse("500 Internal Server Error", ""),
        refuse("304 Not Modified", ""),
        refuse("204 No Content", ""),
        refuse("206 Partial Content", "content-range: bytes 5-9/10\r\n"),
        refuse("302 Found", ""),
        refuse("302 Found", "location: ftp://127.0.0.1/x\r\n"),
        refuse("302 Found", "location: /again\r\n"),
        Answer::Close(encoded_again),
        Answer::Close(b"garbage\r\n\r\n".to_vec()),
        Answer::Close(Vec::new()),
        Answer::Stall(Vec::new()),
    ] {
        let (first, second) = (Server::start(vec![bad]), Server::start(vec![good.clone()]));
        fetch(&bytes, &[&first.url, &second.url]).await.unwrap();
        assert_eq!(second.requests().len(), 1);
    }
    // A pause that the server asks for, and a redirection.
    let other = Server::start(vec![good.clone()]);
    let server = Server::start(vec![
        refuse("503 Service Unavailable", "retry-after: 1\r\n"),
        refuse("429 Too Many Requests", "retry-after: 0\r\n"),
        refuse("307 Temporary Redirect", &format!("location: {}\r\n", other.url)),
    ]);
    let started = Instant::now();
    fetch(&bytes, &[&server.url]).await.unwrap();
    assert!(started.elapsed() >= Duration::from_secs(1));
    assert_eq!((server.requests().len(), other.requests().len()), (3, 1));
    // The same server, by a path or relative to the URL of the request.
    for (location, path) in [
        ("/moved", "/moved"),
        ("moved?to=1", "/moved?to=1"),
        ("./a/../moved", "/moved"),
        ("?to=1", "/snapshot?to=1"),
    ] {
        let moved = refuse("301 Moved Permanently", &format!("location: {location}\r\n"));
        let server = Server::start(vec![moved, good.clone()]);
        fetch(&bytes, &[&server.url]).await.unwrap();
        assert!(server.requests()[1].starts_with(&format!("GET {path} ")), "{:?}", server.requests());
    }
    let location = other.url.strip_prefix("http:").unwrap();
    let server = Server::start(vec![refuse("302 Found", &format!("location: {location}\r\n"))]);
    fetch(&bytes, &[&server.url]).await.unwrap();
    assert_eq!(other.requests().len(), 2);
}

#[tokio::test]
async fn part_of_another_file_is_not_joined() {
    let bytes = snapshot();
    let (cut, size) = (400_000, bytes.len());
    let head = whole(&bytes);
    let first = head[..head.len() - (size - cut)].to_vec();
    let part = |from: usize, of: usize, etag: &str, body: &[u8]| {
        let headers = format!(
            "content-length: {}\r\ncontent-range: bytes {from}-{}/{of}\r\n{etag}",
            body.len(),
            from + body.len() - 1
        );
        Answer::Close(answer("206 Partial Content", &headers, body))
    };
    let (rest, others) = (&bytes[cut..], vec![7; size - cut]);
    for bad in [
        part(cut, size, "etag: \"v2\"\r\n", rest),
        part(cut, size, "etag: W/\"v1\"\r\n", rest),
        part(cut, size + 1, "etag: \"v1\"\r\n", rest),
        part(cut - 1, size, "etag: \"v1\"\r\n", &bytes[cut - 1..]),
        // Only the digest shows that these are the bytes of another file.
        part(cut, size, "etag: \"v1\"\r\n", &others),
    ] {
        let server = Server::start(vec![Answer::Close(first.clone()), bad, Answer::Close(whole(&bytes))]);
        fetch(&bytes, &[&server.url]).await.unwrap();
        let requests = server.requests();
        assert!(requests.len() == 3 && !requests[2].contains("range"), "{requests:?}");
    }
    // The rest may come in parts, also without an ETag.
    let server = Server::start(vec![
        Answer::Close(first),
        part(cut, size, "", &rest[..1000]),
        part(cut + 1000, size, "etag: \"v1\"\r\n", &rest[1000..]),
    ]);
    assert_eq!(fetch(&bytes, &[&server.url]).await.unwrap(), size as u64);
}

#[tokio::test]
async fn failures_name_the_server_and_are_reported_while_the_fetch_goes_on() {
    let bytes = snapshot();
    let head = whole(&bytes);
    let pause = answer("503 Service Unavailable", "retry-after: 1\r\ncontent-length: 0\r\n", b"");
    let server = Server::start(vec![
        Answer::Close(pause),
        Answer::Stall(head[..head.len() - 1000].to_vec()),
        Answer::Close(answer("403 Forbidden", "content-length: 0\r\n", b"")),
        Answer::Close(whole(&bytes)),
    ]);
    let name = server.url.strip_prefix("http://").unwrap().strip_suffix("/snapshot").unwrap();
    let reports = Arc::new(Mutex::new(Vec::new()));
    let reported = Arc::clone(&reports);
    let fetcher = Fetcher::new(&settings(), None).unwrap().with_stall_timeout(STALL);
    let fetcher = fetcher.with_report(move |text| reported.lock().unwrap().push(text.to_owned()));
    let variant = variant(&bytes);
    let current = release(&variant, Encoding::Identity, bytes.len(), &[&server.url]);
    fetch_by(fetcher, &variant, current, &bytes).await.unwrap();
    let expected = [
        format!("{name} answered 503, and asks for a pause of 1 s"),
        format!("{name} sent no byte for 1 s"),
        format!("{name} answered 403"),
    ];
    assert_eq!(*reports.lock().unwrap(), expected);
}

/// A page such as the login of a proxy is no snapshot, and the server may have the snapshot all the same.
#[tokio::test]
async fn page_instead_of_a_snapshot_is_a_failure_and_no_rejection() {
    let bytes = snapshot();
    let page = |media_type: &str| {
        let body = b"<html>Log in</html>";
        let headers = format!("content-length: {}\r\ncontent-type: {media_type}\r\n", body.len());
        Answer::Close(answer("200 OK", &headers, body))
    };
    for media_type in ["text/html", "Text/HTML; charset=utf-8", "application/xhtml+xml"] {
        let server = Server::start(vec![page(media_type), Answer::Close(whole(&bytes))]);
        fetch(&bytes, &[&server.url]).await.unwrap();
        let server = Server::start(vec![page(media_type)]);
        let error = fetch(&bytes, &[&server.url]).await.unwrap_err();
        assert_eq!((error.reason(), server.requests().len()), (Reason::FetchFailed, 3), "{error}");
        assert!(error.to_string().contains("sent a page instead of the file"), "{error}");
    }
}

/// One server with other bytes decides nothing while another server may have the right ones.
#[tokio::test]
async fn snapshot_is_rejected_only_if_every_place_has_other_bytes() {
    let bytes = snapshot();
    let mut flipped = bytes.clone();
    flipped[600_000] ^= 1;
    let [wrong, shorter] =
        [&flipped, &bytes[1..].to_vec()].map(|bytes| Server::start(vec![Answer::Close(whole(bytes))]));
    let absent = Server::start(vec![Answer::Close(answer("404 Not Found", "content-length: 0\r\n", b""))]);
    let error = fetch(&bytes, &[&wrong.url, &absent.url, &shorter.url]).await.unwrap_err();
    assert_eq!(error.reason(), Reason::FetchFailed, "{error}");
    let text = error.to_string();
    assert!(text.contains("answered 404") && text.contains("size than the release says"), "{text}");
    let error = fetch(&bytes, &[&wrong.url, &shorter.url]).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Digest, "{error}");
    assert!(error.to_string().contains("127.0.0.1:"), "{error}");
}

#[tokio::test]
async fn absent_file_is_tried_three_times() {
    let bytes = snapshot();
    let server = Server::start(vec![Answer::Close(answer("404 Not Found", "content-length: 0\r\n", b""))]);
    let error = fetch(&bytes, &[&server.url]).await.unwrap_err();
    assert_eq!((error.reason(), server.requests().len()), (Reason::FetchFailed, 3), "{error}");
    let host = server.url.strip_prefix("http://").unwrap().replace("/snapshot", " answered 404");
    assert!(error.to_string().ends_with(&host), "{error}");
    // A redirection without an end.
    let server =
        Server::start(vec![Answer::Close(answer("302 Found", "location: /\r\ncontent-length: 0\r\n", b""))]);
    let error = fetch(&bytes, &[&server.url]).await.unwrap_err();
    assert!(error.reason() == Reason::FetchFailed && server.requests().len() == 18, "{error}");
    // A URL with a password, and no server.
    for url in ["http://user:secret@127.0.0.1:9/x", "http://127.0.0.1:9/x", "nats:object"] {
        let error = fetch(&bytes, &[url]).await.unwrap_err();
        assert!(error.reason() == Reason::FetchFailed && !error.to_string().contains("secret"), "{error}");
    }
    // No source fits the variant.
    let variant = variant(&bytes);
    let current = release(&variant, Encoding::Identity, bytes.len() - 1, &["http://127.0.0.1:9/x"]);
    let error = fetch_with(&variant, current, &bytes).await.unwrap_err();
    assert!(error.to_string().contains("no usable source"), "{error}");
}

#[tokio::test]
async fn wrong_bytes_are_rejected_and_not_fetched_again() {
    let bytes = snapshot();
    let mut flipped = bytes.clone();
    flipped[600_000] ^= 1;
    let chunked = [
        &b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"[..],
        format!("{:x}\r\n", bytes.len() + 1).as_bytes(),
        &bytes,
        b"!\r\n0\r\n\r\n",
    ]
    .concat();
    let longer = [&bytes[..], b"!"].concat();
    for wrong in [whole(&flipped), whole(&longer), whole(&bytes[1..]), chunked] {
        let server = Server::start(vec![Answer::Close(wrong)]);
        let error = fetch(&bytes, &[&server.url]).await.unwrap_err();
        assert_eq!((error.reason(), server.requests().len()), (Reason::Digest, 1), "{error}");
        // Another place has the right bytes.
        let good = Server::start(vec![Answer::Close(whole(&bytes))]);
        fetch(&bytes, &[&server.url, &good.url]).await.unwrap();
    }
}

#[tokio::test]
async fn encoded_files_never_grow_beyond_the_manifest() {
    let bytes = snapshot();
    let variant = variant(&bytes);
    let bomb = zstd::encode_all(std::io::repeat(0).take(1 << 28), 1).unwrap();
    let good = zstd::encode_all(&bytes[..], 3).unwrap();
    let mut flipped = good.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    let twice = [&good[..], &good].concat();
    let trailing = [&good[..], b"garbage"].concat();
    for encoded in [bomb, flipped, twice, trailing, good[..good.len() - 1].to_vec(), bytes[..5000].to_vec()] {
        let server = Server::start(vec![Answer::Close(whole(&encoded))]);
        let current = release(&variant, Encoding::Zstd, encoded.len(), &[&server.url]);
        let error = fetch_with(&variant, current, &bytes).await.unwrap_err();
        assert_eq!((error.reason(), server.requests().len()), (Reason::Digest, 1), "{error}");
    }
}

#[tokio::test]
async fn folder_that_cannot_be_written_ends_the_fetch() {
    let bytes = snapshot();
    let server = Server::start(vec![Answer::Close(whole(&bytes))]);
    let variant = variant(&bytes);
    let current = release(&variant, Encoding::Identity, bytes.len(), &[&server.url]);
    let fetcher = Fetcher::new(&settings(), None).unwrap();
    // A full disk: every write to /dev/full fails. The names of the files are known.
    let folder = tempfile::tempdir().unwrap();
    for name in ["0.part", "1.swb"] {
        let link = folder.path().join(format!("fetch-{name}"));
        std::os::unix::fs::symlink("/dev/full", link).unwrap();
        let error = fetcher.fetch(&current, &variant, folder.path(), Duration::ZERO).await.unwrap_err();
        assert!(error.reason() == Reason::Disk && error.to_string().contains("No space left"), "{error}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let absent = Path::new("/absent");
    let error = fetcher.fetch(&current, &variant, absent, Duration::ZERO).await.unwrap_err();
    assert!(error.reason() == Reason::Disk && error.to_string().contains("/absent"), "{error}");
}

#[tokio::test]
#[cfg_attr(not(has_nginx), ignore = "needs nginx: apt-get install nginx")]
async fn nginx_gives_the_rest_of_a_file() {
    let bytes = snapshot();
    let encoded = zstd::encode_all(&bytes[..], 3).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    fs::write(root.join("snapshot.zst"), &encoded).unwrap();
    // The port is free at the moment.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let config = format!(
        "daemon off; master_process off; pid {0}/pid; error_log stderr notice; events {{}}\n\
         http {{ access_log off; client_body_temp_path {0}/a; proxy_temp_path {0}/b; fastcgi_temp_path {0}/c; \
         uwsgi_temp_path {0}/d; scgi_temp_path {0}/e;\n\
         server {{ listen 127.0.0.1:{port}; root {0}; }} }}\n",
        root.display()
    );
    fs::write(root.join("nginx.conf"), config).unwrap();
    let mut nginx = Command::new("nginx")
        .args(["-e", "stderr", "-c"])
        .arg(root.join("nginx.conf"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut log = BufReader::new(nginx.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(log.any(|line| line.contains("getrlimit(RLIMIT_NOFILE)")), "nginx did not start");
    let url = format!("http://127.0.0.1:{port}/snapshot.zst");
    let absent = format!("http://127.0.0.1:{port}/absent");
    let variant = variant(&bytes);
    let current = release(&variant, Encoding::Zstd, encoded.len(), &[&absent, &url]);
    let arrived = fetch_with(&variant, current, &bytes).await;
    nginx.kill().unwrap();
    nginx.wait().unwrap();
    assert_eq!(arrived.unwrap(), encoded.len() as u64);
}

#[tokio::test]
#[cfg_attr(not(has_nats_server), ignore = "needs nats-server: apt-get install nats-server")]
async fn object_store_gives_a_snapshot_and_never_hangs() {
    for program in programs() {
        let broker = Broker::start(&program).unwrap();
        let bus = broker.initialized().await.unwrap();
        let bytes = snapshot();
        let encoded = zstd::encode_all(&bytes[..], 3).unwrap();
        let store = bus.snapshots().await.unwrap();
        store.put("good", &mut &encoded[..]).await.unwrap();
        store.put("damaged", &mut &bytes[..]).await.unwrap();
        let variant = variant(&bytes);
        let folder = tempfile::tempdir().unwrap();
        let fetcher = Fetcher::new(&settings(), Some(bus.clone())).unwrap().with_stall_timeout(STALL);
        let fetch = async |current: Current| {
            let fetched = fetcher.fetch(&current, &variant, folder.path(), Duration::ZERO).await;
            fetched.map(|fetched| assert!(fs::read(fetched.path()).unwrap() == bytes))
        };
        fetch(release(&variant, Encoding::Zstd, encoded.len(), &["nats:good"])).await.unwrap();
        // A chunk that the broker has lost: the library waits for ever.
        let client = async_nats::connect(broker.settings().urls).await.unwrap();
        let stream = async_nats::jetstream::new(client).get_stream("OBJ_test_snapshots").await.unwrap();
        let last = stream.cached_info().state.last_sequence;
        stream.delete_message(last - 3).await.unwrap();
        let started = Instant::now();
        let error =
            fetch(release(&variant, Encoding::Identity, bytes.len(), &["nats:damaged"])).await.unwrap_err();
        assert!(matches!(error.reason(), Reason::FetchFailed | Reason::Digest), "{error}");
        assert!(started.elapsed() < Duration::from_secs(15), "{:?}", started.elapsed());
        let error =
            fetch(release(&variant, Encoding::Identity, bytes.len(), &["nats:absent"])).await.unwrap_err();
        assert_eq!(error.reason(), Reason::FetchFailed, "{error}");
        let error =
            fetch(release(&variant, Encoding::Identity, bytes.len(), &["nats:good"])).await.unwrap_err();
        assert_eq!(error.reason(), Reason::Digest, "{error}");
    }
}
