//! The distinct values of a text column.
//!
//! Invariant: a value is parsed once for as long as it is remembered, and a row costs a look-up, no allocation.

use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};

use crate::{decode::DictColumn, limits};

/// A column in the making, with the values that it and the batches before it have.
#[derive(Debug)]
pub(super) struct Interned<T> {
    parse: fn(&[u8]) -> T,
    hasher: DefaultHashBuilder,
    /// Numbers of the values, by their text.
    numbers: HashTable<u32>,
    known: Vec<Known<T>>,
    /// The text of all values, end to end.
    text: Vec<u8>,
    /// The number of the last row's value: columns repeat themselves.
    last: usize,
    /// Numbers of the values that the batch has so far; their [`Known::place`] is the place here.
    used: Vec<u32>,
    index: Vec<u32>,
}

#[derive(Debug)]
struct Known<T> {
    start: usize,
    len: usize,
    value: T,
    /// The place in the batch, or [`NOWHERE`].
    place: u32,
}

const NOWHERE: u32 = u32::MAX;

impl<T: Clone> Interned<T> {
    pub(super) fn new(parse: fn(&[u8]) -> T) -> Self {
        Self {
            parse,
            hasher: DefaultHashBuilder::default(),
            numbers: HashTable::new(),
            known: Vec::new(),
            text: Vec::new(),
            last: 0,
            used: Vec::new(),
            index: Vec::with_capacity(limits::BATCH_ROWS),
        }
    }

    /// Appends the value of a row.
    pub(super) fn push(&mut self, text: &[u8]) {
        let again = self.known.get(self.last).is_some_and(|known| self.text[known.range()] == *text);
        if !again {
            self.last = self.number(text);
        }
        let known = &mut self.known[self.last];
        if known.place == NOWHERE {
            known.place = self.used.len() as u32;
            self.used.push(self.last as u32);
        }
        self.index.push(known.place);
    }

    fn number(&mut self, text: &[u8]) -> usize {
        let Self { hasher, numbers, known, text: all, .. } = self;
        let text_of = |number: &u32| &all[known[*number as usize].range()];
        let hash = hasher.hash_one(text);
        if let Some(number) = numbers.find(hash, |number| text_of(number) == text) {
            return *number as usize;
        }
        let number = known.len();
        numbers.insert_unique(hash, number as u32, |number| hasher.hash_one(text_of(number)));
        known.push(Known { start: all.len(), len: text.len(), value: (self.parse)(text), place: NOWHERE });
        all.extend_from_slice(text);
        number
    }

    /// The column, which begins anew. It has the values that its rows have and no others.
    pub(super) fn take(&mut self) -> DictColumn<T> {
        let mut values = Vec::with_capacity(self.used.len());
        for number in self.used.drain(..) {
            let known = &mut self.known[number as usize];
            known.place = NOWHERE;
            values.push(known.value.clone());
        }
        if self.known.len() > limits::INTERNED_VALUES || self.text.len() > limits::INTERNED_BYTES {
            self.numbers.clear();
            self.known.clear();
            self.text.clear();
        }
        let index = std::mem::replace(&mut self.index, Vec::with_capacity(limits::BATCH_ROWS));
        DictColumn { values, index }
    }
}

impl<T> Known<T> {
    fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.len
    }
}
