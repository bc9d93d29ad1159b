//! `limpid narrate`: reasons for and against the items of many lists, in words; and the options and the page of
//! words, which `limpid explain --words` shares.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use limpid::answers::{Narrated, WordsAnswer};
use limpid::batch::{Batch, Content};
use limpid::insight::narrate::{Clause, Language, Tone, paragraph};
use limpid::insight::wording;
use limpid::narrate::{ServerOptions, Spent, templates};
use limpid::{Advisor, Error, Narrator};

use crate::args::{EditArgs, FilterArgs, OutArgs, length, people};
use crate::output::{Output, Section, Table, print, signed};
use crate::progress::Bars;

const EXAMPLES: &str = "\
Examples:
  limpid narrate model/ --users all -n 5 -o reasons.jsonl
  limpid narrate model/ --users all -n 5 -o reasons.jsonl --templates de
  limpid narrate --print-templates en > mine.jinja
  limpid narrate model/ --users vip.txt -n 3 -o reasons.jsonl --templates mine.jinja
  limpid narrate model/ --users all -n 5 -o reasons.jsonl --resume \\
      --language http://127.0.0.1:8080 --language-model llama";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Command {
    /// Folder saved by 'limpid train'
    #[arg(required_unless_present = "print_templates")]
    model: Option<PathBuf>,
    /// Users to tell about: all of the training set, a file, or - for standard input
    ///
    /// A file has one user id per line, or is a table of histories with a column of users and one of items,
    /// in any format that data have. A history replaces the events of the data.
    #[arg(long, value_name = "all|FILE|-", default_value = "all")]
    users: String,
    /// Continue a run that was stopped: parts in FILE.parts that are complete are kept
    #[arg(long)]
    resume: bool,
    /// Length of the lists
    #[arg(short, long, default_value_t = 10, value_name = "N", value_parser = length)]
    n: usize,
    /// Print the built-in templates of a language (en, de), to be edited, and exit
    #[arg(long, value_name = "LANGUAGE", value_parser = language)]
    print_templates: Option<&'static str>,
    #[command(flatten)]
    words: WordsArgs,
    #[command(flatten)]
    filter: FilterArgs,
    #[command(flatten)]
    edit: EditArgs,
    #[command(flatten)]
    out: OutArgs,
}

fn language(code: &str) -> Result<&'static str, String> {
    Language::of(code)
        .map(Language::templates)
        .ok_or_else(|| "must be en or de".to_owned())
}

impl Command {
    pub(crate) fn run(self, output: &Output) -> Result<()> {
        if let Some(text) = self.print_templates {
            return print(text.trim_end());
        }
        let (Some(model), Some(file)) = (&self.model, &self.out.output) else {
            bail!(Error::Usage(
                "no file for the texts; use -o reasons.jsonl (or .csv, .tsv, .parquet, or - for standard output)"
                    .to_owned()
            ));
        };
        let to = output.rows(file)?;
        let beside = to.path().map(|path| {
            let mut name = path.as_os_str().to_owned();
            name.push(".answers.jsonl");
            PathBuf::from(name)
        });
        let advisor = Advisor::open(model)?;
        let people = people(&self.users, &advisor)?;
        output.notes(&people.notes);
        let filter = self.filter.filter(&advisor)?;
        let edits = self.edit.edits()?;
        let narrator = self.words.narrator(beside)?;
        let bars = Bars::new(output.is_quiet());
        let batch = Batch {
            content: Content::Words(&narrator),
            n: self.n,
            filter: &filter,
            edits: &edits,
            resume: self.resume,
            progress: &bars,
        };
        let written = advisor.write_batch(&people, &batch, &to)?;
        drop(bars);
        if written.resumed > 0 {
            output.note(format!("resumed: {} users were complete", written.resumed));
        }
        output.notes(&narrator.notes());
        let spent = narrator.spent();
        let mut text = format!(
            "{} texts for {} users written to {}",
            written.rows,
            written.users,
            to.described()
        );
        if let Some(spent) = &spent {
            text += &format!("; {}", cost(spent));
        }
        let mut notes = people.notes;
        notes.extend(narrator.notes());
        let answer = Narrated {
            schema: "limpid.narrate/1",
            file: to.described(),
            users: written.users,
            texts: written.rows,
            language_model: spent,
            notes,
        };
        output.written(&to, &answer, text)
    }
}

/// What a language model cost, in one line.
fn cost(spent: &Spent) -> String {
    let refused: usize = spent.refused.values().sum();
    let reasons: Vec<String> = spent
        .refused
        .iter()
        .map(|(why, n)| format!("{why} {n}"))
        .collect();
    let mut text = format!(
        "language model: {} accepted, {refused} refused",
        spent.accepted
    );
    if refused > 0 {
        text += &format!(" ({})", reasons.join(", "));
    }
    text + &format!(
        ", {} unanswered, {} from the cache; {} requests, {} + {} tokens",
        spent.unanswered, spent.cached, spent.requests, spent.prompt_tokens, spent.answer_tokens
    )
}

/// How evidence is told.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Words")]
pub(crate) struct WordsArgs {
    /// Length: label (one line for a shelf), paragraph (a short one on each side) or audit (every line of the
    /// ledger, with units) [default: paragraph]
    #[arg(long, value_name = "TONE")]
    tone: Option<Tone>,
    /// Templates: en, de, or a file ('limpid narrate --print-templates en' prints one to edit) [default: en]
    #[arg(long, value_name = "LANGUAGE|FILE")]
    templates: Option<String>,
    /// Let a language model write, on this server with the chat interface of OpenAI (llama.cpp, Ollama, vLLM)
    ///
    /// It gets the lines of evidence, and its text is refused if it says anything else; then the templates
    /// speak, and the answer says so. The server must be on this machine unless --allow-remote is given. A
    /// key is read from the environment variable LIMPID_LANGUAGE_KEY.
    #[arg(long, value_name = "URL", requires = "language_model")]
    language: Option<String>,
    /// Name of the language model
    #[arg(long, value_name = "NAME", requires = "language")]
    language_model: Option<String>,
    /// Allow a server on another machine; it gets the titles of histories
    #[arg(long, requires = "language")]
    allow_remote: bool,
    /// Keep the answers of the language model in this file, so that none is asked for twice [default: beside the
    /// result of 'limpid narrate']
    #[arg(long, value_name = "FILE", requires = "language")]
    cache: Option<PathBuf>,
    /// Seconds that one request may take
    #[arg(long, value_name = "SECONDS", requires = "language", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: Option<u64>,
    /// Requests at once [default: 4]
    #[arg(long, value_name = "N", requires = "language")]
    concurrency: Option<usize>,
    /// Most requests per second [default: no limit]
    #[arg(long, value_name = "N", requires = "language")]
    rate: Option<f64>,
}

/// Seconds that one request may take, and requests at once, where they are not given.
const TIMEOUT: u64 = 60;
const CONCURRENCY: usize = 4;

impl WordsArgs {
    /// Whether any of them was given.
    pub(crate) fn any(&self) -> bool {
        self.tone.is_some() || self.templates.is_some() || self.language.is_some()
    }

    /// Who tells the evidence; the answers of a language model are kept in `cache` where no file was given.
    pub(crate) fn narrator(&self, cache: Option<PathBuf>) -> Result<Narrator> {
        let words = templates(self.templates.as_deref().unwrap_or("en"))?;
        let narrator = Narrator::new(words, self.tone.unwrap_or_default());
        let (Some(url), Some(model)) = (&self.language, &self.language_model) else {
            return Ok(narrator);
        };
        let options = ServerOptions {
            url: url.clone(),
            model: model.clone(),
            allow_remote: self.allow_remote,
            timeout: Duration::from_secs(self.timeout.unwrap_or(TIMEOUT)),
            concurrency: self.concurrency.unwrap_or(CONCURRENCY),
            rate: self.rate,
        };
        let cache = self.cache.clone().or(cache);
        Ok(narrator.with_model(&options, cache)?)
    }
}

/// The page of a text: its paragraphs, and the lines that they cite.
pub(crate) fn words_page(answer: &WordsAnswer) -> Vec<Section> {
    if answer.tone == Tone::Label.name() {
        let lines = [&answer.favor, &answer.against];
        let lines = lines.into_iter().filter(|clauses| !clauses.is_empty());
        return vec![Section::Lines(lines.map(|c| paragraph(c, false)).collect())];
    }
    let owner = wording::owner(answer.user.as_deref());
    let mut head = format!("For {owner}: {} ({})", answer.item.title, answer.item.id);
    if let Some(other) = &answer.other {
        head += &format!(" instead of {} ({})", other.title, other.id);
    }
    head += &wording::edited(&answer.edits);
    let mut page = vec![Section::Lines(vec![head])];
    let sections = [
        ("For", &answer.favor),
        ("Against", &answer.against),
        ("Change", &answer.change),
    ];
    for (name, clauses) in sections {
        if !clauses.is_empty() {
            page.push(Section::Lines(vec![format!(
                "{name}: {}",
                paragraph(clauses, true)
            )]));
        }
    }
    let clauses = || {
        answer
            .favor
            .iter()
            .chain(&answer.against)
            .chain(&answer.change)
    };
    let mut table = Table::new(["line", "value", "evidence", "unit"]);
    let cited = |id: &String| clauses().any(|c: &Clause| c.cites.contains(id));
    for line in answer.evidence.iter().filter(|line| cited(&line.id)) {
        table.row([
            line.id.clone(),
            line.value.map_or_else(String::new, signed),
            line.described(),
            line.unit.clone().unwrap_or_default(),
        ]);
    }
    page.push(Section::Table(table));
    let mut notes = vec![match &answer.refused {
        Some(why) => format!(
            "written by {}; the text of the language model was not taken: {why}",
            answer.by
        ),
        None => format!("written by {}", answer.by),
    }];
    notes.extend(answer.notes.iter().cloned());
    page.push(Section::Lines(notes));
    page
}

#[cfg(test)]
mod tests {
    // Tests fail by panicking.
    #![allow(clippy::unwrap_used)]

    #[test]
    fn the_help_names_the_variable_of_the_key() {
        use clap::CommandFactory;
        let mut all = crate::args::Cli::command();
        let narrate = all.find_subcommand_mut("narrate").unwrap();
        let help = narrate.render_long_help().to_string();
        assert!(help.contains(limpid::narrate::KEY), "{help}");
    }
}
