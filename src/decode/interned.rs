//! The distinct values of a text column.
//!
//! Invariant: a value is parsed once for as long as it is remembered, and a row costs a look-up, no allocation.

use std::{hash::BuildHasher as _, ops::Range, sync::Arc};

use hashbrown::{DefaultHashBuilder, HashTable};

use super::{
    DictColumn, DictionaryId,
    builder::{Run, spread},
};
use crate::limits;

/// A column in the making, with the values that it and the batches before it have.
#[derive(Debug)]
pub(super) struct Interned<T> {
    parse: fn(&[u8]) -> T,
    id: DictionaryId,
    values: Arc<Vec<T>>,
    /// Values that were given as a dictionary. Only those behind them are looked up by their text.
    given: usize,
    known: Vec<Known>,
    /// The text of the values that are longer than [`Known::words`], end to end.
    text: Vec<u8>,
    /// Places in `known`, by a hash that anybody can work out: most look-ups end here. It grows with the values.
    front: Vec<Slots>,
    /// The same by a hash that nobody can foresee, where others took the place.
    places: HashTable<u32>,
    hasher: DefaultHashBuilder,
    /// The place in `known` of the value that was looked up last.
    last: u32,
    /// For each value its place in a column that does not share them, or [`NOWHERE`].
    marks: Vec<u32>,
    index: Vec<u32>,
}

/// The text of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Known {
    len: u32,
    /// All of a text of up to [`SHORT`] bytes; of a longer one its beginning and end.
    words: [u64; 3],
    /// Where it is, if it is longer.
    start: u32,
}

/// Bytes that [`Known::words`] can hold. An interface id has 21.
const SHORT: usize = 24;

/// Some places that are looked at together: the upper bits of each are of the hash, the lower the place.
type Slots = [u32; 4];

/// No text has this place.
const NOWHERE: u32 = u32::MAX;

const PLACE_BITS: u32 = 18;

const FIRST_FRONT: usize = 1 << 4;

/// A batch can have four columns of addresses, which are remembered together.
const _: () = assert!(limits::INTERNED_VALUES + 4 * limits::BATCH_ROWS < (1 << PLACE_BITS) - 1);

impl<T: Clone> Interned<T> {
    pub(super) fn new(parse: fn(&[u8]) -> T) -> Self {
        Self {
            parse,
            id: DictionaryId::next(),
            values: Arc::default(),
            given: 0,
            known: Vec::new(),
            text: Vec::new(),
            front: vec![[NOWHERE; 4]; FIRST_FRONT],
            places: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            last: 0,
            marks: Vec::new(),
            index: Vec::with_capacity(limits::BATCH_ROWS),
        }
    }

    /// Begins anew with the values of a dictionary, and behind them null.
    pub(super) fn give<'t>(&mut self, texts: impl Iterator<Item = &'t [u8]>) {
        self.forget();
        let mut values: Vec<T> = texts.map(self.parse).collect();
        values.push((self.parse)(b""));
        self.given = values.len();
        self.values = Arc::new(values);
    }

    /// Forgets what was given, if anything was. There must be no rows.
    pub(super) fn take_back(&mut self) {
        if self.given > 0 {
            self.forget();
        }
    }

    /// Appends rows by their places in the dictionary that was [given](Self::give), which `fill` fills in. `false`: one is
    /// beyond its end.
    pub(super) fn push_given(&mut self, rows: usize, fill: impl FnOnce(&mut [u32])) -> bool {
        let from = self.index.len();
        self.index.resize(from + rows, 0);
        let places = &mut self.index[from..];
        fill(places);
        let most = self.given.saturating_sub(1) as u32;
        places.iter().fold(0, |beyond, place| beyond | u32::from(*place >= most)) == 0
    }

    /// Puts nulls among the last rows: see [`spread`].
    pub(super) fn spread(&mut self, runs: &[Run]) {
        let null = match self.given.checked_sub(1) {
            Some(place) => place as u32,
            None => self.place(b""),
        };
        spread(&mut self.index, runs, null);
    }

    /// Appends the value of a row.
    pub(super) fn push(&mut self, text: &[u8]) {
        let place = self.place(text);
        self.index.push(place);
    }

    /// Appends the value of a row. A text that is none of those before has to pass `check`.
    pub(super) fn push_checked(
        &mut self,
        text: &[u8],
        check: impl Fn(&[u8]) -> Result<(), String>,
    ) -> Result<(), String> {
        if text.len() > limits::PARQUET_VALUE_BYTES {
            return check(text);
        }
        let values = self.values.len();
        let place = self.place(text);
        self.index.push(place);
        // What is new has been put in all the same: an object with such a text is given up.
        if self.values.len() == values { Ok(()) } else { check(text) }
    }

    /// The place of a value, of [`Self::column`].
    #[inline]
    pub(super) fn place(&mut self, text: &[u8]) -> u32 {
        let words = words(text);
        // Some columns repeat themselves.
        if text.len() <= SHORT
            && let Some(known) = self.known.get(self.last as usize)
            && known.is(words, text.len())
        {
            return self.given as u32 + self.last;
        }
        let mixed = mix(words, text.len());
        let place =
            self.front_place(text, words, mixed).unwrap_or_else(|| self.place_behind(text, words, mixed));
        self.last = place - self.given as u32;
        place
    }

    #[inline]
    fn front_place(&self, text: &[u8], words: [u64; 3], mixed: u64) -> Option<u32> {
        let (tag, slots) = (tag(mixed), &self.front[slot(mixed, self.front.len())]);
        // All tags at once: which of them it is cannot be foreseen.
        let bit = |at: usize| u32::from(slots[at] >> PLACE_BITS == tag) << at;
        let mut hits = bit(0) | bit(1) | bit(2) | bit(3);
        while hits != 0 {
            // The entry of no text has a place that none has.
            let at = slots[hits.trailing_zeros() as usize % slots.len()] & ((1 << PLACE_BITS) - 1);
            if let Some(known) = self.known.get(at as usize)
                && known.is(words, text.len())
                && (text.len() <= SHORT || self.text[known.long()] == *text)
            {
                return Some(self.given as u32 + at);
            }
            hits &= hits - 1;
        }
        None
    }

    #[cold]
    #[inline(never)]
    fn place_behind(&mut self, text: &[u8], words: [u64; 3], mixed: u64) -> u32 {
        let Self { hasher, places, known, text: all, .. } = self;
        let len = text.len();
        let long = if len > SHORT { text } else { b"" };
        let hash = hasher.hash_one((words, len, long));
        let is = |at: &u32| {
            let known = &known[*at as usize];
            known.is(words, len) && all[known.long()] == *long
        };
        let at = match places.find(hash, is) {
            Some(at) => *at,
            None => {
                let at = known.len() as u32;
                let start = all.len() as u32;
                all.extend_from_slice(long);
                known.push(Known { len: len as u32, words, start });
                places.insert_unique(hash, at, |at| {
                    let known = &known[*at as usize];
                    hasher.hash_one((known.words, known.len as usize, &all[known.long()]))
                });
                Arc::make_mut(&mut self.values).push((self.parse)(text));
                at
            }
        };
        if known.len() > self.front.len() * 2 {
            self.front = vec![[NOWHERE; 4]; self.front.len() * 4];
            for at in 0..self.known.len() as u32 {
                let known = self.known[at as usize];
                self.put_front(mix(known.words, known.len as usize), at);
            }
        } else {
            self.put_front(mixed, at);
        }
        self.given as u32 + at
    }

    /// The newest place stands first, the oldest goes.
    fn put_front(&mut self, mixed: u64, at: u32) {
        let slot = slot(mixed, self.front.len());
        let [a, b, c, _] = self.front[slot];
        self.front[slot] = [(tag(mixed) << PLACE_BITS) | at, a, b, c];
    }

    /// The column, which begins anew. Its values are those of the batches before and its own.
    pub(super) fn take(&mut self) -> DictColumn<T> {
        let index = self.take_index();
        let column = self.column(index);
        self.trim();
        column
    }

    /// The index of the column, which begins anew; for [`Self::column`], and then [`Self::trim`].
    pub(super) fn take_index(&mut self) -> Vec<u32> {
        std::mem::replace(&mut self.index, Vec::with_capacity(limits::BATCH_ROWS))
    }

    /// A column of the values so far; where they are very many, of those that it has.
    pub(super) fn column(&mut self, mut index: Vec<u32>) -> DictColumn<T> {
        if self.values.len() <= limits::SHARED_VALUES {
            return DictColumn { values: self.values.clone(), index, dictionary: self.id };
        }
        self.marks.resize(self.values.len(), NOWHERE);
        let mut used = Vec::new();
        for place in &mut index {
            let mark = &mut self.marks[*place as usize];
            if *mark == NOWHERE {
                *mark = used.len() as u32;
                used.push(*place);
            }
            *place = *mark;
        }
        let values = used.iter().map(|place| self.values[*place as usize].clone()).collect();
        used.iter().for_each(|place| self.marks[*place as usize] = NOWHERE);
        DictColumn::new(values, index)
    }

    /// Begins anew if there is too much to remember; what was given stays.
    pub(super) fn trim(&mut self) {
        if self.known.len() > limits::INTERNED_VALUES || self.text.len() > limits::INTERNED_BYTES {
            let (given, mut values) = (self.given, std::mem::take(&mut self.values));
            self.forget();
            // In place, unless a batch still has them: then they are few.
            Arc::make_mut(&mut values).truncate(given);
            (self.given, self.values) = (given, values);
        }
    }

    /// What is forgotten costs no more than it cost to learn.
    fn forget(&mut self) {
        self.id = DictionaryId::next();
        self.values = Arc::default();
        self.given = 0;
        self.marks.clear();
        if !self.known.is_empty() {
            self.known.clear();
            self.text.clear();
            self.last = 0;
            self.front.clear();
            self.front.resize(FIRST_FRONT, [NOWHERE; 4]);
            self.places = HashTable::new();
        }
    }
}

impl Known {
    /// One comparison, and no way through memory: the words come from registers.
    fn is(&self, words: [u64; 3], len: usize) -> bool {
        let [a, b, c] = self.words;
        let differ = (a ^ words[0]) | (b ^ words[1]) | (c ^ words[2]);
        differ == 0 && self.len as usize == len
    }

    /// Where the text is that its words do not have all of; of a short one it is empty.
    fn long(&self) -> Range<usize> {
        let len = if self.len as usize > SHORT { self.len } else { 0 };
        self.start as usize..(self.start + len) as usize
    }
}

/// Up to [`SHORT`] bytes as numbers, which together with the length are as good as the bytes; of more the first
/// sixteen and the last eight.
fn words(text: &[u8]) -> [u64; 3] {
    let word = |bytes: &[u8; 8]| u64::from_le_bytes(*bytes);
    let half = |bytes: &[u8; 4]| u64::from(u32::from_le_bytes(*bytes));
    if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        let middle = text[8..].first_chunk::<8>().filter(|_| text.len() > 16);
        return [word(first), middle.map_or(0, word), word(last)];
    }
    match (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        (Some(first), Some(last)) => [half(first), 0, half(last)],
        _ => [text.iter().fold(0, |word, byte| (word << 8) | u64::from(*byte)), 0, 0],
    }
}

fn mix(words: [u64; 3], len: usize) -> u64 {
    const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
    let mixed = (words[0] ^ words[1].rotate_left(23) ^ words[2].rotate_left(47)).wrapping_mul(ODD);
    (mixed ^ (mixed >> 32) ^ len as u64).wrapping_mul(ODD)
}

/// `slots` is a power of two.
fn slot(mixed: u64, slots: usize) -> usize {
    (mixed >> 32) as usize & (slots - 1)
}

/// Other bits than those of the slot.
fn tag(mixed: u64) -> u32 {
    (mixed >> 16) as u32 & (u32::MAX >> PLACE_BITS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column_of(interned: &mut Interned<Vec<u8>>, texts: &[Vec<u8>]) -> DictColumn<Vec<u8>> {
        texts.iter().for_each(|text| interned.push(text));
        interned.take()
    }

    #[test]
    fn every_text_is_found_again_whatever_its_length() {
        let mut interned = Interned::new(<[u8]>::to_vec);
        let texts: Vec<Vec<u8>> = (0..60_u8)
            .flat_map(|len| {
                (0..=len).map(move |at| {
                    let mut text = vec![b'a'; usize::from(len)];
                    if let Some(byte) = text.get_mut(usize::from(at)) {
                        *byte = b'b';
                    }
                    text
                })
            })
            .collect();
        for _ in 0..3 {
            let column = column_of(&mut interned, &texts);
            for (row, text) in texts.iter().enumerate() {
                assert_eq!(column.get(row), text);
            }
            let mut distinct = texts.clone();
            distinct.sort();
            distinct.dedup();
            assert_eq!(column.values.len(), distinct.len());
        }
    }

    /// Texts that begin and end alike are as far apart as any: else a file of them would take the square of its time.
    #[test]
    fn all_of_a_long_text_is_hashed() {
        let mut interned = Interned::new(<[u8]>::to_vec);
        let texts: Vec<Vec<u8>> = (0..5_000)
            .map(|number| format!("begins-as-all-do-{number:09}-ends-as-all-do").into_bytes())
            .collect();
        assert_eq!(column_of(&mut interned, &texts).values.len(), texts.len());
        let Interned { hasher, places, known, text, .. } = &interned;
        let hash = |known: &Known| hasher.hash_one((known.words, known.len as usize, &text[known.long()]));
        let hashes: std::collections::HashSet<u64> = known.iter().map(hash).collect();
        assert!(hashes.len() > texts.len() - 5, "{} hashes", hashes.len());
        // They are found by them, also after the table has grown.
        for (at, known) in known.iter().enumerate() {
            assert!(places.find(hash(known), |place| *place as usize == at).is_some());
        }
    }

    #[test]
    fn a_dictionary_goes_on_or_is_another_one() {
        let mut interned = Interned::new(<[u8]>::to_vec);
        let number = |number: usize| format!("10.0.{number}").into_bytes();
        let mut before = column_of(&mut interned, &[number(0)]);
        for batch in 1..20 {
            let texts: Vec<_> = (0..limits::BATCH_ROWS).map(|row| number(batch * 5_000 + row)).collect();
            let column = column_of(&mut interned, &texts);
            assert!(texts.iter().enumerate().all(|(row, text)| column.get(row) == text));
            if column.dictionary == before.dictionary {
                assert!(column.values.starts_with(&before.values));
            }
            assert!(column.values.len() <= limits::INTERNED_VALUES + limits::BATCH_ROWS);
            before = column;
        }
    }

    #[test]
    fn of_a_very_large_dictionary_a_column_has_what_its_rows_have() {
        let mut interned = Interned::new(<[u8]>::to_vec);
        let texts: Vec<Vec<u8>> =
            (0..limits::SHARED_VALUES + 7).map(|number| number.to_string().into_bytes()).collect();
        interned.give(texts.iter().map(|text| &text[..]));
        for from in [0, 5_000, 31_000] {
            let places: Vec<u32> = (0..2_000).map(|row| from + row / 2).collect();
            assert!(interned.push_given(places.len(), |rows| rows.copy_from_slice(&places)));
            interned.push(b"other");
            interned.spread(&[Run { is_there: false, rows: 1 }]);
            let column = interned.take();
            assert_eq!(column.values.len(), 1_002);
            for (row, place) in places.iter().enumerate() {
                assert_eq!(*column.get(row), texts[*place as usize]);
            }
            assert_eq!((&column.get(2_000)[..], &column.get(2_001)[..]), (&b"other"[..], &b""[..]));
        }
    }

    #[test]
    fn given_values_stay_and_others_stand_behind_them() {
        let mut interned = Interned::new(<[u8]>::to_vec);
        interned.give([&b"x"[..], b"y"].into_iter());
        assert!(interned.push_given(2, |places| places.copy_from_slice(&[1, 0])));
        interned.spread(&[Run { is_there: false, rows: 1 }]);
        interned.push(b"y");
        interned.push(b"");
        let column = interned.take();
        let texts: Vec<&[u8]> = (0..5).map(|row| &column.get(row)[..]).collect();
        assert_eq!(texts, [&b"y"[..], b"x", b"", b"y", b""]);
        assert!(!interned.push_given(1, |places| places.fill(2)), "null is not one of its values");
    }
}
