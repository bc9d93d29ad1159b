//! The chain of behaviors: view, cart, buy.

use super::options::ReadOptions;
use crate::{Error, Result};

/// The usual behaviors, by their place in the chain.
const CHAIN: [&[&str]; 6] = [
    &["impression", "exposure", "show"],
    &["view", "click", "pv", "detail", "browse", "watch"],
    &[
        "like",
        "collect",
        "fav",
        "favorite",
        "favourite",
        "wish",
        "wishlist",
        "save",
    ],
    &["share", "forward", "comment"],
    &["cart", "addtocart", "add_to_cart", "add-to-cart", "basket"],
    &["buy", "purchase", "order", "transaction", "pay"],
];

/// The place of a behavior in the usual chain.
pub(super) fn place(name: &str) -> Option<usize> {
    let name = name.to_lowercase();
    CHAIN
        .iter()
        .position(|names| names.contains(&name.as_str()))
}

/// The behaviors of a log in their order.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Chain {
    /// The names, from the first of the chain to the last.
    pub(super) names: Vec<String>,
    /// The place in `names` of each behavior as it was numbered while reading.
    pub(super) place: Vec<u8>,
    /// The place of the target behavior.
    pub(super) target: u8,
    /// What was guessed.
    pub(super) note: Option<String>,
}

/// Instead of names: orders behaviors by how often their pairs convert.
pub(super) const BY_CONVERSION: &str = "conversion";

/// Puts behaviors in order: as the options say, else as the usual names say, else from the most
/// frequent to the rarest, because chains narrow. Names without events are dropped. `conversions` of a target
/// are the shares of the pairs with each behavior that have the target too.
pub(super) fn order(
    names: &[String],
    counts: &[usize],
    options: &ReadOptions,
    conversions: impl Fn(usize) -> Option<Vec<f64>>,
) -> Result<Chain> {
    let mut chain = Chain {
        place: vec![0; names.len()],
        ..Chain::default()
    };
    let mut order: Vec<usize> = (0..names.len()).filter(|&b| counts[b] > 0).collect();
    let given = options.behaviors.as_deref();
    let by_conversion = given.is_some_and(|given| given == [BY_CONVERSION]);
    if let Some(given) = given.filter(|_| !by_conversion) {
        for (at, name) in given.iter().enumerate() {
            if given[..at].contains(name) {
                return Err(Error::option(
                    "the chain of behaviors",
                    format!("'{}' names '{name}' twice", given.join(", ")),
                    "name every behavior of the data once, in the order of the chain",
                ));
            }
            if !names.contains(name) {
                let known = names.iter().map(String::as_str);
                return Err(Error::unknown("behavior", name, known));
            }
        }
        for name in order.iter().map(|&b| &names[b]) {
            if !given.contains(name) {
                return Err(Error::option(
                    "the chain of behaviors",
                    format!("'{}' does not name '{name}'", given.join(", ")),
                    "name every behavior of the data once, in the order of the chain",
                ));
            }
        }
        order.sort_by_key(|&b| given.iter().position(|c| *c == names[b]));
    } else if order.iter().all(|&b| place(&names[b]).is_some()) {
        order.sort_by_key(|&b| (place(&names[b]), names[b].clone()));
    } else {
        order.sort_by(|&a, &b| counts[b].cmp(&counts[a]).then(names[a].cmp(&names[b])));
        let shown: Vec<&str> = order.iter().map(|&b| names[b].as_str()).collect();
        if order.len() > 1 && !by_conversion {
            chain.note = Some(format!(
                "the chain of behaviors was guessed from their counts: {}; if that is wrong, set \
                 'behaviors' in the read options",
                shown.join(", ")
            ));
        }
    }
    if by_conversion {
        let target = match &options.target_behavior {
            None => order.last().copied(),
            Some(target) => order.iter().copied().find(|&b| names[b] == *target),
        };
        if let Some(target) = target {
            let Some(conversions) = conversions(target) else {
                return Err(Error::option(
                    "the chain of behaviors",
                    format!(
                        "conversions are counted for up to 8 behaviors, and there are {}",
                        names.len()
                    ),
                    "name the behaviors in order",
                ));
            };
            order.sort_by(|&a, &b| {
                let last = (a == target).cmp(&(b == target));
                last.then(conversions[a].total_cmp(&conversions[b]))
            });
        }
    }
    for (new, &old) in order.iter().enumerate() {
        chain.place[old] = new as u8;
    }
    chain.names = order.iter().map(|&b| names[b].clone()).collect();
    if chain.names.is_empty() {
        chain.names.push("interaction".to_owned());
    }
    let target = match &options.target_behavior {
        None => chain.names.len() - 1,
        Some(target) => chain
            .names
            .iter()
            .position(|n| n == target)
            .ok_or_else(|| {
                let known = chain.names.iter().map(String::as_str);
                Error::unknown("target behavior", target, known)
            })?,
    };
    chain.target = target as u8;
    Ok(chain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str], counts: &[usize], options: &ReadOptions) -> Result<Chain> {
        let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
        order(&names, counts, options, |_| Some(vec![0.3, 0.1, 0.2]))
    }

    #[test]
    fn usual_names_have_their_place() {
        let none = ReadOptions::default();
        let chain = of(&["buy", "pv", "AddToCart"], &[1, 1, 1], &none).unwrap();
        assert_eq!(chain.names, ["pv", "AddToCart", "buy"]);
        assert_eq!((chain.place, chain.target), (vec![2, 0, 1], 2));
        let chain = of(&["buy", "view"], &[3, 0], &none).unwrap();
        assert_eq!((chain.names, chain.target), (vec!["buy".to_owned()], 0));
        assert_eq!(of(&[], &[], &none).unwrap().names, ["interaction"]);
    }

    #[test]
    fn the_measured_conversion_orders_what_is_before_the_target() {
        let options = ReadOptions {
            behaviors: Some(vec!["conversion".into()]),
            ..ReadOptions::default()
        };
        let chain = of(&["view", "cart", "buy"], &[1, 1, 1], &options).unwrap();
        assert_eq!(chain.names, ["cart", "view", "buy"]);
        let twice = ReadOptions {
            behaviors: Some(["view", "buy", "view"].map(String::from).to_vec()),
            ..ReadOptions::default()
        };
        let error = of(&["view", "buy"], &[1, 1], &twice)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("'view, buy, view' names 'view' twice"),
            "{error}"
        );
        let unknown = ReadOptions {
            behaviors: Some(["veiw", "buy"].map(String::from).to_vec()),
            ..ReadOptions::default()
        };
        let error = of(&["view", "buy"], &[1, 1], &unknown)
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("unknown behavior 'veiw'; did you mean 'view'"),
            "{error}"
        );
    }

    #[test]
    fn other_names_are_ordered_by_count_or_option() {
        let none = ReadOptions::default();
        let chain = of(&["rent", "look"], &[2, 5], &none).unwrap();
        assert_eq!(chain.names, ["look", "rent"]);
        assert!(
            chain
                .note
                .unwrap()
                .contains("guessed from their counts: look, rent")
        );
        let options = ReadOptions {
            behaviors: Some(vec!["rent".into(), "look".into()]),
            ..ReadOptions::default()
        };
        assert_eq!(
            of(&["look", "rent"], &[2, 5], &options).unwrap().names,
            ["rent", "look"]
        );
        let error = of(&["look", "buy"], &[2, 5], &options).unwrap_err();
        assert_eq!(
            error.to_string(),
            "unknown behavior 'rent'; choose from look, buy"
        );
        let error = of(&["look", "rent", "buy"], &[2, 5, 1], &options).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the chain of behaviors 'rent, look' does not name 'buy'; name every behavior of the data once, in \
             the order of the chain"
        );
    }
}
