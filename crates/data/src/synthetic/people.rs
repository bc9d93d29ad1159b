//! The users of a world: the rules they meet, what they like, and their events.

use std::collections::HashSet;

use limpid_core::{Ids, ItemIdx};

use super::Config;
use super::catalogue::Catalogue;
use super::planted::PlantedRule;
use crate::sampling::Sampler;
use crate::{Log, Result};

/// Share of users who are made followers of a rule on purpose, so that it can be learned.
const FOLLOWERS: f64 = 0.06;

/// 1 January 2024.
const START: i64 = 1_704_067_200;

const YEAR: i64 = 365 * 24 * 3600;

/// What the users have, in order, and who met the body of each rule.
pub(super) struct People {
    /// Items of each user, oldest first.
    pub(super) histories: Vec<Vec<ItemIdx>>,
    /// Users who met the body of each rule.
    pub(super) followers: Vec<Vec<u32>>,
}

/// Items to sample from, by popularity: all, and by genre.
struct Shelves {
    all: Shelf,
    genres: Vec<Shelf>,
}

struct Shelf {
    items: Vec<u32>,
    /// Sums of popularity up to each item.
    cumulative: Vec<f64>,
}

impl Shelf {
    fn of(items: Vec<u32>, popularity: &[f64]) -> Self {
        let mut sum = 0.0;
        let cumulative = items
            .iter()
            .map(|&i| {
                sum += popularity[i as usize];
                sum
            })
            .collect();
        Self { items, cumulative }
    }

    fn sample(&self, rng: &mut Sampler) -> Option<ItemIdx> {
        let total = *self.cumulative.last()?;
        let at = rng.unit() * total;
        let place = self.cumulative.partition_point(|&c| c <= at);
        Some(ItemIdx(self.items[place.min(self.items.len() - 1)]))
    }
}

/// The histories of all users. Bodies come first, then what the rules add, and then fillers, which
/// are never items of a rule, so that no filler meets a body or looks like a follower.
pub(super) fn generate(config: &Config, catalogue: &Catalogue, rules: &[PlantedRule]) -> People {
    let mut in_rule = vec![false; config.items];
    for rule in rules {
        for item in rule
            .rule
            .literals
            .iter()
            .map(|l| l.item)
            .chain(rule.targets.iter().copied())
        {
            in_rule[item.at()] = true;
        }
    }
    let mut rng = Sampler::new(config.seed, 102);
    let mut places: Vec<u32> = (0..config.items as u32).collect();
    rng.shuffle(&mut places);
    let mut popularity = vec![0.0; config.items];
    for (place, &item) in places.iter().enumerate() {
        popularity[item as usize] = (place as f64 + 4.0).powf(-config.skew);
    }
    let fillers: Vec<u32> = (0..config.items as u32)
        .filter(|&i| !in_rule[i as usize])
        .collect();
    let n_genres = catalogue.genre.iter().max().map_or(0, |&g| g as usize + 1);
    let of_genre = |g: usize| -> Vec<u32> {
        let on_shelf = |i: &&u32| catalogue.genre[**i as usize] as usize == g;
        fillers.iter().filter(on_shelf).copied().collect()
    };
    let shelves = Shelves {
        genres: (0..n_genres)
            .map(|g| Shelf::of(of_genre(g), &popularity))
            .collect(),
        all: Shelf::of(fillers, &popularity),
    };
    let mut people = People {
        histories: Vec::with_capacity(config.users),
        followers: vec![Vec::new(); rules.len()],
    };
    for user in 0..config.users {
        // A stream per user, so that no history depends on the length of another.
        let mut rng = Sampler::new(config.seed, 1000 + user as u64);
        let history = history_of(
            config,
            rules,
            &shelves,
            user as u32,
            &mut people.followers,
            &mut rng,
        );
        people.histories.push(history);
    }
    people
}

fn history_of(
    config: &Config,
    rules: &[PlantedRule],
    shelves: &Shelves,
    user: u32,
    followers: &mut [Vec<u32>],
    rng: &mut Sampler,
) -> Vec<ItemIdx> {
    let mut has: HashSet<ItemIdx> = HashSet::new();
    let mut history = Vec::new();
    let take = |item: ItemIdx, history: &mut Vec<ItemIdx>, has: &mut HashSet<ItemIdx>| {
        if has.insert(item) {
            history.push(item);
        }
    };
    // Bodies: followers on purpose, and people who have some of the literals without following.
    for rule in concerned(rules, config, rng) {
        if rng.chance(FOLLOWERS) {
            for item in rule.satisfying(rng) {
                take(item, &mut history, &mut has);
            }
        }
        for literal in &rule.rule.literals {
            // Negated literals must occur with the others often enough to make a difference.
            let by_chance = if literal.negated { 0.05 } else { 0.01 };
            let beside = literal.negated && has.contains(&rule.rule.literals[0].item);
            if rng.chance(by_chance) || (beside && rng.chance(0.4)) {
                take(literal.item, &mut history, &mut has);
            }
        }
    }
    let mut targets = Vec::new();
    for (rule, followers) in rules.iter().zip(followers) {
        if rule.rule.holds(|i| has.contains(&i)) {
            followers.push(user);
            for &target in &rule.targets {
                if rng.chance(config.obedience) {
                    targets.push(target);
                }
            }
        }
    }
    // Fillers by taste, and noise that follows nothing and never touches a rule's body.
    let likes: Vec<usize> = (0..3).map(|_| rng.below(shelves.genres.len())).collect();
    let about = config.items_per_user as f64 * (0.5 + rng.unit());
    let wanted = (about as usize).max(history.len() + targets.len() + 2);
    let mut tries = 0;
    while history.len() + targets.len() < wanted && tries < 20 * wanted {
        tries += 1;
        let liked = rng.chance(1.0 - 1.0 / config.taste) && !rng.chance(config.noise);
        let shelf = match liked {
            true => &shelves.genres[likes[rng.below(likes.len())]],
            false => &shelves.all,
        };
        if let Some(item) = shelf.sample(rng) {
            take(item, &mut history, &mut has);
        }
    }
    if rng.chance(config.noise * rules.len() as f64)
        && let Some(rule) = rules.get(rng.below(rules.len()))
        && let Some(&target) = rule.targets.first()
    {
        targets.push(target);
    }
    rng.shuffle(&mut history);
    // A target comes after what calls for it.
    for target in targets {
        if has.insert(target) {
            let after = history.len() / 2;
            let at = after + rng.below(history.len() - after + 1);
            let bodies = rules.iter().filter(|r| r.targets.contains(&target));
            let last = bodies
                .flat_map(|r| &r.rule.literals)
                .filter(|l| !l.negated)
                .filter_map(|l| history.iter().position(|&i| i == l.item))
                .max()
                .map_or(0, |at| at + 1);
            history.insert(at.max(last), target);
        }
    }
    history
}

/// In a large world with many rules, each user meets some of them only, so that the items of rules
/// do not fill their whole history.
fn concerned<'a>(
    rules: &'a [PlantedRule],
    config: &Config,
    rng: &mut Sampler,
) -> Vec<&'a PlantedRule> {
    let most = (config.items_per_user * 2).max(24);
    if rules.len() <= most {
        return rules.iter().collect();
    }
    (0..most).map(|_| &rules[rng.below(rules.len())]).collect()
}

/// The log of the histories: times within a year, and views and carts before what was bought.
pub(super) fn log_of(
    config: &Config,
    catalogue: &Catalogue,
    histories: Vec<Vec<ItemIdx>>,
) -> Result<Log> {
    let width = config.users.to_string().len();
    let users = Ids::from_names(
        (1..=config.users)
            .map(|u| format!("u{u:0width$}"))
            .collect(),
    )?;
    let mut log = Log {
        name: "synthetic".to_owned(),
        users,
        items: catalogue.ids.clone(),
        behaviors: match config.chain {
            true => ["view", "cart", "buy"].map(str::to_owned).to_vec(),
            false => vec!["interaction".to_owned()],
        },
        target_behavior: if config.chain { 2 } else { 0 },
        titles: catalogue.titles.clone(),
        fields: catalogue.fields.clone(),
        ..Log::default()
    };
    log.report.format = "synthetic".to_owned();
    let (mut times, mut behaviors) = (Vec::new(), Vec::new());
    for (user, history) in histories.into_iter().enumerate() {
        let mut rng = Sampler::new(config.seed, (1 << 40) + user as u64);
        let step = YEAR / (history.len() as i64 + 1);
        let mut events: Vec<(i64, u8, ItemIdx)> = Vec::new();
        let bought: HashSet<ItemIdx> = history.iter().copied().collect();
        for (at, &item) in history.iter().enumerate() {
            let time = START + step * (at as i64 + 1) + rng.below(step as usize / 2 + 1) as i64;
            if config.chain {
                let cart = time - 60 - rng.below(3600) as i64;
                events.push((cart - 60 - rng.below(86_400) as i64, 0, item));
                events.push((cart, 1, item));
                events.push((time, 2, item));
                // Another item that they viewed, and sometimes put into the cart, but did not buy.
                let other = ItemIdx(rng.below(config.items) as u32);
                let first = events.iter().all(|e| e.2 != other);
                if !bought.contains(&other) && first && rng.chance(0.6) {
                    events.push((time + 60, 0, other));
                    if rng.chance(0.3) {
                        events.push((time + 120, 1, other));
                    }
                }
            } else {
                events.push((time, 0, item));
            }
        }
        events.sort_unstable();
        for (time, behavior, item) in events {
            log.user.push(user as u32);
            log.item.push(item.0);
            times.push(time);
            behaviors.push(behavior);
        }
    }
    log.report.rows = log.user.len();
    log.time = Some(times);
    log.behavior = config.chain.then_some(behaviors);
    Ok(log)
}
