//! Numbers as other tools leave them behind: floats, decimals, and times in smaller units than seconds.
//!
//! Invariant: a number is read exactly or not at all. What a column type cannot hold exactly is unreadable, even where
//! it looks whole (semantics 1.8, 1.10).

use super::{Field, IntCell, IntColumn};

/// The unit of Unix times.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeUnit {
    /// As AWS writes them.
    #[default]
    Seconds,
    /// As Java and JavaScript have them.
    Milliseconds,
    /// As Spark and BigQuery have them.
    Microseconds,
    /// As Go and pandas have them.
    Nanoseconds,
}

impl TimeUnit {
    /// The word for a person.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        }
    }

    /// The unit that a time shows by its size, and how many of it are a second. Seconds reach 10^11 in the year 5138;
    /// milliseconds passed it in 1973.
    fn of(time: i64) -> (Self, i64) {
        match time {
            i64::MIN..=99_999_999_999 => (Self::Seconds, 1),
            100_000_000_000..=99_999_999_999_999 => (Self::Milliseconds, 1_000),
            100_000_000_000_000..=99_999_999_999_999_999 => (Self::Microseconds, 1_000_000),
            100_000_000_000_000_000.. => (Self::Nanoseconds, 1_000_000_000),
        }
    }
}

impl IntColumn {
    /// Turns times into seconds, rounded down; returns the smallest unit that any of them had.
    pub(super) fn make_seconds(&mut self) -> TimeUnit {
        // All cells at once: the marks and negative times have the sign bit, and only a time of another unit has one
        // of the others.
        const OTHER_UNITS: i64 = i64::MAX & !((1 << 36) - 1);
        if self.0.iter().fold(0, |bits, cell| bits | cell) & OTHER_UNITS == 0 {
            return TimeUnit::Seconds;
        }
        let mut smallest = TimeUnit::Seconds;
        for cell in &mut self.0 {
            let (unit, a_second) = TimeUnit::of(*cell);
            if unit > TimeUnit::Seconds {
                *cell /= a_second;
                smallest = smallest.max(unit);
            }
        }
        smallest
    }
}

/// What makes the numbers of a column other than plain integers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Integers, or text of them.
    Plain,
    /// Integers, or big-endian ones in bytes, of which so many digits stand behind the point.
    Decimal(u32),
}

impl Form {
    pub(super) fn of(decimal: Option<u32>) -> Self {
        decimal.map_or(Self::Plain, Self::Decimal)
    }
}

/// Digits behind the point that can be read: 10 to this power is an `i128`.
pub(super) const MOST_SCALE: u32 = 38;

/// The value of a decimal. Times are rounded down; nothing else is rounded.
pub(super) fn decimal(unscaled: i128, scale: u32, is_time: bool) -> IntCell {
    let Some(one) = 10_i128.checked_pow(scale) else { return IntCell::Bad };
    if !is_time && unscaled % one != 0 {
        return IntCell::Bad;
    }
    i64::try_from(unscaled.div_euclid(one)).map_or(IntCell::Bad, IntCell::Value)
}

/// A decimal as bytes: two's complement, the highest byte first, as many as the writer likes. `None`: not even an
/// `i128` holds it, or there is no byte.
pub(super) fn unscaled(bytes: &[u8]) -> Option<i128> {
    let negative = *bytes.first()? >= 0x80;
    let filler = if negative { 0xff } else { 0 };
    let surplus = bytes.len().saturating_sub(size_of::<i128>());
    let (filling, rest) = bytes.split_at(surplus);
    if filling.iter().any(|byte| *byte != filler) {
        return None;
    }
    let mut whole = [filler; size_of::<i128>()];
    whole[size_of::<i128>() - rest.len()..].copy_from_slice(rest);
    let value = i128::from_be_bytes(whole);
    ((value < 0) == negative).then_some(value)
}

/// Below it a `DOUBLE` tells every whole number from its neighbours.
pub(super) const EXACT_DOUBLE: f64 = 9_007_199_254_740_992.0;

/// Below it a `FLOAT` does.
pub(super) const EXACT_FLOAT: f64 = 16_777_216.0;

/// The value of a float. NaN is null: tools without a null in columns of numbers write it. Times are rounded down.
#[allow(clippy::cast_possible_truncation, reason = "whole, and inside the range of i64")]
pub(super) fn float(value: f64, exact: f64, is_time: bool) -> IntCell {
    let value = if is_time { value.floor() } else { value };
    if value.is_nan() {
        IntCell::Null
    } else if value.fract() == 0.0 && value.abs() < exact {
        IntCell::Value(value as i64)
    } else {
        IntCell::Bad
    }
}

/// The first number of a column in a batch that could not be read, as the file has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreadable {
    /// Whose column it is.
    pub field: Field,
    /// The row in the batch.
    pub row: usize,
    /// The type and the value, for a person.
    pub value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_show_their_unit_by_their_size() {
        let second = 1_765_249_200;
        for (time, unit) in [
            (second, TimeUnit::Seconds),
            (99_999_999_999, TimeUnit::Seconds),
            (-1, TimeUnit::Seconds),
            (second * 1_000 + 999, TimeUnit::Milliseconds),
            (second * 1_000_000 + 999_999, TimeUnit::Microseconds),
            (second * 1_000_000_000 + 999_999_999, TimeUnit::Nanoseconds),
        ] {
            let mut column = IntColumn::default();
            [IntCell::Null, IntCell::Value(time), IntCell::Bad]
                .into_iter()
                .for_each(|cell| column.push(cell));
            assert_eq!(column.make_seconds(), unit, "{time}");
            let value = if unit == TimeUnit::Seconds { time } else { second };
            assert_eq!(column.get(1), IntCell::Value(value), "{time}");
            assert_eq!((column.get(0), column.get(2)), (IntCell::Null, IntCell::Bad), "{time}");
        }
        let mut mixed = IntColumn::of_values([second, second * 1_000, second * 1_000_000].into_iter());
        assert_eq!(mixed.make_seconds(), TimeUnit::Microseconds);
        assert_eq!(mixed, IntColumn::of_values([second; 3].into_iter()));
        let mut between = IntColumn::of_values([1 << 36, 99_999_999_999].into_iter());
        assert_eq!(between.make_seconds(), TimeUnit::Seconds, "looked at one by one");
    }

    #[test]
    fn decimals_are_read_exactly_or_not_at_all() {
        let amount = |unscaled, scale| decimal(unscaled, scale, false);
        assert_eq!(amount(42, 0), IntCell::Value(42));
        assert_eq!(amount(-4200, 2), IntCell::Value(-42));
        assert_eq!(amount(4201, 2), IntCell::Bad);
        assert_eq!(amount(i128::from(i64::MAX) * 10, 1), IntCell::Value(i64::MAX));
        assert_eq!(amount(i128::from(i64::MAX) + 1, 0), IntCell::Bad);
        assert_eq!(amount(10_i128.pow(38), 38), IntCell::Value(1));
        assert_eq!(amount(1, 39), IntCell::Bad);
        assert_eq!(decimal(1_765_249_200_999, 3, true), IntCell::Value(1_765_249_200));
        assert_eq!(decimal(-1, 3, true), IntCell::Value(-1));
    }

    #[test]
    fn decimals_in_bytes_have_any_length() {
        for value in [0, 1, -1, 127, -128, 128, 1 << 40, -(1 << 40), i128::MAX, i128::MIN] {
            let bytes = value.to_be_bytes();
            let filler = [if value < 0 { 0xff } else { 0 }; 40];
            assert_eq!(unscaled(&[&filler[..], &bytes].concat()), Some(value), "{value}");
            let short = (0..16).rev().find(|from| unscaled(&bytes[*from..]) == Some(value));
            assert!(short.is_some(), "{value}");
        }
        assert_eq!(unscaled(&[]), None);
        assert_eq!(unscaled(&[&[1][..], &[0; 16]].concat()), None);
        assert_eq!(unscaled(&[&[0][..], &[0xff; 16]].concat()), None, "2^128 - 1 is not -1");
    }

    #[test]
    fn floats_are_read_where_they_are_exact() {
        for (value, exact, cell) in [
            (0.0, EXACT_DOUBLE, IntCell::Value(0)),
            (-0.0, EXACT_DOUBLE, IntCell::Value(0)),
            (-5.0, EXACT_DOUBLE, IntCell::Value(-5)),
            (9_007_199_254_740_991.0, EXACT_DOUBLE, IntCell::Value((1 << 53) - 1)),
            (9_007_199_254_740_992.0, EXACT_DOUBLE, IntCell::Bad),
            (-9_007_199_254_740_992.0, EXACT_DOUBLE, IntCell::Bad),
            (16_777_215.0, EXACT_FLOAT, IntCell::Value((1 << 24) - 1)),
            (16_777_216.0, EXACT_FLOAT, IntCell::Bad),
            (1.5, EXACT_DOUBLE, IntCell::Bad),
            (f64::NAN, EXACT_DOUBLE, IntCell::Null),
            (f64::INFINITY, EXACT_DOUBLE, IntCell::Bad),
            (f64::NEG_INFINITY, EXACT_DOUBLE, IntCell::Bad),
        ] {
            assert_eq!(float(value, exact, false), cell, "{value}");
        }
        assert_eq!(float(1_765_249_200.999, EXACT_DOUBLE, true), IntCell::Value(1_765_249_200));
        assert_eq!(float(f64::INFINITY, EXACT_DOUBLE, true), IntCell::Bad);
        assert_eq!(float(f64::NAN, EXACT_DOUBLE, true), IntCell::Null);
    }
}
