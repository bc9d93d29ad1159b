//! Vocabularies: the words that a text about evidence may use, and what each of them claims.

use std::collections::HashMap;

/// What a word claims; a word may claim several things.
pub(super) mod claims {
    /// Moves an item up.
    pub(crate) const POSITIVE: u16 = 1;
    /// Moves an item down.
    pub(crate) const NEGATIVE: u16 = 1 << 1;
    /// Reverses what follows.
    pub(crate) const NEGATION: u16 = 1 << 2;
    /// That there is none.
    pub(crate) const NOTHING: u16 = 1 << 3;
    /// That it is the strongest of its sign.
    pub(crate) const STRONGEST: u16 = 1 << 4;
    /// That it is the weakest of its sign.
    pub(crate) const WEAKEST: u16 = 1 << 5;
    /// That a change adds to the history.
    pub(crate) const ADD: u16 = 1 << 6;
    /// That a change removes from the history.
    pub(crate) const REMOVE: u16 = 1 << 7;
    /// Makes "for" positive.
    pub(crate) const SPEAKS: u16 = 1 << 8;
    /// The word "for".
    pub(crate) const FOR: u16 = 1 << 9;
    /// A difference up.
    pub(crate) const MORE: u16 = 1 << 10;
    /// A difference down.
    pub(crate) const LESS: u16 = 1 << 11;
    /// Up, where a contribution is told: "goes up" is a claim, "up to 3 events" is not.
    pub(crate) const UP: u16 = 1 << 12;
    /// Down, where a contribution is told.
    pub(crate) const DOWN: u16 = 1 << 13;
}

/// The words of a language.
#[derive(Debug, Clone)]
pub(super) struct Lexicon {
    words: HashMap<&'static str, Entry>,
}

/// What a word claims.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// Of [`claims`].
    pub(super) claims: u16,
    /// The number that it is.
    pub(super) number: Option<u32>,
}

impl Entry {
    pub(super) fn has(self, claim: u16) -> bool {
        self.claims & claim != 0
    }
}

impl Lexicon {
    /// Reads lines `class class: word word`; `#` begins a comment.
    pub(super) fn parse(text: &'static str) -> Self {
        let mut words: HashMap<&'static str, Entry> = HashMap::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let Some((classes, listed)) = line.split_once(':') else {
                continue;
            };
            let mut entry = Entry::default();
            for class in classes.split_whitespace() {
                match class.parse() {
                    Ok(number) => entry.number = Some(number),
                    Err(_) => entry.claims |= claim(class),
                }
            }
            for word in listed.split_whitespace() {
                let known = words.entry(word).or_default();
                known.claims |= entry.claims;
                known.number = known.number.or(entry.number);
            }
        }
        Self { words }
    }

    /// What a word claims, in any case; `None` if the vocabulary does not have it.
    pub(super) fn get(&self, word: &str) -> Option<Entry> {
        let found = self.words.get(word).copied();
        found.or_else(|| {
            let plain = word.to_lowercase().replace('’', "'");
            self.words.get(plain.as_str()).copied()
        })
    }

    /// All words, sorted.
    #[cfg(test)]
    pub(super) fn all(&self) -> Vec<(&'static str, Entry)> {
        let mut all: Vec<_> = self.words.iter().map(|(w, e)| (*w, *e)).collect();
        all.sort_by_key(|(word, _)| *word);
        all
    }
}

fn claim(class: &str) -> u16 {
    match class {
        "positive" => claims::POSITIVE,
        "negative" => claims::NEGATIVE,
        "negation" => claims::NEGATION,
        "nothing" => claims::NOTHING,
        "strongest" => claims::STRONGEST,
        "weakest" => claims::WEAKEST,
        "add" => claims::ADD,
        "remove" => claims::REMOVE,
        "speaks" | "reason" => claims::SPEAKS,
        "for" => claims::FOR,
        "more" => claims::MORE,
        "less" => claims::LESS,
        "up" => claims::UP,
        "down" => claims::DOWN,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::super::Language;
    use super::*;

    #[test]
    fn every_class_is_known_and_no_word_contradicts_itself() {
        for language in [Language::English, Language::German] {
            let all = language.lexicon().all();
            assert!(all.len() > 400, "{language:?}: {}", all.len());
            for (word, entry) in all {
                let both = |a, b| entry.has(a) && entry.has(b);
                assert!(!both(claims::POSITIVE, claims::NEGATIVE), "{word}");
                assert!(!both(claims::ADD, claims::REMOVE), "{word}");
                assert_eq!(word, word.to_lowercase(), "{language:?}");
            }
            for line in language.words().lines().filter(|l| !l.starts_with('#')) {
                let classes = line.split(':').next().unwrap_or_default();
                for class in classes.split_whitespace().filter(|c| *c != "plain") {
                    let known = claim(class) != 0 || class.parse::<u32>().is_ok();
                    assert!(known, "{language:?}: {class}");
                }
            }
        }
    }
}
