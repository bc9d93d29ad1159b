//! The discrete rules of NS-ICF, as sets of nodes: which of them hold for a user and an item.

use std::sync::Arc;

use limpid_core::{Error, Result, Tensors};

use super::Config;

/// A set of nodes of the bottom towers.
pub(super) type Nodes = u128;

/// The most conjunctions of a bottom tower: three towers, with as many disjunctions, fill a set.
pub(super) const MOST_NODES: usize = Nodes::BITS as usize / 6;

/// Weights beyond this are literals, and inputs beyond it hold.
const THRESHOLD: f32 = 0.5;

/// The discrete rules. A bottom node holds for a pair if its halves do: both for a conjunction, one for a disjunction.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Literals {
    /// The bottom nodes in which each input of a user, or an item, is a literal.
    pub(super) of_user: Vec<Nodes>,
    pub(super) of_item: Vec<Nodes>,
    /// The bottom nodes that are literals of each rule; the first half of the rules are conjunctions.
    pub(super) of_rules: Vec<Nodes>,
    /// The bottom nodes that are conjunctions.
    conjunctions: Nodes,
}

impl Literals {
    /// Of the weights of the bottom towers of users, items and both, and of the top tower.
    pub(super) fn of(logic: [Arc<Vec<f32>>; 4], config: &Config) -> Self {
        let (n, rules) = (2 * config.nodes, 2 * config.rules);
        // The nodes of a row of a tower, which is the tower'th of the three.
        let row = |w: &[f32], at: usize, tower: usize| -> Nodes {
            set_of(w[at * n..][..n].iter().map(is_literal)) << (tower * n)
        };
        let users = logic[0].len() / n;
        let items = logic[1].len() / n;
        let column = |r: usize| set_of(logic[3].chunks_exact(rules).map(|w| is_literal(&w[r])));
        Self {
            of_user: (0..users)
                .map(|at| row(&logic[0], at, 0) | row(&logic[2], at, 2))
                .collect(),
            of_item: (0..items)
                .map(|at| row(&logic[1], at, 1) | row(&logic[2], users + at, 2))
                .collect(),
            of_rules: (0..rules).map(column).collect(),
            conjunctions: conjunctions(config.nodes),
        }
    }

    /// Number of bottom nodes: in three towers, each with as many disjunctions as conjunctions.
    pub(super) fn n_nodes(&self) -> usize {
        2 * self.conjunctions.count_ones() as usize
    }

    /// What the inputs of a user leave of each bottom node.
    pub(super) fn user(&self, x: &[f32]) -> Nodes {
        self.half(&self.of_user, x)
    }

    /// What the inputs of an item leave of each bottom node.
    pub(super) fn item(&self, x: &[f32]) -> Nodes {
        self.half(&self.of_item, x)
    }

    /// Of a conjunction, whether none of these literals is absent; of a disjunction, whether one is present.
    fn half(&self, literals: &[Nodes], x: &[f32]) -> Nodes {
        let (mut absent, mut present) = (0, 0);
        for (set, &x) in literals.iter().zip(x) {
            match x > THRESHOLD {
                true => present |= set,
                false => absent |= set,
            }
        }
        (self.conjunctions & !absent) | (present & !self.conjunctions)
    }

    /// The bottom nodes that hold for a pair.
    pub(super) fn bottom(&self, user: Nodes, item: Nodes) -> Nodes {
        (user & item & self.conjunctions) | ((user | item) & !self.conjunctions)
    }

    /// Whether a rule holds.
    pub(super) fn holds(&self, rule: usize, bottom: Nodes) -> bool {
        let literals = self.of_rules[rule];
        match rule < self.of_rules.len() / 2 {
            true => literals & !bottom == 0,
            false => literals & bottom != 0,
        }
    }

    /// Whether each rule holds for a pair.
    pub(super) fn rules(&self, user: Nodes, item: Nodes) -> Vec<bool> {
        let bottom = self.bottom(user, item);
        (0..self.of_rules.len())
            .map(|r| self.holds(r, bottom))
            .collect()
    }

    pub(super) fn save(&self, out: &mut Tensors) -> Result<()> {
        let n = self.n_nodes();
        out.put_meta("nodes", &(n / 6))?;
        for (name, sets) in [
            ("logic.users", &self.of_user),
            ("logic.items", &self.of_item),
            ("logic.rules", &self.of_rules),
        ] {
            let numbers = sets.iter().flat_map(|&set| bits(set, n).map(u32::from));
            out.put_u32(name, &[sets.len(), n], numbers.collect::<Vec<u32>>());
        }
        Ok(())
    }

    /// # Errors
    /// If an array is missing, or the number of nodes is out of range.
    pub(super) fn load(from: &Tensors) -> Result<Self> {
        let nodes: usize = from.meta("nodes")?;
        if !(1..=MOST_NODES).contains(&nodes) {
            let expected = format!("from 1 to {MOST_NODES}");
            return Err(Error::range("the number of nodes", expected, nodes));
        }
        let sets = |name: &str| -> Result<Vec<Nodes>> {
            let (_, numbers) = from.u32(name)?;
            let rows = numbers.chunks(6 * nodes);
            Ok(rows
                .map(|row| set_of(row.iter().map(|&x| x != 0)))
                .collect())
        };
        Ok(Self {
            of_user: sets("logic.users")?,
            of_item: sets("logic.items")?,
            of_rules: sets("logic.rules")?,
            conjunctions: conjunctions(nodes),
        })
    }
}

fn is_literal(weight: &f32) -> bool {
    *weight > THRESHOLD
}

/// The conjunctions among the bottom nodes: the first half of each tower.
fn conjunctions(nodes: usize) -> Nodes {
    (0..3).fold(0, |set, tower| {
        set | ((1 << nodes) - 1) << (tower * 2 * nodes)
    })
}

/// The members of a set among the first `n` nodes.
pub(super) fn bits(set: Nodes, n: usize) -> impl Iterator<Item = bool> {
    (0..n).map(move |k| set >> k & 1 == 1)
}

/// The set of these members.
pub(super) fn set_of(members: impl Iterator<Item = bool>) -> Nodes {
    members
        .enumerate()
        .fold(0, |set, (k, is_in)| set | Nodes::from(is_in) << k)
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::union;
    use super::*;
    use limpid_tensor::Rng;
    use limpid_tensor::tape::{Tape, Var};

    /// One conjunction and one disjunction per tower, two inputs of users and one of items. The tower of users: u_0 AND
    /// u_1, u_1; of items: i_0, nothing; of both: u_0 AND i_0, u_1 OR i_0. The rules: both ∧ of the third tower and of
    /// the first, and ∨ of the third.
    pub(in crate::latent::ns_icf) fn literals() -> Literals {
        let config = Config {
            nodes: 1,
            rules: 1,
            ..Config::default()
        };
        let logic = [
            vec![0.9, 0.1, 0.6, 0.7],
            vec![0.8, 0.5],
            vec![1.0, 0.0, 0.2, 0.9, 1.0, 0.6],
            // By bottom node: the conjunction and the disjunction of the top tower.
            vec![1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0],
        ];
        Literals::of(logic.map(Arc::new), &config)
    }

    #[test]
    fn discrete_rules_by_hand() {
        let literals = literals();
        let bottom = |user: [f32; 2], item: f32| {
            let (user, item) = (literals.user(&user), literals.item(&[item]));
            let bottom = literals.bottom(user, item);
            (
                bits(bottom, 6).map(u8::from).collect::<Vec<u8>>(),
                literals.rules(user, item),
            )
        };
        // Of user: AND, OR; of item: AND, OR; of both: AND, OR.
        assert_eq!(
            bottom([1.0, 1.0], 1.0),
            (vec![1, 1, 1, 0, 1, 1], vec![true, true])
        );
        assert_eq!(
            bottom([1.0, 0.0], 1.0),
            (vec![0, 0, 1, 0, 1, 1], vec![false, true])
        );
        assert_eq!(
            bottom([0.0, 1.0], 0.0),
            (vec![0, 1, 0, 0, 0, 1], vec![false, true])
        );
        assert_eq!(
            bottom([1.0, 0.0], 0.0),
            (vec![0, 0, 0, 0, 0, 0], vec![false, false])
        );
    }

    /// On inputs and weights of 0 and 1 the continuous nodes round to the discrete ones.
    #[test]
    fn discrete_and_continuous_nodes_agree() {
        let config = Config {
            nodes: 2,
            rules: 3,
            ..Config::default()
        };
        let mut rng = Rng::new(3, 0);
        let mut hard = |n: usize| -> Vec<f32> {
            (0..n)
                .map(|_| f32::from(u8::from(rng.unit() < 0.3)))
                .collect()
        };
        let (users, items) = (5, 4);
        let logic = [
            hard(users * 4),
            hard(items * 4),
            hard((users + items) * 4),
            hard(12 * 6),
        ];
        let literals = Literals::of(logic.clone().map(Arc::new), &config);
        for _ in 0..30 {
            let (user, item) = (hard(users), hard(items));
            let tape = Tape::default();
            let x_user = tape.constant(user.clone(), &[1, users]);
            let x_item = tape.constant(item.clone(), &[1, items]);
            let w =
                |k: usize, rows: usize, columns| tape.constant(logic[k].clone(), &[rows, columns]);
            let bottom = union(x_user, w(0, users, 4))
                .concat(union(x_item, w(1, items, 4)))
                .concat(union(x_user.concat(x_item), w(2, users + items, 4)));
            let round = |x: Var<'_>| -> Vec<bool> { x.value().iter().map(|&x| x > 0.5).collect() };
            let (user, item) = (literals.user(&user), literals.item(&item));
            let found: Vec<bool> = bits(literals.bottom(user, item), 12).collect();
            assert_eq!(round(bottom), found);
            let rounded: Vec<f32> = found.iter().map(|&x| f32::from(u8::from(x))).collect();
            let top = union(tape.constant(rounded, &[1, 12]), w(3, 12, 6));
            assert_eq!(round(top), literals.rules(user, item));
        }
    }
}
