//! Synthetic data with known rules, against which models and their explanations can be checked.
//!
//! A catalogue with titles, makers, genres and eras; users with tastes, who also follow *planted*
//! rules: a user who meets the body of a rule (AND, OR, NOT, at-least-two over items, some of them
//! items of one maker or of one genre and era) has its targets too, with probability
//! [`Config::obedience`]. Popularity skew, noise, and a chain of behaviors (view → cart → buy) with
//! times are added. Everything follows from one seed.

mod catalogue;
mod people;
mod planted;
mod write;

use std::path::Path;

use limpid_core::ItemIdx;

use crate::log::IMPORT_SEED;
use crate::{Error, Log, ReadOptions, Result, read};

pub use planted::PlantedRule;

/// The names of the worlds.
const WORLDS: [&str; 2] = ["synthetic", "synthetic:planted"];

/// Opens a data set: a file or folder as [`read`] does, or a synthetic world by its name, `synthetic`
/// or `synthetic:planted`.
///
/// # Errors
/// As [`read`], and [`Error::Unknown`] for an unknown world.
pub fn open(path: &Path, options: &ReadOptions) -> Result<Log> {
    match Config::named(path)? {
        Some(config) => Ok(World::generate(&config)?.log),
        None => read(path, options),
    }
}

/// The shape of a world.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// Number of users.
    pub users: usize,
    /// Number of items.
    pub items: usize,
    /// Mean number of bought items of a user, about.
    pub items_per_user: usize,
    /// Number of planted rules; fewer are planted in a world too small for them.
    pub rules: usize,
    /// Whether "at least two of" is planted too, beside AND, OR and NOT.
    pub at_least: bool,
    /// Exponent of the popularity of items (Zipf); 0: uniform.
    pub skew: f64,
    /// How much more often users take items of the genres that they like.
    pub taste: f64,
    /// Share of events that follow neither taste nor rule.
    pub noise: f64,
    /// Probability that a user who meets the body of a rule has a target of it.
    pub obedience: f64,
    /// Whether there are views and carts; otherwise there are bought items only.
    pub chain: bool,
    /// The seed of everything.
    pub seed: u64,
}

impl Default for Config {
    /// The world of the quickstart: 1,200 users, 400 items, popularity skew, three behaviors.
    fn default() -> Self {
        Self {
            users: 1200,
            items: 400,
            items_per_user: 36,
            rules: 24,
            at_least: true,
            skew: 0.6,
            taste: 6.0,
            noise: 0.05,
            obedience: 0.9,
            chain: true,
            seed: 1,
        }
    }
}

impl Config {
    /// AND, OR and NOT without a popularity shortcut: 2,000 users, 400 items, 40 rules of 2–4 literals, 5 %
    /// noise, every item about equally popular.
    #[must_use]
    pub fn planted() -> Self {
        Self {
            users: 2000,
            items: 400,
            items_per_user: 28,
            rules: 40,
            at_least: false,
            skew: 0.0,
            taste: 1.0,
            chain: false,
            ..Self::default()
        }
    }

    /// A world of a given size, for measuring how cost grows: bought items only.
    #[must_use]
    pub fn sized(users: usize, items: usize, events: usize) -> Self {
        Self {
            users,
            items,
            items_per_user: (events / users.max(1)).max(1),
            rules: (items / 20).clamp(1, 1000),
            skew: 0.8,
            chain: false,
            ..Self::default()
        }
    }

    /// The world that a path names: `synthetic` or `synthetic:planted`, unless a file or folder has
    /// that name; `None` for any other path.
    ///
    /// # Errors
    /// [`Error::Unknown`] for another name after `synthetic:`.
    pub fn named(path: &Path) -> Result<Option<Self>> {
        let name = path.to_string_lossy();
        if path.exists() || !(name == WORLDS[0] || name.starts_with("synthetic:")) {
            return Ok(None);
        }
        match WORLDS.iter().position(|world| *world == name) {
            Some(0) => Ok(Some(Self::default())),
            Some(_) => Ok(Some(Self::planted())),
            None => Err(Error::unknown("synthetic world", &name, WORLDS)),
        }
    }

    fn check(&self) -> Result<()> {
        let wrong = |what: &str, rule: &str| {
            Err(Error::option(
                "synthetic world",
                what.to_owned(),
                rule.to_owned(),
            ))
        };
        if self.users == 0 || self.items < 20 {
            return wrong("is too small", "it needs a user and 20 items");
        }
        if self.items_per_user == 0 || self.items_per_user * 2 > self.items {
            return wrong(
                &format!(
                    "has {} items a user of {} in all",
                    self.items_per_user, self.items
                ),
                "use at least 1 and at most half of the items",
            );
        }
        let shares = [self.noise, self.obedience];
        if shares.iter().any(|s| !(0.0..=1.0).contains(s)) {
            return wrong(
                "has a share outside of 0 to 1",
                "noise and obedience are shares",
            );
        }
        if !(self.skew.is_finite()
            && self.skew >= 0.0
            && self.taste.is_finite()
            && self.taste >= 1.0)
        {
            return wrong(
                "has a skew below 0 or a taste below 1",
                "0 and 1 turn them off",
            );
        }
        Ok(())
    }
}

/// A world: its log, and its ground truth.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// The log, as a reader would give it.
    pub log: Log,
    /// What the users followed.
    pub truth: GroundTruth,
}

/// What the users of a world followed.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct GroundTruth {
    /// The planted rules, over the item indices of the log.
    pub rules: Vec<PlantedRule>,
}

impl World {
    /// Generates a world.
    ///
    /// # Errors
    /// [`Error::Option`] for a world that is too small or a share outside of 0 to 1.
    pub fn generate(config: &Config) -> Result<Self> {
        config.check()?;
        let catalogue = catalogue::generate(config)?;
        let rules = planted::plant(config, &catalogue);
        let people = people::generate(config, &catalogue, &rules);
        let mut log = people::log_of(config, &catalogue, people.histories)?;
        let ids: Vec<String> = log.items.names().to_vec();
        log.shuffle_items(IMPORT_SEED)?;
        let place = |item: ItemIdx| log.items.get(&ids[item.at()]).map(ItemIdx);
        let truth = GroundTruth {
            rules: rules
                .into_iter()
                .zip(people.followers)
                .filter_map(|(rule, followers)| rule.moved(&place, followers))
                .collect(),
        };
        Ok(Self { log, truth })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    fn bought(world: &World) -> Vec<HashSet<u32>> {
        let mut rows = vec![HashSet::new(); world.log.users.len()];
        let target = world.log.target_behavior;
        for event in 0..world.log.n_events() {
            if world
                .log
                .behavior
                .as_ref()
                .is_none_or(|b| b[event] == target)
            {
                rows[world.log.user[event] as usize].insert(world.log.item[event]);
            }
        }
        rows
    }

    /// Share of targets that users who meet the body have, and that the others have.
    fn obeyed(world: &World, rule: &PlantedRule) -> (f64, f64, f64) {
        let (mut with, mut met, mut without, mut unmet) = (0, 0, 0, 0);
        for row in bought(world) {
            let holds = rule.rule.holds(|i| row.contains(&i.0));
            let has = rule.targets.iter().filter(|t| row.contains(&t.0)).count();
            if holds {
                met += rule.targets.len();
                with += has;
            } else {
                unmet += rule.targets.len();
                without += has;
            }
        }
        let users = world.log.users.len() * rule.targets.len();
        (
            with as f64 / met.max(1) as f64,
            without as f64 / unmet.max(1) as f64,
            met as f64 / users as f64,
        )
    }

    #[test]
    fn planted_rules_hold() {
        for config in [Config::default(), Config::planted()] {
            let world = World::generate(&config).unwrap();
            assert_eq!(world.truth.rules.len(), config.rules);
            for rule in &world.truth.rules {
                let (met, unmet, support) = obeyed(&world, rule);
                assert!((2..=4).contains(&rule.rule.literals.len()));
                assert!(met >= 0.8, "{rule:?}: {met}");
                assert!(met >= 2.0 * unmet, "{rule:?}: {met} and {unmet}");
                assert!(support >= 0.03, "{rule:?}: {support}");
            }
        }
    }

    #[test]
    fn worlds_are_opened_by_name() {
        let open = |path: &str| open(Path::new(path), &ReadOptions::default());
        let planted = World::generate(&Config::planted()).unwrap();
        assert_eq!(open("synthetic:planted").unwrap(), planted.log);
        assert_eq!(open("synthetic").unwrap().behaviors.len(), 3);
        let error = open("synthetic:plant").unwrap_err().to_string();
        assert_eq!(
            error,
            "unknown synthetic world 'synthetic:plant'; did you mean 'synthetic:planted'?"
        );
        // Another path, which is not there.
        assert!(matches!(open("synthetics"), Err(Error::Io { .. })));
    }

    #[test]
    fn the_same_seed_is_the_same_world() {
        let world = World::generate(&Config::default()).unwrap();
        assert_eq!(World::generate(&Config::default()).unwrap(), world);
        let other = Config {
            seed: 2,
            ..Config::default()
        };
        assert_ne!(
            World::generate(&other).unwrap().log.hash(),
            world.log.hash()
        );
        let rows = bought(&world);
        let mean = rows.iter().map(HashSet::len).sum::<usize>() as f64 / rows.len() as f64;
        assert!(mean >= 25.0, "{mean} bought items a user");
        let named: HashSet<&String> = world.log.titles.iter().collect();
        assert_eq!(named.len(), world.log.items.len());
    }

    #[test]
    fn popularity_is_no_shortcut_in_the_planted_world() {
        let world = World::generate(&Config::planted()).unwrap();
        let gini = world.log.describe().popularity_gini;
        assert!(gini < 0.2, "Gini {gini}");
    }

    #[test]
    fn chains_are_in_order() {
        let world = World::generate(&Config::default()).unwrap();
        let log = &world.log;
        assert_eq!(log.behaviors, ["view", "cart", "buy"]);
        let (behavior, time) = (log.behavior.as_ref().unwrap(), log.time.as_ref().unwrap());
        let mut seen: HashSet<(u32, u32, u8)> = HashSet::new();
        let mut last: std::collections::HashMap<(u32, u32), i64> = Default::default();
        let mut order: Vec<usize> = (0..log.n_events()).collect();
        order.sort_by_key(|&e| (time[e], behavior[e]));
        for e in order {
            let key = (log.user[e], log.item[e]);
            assert!(seen.insert((key.0, key.1, behavior[e])));
            if behavior[e] > 0 {
                assert!(
                    seen.contains(&(key.0, key.1, behavior[e] - 1)),
                    "a step was left out"
                );
                assert!(last[&key] <= time[e]);
            }
            last.insert(key, time[e]);
        }
    }

    #[test]
    fn sizes_are_about_what_was_asked_for() {
        let world = World::generate(&Config::sized(3000, 2000, 60_000)).unwrap();
        let events = world.log.n_events();
        assert!((50_000..75_000).contains(&events), "{events} events");
        assert!(
            World::generate(&Config {
                users: 0,
                ..Config::default()
            })
            .is_err()
        );
        assert!(
            World::generate(&Config {
                items: 30,
                ..Config::default()
            })
            .is_err()
        );
        assert!(
            World::generate(&Config {
                noise: 2.0,
                ..Config::default()
            })
            .is_err()
        );
    }
}
