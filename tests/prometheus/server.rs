//! Prometheus as a child process, with the project's rules.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::RULES;

/// Time that a test waits for Prometheus. It is longer than any event takes on a slow machine.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Prometheus {
    child: Child,
    address: String,
    logs: Arc<Mutex<Vec<Value>>>,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    /// Starts Prometheus, which scrapes the targets of these jobs and evaluates the rules twice a second.
    pub(crate) fn start(jobs: &[(&str, &str)]) -> Prometheus {
        let folder = tempfile::tempdir().unwrap();
        let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join(RULES);
        let mut config = format!(
            "global: {{scrape_interval: 500ms, evaluation_interval: 500ms}}\nrule_files: [{0}/recording.yml, {0}/alerts.yml]\nscrape_configs:\n",
            rules.display()
        );
        for (job, target) in jobs {
            config += &format!("  - {{job_name: {job}, static_configs: [{{targets: [\"{target}\"]}}]}}\n");
        }
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        let mut child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .args(["--web.listen-address=127.0.0.1:0", "--log.format=json"])
            .stderr(Stdio::piped())
            .spawn()
            .expect("no prometheus: apt-get install prometheus");
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let logs = Arc::new(Mutex::new(Vec::new()));
        let mut address = None;
        while address.is_none() {
            let line = lines.next().expect("prometheus ended before it listened").unwrap();
            let line: Value = serde_json::from_str(&line).unwrap_or(Value::String(line));
            address = line["address"].as_str().filter(|_| line["msg"] == "Listening on").map(str::to_owned);
            logs.lock().unwrap().push(line);
        }
        let kept = Arc::clone(&logs);
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap().push(serde_json::from_str(&line).unwrap_or(Value::String(line)));
            }
        });
        Prometheus { child, address: address.unwrap(), logs, _folder: folder }
    }

    /// Returns `data` of an answer of the API; `Null` until Prometheus is ready.
    pub(crate) fn api(&self, path: &str) -> Value {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // Answers to HTTP/1.0 are never chunked.
        write!(stream, "GET /api/v1/{path} HTTP/1.0\r\nHost: test\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        // Before it is ready, it answers in plain text.
        let Ok(answer) = serde_json::from_str::<Value>(body) else { return Value::Null };
        assert_eq!(answer["status"], "success", "{path}: {answer}");
        answer["data"].clone()
    }

    /// Returns the samples of an instant query.
    pub(crate) fn query(&self, expression: &str) -> Vec<Value> {
        let encoded: String = expression.bytes().map(|byte| format!("%{byte:02X}")).collect();
        self.api(&format!("query?query={encoded}"))["result"].as_array().cloned().unwrap_or_default()
    }

    /// Returns the first value of an instant query.
    pub(crate) fn value(&self, expression: &str) -> Option<f64> {
        self.query(expression).first()?["value"][1].as_str()?.parse().ok()
    }

    /// Returns every rule of every group.
    pub(crate) fn rules(&self) -> Vec<Value> {
        let groups = self.api("rules")["groups"].as_array().cloned().unwrap_or_default();
        groups.iter().flat_map(|group| group["rules"].as_array().cloned().unwrap()).collect()
    }

    /// Polls until `holds` returns true, and calls `meanwhile` before each poll.
    pub(crate) fn awaits(
        &self,
        what: &str,
        mut meanwhile: impl FnMut(),
        holds: impl Fn(&Prometheus) -> bool,
    ) {
        let until = Instant::now() + PATIENCE;
        while !holds(self) {
            assert!(Instant::now() < until, "never: {what}\n{:#}", self.api("targets"));
            meanwhile();
            // Prometheus reports no events, so its state is polled.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Returns the log lines above the level info.
    pub(crate) fn complaints(&self) -> Vec<Value> {
        let logs = self.logs.lock().unwrap();
        let bad = |line: &&Value| !matches!(line["level"].as_str(), Some("info" | "debug"));
        logs.iter().filter(bad).cloned().collect()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
