//! A server that speaks the chat interface of OpenAI: llama.cpp, Ollama, vLLM and others.
//!
//! It is asked on this machine unless another host is allowed; the key comes from the environment and is in no
//! message. Redirects and proxies are not followed: the evidence goes where it was told to go, or nowhere.

use std::net::{IpAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use ureq::http::Uri;

use super::Spent;
use crate::{Error, Result};

/// The environment variable with the key of the server.
pub const KEY: &str = "LIMPID_LANGUAGE_KEY";

/// How a server is asked.
#[derive(Debug, Clone, PartialEq)]
pub struct ServerOptions {
    /// Its address: `http://127.0.0.1:8080`.
    pub url: String,
    /// The name of the model.
    pub model: String,
    /// Whether it may be on another machine.
    pub allow_remote: bool,
    /// How long one request may take.
    pub timeout: Duration,
    /// How many requests are open at once.
    pub concurrency: usize,
    /// How many requests are sent in a second at most.
    pub rate: Option<f64>,
}

/// One message of a conversation.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Message {
    role: &'static str,
    content: String,
}

impl Message {
    pub(super) fn system(content: String) -> Self {
        let role = "system";
        Self { role, content }
    }

    pub(super) fn user(content: String) -> Self {
        let role = "user";
        Self { role, content }
    }

    pub(super) fn assistant(content: String) -> Self {
        let role = "assistant";
        Self { role, content }
    }
}

/// Why there is no answer.
pub(super) enum Fault {
    /// An answer that cannot be read: cut off, or no JSON.
    Unreadable(String),
    /// No answer, after several attempts.
    Unanswered(String),
    /// A refusal that holds for every question: a wrong key, an unknown model.
    Stopped(Error),
}

/// A server.
pub(crate) struct Server {
    agent: ureq::Agent,
    /// Up to and with its version.
    base: String,
    address: String,
    model: String,
    key: Option<String>,
    /// Whether it takes a JSON Schema for its answers.
    schema: AtomicBool,
    /// Questions in a row that it did not answer.
    silent: AtomicUsize,
    concurrency: usize,
    open: (Mutex<usize>, Condvar),
    interval: Option<Duration>,
    next: Mutex<Instant>,
}

/// Attempts for one question.
const ATTEMPTS: u32 = 3;

/// The first pause between attempts; it doubles.
const PAUSE: Duration = Duration::from_millis(200);

/// The longest pause that a server can ask for.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// The most bytes of an answer that are read.
const MOST_BYTES: u64 = 1 << 20;

/// The most bytes of vectors that are read at once.
const MOST_BYTES_OF_VECTORS: u64 = 32 << 20;

/// The most tokens of an answer.
const MOST_TOKENS: u32 = 900;

/// The most requests at once.
const MOST_OPEN: usize = 64;

impl Server {
    /// `option` is the option that names it, for errors.
    pub(crate) fn new(options: &ServerOptions, option: &str) -> Result<Self> {
        let refuse = |why: String| Error::Usage(format!("{option} {}: {why}", options.url));
        let uri: Uri = options
            .url
            .parse()
            .map_err(|_| refuse("is not an address, such as http://127.0.0.1:8080".to_owned()))?;
        let scheme = uri.scheme_str().unwrap_or_default();
        let authority = uri.authority().map_or("", |a| a.as_str());
        let host = uri.host().unwrap_or_default();
        if !matches!(scheme, "http" | "https") || host.is_empty() {
            return Err(refuse(
                "must begin with http:// or https:// and a host".to_owned(),
            ));
        }
        if authority.contains('@') || uri.query().is_some() {
            return Err(refuse(format!(
                "must have no user, password or query; a key is read from {KEY}"
            )));
        }
        let local = is_loopback(host);
        if !local && !options.allow_remote {
            return Err(refuse(
                "is another machine, and the evidence has personal histories; use a server on this machine, or \
                 allow it with --allow-remote"
                    .to_owned(),
            ));
        }
        let key = std::env::var(KEY).ok().filter(|key| !key.is_empty());
        if key.is_some() && !local && scheme == "http" {
            return Err(refuse(format!(
                "a key ({KEY}) is not sent to another machine in the clear; use https://"
            )));
        }
        if options.concurrency == 0 || options.concurrency > MOST_OPEN {
            return Err(Error::Usage(format!(
                "--concurrency must be from 1 to {MOST_OPEN}, but is {}",
                options.concurrency
            )));
        }
        let interval = match options.rate {
            Some(rate) if rate.is_finite() && rate > 0.0 => {
                Some(Duration::from_secs_f64((1.0 / rate).min(3600.0)))
            }
            Some(rate) => {
                return Err(Error::Usage(format!(
                    "--rate must be above 0, but is {rate}"
                )));
            }
            None => None,
        };
        let config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .timeout_global(Some(options.timeout))
            .build();
        let base = options.url.trim_end_matches('/');
        let version = if base.ends_with("/v1") { "" } else { "/v1" };
        Ok(Self {
            agent: config.new_agent(),
            address: format!("{base}{version}/chat/completions"),
            base: format!("{base}{version}"),
            model: options.model.clone(),
            key,
            schema: AtomicBool::new(true),
            silent: AtomicUsize::new(0),
            concurrency: options.concurrency,
            open: (Mutex::new(0), Condvar::new()),
            interval,
            next: Mutex::new(Instant::now()),
        })
    }

    pub(crate) fn model(&self) -> &str {
        &self.model
    }

    pub(super) fn concurrency(&self) -> usize {
        self.concurrency
    }

    /// Whether it takes a schema; known after the first question.
    pub(super) fn has_schema(&self) -> bool {
        self.schema.load(Ordering::Relaxed)
    }

    /// Questions in a row that it did not answer.
    pub(super) fn silent(&self) -> usize {
        self.silent.load(Ordering::Relaxed)
    }

    pub(super) fn error(&self, why: String) -> Error {
        Error::Server {
            address: self.address.clone(),
            why,
        }
    }

    /// The answer to a conversation, as text.
    pub(super) fn ask(
        &self,
        messages: &[Message],
        schema: Option<Value>,
        spent: &Mutex<Spent>,
    ) -> std::result::Result<String, Fault> {
        let mut body = json!({
            "model": self.model,
            "messages": messages,
            "temperature": 0,
            "seed": 0,
            "max_tokens": MOST_TOKENS,
            "stream": false,
        });
        let has_schema = schema.is_some();
        if let Some(schema) = schema {
            body["response_format"] = json!({
                "type": "json_schema",
                "json_schema": { "name": "reasons", "strict": true, "schema": schema },
            });
        }
        let refused = |reply: &Reply| has_schema && refuses_schemas(reply);
        match self.answered(&self.address, &body.to_string(), MOST_BYTES, spent, refused) {
            Ok(reply) if reply.status == 200 => {
                self.silent.store(0, Ordering::Relaxed);
                read(&reply.text, spent)
            }
            Ok(reply) if refused(&reply) => {
                // It is asked without from then on.
                self.schema.store(false, Ordering::Relaxed);
                Err(Fault::Unreadable("it takes no schema".to_owned()))
            }
            Ok(reply) => Err(Fault::Stopped(self.error(reply.words()))),
            Err(why) => {
                self.silent.fetch_add(1, Ordering::Relaxed);
                Err(Fault::Unanswered(why))
            }
        }
    }

    /// The vectors of texts, in their order.
    pub(crate) fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let address = format!("{}/embeddings", self.base);
        let refuse = |why: String| Error::Server {
            address: address.clone(),
            why,
        };
        let body = json!({ "model": self.model, "input": texts, "encoding_format": "float" });
        let body = body.to_string();
        let spent = Mutex::default();
        let reply = self.answered(&address, &body, MOST_BYTES_OF_VECTORS, &spent, |_| false);
        let reply = reply.map_err(refuse)?;
        match reply.status {
            200 => vectors(&reply.text, texts.len()).map_err(refuse),
            _ => Err(refuse(reply.words())),
        }
    }

    /// The reply to a request. What may pass is tried again after a pause, unless the reply is `settled`.
    fn answered(
        &self,
        address: &str,
        body: &str,
        most_bytes: u64,
        spent: &Mutex<Spent>,
        settled: impl Fn(&Reply) -> bool,
    ) -> std::result::Result<Reply, String> {
        let mut why = String::new();
        for attempt in 0..ATTEMPTS {
            let pause = match self.post(address, body, most_bytes, spent) {
                Ok(reply) if may_pass(reply.status) && !settled(&reply) => {
                    why = format!("status {}", reply.status);
                    reply.pause
                }
                Ok(reply) => return Ok(reply),
                Err(failed) => {
                    why = failed;
                    None
                }
            };
            if attempt + 1 < ATTEMPTS {
                let pause = pause.unwrap_or(PAUSE * 2u32.pow(attempt));
                std::thread::sleep(pause.min(LONGEST_PAUSE));
            }
        }
        Err(format!("the server did not answer ({why})"))
    }

    fn post(
        &self,
        address: &str,
        body: &str,
        most_bytes: u64,
        spent: &Mutex<Spent>,
    ) -> std::result::Result<Reply, String> {
        let _open = self.wait();
        spent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .requests += 1;
        let mut request = self
            .agent
            .post(address)
            .header("content-type", "application/json");
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {key}"));
        }
        let mut response = request.send(body).map_err(|e| e.to_string())?;
        let status = response.status().as_u16();
        let pause = response.headers().get("retry-after");
        let pause = pause.and_then(|seconds| seconds.to_str().ok()?.parse().ok());
        let text = response
            .body_mut()
            .with_config()
            .limit(most_bytes)
            .lossy_utf8(true)
            .read_to_string()
            .map_err(|e| e.to_string())?;
        // Some servers repeat a wrong key in their message.
        let text = match &self.key {
            Some(key) => text.replace(key.as_str(), "…"),
            None => text,
        };
        Ok(Reply {
            status,
            text,
            pause: pause.map(Duration::from_secs),
        })
    }

    /// Waits for a place among the open requests, and for the rate.
    fn wait(&self) -> Open<'_> {
        let (count, freed) = &self.open;
        let mut open = count.lock().unwrap_or_else(PoisonError::into_inner);
        while *open >= self.concurrency {
            open = freed.wait(open).unwrap_or_else(PoisonError::into_inner);
        }
        *open += 1;
        drop(open);
        if let Some(interval) = self.interval {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let now = Instant::now();
            let at = (*next).max(now);
            *next = at + interval;
            drop(next);
            std::thread::sleep(at - now);
        }
        Open(self)
    }
}

/// A place among the open requests.
struct Open<'a>(&'a Server);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        let (count, freed) = &self.0.open;
        *count.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
        freed.notify_one();
    }
}

struct Reply {
    status: u16,
    text: String,
    /// The pause that the server asks for.
    pause: Option<Duration>,
}

impl Reply {
    /// A refusal in words.
    fn words(&self) -> String {
        format!("status {}: {}", self.status, shortened(&self.text))
    }
}

/// Whether a reply says that the server takes no schema.
fn refuses_schemas(reply: &Reply) -> bool {
    let text = reply.text.to_lowercase();
    let said = ["response_format", "json_schema", "json schema", "grammar"];
    matches!(reply.status, 400 | 404 | 422 | 500 | 501)
        && said.iter().any(|word| text.contains(word))
}

/// Whether the same request may succeed later.
fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}

#[derive(Deserialize)]
struct Completion {
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Usage,
}

#[derive(Deserialize)]
struct Choice {
    message: Content,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Content {
    content: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
}

fn read(text: &str, spent: &Mutex<Spent>) -> std::result::Result<String, Fault> {
    let unreadable = |why: String| Fault::Unreadable(why);
    let completion: Completion = serde_json::from_str(text).map_err(|e| {
        unreadable(format!(
            "the reply of the server is not that of a chat: {e}"
        ))
    })?;
    {
        let mut spent = spent.lock().unwrap_or_else(PoisonError::into_inner);
        spent.prompt_tokens += completion.usage.prompt_tokens;
        spent.answer_tokens += completion.usage.completion_tokens;
    }
    let Some(choice) = completion.choices.into_iter().next() else {
        return Err(unreadable("the reply of the server has no text".to_owned()));
    };
    if choice.finish_reason.as_deref() == Some("length") {
        return Err(unreadable(format!(
            "it was cut off after {MOST_TOKENS} tokens"
        )));
    }
    choice
        .message
        .content
        .ok_or_else(|| unreadable("the reply of the server has no text".to_owned()))
}

#[derive(Deserialize)]
struct Embedded {
    data: Vec<EmbeddedText>,
}

#[derive(Deserialize)]
struct EmbeddedText {
    index: usize,
    embedding: Vec<f32>,
}

/// The vectors of `n` texts in a reply.
fn vectors(text: &str, n: usize) -> std::result::Result<Vec<Vec<f32>>, String> {
    let embedded: Embedded = serde_json::from_str(text)
        .map_err(|e| format!("the reply of the server has no vectors: {e}"))?;
    let mut all = vec![Vec::new(); n];
    for one in embedded.data {
        match all.get_mut(one.index) {
            Some(vector) => *vector = one.embedding,
            None => return Err(format!("the reply has a vector {} of {n}", one.index)),
        }
    }
    let width = all.first().map_or(0, Vec::len);
    let whole = |v: &Vec<f32>| v.len() == width && v.iter().all(|x| x.is_finite());
    match width > 0 && all.iter().all(whole) {
        true => Ok(all),
        false => Err(format!(
            "the reply does not have {n} vectors of one length with finite numbers"
        )),
    }
}

/// The beginning of a text for a message.
fn shortened(text: &str) -> String {
    const MOST: usize = 200;
    let short: String = text.trim().chars().take(MOST).collect();
    match short.len() < text.trim().len() {
        true => format!("{short}…"),
        false => short,
    }
}

/// Whether a host is this machine.
fn is_loopback(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    if let Ok(address) = literal.parse::<IpAddr>() {
        return address.is_loopback();
    }
    // A name counts only if it means this machine and nothing else.
    host.eq_ignore_ascii_case("localhost")
        && (host, 80)
            .to_socket_addrs()
            .is_ok_and(|mut all| all.all(|a| a.ip().is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(url: &str) -> ServerOptions {
        ServerOptions {
            url: url.to_owned(),
            model: "m".to_owned(),
            allow_remote: false,
            timeout: Duration::from_secs(1),
            concurrency: 1,
            rate: None,
        }
    }

    #[test]
    fn vectors_are_taken_by_index_or_refused() {
        let reply =
            r#"{"data": [{"index": 1, "embedding": [3, 4]}, {"index": 0, "embedding": [1, 2]}]}"#;
        assert_eq!(vectors(reply, 2).unwrap(), [[1.0, 2.0], [3.0, 4.0]]);
        for (reply, n) in [
            (reply, 1),
            (reply, 3),
            (
                r#"{"data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [1]}]}"#,
                2,
            ),
            (r#"{"data": [{"index": 0, "embedding": []}]}"#, 1),
            (r#"{"error": "no"}"#, 1),
            ("<html>", 1),
        ] {
            assert!(vectors(reply, n).is_err(), "{reply}");
        }
    }

    #[test]
    fn only_this_machine_is_asked_unless_another_is_allowed() {
        for url in [
            "http://127.0.0.1:8080",
            "http://[::1]:9/v1/",
            "https://127.8.0.1",
        ] {
            assert!(Server::new(&options(url), "--language").is_ok(), "{url}");
        }
        for url in [
            "http://example.org",
            "http://10.0.0.1:8080",
            "http://127.0.0.1.example.org",
            "http://127.0.0.1@example.org",
            "http://0.0.0.0:80",
            "ftp://127.0.0.1",
            "127.0.0.1",
            "http://127.0.0.1/?key=1",
            "",
        ] {
            assert!(Server::new(&options(url), "--language").is_err(), "{url}");
        }
        let remote = ServerOptions {
            allow_remote: true,
            ..options("https://example.org/v1")
        };
        assert_eq!(
            Server::new(&remote, "--language").ok().unwrap().address,
            "https://example.org/v1/chat/completions"
        );
        for (concurrency, rate) in [(0, None), (65, None), (1, Some(0.0)), (1, Some(f64::NAN))] {
            let wrong = ServerOptions {
                concurrency,
                rate,
                ..options("http://127.0.0.1")
            };
            assert!(Server::new(&wrong, "--language").is_err());
        }
    }
}
