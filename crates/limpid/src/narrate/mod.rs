//! Reasons in words: by templates, or by a language model on a server, which is asked, checked and cached here.
//!
//! A text is only ever an answer to an explanation that is complete; no ranking waits for it.

mod cache;
mod server;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use limpid_core::Detail;
use limpid_insight::narrate::{
    Evidence, Language, Refusal, Rules, Telling, Tone, Words, check, prompt,
};
use serde::Serialize;

use crate::{Error, Result};

use cache::Cache;
pub(crate) use server::Server;
use server::{Fault, Message};
pub use server::{KEY, ServerOptions};

/// Templates by the code of a built-in language (`en`, `de`) or from a file.
///
/// # Errors
/// [`Error::Usage`] for another code, [`Error::Io`] if the file cannot be read, and as [`Words::parse`].
pub fn templates(name: &str) -> Result<Words> {
    if let Some(language) = Language::of(name) {
        return Ok(Words::of(language)?);
    }
    let path = Path::new(name);
    if !path.exists() {
        return Err(Error::Usage(format!(
            "there are no templates '{name}': give en, de or a file (limpid narrate --print-templates en \
             prints one to edit)"
        )));
    }
    let text = std::fs::read_to_string(path).map_err(|e| Error::io("cannot read", path, e))?;
    Ok(Words::parse(name, &text)?)
}

/// A text with its author.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Narration {
    /// The text.
    pub told: Telling,
    /// Who wrote it: `templates en`, or the name of a language model.
    pub by: String,
    /// Why the text of the language model was not taken, where the templates speak for it.
    pub refused: Option<String>,
}

/// Tells evidence.
pub struct Narrator {
    words: Words,
    tone: Tone,
    model: Option<Author>,
}

/// A language model that writes texts.
struct Author {
    server: Server,
    language: Language,
    cache: Option<Cache>,
    spent: Mutex<Spent>,
}

/// What a language model cost, and what became of its texts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Spent {
    /// Requests to the server, repeated ones included.
    pub requests: usize,
    /// Texts that the cache had.
    pub cached: usize,
    /// Texts of the model that were taken.
    pub accepted: usize,
    /// Texts that the templates wrote because those of the model were refused, by the reason.
    pub refused: BTreeMap<&'static str, usize>,
    /// Texts that the templates wrote because the server did not answer.
    pub unanswered: usize,
    /// Tokens of the prompts, where the server tells them.
    pub prompt_tokens: u64,
    /// Tokens of the answers, where the server tells them.
    pub answer_tokens: u64,
}

/// Texts in a row without an answer of the server, after which a batch stops.
const UNANSWERED: usize = 3;

impl fmt::Debug for Narrator {
    /// What its texts depend on; equal for narrators that write the same texts.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let source = blake3::hash(self.words.source().as_bytes()).to_hex();
        write!(f, "words {} {source}", self.tone.name())?;
        match &self.model {
            Some(author) => write!(f, " {} {}", author.server.model(), prompt::VERSION),
            None => Ok(()),
        }
    }
}

impl Narrator {
    /// A narrator with templates alone.
    #[must_use]
    pub fn new(words: Words, tone: Tone) -> Self {
        Self {
            words,
            tone,
            model: None,
        }
    }

    /// A language model writes the texts, and the templates those that are refused. Answers are kept in the
    /// file `cache`, so that no question is asked twice.
    ///
    /// # Errors
    /// [`Error::Usage`] if the templates are of a language without a vocabulary, for a tone other than
    /// [`Tone::Paragraph`], and for an address that is not allowed; [`Error::Io`] if the cache cannot be
    /// opened.
    pub fn with_model(self, options: &ServerOptions, cache: Option<PathBuf>) -> Result<Self> {
        let Some(language) = self.words.language() else {
            return Err(Error::Usage(format!(
                "{} does not say of which language it is, so the texts of a language model cannot be checked; \
                 use --templates en or de, or {{% set language = \"en\" %}} in the file",
                self.words.name()
            )));
        };
        if self.tone != Tone::Paragraph {
            return Err(Error::Usage(format!(
                "a language model writes paragraphs; leave out --tone {}, or leave out --language",
                self.tone.name()
            )));
        }
        Ok(Self {
            model: Some(Author {
                server: Server::new(options, "--language")?,
                language,
                cache: cache.map(|path| Cache::open(&path)).transpose()?,
                spent: Mutex::default(),
            }),
            ..self
        })
    }

    /// How long the texts are.
    #[must_use]
    pub fn tone(&self) -> Tone {
        self.tone
    }

    /// The language of the templates: a code, or the name of their file.
    #[must_use]
    pub fn language(&self) -> &str {
        match self.words.language() {
            Some(language) => language.code(),
            None => self.words.name(),
        }
    }

    /// How many reasons of each sign its evidence should have.
    #[must_use]
    pub fn reasons(&self) -> usize {
        match self.model {
            Some(_) => prompt::REASONS,
            None => self.tone.reasons(),
        }
    }

    /// The lines of its ledgers: an audit lists every unit.
    #[must_use]
    pub fn detail(&self) -> Detail {
        match self.tone {
            Tone::Audit => Detail::Raw,
            Tone::Label | Tone::Paragraph => Detail::Lines,
        }
    }

    /// Whether a language model writes its texts.
    #[must_use]
    pub fn asks(&self) -> bool {
        self.model.is_some()
    }

    /// What the language model cost so far; `None` without one.
    #[must_use]
    pub fn spent(&self) -> Option<Spent> {
        self.model.as_ref().map(|author| author.spent().clone())
    }

    /// What went wrong beside the texts, such as a cache that cannot be written.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let cache = self.model.as_ref().and_then(|author| author.cache.as_ref());
        cache.and_then(Cache::failure).into_iter().collect()
    }

    /// Tells one piece of evidence. Where the language model is refused or does not answer, the templates tell
    /// it, and the narration says so.
    ///
    /// # Errors
    /// If the templates fail, or if the server refuses to work at all (a wrong key, an unknown model).
    pub fn tell(&self, evidence: &Evidence) -> Result<Narration> {
        let Some(author) = &self.model else {
            return self.by_templates(evidence, None);
        };
        match author.tell(evidence) {
            Ok(told) => Ok(Narration {
                told,
                by: author.server.model().to_owned(),
                refused: None,
            }),
            Err(Declined::Refused(why)) => self.by_templates(evidence, Some(why.to_string())),
            Err(Declined::Unanswered(why)) => self.by_templates(evidence, Some(why)),
            Err(Declined::Stopped(error)) => Err(error),
        }
    }

    fn by_templates(&self, evidence: &Evidence, refused: Option<String>) -> Result<Narration> {
        Ok(Narration {
            told: self.words.tell(evidence, self.tone)?,
            by: format!("templates {}", self.words.name()),
            refused,
        })
    }

    /// Tells several pieces of evidence, in order; a language model is asked for as many at once as its options
    /// allow.
    ///
    /// # Errors
    /// As [`Self::tell`], and [`Error::Server`] after several texts in a row without an answer.
    pub fn tell_all(&self, all: &[Evidence]) -> Result<Vec<Narration>> {
        let Some(author) = &self.model else {
            return all.iter().map(|evidence| self.tell(evidence)).collect();
        };
        let next = AtomicUsize::new(0);
        let told: Mutex<Vec<Option<Result<Narration>>>> =
            Mutex::new(all.iter().map(|_| None).collect());
        std::thread::scope(|scope| {
            for _ in 0..author.server.concurrency().min(all.len()) {
                scope.spawn(|| {
                    loop {
                        let at = next.fetch_add(1, Ordering::Relaxed);
                        let Some(evidence) = all.get(at) else { return };
                        let one = author.answers().and_then(|()| self.tell(evidence));
                        let failed = one.is_err();
                        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                        told[at] = Some(one);
                        if failed {
                            // The others end when their text is told.
                            next.store(all.len(), Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let told = told.into_inner().unwrap_or_else(PoisonError::into_inner);
        // An error ends the work, so those that were not begun come after it.
        let mut finished = Vec::with_capacity(told.len());
        let mut open = false;
        for one in told {
            match one {
                Some(one) => finished.push(one?),
                None => open = true,
            }
        }
        match open {
            true => Err(author.server.error("the run was stopped".to_owned())),
            false => Ok(finished),
        }
    }
}

/// Why a language model does not tell a piece of evidence.
enum Declined {
    /// Its text says what the evidence does not.
    Refused(Refusal),
    /// The server did not answer.
    Unanswered(String),
    /// Nothing can be asked.
    Stopped(Error),
}

impl Author {
    fn spent(&self) -> std::sync::MutexGuard<'_, Spent> {
        self.spent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Refuses to go on where the server has not answered for several texts.
    fn answers(&self) -> Result<()> {
        match self.server.silent() < UNANSWERED {
            true => Ok(()),
            false => Err(self.server.error(format!(
                "it did not answer for {UNANSWERED} texts in a row; the parts that are written are kept, and \
                 --resume continues"
            ))),
        }
    }

    fn tell(&self, evidence: &Evidence) -> std::result::Result<Telling, Declined> {
        let rules = prompt::rules(self.language);
        let key = self.key(evidence);
        if let Some(answer) = self.cache.as_ref().and_then(|cache| cache.get(&key)) {
            self.spent().cached += 1;
            return self.judged(prompt::read(&answer), evidence, &rules);
        }
        let mut messages = vec![
            Message::system(prompt::instructions(
                self.language,
                self.server.has_schema(),
            )),
            Message::user(prompt::question(evidence)),
        ];
        let mut last = Refusal::Form("it is empty".to_owned());
        for attempt in 0..2 {
            let answer = match self.ask(&mut messages) {
                Ok(answer) => answer,
                Err(Fault::Unreadable(why)) => {
                    last = Refusal::Form(why);
                    continue;
                }
                Err(Fault::Unanswered(why)) => {
                    self.spent().unanswered += 1;
                    return Err(Declined::Unanswered(why));
                }
                Err(Fault::Stopped(error)) => return Err(Declined::Stopped(error)),
            };
            let told = prompt::read(&answer);
            match told.and_then(|told| check(&told, evidence, &rules).map(|()| told)) {
                Ok(told) => {
                    self.keep(&key, &answer);
                    self.spent().accepted += 1;
                    return Ok(told);
                }
                Err(refusal) => {
                    if attempt > 0 {
                        self.keep(&key, &answer);
                    }
                    messages.push(Message::assistant(answer));
                    messages.push(Message::user(prompt::again(&refusal)));
                    last = refusal;
                }
            }
        }
        *self.spent().refused.entry(last.kind()).or_default() += 1;
        Err(Declined::Refused(last))
    }

    fn judged(
        &self,
        told: std::result::Result<Telling, Refusal>,
        evidence: &Evidence,
        rules: &Rules,
    ) -> std::result::Result<Telling, Declined> {
        let checked = told.and_then(|told| check(&told, evidence, rules).map(|()| told));
        match checked {
            Ok(told) => {
                self.spent().accepted += 1;
                Ok(told)
            }
            Err(refusal) => {
                *self.spent().refused.entry(refusal.kind()).or_default() += 1;
                Err(Declined::Refused(refusal))
            }
        }
    }

    /// Asks the server; one that does not know schemas is asked for lines of text instead.
    fn ask(&self, messages: &mut [Message]) -> std::result::Result<String, Fault> {
        let had_schema = self.server.has_schema();
        let mut answer = self
            .server
            .ask(messages, had_schema.then(prompt::schema), &self.spent);
        if had_schema && !self.server.has_schema() {
            messages[0] = Message::system(prompt::instructions(self.language, false));
            answer = self.server.ask(messages, None, &self.spent);
        }
        answer
    }

    fn keep(&self, key: &str, answer: &str) {
        if let Some(cache) = &self.cache {
            cache.put(key, self.server.model(), answer);
        }
    }

    /// What an answer depends on.
    fn key(&self, evidence: &Evidence) -> String {
        let mut hasher = blake3::Hasher::new();
        let version = prompt::VERSION.to_string();
        let question = prompt::question(evidence);
        for part in [
            self.server.model(),
            &version,
            self.language.code(),
            &question,
        ] {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.finalize().to_hex().to_string()
    }
}
