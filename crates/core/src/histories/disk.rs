//! Saving and loading of histories.

use super::{Histories, HistoryArrays};
use crate::{Error, ItemIdx, Result, Tensors, UserIdx};

/// The index of an unknown user on disk.
const NOBODY: u32 = u32::MAX;

impl Histories {
    /// Saves them under a name.
    pub fn save(&self, name: &str, out: &mut Tensors) {
        let offsets: Vec<i64> = self.offsets.iter().map(|&o| o as i64).collect();
        out.put_i64(&format!("{name}.offsets"), &[offsets.len()], offsets);
        let items: Vec<u32> = self.items.iter().map(|i| i.0).collect();
        out.put_u32(&format!("{name}.items"), &[items.len()], items);
        let users: Vec<u32> = self
            .users
            .iter()
            .map(|u| u.map_or(NOBODY, |u| u.0))
            .collect();
        out.put_u32(&format!("{name}.users"), &[users.len()], users);
        if let Some(times) = &self.times {
            out.put_i64(&format!("{name}.times"), &[times.len()], times.clone());
        }
        if let Some(values) = &self.values {
            out.put_f32(&format!("{name}.values"), &[values.len()], values.clone());
        }
        if let Some(behaviors) = &self.behaviors {
            out.put_u8(
                &format!("{name}.behaviors"),
                &[behaviors.len()],
                behaviors.clone(),
            );
        }
    }

    /// Loads them, for a catalogue of `n_items`.
    ///
    /// # Errors
    /// [`Error::Tensor`] where an array is missing, and as [`Histories::new`].
    pub fn load(name: &str, from: &Tensors, n_items: usize) -> Result<Self> {
        let key = |part: &str| format!("{name}.{part}");
        let offsets = from
            .i64(&key("offsets"))?
            .1
            .iter()
            .map(|&o| usize::try_from(o))
            .collect::<std::result::Result<Vec<_>, _>>()
            .map_err(|_| Error::range("history offsets", "0 or more", "negative"))?;
        let users = from.u32(&key("users"))?.1;
        let times = key("times");
        let values = key("values");
        let behaviors = key("behaviors");
        Self::new(HistoryArrays {
            offsets,
            items: from
                .u32(&key("items"))?
                .1
                .iter()
                .map(|&i| ItemIdx(i))
                .collect(),
            users: users
                .iter()
                .map(|&u| (u != NOBODY).then_some(UserIdx(u)))
                .collect(),
            times: match from.has(&times) {
                true => Some(from.i64(&times)?.1.to_vec()),
                false => None,
            },
            values: match from.has(&values) {
                true => Some(from.f32(&values)?.1.to_vec()),
                false => None,
            },
            behaviors: match from.has(&behaviors) {
                true => Some(from.u8(&behaviors)?.1.to_vec()),
                false => None,
            },
            n_items,
        })
    }
}
