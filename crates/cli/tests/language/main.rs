//! Words by a language model: a stub server that answers well, lies, fails, and goes away, and a real one that answers
//! nonsense.

// Tests fail by panicking.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

mod gguf;

/// What a stub does with a request.
enum Reply {
    /// Status, a header line or nothing, and a body.
    Status(u16, &'static str, String),
    /// A text of the model.
    Text(String),
    /// A body that ends before its length.
    CutOff,
    /// Nothing for a while.
    Silence(Duration),
    /// The connection is closed.
    Closed,
}

/// A server on this machine that records what it was sent.
struct Stub {
    address: String,
    seen: Arc<Mutex<Vec<(String, Value)>>>,
}

impl Stub {
    /// `reply` gets the number of the request, from 0, and its body.
    fn new(reply: impl Fn(usize, &Value) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let seen: Arc<Mutex<Vec<(String, Value)>>> = Arc::default();
        let record = Arc::clone(&seen);
        let reply = Arc::new(reply);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (record, reply) = (Arc::clone(&record), Arc::clone(&reply));
                std::thread::spawn(move || serve(stream, &record, &*reply));
            }
        });
        Self { address, seen }
    }

    fn requests(&self) -> Vec<(String, Value)> {
        self.seen.lock().unwrap().clone()
    }
}

type Answer = dyn Fn(usize, &Value) -> Reply + Send + Sync;

fn serve(mut stream: TcpStream, record: &Mutex<Vec<(String, Value)>>, reply: &Answer) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut head, mut length) = (String::new(), 0usize);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let lower = line.to_lowercase();
        if let Some(n) = lower.strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
        if line == "\r\n" {
            break;
        }
        head += &line;
    }
    let mut body = vec![0; length];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let body: Value = serde_json::from_slice(&body).unwrap();
    let at = {
        let mut seen = record.lock().unwrap();
        seen.push((head, body.clone()));
        seen.len() - 1
    };
    let (status, header, text) = match reply(at, &body) {
        Reply::Closed => return,
        Reply::Silence(time) => return std::thread::sleep(time),
        Reply::CutOff => {
            let _ =
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n{\"choices\": [");
            return;
        }
        Reply::Status(status, header, text) => (status, header, text),
        Reply::Text(text) => {
            let body = json!({
                "choices": [{ "message": { "role": "assistant", "content": text }, "finish_reason": "stop" }],
                "usage": { "prompt_tokens": 100, "completion_tokens": 20 },
            });
            (200, "x-stub: 1", body.to_string())
        }
    };
    let length = text.len();
    let head = format!(
        "HTTP/1.1 {status} X\r\n{header}\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n"
    );
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.write_all(text.as_bytes());
}

/// The evidence of a request.
fn evidence(body: &Value) -> Value {
    let user = body["messages"][1]["content"].as_str().unwrap();
    serde_json::from_str::<Value>(user).unwrap()["evidence"].clone()
}

/// A true answer: a clause for every reason.
fn truth(body: &Value) -> Value {
    let (mut favor, mut against) = (Vec::new(), Vec::new());
    for line in evidence(body)["lines"].as_array().unwrap() {
        if line["kind"] != "reason" {
            continue;
        }
        let titles: Vec<String> = match line["titles"].as_array() {
            Some(titles) => titles
                .iter()
                .map(|t| format!("“{}”", t.as_str().unwrap()))
                .collect(),
            None => vec![format!("“{}”", line["label"].as_str().unwrap())],
        };
        let titles = titles.join(" and ");
        let cites = json!([line["id"]]);
        match line["value"].as_f64().unwrap() > 0.0 {
            true => favor.push(json!({ "text": format!("It counts that your history has {titles}."), "cites": cites })),
            false => against.push(json!({ "text": format!("{titles} would lower it."), "cites": cites })),
        }
    }
    json!({ "for": favor, "against": against, "change": [] })
}

fn good(body: &Value) -> Reply {
    Reply::Text(truth(body).to_string())
}

fn limpid(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_limpid"))
        .env_remove("LIMPID_DATA")
        .env("LIMPID_LANGUAGE_KEY", "sk-very-secret")
        .args(args)
        .output()
        .unwrap()
}

fn model() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap().keep();
        let path = folder.join("model");
        let args = [
            "train",
            "--data",
            "synthetic",
            "--split",
            "ratio:70/10/20@7",
            "-o",
        ];
        let out = limpid(&[&args[..], &[path.to_str().unwrap()]].concat());
        assert!(
            out.status.success(),
            "{}",
            String::from_utf8_lossy(&out.stderr)
        );
        let advisor = limpid::Advisor::open(&path).unwrap();
        let users: Vec<&str> = advisor
            .catalogue
            .users
            .names()
            .iter()
            .take(40)
            .map(String::as_str)
            .collect();
        std::fs::write(folder.join("users.txt"), users.join("\n")).unwrap();
        path
    })
}

fn a_user() -> (String, String) {
    let users = std::fs::read_to_string(model().with_file_name("users.txt")).unwrap();
    let user = users.lines().next().unwrap().to_owned();
    let out = limpid(&[
        "recommend",
        model().to_str().unwrap(),
        "--user",
        &user,
        "-n",
        "1",
        "--format",
        "json",
    ]);
    let list: Value = serde_json::from_slice(&out.stdout).unwrap();
    let item = list["items"][0]["id"].as_str().unwrap();
    (user, format!("id:{item}"))
}

/// `explain --words` by a server.
fn explain(address: &str, more: &[&str]) -> Output {
    let (user, item) = a_user();
    let args = [
        "explain",
        model().to_str().unwrap(),
        "--user",
        &user,
        "--item",
        &item,
        "--words",
    ];
    let server = [
        "--language",
        address,
        "--language-model",
        "m",
        "--format",
        "json",
    ];
    limpid(&[&args[..], &server, more].concat())
}

fn answer(out: &Output) -> Value {
    let text = String::from_utf8_lossy(&out.stdout);
    let err = String::from_utf8_lossy(&out.stderr);
    for shown in [&text, &err] {
        assert!(!shown.contains("very-secret"), "{shown}");
    }
    assert!(out.status.success(), "{err}");
    serde_json::from_str(&text).unwrap()
}

#[test]
fn a_true_answer_is_taken() {
    let stub = Stub::new(|_, body| good(body));
    let told = answer(&explain(&stub.address, &[]));
    assert_eq!((&told["by"], &told["refused"]), (&json!("m"), &Value::Null));
    assert!(
        told["for"][0]["text"]
            .as_str()
            .unwrap()
            .starts_with("It counts that")
    );
    let requests = stub.requests();
    assert_eq!(requests.len(), 1);
    let (head, body) = &requests[0];
    assert!(head.starts_with("POST /v1/chat/completions "), "{head}");
    assert!(
        head.to_lowercase()
            .contains("authorization: bearer sk-very-secret"),
        "{head}"
    );
    assert_eq!(body["response_format"]["type"], "json_schema");
    assert_eq!(
        (&body["temperature"], &body["stream"]),
        (&json!(0), &json!(false))
    );
}

/// Lies, other forms and faults: the templates speak, and the answer says why.
#[test]
fn what_is_not_true_is_refused_and_said_so() {
    let lie = |change: fn(&mut Value)| {
        move |_: usize, body: &Value| {
            let mut told = truth(body);
            change(&mut told);
            Reply::Text(told.to_string())
        }
    };
    let cases: Vec<(Stub, usize, &str)> = vec![
        (
            Stub::new(lie(|t| t["for"][0]["cites"] = json!(["E99"]))),
            2,
            "E99",
        ),
        (
            Stub::new(lie(|t| {
                t["for"][0]["text"] = json!("“The Matrix” supports it.")
            })),
            2,
            "The Matrix",
        ),
        (
            Stub::new(lie(|t| {
                t["for"][0]["text"] = json!("It adds 123.4 to the score.")
            })),
            2,
            "number 123.4",
        ),
        (
            Stub::new(lie(|t| t["for"][0]["text"] = json!("It lowers the score."))),
            2,
            "sign",
        ),
        (
            Stub::new(lie(|t| {
                t["for"][0]["text"] = json!("Das ist ein schöner Film.")
            })),
            2,
            "word",
        ),
        (Stub::new(lie(|t| t["stars"] = json!(5))), 2, "stars"),
        (
            Stub::new(|_, _| Reply::Text("Sure, here it is!".to_owned())),
            2,
            "FOR:",
        ),
        (
            Stub::new(|_, _| Reply::Status(200, "a: b", "<html>".to_owned())),
            2,
            "not that of a chat",
        ),
        (
            Stub::new(|_, _| Reply::Status(200, "a: b", "{\"choices\": []}".to_owned())),
            2,
            "no text",
        ),
        (Stub::new(|_, _| Reply::CutOff), 3, "did not answer"),
        (Stub::new(|_, _| Reply::Closed), 3, "did not answer"),
        (
            Stub::new(|_, _| Reply::Status(500, "retry-after: 0", "down".to_owned())),
            3,
            "status 500",
        ),
    ];
    for (stub, requests, why) in cases {
        let told = answer(&explain(&stub.address, &[]));
        assert_eq!(told["by"], "templates en", "{why}");
        let refused = told["refused"].as_str().unwrap();
        assert!(refused.contains(why), "{why}: {refused}");
        assert!(!told["for"].as_array().unwrap().is_empty());
        assert_eq!(stub.requests().len(), requests, "{why}");
    }
}

#[test]
fn a_second_attempt_may_succeed() {
    // A refusal is explained to the model.
    let stub = Stub::new(|at, body| match at {
        0 => Reply::Text("FOR: it is great [E3].".to_owned()),
        _ => good(body),
    });
    assert_eq!(answer(&explain(&stub.address, &[]))["by"], "m");
    let again = &stub.requests()[1].1["messages"];
    assert!(
        again[3]["content"].as_str().unwrap().contains("'great'"),
        "{again}"
    );
    // Too many requests, and a fault that passes.
    let stub = Stub::new(|at, body| match at {
        0 => Reply::Status(429, "retry-after: 0", "slow down".to_owned()),
        1 => Reply::Status(503, "retry-after: 0", "loading".to_owned()),
        _ => good(body),
    });
    assert_eq!(answer(&explain(&stub.address, &[]))["by"], "m");
    // A server without schemas is asked for lines.
    let stub = Stub::new(|_, body| match body.get("response_format") {
        Some(_) => Reply::Status(400, "a: b", "Either json_schema or grammar".to_owned()),
        None => {
            let told = truth(body);
            let lines = |of: &str| {
                let all = told[of].as_array().unwrap().iter();
                let one = |c: &Value| {
                    format!(
                        "{} [{}]",
                        c["text"].as_str().unwrap(),
                        c["cites"][0].as_str().unwrap()
                    )
                };
                all.map(one).collect::<Vec<_>>().join(" ")
            };
            Reply::Text(format!(
                "FOR: {}\nAGAINST: {}\n",
                lines("for"),
                lines("against")
            ))
        }
    });
    assert_eq!(answer(&explain(&stub.address, &[]))["by"], "m");
}

#[test]
fn a_slow_server_is_not_waited_for() {
    let stub = Stub::new(|_, _| Reply::Silence(Duration::from_secs(30)));
    let told = answer(&explain(&stub.address, &["--timeout", "1"]));
    assert_eq!(told["by"], "templates en");
}

#[test]
fn a_refused_key_ends_the_run_and_is_not_shown() {
    let stub =
        Stub::new(|_, _| Reply::Status(401, "a: b", "invalid key sk-very-secret".to_owned()));
    let out = explain(&stub.address, &[]);
    let err = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        err.contains("status 401") && !err.contains("secret"),
        "{err}"
    );
}

#[test]
fn another_machine_needs_permission() {
    let (user, item) = a_user();
    for (address, why) in [
        ("http://198.51.100.7:8080", "--allow-remote"),
        ("http://user:pass@127.0.0.1", "no user, password"),
        ("not an address", "is not an address"),
    ] {
        let args = [
            "explain",
            model().to_str().unwrap(),
            "--user",
            &user,
            "--item",
            &item,
            "--words",
        ];
        let out = limpid(&[&args[..], &["--language", address, "--language-model", "m"]].concat());
        let err = String::from_utf8_lossy(&out.stderr);
        assert_eq!(out.status.code(), Some(2), "{err}");
        assert!(err.contains(why), "{err}");
    }
}

/// `narrate` for the users of the file.
fn narrate(address: &str, to: &Path, more: &[&str]) -> Command {
    let users = model().with_file_name("users.txt");
    let mut command = Command::new(env!("CARGO_BIN_EXE_limpid"));
    command
        .env_remove("LIMPID_DATA")
        .arg("narrate")
        .arg(model())
        .arg("--users")
        .arg(users)
        .args([
            "-n",
            "2",
            "--format",
            "json",
            "--language-model",
            "m",
            "--language",
            address,
        ])
        .arg("-o")
        .arg(to)
        .args(more);
    command
}

/// A batch whose server goes away stops, keeps what it has, and continues without asking anything twice.
#[test]
fn a_batch_outlives_its_server() {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole.jsonl");
    let stub = Stub::new(|_, body| good(body));
    let out = narrate(&stub.address, &whole, &[]).output().unwrap();
    let report = answer(&out);
    assert_eq!(
        (&report["users"], &report["texts"]),
        (&json!(40), &json!(80))
    );
    assert_eq!(report["language_model"]["accepted"], 80);
    assert_eq!(stub.requests().len(), 80);

    let to = folder.path().join("texts.jsonl");
    let dying = Stub::new(|at, body| if at < 30 { good(body) } else { Reply::Closed });
    let out = narrate(&dying.address, &to, &["--concurrency", "1"])
        .output()
        .unwrap();
    let err = String::from_utf8_lossy(&out.stderr);
    assert_eq!(out.status.code(), Some(1), "{err}");
    assert!(err.contains("--resume") && !to.exists(), "{err}");

    let stub = Stub::new(|_, body| good(body));
    let out = narrate(&stub.address, &to, &["--resume"]).output().unwrap();
    let report = answer(&out);
    assert_eq!(report["texts"], 80);
    // 30 answers are in parts or in the cache.
    assert!(stub.requests().len() <= 50);
    let lines = |path: &Path| -> Vec<Value> {
        let text = std::fs::read_to_string(path).unwrap();
        text.lines()
            .map(|l| serde_json::from_str(l).unwrap())
            .collect()
    };
    let mut unanswered = 0;
    for (one, other) in lines(&to).iter().zip(&lines(&whole)) {
        for key in ["user_id", "rank", "item_id", "evidence"] {
            assert_eq!(one[key], other[key]);
        }
        match one["refused"].as_str() {
            None => assert_eq!(one, other),
            Some(why) => {
                assert!(why.contains("did not answer"), "{why}");
                unanswered += 1;
            }
        }
    }
    // Fewer than three in a row do not stop a run: the templates speak, and the line says so.
    assert!(lines(&to).len() == 80 && unanswered < 3, "{unanswered}");
}

/// A batch that is killed leaves no half line, and the next run gives the same file.
#[test]
fn a_batch_outlives_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("texts.jsonl");
    let slow = Stub::new(|_, body| {
        std::thread::sleep(Duration::from_millis(5));
        good(body)
    });
    let mut child = narrate(&slow.address, &to, &[])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let from = Instant::now();
    while slow.requests().len() < 40 && from.elapsed() < Duration::from_secs(60) {
        std::thread::sleep(Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let before = slow.requests().len();
    let out = narrate(&slow.address, &to, &["--resume"]).output().unwrap();
    assert_eq!(answer(&out)["texts"], 80);
    let asked = slow.requests().len();
    // Only answers that were on their way are asked for again.
    assert!(asked <= 80 + 8 && asked >= before, "{before} {asked}");
    let text = std::fs::read_to_string(&to).unwrap();
    let rows: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let mut keys: Vec<(String, i64)> = rows
        .iter()
        .map(|r| {
            (
                r["user_id"].as_str().unwrap().to_owned(),
                r["rank"].as_i64().unwrap(),
            )
        })
        .collect();
    keys.sort();
    keys.dedup();
    assert_eq!((rows.len(), keys.len()), (80, 80));
}

/// A server that is another program, ended with the test.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    /// Starts llama.cpp's server, by the command of `LIMPID_LLAMA_SERVER`, with a model; `None` without a command.
    fn start(model: &Path, log: &Path) -> Option<Self> {
        let command = std::env::var("LIMPID_LLAMA_SERVER").ok()?;
        let mut words = command.split_whitespace();
        let port = TcpListener::bind("127.0.0.1:0")
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let log = std::fs::File::create(log).unwrap();
        let process = Command::new(words.next()?)
            .args(words)
            .arg("--model")
            .arg(model)
            .args(["--host", "127.0.0.1", "--port", &port.to_string()])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let address = format!("127.0.0.1:{port}");
        let mut server = Self { process, address };
        let start = Instant::now();
        while !server.is_ready() {
            let ended = server.process.try_wait().unwrap();
            let waited = start.elapsed();
            assert!(
                ended.is_none() && waited < Duration::from_secs(120),
                "{ended:?} after {waited:?}"
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(server)
    }

    fn is_ready(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(&self.address) else {
            return false;
        };
        let request = format!(
            "GET /v1/models HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
            self.address
        );
        let mut reply = String::new();
        let asked = stream.write_all(request.as_bytes()).is_ok();
        asked && stream.read_to_string(&mut reply).is_ok() && reply.starts_with("HTTP/1.1 200")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// llama.cpp's server with a model of random weights: whatever it answers, by the schema or not, is refused, the
/// templates speak, and every line says so.
#[test]
fn nonsense_of_a_real_server_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (file, log) = (
        folder.path().join("nonsense.gguf"),
        folder.path().join("log"),
    );
    gguf::write(&file).unwrap();
    let Some(server) = Server::start(&file, &log) else {
        eprintln!(
            "skipped: LIMPID_LLAMA_SERVER is not set; it is the command of llama.cpp's server, such as 'llama-server' \
             or 'python -m llama_cpp.server --n_ctx 8192'"
        );
        return;
    };
    let address = format!("http://{}", server.address);
    let told = answer(&explain(&address, &["--timeout", "100"]));
    assert_eq!(told["by"], "templates en", "{told}");
    // It did answer.
    let why = told["refused"].as_str().unwrap();
    assert!(!why.contains("did not answer"), "{why}");
    eprintln!("explain: {why}");

    let to = folder.path().join("texts.jsonl");
    let out = narrate(&address, &to, &["--timeout", "100"])
        .output()
        .unwrap();
    let report = answer(&out);
    assert_eq!(report["texts"], 80);
    assert_eq!(report["language_model"]["accepted"], 0, "{report}");
    let text = std::fs::read_to_string(&to).unwrap();
    for line in text.lines() {
        let told: Value = serde_json::from_str(line).unwrap();
        let why = told["refused"].as_str().unwrap();
        assert!(!why.contains("did not answer"), "{why}");
    }
    eprintln!("{report}");
}
