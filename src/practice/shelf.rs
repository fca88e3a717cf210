//! A bounded place in memory for things that are found by a random key.
//!
//! Always true: it holds at most [`MOST`] things, the oldest goes, and what is
//! taken is gone: that is how codes and handles are good once.

use std::collections::{HashMap, VecDeque};

/// More than a loopback demo ever holds at a time.
pub const MOST: usize = 256;

/// Things by key.
#[derive(Debug)]
pub struct Shelf<T> {
    values: HashMap<String, T>,
    order: VecDeque<String>,
}

impl<T> Default for Shelf<T> {
    fn default() -> Self {
        Self {
            values: HashMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<T> Shelf<T> {
    /// Keeps `value` under `key`, which is random and new.
    pub fn put(&mut self, key: String, value: T) {
        if self.order.len() == MOST
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
        self.order.push_back(key.clone());
        self.values.insert(key, value);
    }

    /// What is under `key`; it is gone then.
    pub fn take(&mut self, key: &str) -> Option<T> {
        let value = self.values.remove(key)?;
        self.order.retain(|known| known != key);
        Some(value)
    }

    /// What is under `key`.
    pub fn get(&self, key: &str) -> Option<&T> {
        self.values.get(key)
    }

    /// What is under `key`, to change it.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut T> {
        self.values.get_mut(key)
    }

    /// The key of the first thing that fits.
    pub fn key_of(&self, fits: impl Fn(&T) -> bool) -> Option<String> {
        self.order
            .iter()
            .find(|key| self.values.get(*key).is_some_and(&fits))
            .cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_and_what_is_taken_is_gone() {
        let mut shelf = Shelf::default();
        for at in 0..=MOST {
            shelf.put(at.to_string(), at);
        }
        assert_eq!(shelf.get("0"), None);
        assert_eq!(shelf.take("1"), Some(1));
        assert_eq!(shelf.take("1"), None);
        shelf.put("one more".to_owned(), 7);
        assert_eq!(shelf.get("2"), Some(&2), "there was room");
    }
}
