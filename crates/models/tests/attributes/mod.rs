//! Attributes of items for the models that need them.

use limpid_core::{Catalogue, Csr, Field, Ids};
use limpid_models::Entry;

/// The catalogue as a model needs it: with the parity of items, if it needs attributes.
pub(crate) fn known(entry: &Entry, catalogue: &Catalogue) -> Catalogue {
    let mut catalogue = catalogue.clone();
    if entry.reads.attributes {
        let parities = (0..catalogue.len() as u32).map(|i| vec![(i % 2, 1.0)]);
        catalogue.fields = vec![Field {
            name: "parity".to_owned(),
            values: Ids::from_names(vec!["even".to_owned(), "odd".to_owned()]).unwrap(),
            of_items: Csr::from_rows(parities, 2).unwrap(),
        }];
    }
    catalogue
}
