//! Explanations for and against an item, by one template for both signs.
//!
//! An explanation is a few clauses: at most [`EVENTS`] about what the user has, and one about what others write of
//! the item.
//!
//! ```text
//! for:      they like A; they like B; others praise C
//! against:  they do not like D; they have no E; others criticize F
//! ```
//!
//! Which events are told follows from the ledger of the item by RuleSLIM, links only: those on items with the largest weights
//! toward it. A, B, … are the titles of items with the words that their reviews share and others do not. Every pair of a user
//! and an item has both explanations, so that having one tells nothing; and nothing in them rests on the event or the review of
//! the pair itself, if the provider is fitted without them.
//!
//! The vector of an explanation is the sum of the vectors of its clauses, divided by its norm. So the clauses of all
//! items are embedded once, and any pair is explained without an embedder.

use std::collections::HashMap;

use limpid_core::{Catalogue, Csr, Embedder, Error, History, ItemIdx, Result, Review, Tensors};

use super::Evidence;

/// The most events that an explanation tells.
const EVENTS: usize = 3;

/// The most words that describe an item.
const WORDS: usize = 4;

/// A word counts if at least this many reviews have it, so that no explanation tells the words of one.
const REVIEWS: u32 = 5;

/// The shortest word that counts, in characters.
const LETTERS: usize = 3;

/// What a clause says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Likes,
    Dislikes,
    Lacks,
    Praised,
    Criticized,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::Likes,
        Self::Dislikes,
        Self::Lacks,
        Self::Praised,
        Self::Criticized,
    ];

    fn sentence(self, words: &str) -> String {
        match self {
            Self::Likes => format!("they like {words}"),
            Self::Dislikes => format!("they do not like {words}"),
            Self::Lacks => format!("they have no {words}"),
            Self::Praised => format!("others praise {words}"),
            Self::Criticized => format!("others criticize {words}"),
        }
    }
}

/// A clause about an item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Clause {
    kind: Kind,
    item: ItemIdx,
}

/// The words of reviews, as numbers.
pub(super) struct Words {
    names: Vec<String>,
    /// The distinct words of each review, ascending.
    of: Vec<Vec<u32>>,
}

impl Words {
    pub(super) fn new(reviews: &[Review<'_>]) -> Self {
        let mut numbers: HashMap<String, u32> = HashMap::new();
        let mut names = Vec::new();
        let of = reviews.iter().map(|review| {
            let lower = review.text.to_lowercase();
            let words = lower.split(|c: char| !c.is_alphabetic());
            let words = words.filter(|w| w.chars().count() >= LETTERS);
            let mut own: Vec<u32> = words
                .map(|word| {
                    *numbers.entry(word.to_owned()).or_insert_with(|| {
                        names.push(word.to_owned());
                        names.len() as u32 - 1
                    })
                })
                .collect();
            own.sort_unstable();
            own.dedup();
            own
        });
        let of = of.collect();
        Self { names, of }
    }
}

/// What is known of one item: the number of reviews with each word, by whether they are above the mean.
type Counts = HashMap<u32, [u32; 2]>;

/// What explanations are made of: clauses about every item, and links between items.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Provider {
    evidence: Evidence,
    width: usize,
    /// The words of each item: as a whole, of good reviews, of bad reviews.
    words: [Vec<String>; 3],
    /// The vectors of the clauses of each kind `(I, width)`; for profiles, those of the reviews.
    vectors: Vec<Vec<f32>>,
    /// `(I, I)`: target → sources with their weights.
    links: Csr,
    profiles: bool,
}

/// What a provider is fitted to.
pub(super) struct Source<'a> {
    pub(super) reviews: &'a [Review<'a>],
    pub(super) words: &'a Words,
    pub(super) catalogue: &'a Catalogue,
    pub(super) n_items: usize,
    pub(super) evidence: Evidence,
    /// Whether the vectors are those of the words alone, without a sentence.
    pub(super) bare: bool,
    /// The vectors of reviews, if they are used instead of explanations.
    pub(super) profiles: Option<&'a [Vec<f32>]>,
}

impl Source<'_> {
    /// The words that the reviews kept by `keep` share, for each item: of all of them, of good ones and of bad ones.
    pub(super) fn words(&self, keep: &dyn Fn(&Review<'_>) -> bool) -> [Vec<String>; 3] {
        let kept = || (0..self.reviews.len()).filter(|&at| keep(&self.reviews[at]));
        let n = kept().count();
        let mean = kept()
            .map(|at| f64::from(self.reviews[at].value))
            .sum::<f64>()
            / n.max(1) as f64;
        let mut documents = vec![0u32; self.words.names.len()];
        let mut of_items: Vec<Counts> = vec![Counts::new(); self.n_items];
        for at in kept() {
            let review = &self.reviews[at];
            let good = f64::from(review.value) >= mean;
            for &word in &self.words.of[at] {
                documents[word as usize] += 1;
                if let Some(counts) = of_items.get_mut(review.item.at()) {
                    counts.entry(word).or_default()[usize::from(!good)] += 1;
                }
            }
        }
        let top = |counts: &Counts, of: &dyn Fn([u32; 2]) -> u32| -> String {
            let scored = counts.iter().filter_map(|(&word, &counts)| {
                let (df, count) = (documents[word as usize], of(counts));
                let common = df as usize * 2 > n;
                let rarity = (n as f64 / f64::from(df.max(1))).ln();
                (df >= REVIEWS && !common && count > 0).then(|| {
                    (
                        f64::from(count) * rarity,
                        self.words.names[word as usize].as_str(),
                    )
                })
            });
            let mut scored: Vec<(f64, &str)> = scored.collect();
            scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
            let words: Vec<&str> = scored.iter().take(WORDS).map(|s| s.1).collect();
            words.join(", ")
        };
        let items = || (0..self.n_items).zip(&of_items);
        let about = |(item, counts): (usize, &Counts)| {
            let item = ItemIdx(item as u32);
            let mut parts = Vec::new();
            let titled = self.catalogue.titles.get(item.at());
            parts.extend(titled.filter(|t| !t.is_empty()).cloned());
            for field in &self.catalogue.fields {
                parts.extend(field.of(item).take(WORDS).map(|(name, _)| name.to_owned()));
            }
            parts.push(top(counts, &|[good, bad]| good + bad));
            parts.retain(|p| !p.is_empty());
            match parts.is_empty() {
                true if item.at() < self.catalogue.len() => self.catalogue.id(item).to_owned(),
                true => "nothing known".to_owned(),
                false => parts.join(", "),
            }
        };
        let or_nothing = |words: String| match words.is_empty() {
            true => "nothing in particular".to_owned(),
            false => words,
        };
        [
            items().map(about).collect(),
            items()
                .map(|(_, c)| or_nothing(top(c, &|[good, _]| good)))
                .collect(),
            items()
                .map(|(_, c)| or_nothing(top(c, &|[_, bad]| bad)))
                .collect(),
        ]
    }

    /// The sentences of all clauses, kind by kind.
    pub(super) fn sentences(&self, words: &[Vec<String>; 3]) -> Vec<String> {
        let of_kind = |kind: Kind| {
            let words = match kind {
                Kind::Likes | Kind::Dislikes | Kind::Lacks => &words[0],
                Kind::Praised => &words[1],
                Kind::Criticized => &words[2],
            };
            words.iter().map(move |words| match self.bare {
                true => words.clone(),
                false => kind.sentence(words),
            })
        };
        Kind::ALL.into_iter().flat_map(of_kind).collect()
    }

    /// A provider that knows nothing of the reviews that `keep` leaves out; `links` are those of a fit without them.
    ///
    /// # Errors
    /// As [`Embedder::embed`]; [`Error::Shape`] if it gives vectors of another width.
    pub(super) fn provider(
        &self,
        keep: &dyn Fn(&Review<'_>) -> bool,
        links: Csr,
        embedder: &dyn Embedder,
    ) -> Result<Provider> {
        let words = self.words(keep);
        let width = embedder.width();
        let vectors = match self.profiles {
            Some(of) => vec![self.means(of, keep, width)],
            None => {
                let sentences = self.sentences(&words);
                let rows = embed(embedder, &sentences)?;
                let of_kind = rows.chunks(self.n_items.max(1)).map(<[_]>::concat);
                let mut vectors: Vec<Vec<f32>> = of_kind.collect();
                vectors.resize(Kind::ALL.len(), Vec::new());
                vectors
            }
        };
        Ok(Provider {
            evidence: self.evidence,
            width,
            words,
            vectors,
            links,
            profiles: self.profiles.is_some(),
        })
    }

    /// The mean vector of the reviews of each item `(I, width)`.
    fn means(
        &self,
        vectors: &[Vec<f32>],
        keep: &dyn Fn(&Review<'_>) -> bool,
        width: usize,
    ) -> Vec<f32> {
        let mut sums = vec![0.0; self.n_items * width];
        let mut counts = vec![0f32; self.n_items];
        for (review, vector) in self.reviews.iter().zip(vectors) {
            let at = review.item.at();
            if keep(review) && at < self.n_items {
                counts[at] += 1.0;
                let sum = &mut sums[at * width..(at + 1) * width];
                sum.iter_mut().zip(vector).for_each(|(s, x)| *s += x);
            }
        }
        for (sum, n) in sums.chunks_exact_mut(width.max(1)).zip(counts) {
            sum.iter_mut().for_each(|s| *s /= n.max(1.0));
        }
        sums
    }
}

/// The vectors of sentences, each embedded once.
fn embed(embedder: &dyn Embedder, sentences: &[String]) -> Result<Vec<Vec<f32>>> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut distinct: Vec<&str> = Vec::new();
    for sentence in sentences {
        places.entry(sentence).or_insert_with(|| {
            distinct.push(sentence);
            distinct.len() - 1
        });
    }
    let vectors = embedder.embed(&distinct)?;
    let right = vectors.len() == distinct.len()
        && vectors
            .iter()
            .all(|v| v.len() == embedder.width() && v.iter().all(|x| x.is_finite()));
    if !right {
        return Err(Error::shape(
            "the vectors of texts",
            format!("{} of {} finite numbers", distinct.len(), embedder.width()),
            format!("{} vectors, not all of them so", vectors.len()),
        ));
    }
    let of = |sentence: &String| vectors[places[sentence.as_str()]].clone();
    Ok(sentences.iter().map(of).collect())
}

/// The events of a user as explanations tell them.
pub(super) struct Reader {
    events: Vec<Told>,
}

struct Told {
    item: ItemIdx,
    value: f32,
    at: usize,
    likes: bool,
}

impl Reader {
    /// The events of a history, except those on an item. An event is liked if its value is at least the mean of the
    /// others and it; the event that is left out has no part in it.
    pub(super) fn new(user: History<'_>, without: Option<ItemIdx>) -> Self {
        let mut events: Vec<Told> = Vec::with_capacity(user.len());
        for (at, event) in user.events().enumerate() {
            if Some(event.item) != without {
                events.push(Told {
                    item: event.item,
                    value: event.value,
                    at,
                    likes: true,
                });
            }
        }
        // Of several events on an item the last counts.
        events.sort_by_key(|e| (e.item, std::cmp::Reverse(e.at)));
        events.dedup_by_key(|e| e.item);
        let sum: f64 = events.iter().map(|e| f64::from(e.value)).sum();
        let mean = sum / events.len().max(1) as f64;
        for event in &mut events {
            event.likes = f64::from(event.value) >= mean - 1e-6;
        }
        Self { events }
    }

    fn has(&self, item: ItemIdx) -> bool {
        self.events.binary_search_by_key(&item, |e| e.item).is_ok()
    }
}

impl Provider {
    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// The explanations for and against an item; none for a user without events.
    pub(super) fn explain(&self, reader: &Reader, item: ItemIdx) -> Option<[Vec<Clause>; 2]> {
        if reader.events.is_empty() {
            return None;
        }
        let (sources, weights) = match item.at() < self.links.n_rows() {
            true => self.links.row(item.at()),
            false => (&[][..], &[][..]),
        };
        let weight = |of: ItemIdx| sources.binary_search(&of.0).map_or(0.0, |at| weights[at]);
        let told = |likes: bool, kind: Kind| -> Vec<Clause> {
            let sign = if likes { -1.0 } else { 1.0 };
            let own = reader.events.iter().filter(|e| e.likes == likes);
            let mut own: Vec<([f32; 2], usize, ItemIdx)> = own
                .map(|e| {
                    let rated = sign * e.value;
                    let key = match self.evidence {
                        Evidence::Links => [-weight(e.item), rated],
                        Evidence::Ratings => [rated, -weight(e.item)],
                        Evidence::Recent => [0.0; 2],
                    };
                    (key, e.at, e.item)
                })
                .collect();
            own.sort_by(|(a, x, _), (b, y, _)| {
                let keys = a[0].total_cmp(&b[0]).then(a[1].total_cmp(&b[1]));
                keys.then(y.cmp(x))
            });
            let first = own.into_iter().take(EVENTS);
            first.map(|(_, _, item)| Clause { kind, item }).collect()
        };
        let mut pro = told(true, Kind::Likes);
        let mut con = told(false, Kind::Dislikes);
        let mut lacking: Vec<(f32, u32)> = sources
            .iter()
            .zip(weights)
            .filter(|(source, _)| !reader.has(ItemIdx(**source)))
            .map(|(&source, &weight)| (weight, source))
            .collect();
        lacking.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let lacking = lacking.into_iter().take(EVENTS - con.len());
        con.extend(lacking.map(|(_, source)| Clause {
            kind: Kind::Lacks,
            item: ItemIdx(source),
        }));
        let kind = Kind::Praised;
        pro.push(Clause { kind, item });
        let kind = Kind::Criticized;
        con.push(Clause { kind, item });
        Some([pro, con])
    }

    /// The vectors of both texts of a pair, added to `out` `(width)` each, of length one; zeros for a user without
    /// events.
    pub(super) fn vectors(&self, reader: &Reader, item: ItemIdx, out: [&mut [f32]; 2]) {
        let [pro, con] = out;
        if self.profiles {
            if reader.events.is_empty() {
                return;
            }
            for event in &reader.events {
                self.add(0, event.item, pro);
            }
            self.add(0, item, con);
        } else if let Some(both) = self.explain(reader, item) {
            for (clauses, out) in both.iter().zip([&mut *pro, &mut *con]) {
                for clause in clauses {
                    self.add(clause.kind as usize, clause.item, out);
                }
            }
        }
        for out in [pro, con] {
            let norm = out.iter().map(|x| x * x).sum::<f32>().sqrt();
            if norm > 0.0 {
                out.iter_mut().for_each(|x| *x /= norm);
            }
        }
    }

    fn add(&self, kind: usize, item: ItemIdx, out: &mut [f32]) {
        let at = item.at() * self.width;
        if let Some(vector) = self.vectors[kind].get(at..at + self.width) {
            out.iter_mut().zip(vector).for_each(|(o, x)| *o += x);
        }
    }

    /// Both texts of a pair, in words.
    pub(super) fn texts(&self, reader: &Reader, item: ItemIdx) -> Option<[String; 2]> {
        if self.profiles {
            return (!reader.events.is_empty()).then(|| {
                [
                    "what is written about the items of the history".to_owned(),
                    "what is written about the item".to_owned(),
                ]
            });
        }
        let both = self.explain(reader, item)?;
        Some(both.map(|clauses| {
            let told = clauses.iter().map(|clause| {
                let of = match clause.kind {
                    Kind::Likes | Kind::Dislikes | Kind::Lacks => &self.words[0],
                    Kind::Praised => &self.words[1],
                    Kind::Criticized => &self.words[2],
                };
                let words = of.get(clause.item.at()).map_or("", String::as_str);
                clause.kind.sentence(words)
            });
            told.collect::<Vec<_>>().join("; ")
        }))
    }

    pub(super) fn save(&self, out: &mut Tensors) -> Result<()> {
        let n_items = self.words[0].len();
        for (name, words) in NAMES.iter().zip(&self.words) {
            out.put_texts(name, words);
        }
        for (kind, vectors) in self.vectors.iter().enumerate() {
            let shape = [n_items, self.width];
            out.put_f32(&format!("texts.{kind}"), &shape, vectors.clone());
        }
        out.put_csr("links", &self.links);
        out.put_meta("evidence", &crate::hyper::Setting::to_value(&self.evidence))?;
        out.put_meta("profiles", &self.profiles)
    }

    pub(super) fn load(from: &Tensors, n_items: usize) -> Result<Self> {
        let mut words: [Vec<String>; 3] = Default::default();
        for (name, words) in NAMES.iter().zip(&mut words) {
            *words = from.texts(name)?;
            if words.len() != n_items {
                return Err(Error::shape(*name, n_items, words.len()));
            }
        }
        let profiles: bool = from.meta("profiles")?;
        let kinds = if profiles { 1 } else { Kind::ALL.len() };
        let mut width = 0;
        let mut vectors = Vec::with_capacity(kinds);
        for kind in 0..kinds {
            let name = format!("texts.{kind}");
            if kind == 0 {
                width = from.matrix(&name)?.0[1];
            }
            vectors.push(from.shaped(&name, &[n_items, width])?.to_vec());
        }
        let evidence: serde_json::Value = from.meta("evidence")?;
        let evidence = crate::hyper::Setting::from_value(&evidence).ok_or_else(|| {
            Error::unknown(
                "kind of evidence",
                &evidence.to_string(),
                ["links", "ratings", "recent"],
            )
        })?;
        let links = from.csr("links", n_items)?;
        if links.n_rows() != n_items {
            return Err(Error::shape("links", n_items, links.n_rows()));
        }
        Ok(Self {
            evidence,
            width,
            words,
            vectors,
            links,
            profiles,
        })
    }
}

/// The names of the words of items on disk.
const NAMES: [&str; 3] = ["words.about", "words.praise", "words.criticism"];
