//! The synthetic catalogue: titles, makers, genres, eras.

use limpid_core::{Csr, Field, Ids};

use super::Config;
use crate::Result;
use crate::sampling::Sampler;

const FIRST: [&str; 24] = [
    "Copper",
    "Silent",
    "Last",
    "Paper",
    "Hollow",
    "Crimson",
    "Winter",
    "Glass",
    "Second",
    "Iron",
    "Distant",
    "Velvet",
    "Broken",
    "Northern",
    "Hidden",
    "Amber",
    "Restless",
    "Salt",
    "Golden",
    "Wandering",
    "Pale",
    "Burning",
    "Quiet",
    "Borrowed",
];
const SECOND: [&str; 24] = [
    "Lighthouse",
    "Orchard",
    "Signal",
    "River",
    "Harbor",
    "Machine",
    "Garden",
    "Letter",
    "Empire",
    "Voyage",
    "Mirror",
    "Station",
    "Summer",
    "Detective",
    "Kingdom",
    "Promise",
    "Circus",
    "Archive",
    "Mountain",
    "Waltz",
    "Comet",
    "Bridge",
    "Inheritance",
    "Tide",
];
const GENRES: [&str; 12] = [
    "Adventure",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Science Fiction",
    "Western",
];
const MAKERS: [&str; 30] = [
    "Ada Brandt",
    "Boris Keller",
    "Carla Mendez",
    "Dmitri Ostrov",
    "Elena Fuchs",
    "Farid Haddad",
    "Greta Lindqvist",
    "Hugo Marchetti",
    "Ines Duarte",
    "Jonas Petrov",
    "Kaya Nakamura",
    "Leo Santoro",
    "Mina Okafor",
    "Nils Andersen",
    "Olga Weiss",
    "Pablo Rivas",
    "Quinn Harper",
    "Rosa Bianchi",
    "Stefan Novak",
    "Tara Singh",
    "Umar Farouk",
    "Vera Kovacs",
    "Walter Grimm",
    "Xenia Popov",
    "Yusuf Demir",
    "Zoe Laurent",
    "Anton Berg",
    "Bela Horvath",
    "Clara Voss",
    "Dario Conti",
];

/// The items of a world; columns by item.
pub(super) struct Catalogue {
    pub(super) ids: Ids,
    pub(super) titles: Vec<String>,
    /// First genre of each item.
    pub(super) genre: Vec<u32>,
    pub(super) maker: Vec<u32>,
    pub(super) era: Vec<u32>,
    pub(super) fields: Vec<Field>,
}

impl Catalogue {
    /// The name of what items share: `maker: Ada Brandt`.
    pub(super) fn concept_of_maker(&self, maker: u32) -> String {
        format!("maker: {}", MAKERS[maker as usize % MAKERS.len()])
    }

    /// The name of a genre in an era: `genre: Crime, era: 1970s`.
    pub(super) fn concept_of_genre_and_era(&self, genre: u32, era: u32) -> String {
        format!(
            "genre: {}, era: {}s",
            GENRES[genre as usize % GENRES.len()],
            decade(era)
        )
    }
}

fn decade(era: u32) -> u32 {
    1950 + 10 * era
}

pub(super) fn generate(config: &Config) -> Result<Catalogue> {
    let mut rng = Sampler::new(config.seed, 100);
    let n = config.items;
    let width = n.to_string().len();
    let ids = Ids::from_names((1..=n).map(|i| format!("i{i:0width$}")).collect())?;
    let mut pairs: Vec<usize> = (0..FIRST.len() * SECOND.len()).collect();
    rng.shuffle(&mut pairs);
    let (mut titles, mut genre, mut maker, mut era) = (vec![], vec![], vec![], vec![]);
    let (mut genres, mut makers, mut eras) = (vec![], vec![], vec![]);
    for item in 0..n {
        let pair = pairs[item % pairs.len()];
        let decade_at = rng.below(8) as u32;
        let year = decade(decade_at) + rng.below(10) as u32;
        let part = match item / pairs.len() {
            0 => String::new(),
            more => format!(" {}", more + 1),
        };
        titles.push(format!(
            "The {} {}{part} ({year})",
            FIRST[pair % FIRST.len()],
            SECOND[pair / FIRST.len()]
        ));
        let first = rng.below(GENRES.len()) as u32;
        let mut of = vec![(first, 1.0)];
        if rng.chance(0.4) {
            let second = rng.below(GENRES.len()) as u32;
            if second != first {
                of.push((second, 1.0));
            }
        }
        let made_by = rng.below(MAKERS.len()) as u32;
        genre.push(first);
        maker.push(made_by);
        era.push(decade_at);
        genres.push(of);
        makers.push(vec![(made_by, 1.0)]);
        eras.push(vec![(decade_at, 1.0)]);
    }
    let names = |all: &[&str]| Ids::from_names(all.iter().map(|&s| s.to_owned()).collect());
    let field = |name: &str, values: Ids, rows: Vec<Vec<(u32, f32)>>| -> Result<Field> {
        let of_items = Csr::from_rows(rows, values.len())?;
        Ok(Field {
            name: name.to_owned(),
            values,
            of_items,
        })
    };
    let eras_named = Ids::from_names((0..8).map(|e| format!("{}s", decade(e))).collect())?;
    Ok(Catalogue {
        ids,
        titles,
        genre,
        maker,
        era,
        fields: vec![
            field("genre", names(&GENRES)?, genres)?,
            field("maker", names(&MAKERS)?, makers)?,
            field("era", eras_named, eras)?,
        ],
    })
}
