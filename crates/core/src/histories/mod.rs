//! Histories: the events of users, row by row, in time order.

mod disk;
mod edit;
mod table;
mod view;

use crate::ItemIdx;

pub use edit::OwnedHistory;
pub use table::{Histories, HistoryArrays};
pub use view::{EventsByItem, History};

/// One interaction of a user.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Event {
    /// The item.
    pub item: ItemIdx,
    /// Unix time in seconds, if the source has times.
    pub time: Option<i64>,
    /// Rating or weight; 1 for implicit feedback.
    pub value: f32,
    /// Index of the behavior (view, cart, buy …) in the catalogue; 0 if there is only one.
    pub behavior: u8,
}

impl Event {
    /// An event of implicit feedback without a time.
    #[must_use]
    pub fn of(item: ItemIdx) -> Self {
        Self {
            item,
            time: None,
            value: 1.0,
            behavior: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tensors, UserIdx};

    fn rated() -> Histories {
        Histories::new(HistoryArrays {
            offsets: vec![0, 3, 3],
            items: vec![ItemIdx(2), ItemIdx(0), ItemIdx(2)],
            times: Some(vec![10, 20, 30]),
            values: Some(vec![4.0, 1.0, 5.0]),
            behaviors: None,
            users: vec![Some(UserIdx(0)), Some(UserIdx(1))],
            n_items: 3,
        })
        .unwrap()
    }

    #[test]
    fn refuses_invalid_arrays() {
        let good = HistoryArrays {
            offsets: vec![0, 1],
            items: vec![ItemIdx(0)],
            users: vec![None],
            n_items: 1,
            ..HistoryArrays::default()
        };
        assert!(Histories::new(good.clone()).is_ok());
        for bad in [
            HistoryArrays {
                n_items: 0,
                ..good.clone()
            },
            HistoryArrays {
                users: vec![],
                ..good.clone()
            },
            HistoryArrays {
                offsets: vec![0, 2],
                ..good.clone()
            },
            HistoryArrays {
                offsets: vec![],
                ..good.clone()
            },
            HistoryArrays {
                values: Some(vec![f32::INFINITY]),
                ..good.clone()
            },
            HistoryArrays {
                times: Some(vec![]),
                ..good.clone()
            },
        ] {
            assert!(Histories::new(bad).is_err());
        }
        let falling = HistoryArrays {
            offsets: vec![0, 2],
            items: vec![ItemIdx(0); 2],
            times: Some(vec![2, 1]),
            ..good
        };
        assert!(Histories::new(falling).is_err());
    }

    #[test]
    fn repeated_items_count_once_with_their_largest_value() {
        let h = rated();
        assert_eq!(
            h.row(0).item_values(),
            vec![(ItemIdx(0), 1.0), (ItemIdx(2), 5.0)]
        );
        assert_eq!(h.item_counts(), vec![1, 0, 1]);
        let csr = h.to_csr();
        assert_eq!(csr.row(0), (&[0, 2][..], &[1.0, 5.0][..]));
        assert_eq!(csr.row(1), (&[][..], &[][..]));
    }

    #[test]
    fn added_events_get_the_next_time_and_the_median_value() {
        let h = rated();
        let mut row = h.row(0).to_owned();
        row.add(ItemIdx(1), 0);
        let last = row.view().event(3);
        assert_eq!((last.time, last.value), (Some(31), 4.0));
        assert_eq!(row.view().user, None);
        assert_eq!(row.remove(ItemIdx(2)), 2);
        assert_eq!(row.view().items, &[ItemIdx(0), ItemIdx(1)]);
        let back = Histories::from_histories([row.view(), h.row(1)], 3).unwrap();
        assert_eq!(back.row(0), row.view());
        assert_eq!(back.len(), 2);
    }

    #[test]
    fn save_and_load_round_trip() {
        let h = rated();
        let mut t = Tensors::new();
        h.save("train", &mut t);
        assert_eq!(Histories::load("train", &t, 3).unwrap(), h);
        assert!(Histories::load("train", &t, 2).is_err());
        assert!(Histories::load("test", &t, 3).is_err());
    }

    #[test]
    fn slices_are_rows() {
        let h = rated();
        assert_eq!(h.slice(0, 1).row(0), h.row(0));
        assert_eq!(h.slice(1, 2).n_events(), 0);
        assert_eq!(h.slice(0, 2), h);
    }
}
