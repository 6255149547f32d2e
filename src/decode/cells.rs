//! Arrow arrays to the columns of a batch.
//!
//! Invariant: what a row becomes depends on its own value alone, and a dictionary's value is looked at once per row
//! group, not once per row.

use std::{collections::HashMap, sync::Arc};

use ::arrow::{
    array::{Array, ArrayRef, AsArray, Int32Array},
    buffer::NullBuffer,
    datatypes::{
        ArrowPrimitiveType, DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
        TimeUnit, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
        TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
    },
};

use super::{
    Account, Action, AddrCell, AwsService, DecodeError, DictColumn, DictionaryId, Direction, Field,
    FlowBatch, IntCell, IntColumn, InterfaceType, LogStatus,
    field::{Column, Kind},
    numbers::{self, Form, Unreadable},
    refuse, values,
};
use crate::model::QuarantineReason;

/// Whether a column of this type can hold a field. Text can hold all; numbers can be text.
pub(super) fn holds(field: Field, data_type: &DataType) -> bool {
    match data_type {
        DataType::Null | DataType::Dictionary(_, _) => true,
        DataType::Timestamp(_, _) => field.kind() == Kind::Time,
        number => {
            let is_number = number.is_integer() || matches!(number, DataType::Float32 | DataType::Float64);
            (field.kind().is_integer() || field.kind() == Kind::Account) && is_number
        }
    }
}

/// Decodes one column of all row groups in turn.
#[derive(Debug)]
pub(super) struct ColumnDecoder {
    field: Field,
    cells: Cells,
}

/// By what the distinct values of a column become.
#[derive(Debug)]
enum Cells {
    Text(Interned<Option<Arc<str>>>),
    Address(Interned<AddrCell>),
    InterfaceType(Interned<InterfaceType>),
    AwsService(Interned<AwsService>),
    Direction(Interned<Direction>),
    Action(Interned<Action>),
    LogStatus(Interned<LogStatus>),
    Account(Interned<Account>),
    Presence(Interned<bool>),
    Integer(Interned<IntCell>),
    /// With digits behind the point.
    Decimal(Interned<Unscaled>, u32),
}

/// A decimal before its point is set.
#[derive(Debug, Clone, Copy)]
enum Unscaled {
    Null,
    Bad,
    Value(i128),
}

impl Unscaled {
    /// No bytes are what null is given as; no decimal has none.
    fn parse(bytes: &[u8]) -> Self {
        match numbers::unscaled(bytes) {
            _ if bytes.is_empty() => Self::Null,
            Some(value) => Self::Value(value),
            None => Self::Bad,
        }
    }
}

impl ColumnDecoder {
    pub(super) fn new(field: Field, form: Form) -> Self {
        let cells = match field.kind() {
            Kind::Text => Cells::Text(Interned::new(values::text)),
            Kind::Address => Cells::Address(Interned::new(values::address)),
            Kind::InterfaceType => Cells::InterfaceType(Interned::new(values::interface_type)),
            Kind::AwsService => Cells::AwsService(Interned::new(values::aws_service)),
            Kind::Direction => Cells::Direction(Interned::new(values::direction)),
            Kind::Action => Cells::Action(Interned::new(values::action)),
            Kind::LogStatus => Cells::LogStatus(Interned::new(values::log_status)),
            Kind::Account => Cells::Account(Interned::new(values::account)),
            Kind::Presence => Cells::Presence(Interned::new(values::presence)),
            Kind::Integer | Kind::Time => match form {
                Form::Plain => Cells::Integer(Interned::new(values::integer)),
                Form::Decimal(scale) => Cells::Decimal(Interned::new(Unscaled::parse), scale),
            },
        };
        Self { field, cells }
    }

    /// Puts an array into its place in the batch.
    pub(super) fn decode(&mut self, array: &ArrayRef, batch: &mut FlowBatch) -> Result<(), DecodeError> {
        let column = match &mut self.cells {
            Cells::Text(cells) => Column::Text(cells.column(array)?),
            Cells::Address(cells) => Column::Address(cells.column(array)?),
            Cells::InterfaceType(cells) => Column::InterfaceType(cells.column(array)?),
            Cells::AwsService(cells) => Column::AwsService(cells.column(array)?),
            Cells::Direction(cells) => Column::Direction(cells.column(array)?),
            Cells::Action(cells) => Column::Action(cells.column(array)?),
            Cells::LogStatus(cells) => Column::LogStatus(cells.column(array)?),
            Cells::Account(cells) => Column::Account(match array.as_dictionary_opt::<Int32Type>() {
                None if array.data_type() != &DataType::Null => accounts(array)?,
                _ => cells.column(array)?,
            }),
            Cells::Presence(cells) => Column::Presence(cells.column(array)?),
            Cells::Integer(cells) => {
                let column = integers(array, cells, self.field.kind() == Kind::Time)?;
                batch.unreadable.extend(unreadable_float(self.field, array, &column));
                Column::Integer(column)
            }
            Cells::Decimal(cells, scale) => {
                let unscaled = unscaled(array, cells)?;
                let is_time = self.field.kind() == Kind::Time;
                let mut column = IntColumn::with_capacity(unscaled.len());
                unscaled.iter().for_each(|unscaled| {
                    column.push(match unscaled {
                        Unscaled::Null => IntCell::Null,
                        Unscaled::Bad => IntCell::Bad,
                        Unscaled::Value(value) => numbers::decimal(*value, *scale, is_time),
                    });
                });
                batch.unreadable.extend(unreadable_decimal(self.field, &unscaled, *scale, &column));
                Column::Integer(column)
            }
        };
        batch.put(self.field, column);
        Ok(())
    }
}

/// The distinct values of a text column, parsed, kept as long as the file goes on using the same dictionary.
#[derive(Debug)]
struct Interned<T> {
    parse: fn(&[u8]) -> T,
    dictionary: Option<ArrayRef>,
    /// One for each value of the dictionary, and one more for null.
    parsed: Arc<Vec<T>>,
    id: DictionaryId,
    /// For each value of the dictionary its place in the batch being built, or [`NOWHERE`].
    places: Vec<u32>,
}

const NOWHERE: u32 = u32::MAX;

impl<T: Clone> Interned<T> {
    fn new(parse: fn(&[u8]) -> T) -> Self {
        Self { parse, dictionary: None, parsed: Arc::default(), id: DictionaryId::next(), places: Vec::new() }
    }

    fn column(&mut self, array: &ArrayRef) -> Result<DictColumn<T>, DecodeError> {
        let Some(dictionary) = array.as_dictionary_opt::<Int32Type>() else {
            // The only other type that is let in is one that has nothing but nulls.
            return Ok(DictColumn::new(vec![(self.parse)(b"")], vec![0; array.len()]));
        };
        self.load(dictionary.values());
        let keys = dictionary.keys();
        if self.parsed.len() <= keys.len() + 1 { self.all_values(keys) } else { self.used_values(keys) }
    }

    fn load(&mut self, values: &ArrayRef) {
        let same = |known: &ArrayRef| std::ptr::addr_eq(Arc::as_ptr(known), Arc::as_ptr(values));
        if self.dictionary.as_ref().is_some_and(same) {
            return;
        }
        let parse = self.parse;
        let cell = |text: Option<&[u8]>| parse(text.unwrap_or_default());
        let mut parsed: Vec<T> = match values.data_type() {
            DataType::Utf8 => {
                values.as_string::<i32>().iter().map(|text| cell(text.map(str::as_bytes))).collect()
            }
            DataType::FixedSizeBinary(_) => values.as_fixed_size_binary().iter().map(cell).collect(),
            _ => values.as_binary::<i32>().iter().map(cell).collect(),
        };
        self.places = vec![NOWHERE; parsed.len()];
        parsed.push(parse(b""));
        self.parsed = Arc::new(parsed);
        self.id = DictionaryId::next();
        self.dictionary = Some(values.clone());
    }

    /// The dictionary as it is: cheapest where it is no larger than the batch.
    fn all_values(&self, keys: &Int32Array) -> Result<DictColumn<T>, DecodeError> {
        let size = self.places.len() as u32;
        let mut beyond = false;
        let mut place = |key: i32| {
            // A negative key is a large unsigned one.
            let key = key as u32;
            beyond |= key >= size;
            key.min(size)
        };
        let index = match nulls(keys) {
            None => keys.values().iter().map(|key| place(*key)).collect(),
            Some(nulls) => {
                let rows = keys.values().iter().zip(nulls.iter());
                rows.map(|(key, valid)| if valid { place(*key) } else { size }).collect()
            }
        };
        if beyond {
            return Err(beyond_dictionary());
        }
        Ok(DictColumn { values: self.parsed.clone(), index, dictionary: self.id })
    }

    /// Only the values that the batch has, so that a large dictionary does not burden every batch.
    fn used_values(&mut self, keys: &Int32Array) -> Result<DictColumn<T>, DecodeError> {
        let mut values = vec![(self.parse)(b"")];
        let mut used = Vec::new();
        let mut index = Vec::with_capacity(keys.len());
        for row in 0..keys.len() {
            if keys.is_null(row) {
                index.push(0);
                continue;
            }
            let key = keys.value(row) as usize;
            let place = self.places.get_mut(key).ok_or_else(beyond_dictionary)?;
            if *place == NOWHERE {
                *place = values.len() as u32;
                values.push(self.parsed[key].clone());
                used.push(key);
            }
            index.push(*place);
        }
        for key in used {
            self.places[key] = NOWHERE;
        }
        Ok(DictColumn::new(values, index))
    }
}

fn beyond_dictionary() -> DecodeError {
    refuse(QuarantineReason::Corrupt, "a value beyond the end of its dictionary")
}

fn nulls(array: &dyn Array) -> Option<&NullBuffer> {
    array.nulls().filter(|nulls| nulls.null_count() > 0)
}

fn integers(array: &ArrayRef, text: &mut Interned<IntCell>, is_time: bool) -> Result<IntColumn, DecodeError> {
    let column = match array.data_type() {
        DataType::Int8 => primitives::<Int8Type>(array, i64::from),
        DataType::Int16 => primitives::<Int16Type>(array, i64::from),
        DataType::Int32 => primitives::<Int32Type>(array, i64::from),
        DataType::Int64 => primitives::<Int64Type>(array, |value| value),
        DataType::UInt8 => primitives::<UInt8Type>(array, i64::from),
        DataType::UInt16 => primitives::<UInt16Type>(array, i64::from),
        DataType::UInt32 => primitives::<UInt32Type>(array, i64::from),
        // The lowest value of i64 is unreadable, which is what a value above the highest is.
        DataType::UInt64 => primitives::<UInt64Type>(array, |value| i64::try_from(value).unwrap_or(i64::MIN)),
        DataType::Float32 => floats::<Float32Type>(array, numbers::EXACT_FLOAT, is_time),
        DataType::Float64 => floats::<Float64Type>(array, numbers::EXACT_DOUBLE, is_time),
        DataType::Timestamp(TimeUnit::Second, _) => primitives::<TimestampSecondType>(array, |value| value),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            primitives::<TimestampMillisecondType>(array, |value| value.div_euclid(1_000))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => {
            primitives::<TimestampMicrosecondType>(array, |value| value.div_euclid(1_000_000))
        }
        DataType::Timestamp(TimeUnit::Nanosecond, _) => {
            primitives::<TimestampNanosecondType>(array, |value| value.div_euclid(1_000_000_000))
        }
        _ => {
            let cells = text.column(array)?;
            let mut column = IntColumn::with_capacity(array.len());
            for row in 0..array.len() {
                column.push(*cells.get(row));
            }
            column
        }
    };
    Ok(column)
}

/// Accounts as numbers, which lack the zeros that some begin with.
fn accounts(array: &ArrayRef) -> Result<DictColumn<Account>, DecodeError> {
    let numbers = integers(array, &mut Interned::new(values::integer), false)?;
    let mut places: HashMap<IntCell, u32> = HashMap::new();
    let mut found = Vec::new();
    let index = (0..numbers.len()).map(|row| {
        let cell = numbers.get(row);
        *places.entry(cell).or_insert_with(|| {
            found.push(match cell {
                IntCell::Null => Account::Null,
                IntCell::Value(id @ 0..=999_999_999_999) => Account::Id(id.unsigned_abs()),
                IntCell::Value(_) | IntCell::Bad => Account::Other,
            });
            found.len() as u32 - 1
        })
    });
    let index = index.collect();
    Ok(DictColumn::new(found, index))
}

fn floats<T: ArrowPrimitiveType>(array: &ArrayRef, exact: f64, is_time: bool) -> IntColumn
where
    T::Native: Into<f64>,
{
    let mut column = IntColumn::with_capacity(array.len());
    for value in array.as_primitive::<T>() {
        column.push(value.map_or(IntCell::Null, |value| numbers::float(value.into(), exact, is_time)));
    }
    column
}

/// Decimals of any physical type, one for each row.
fn unscaled(array: &ArrayRef, bytes: &mut Interned<Unscaled>) -> Result<Vec<Unscaled>, DecodeError> {
    fn integers<T: ArrowPrimitiveType>(array: &ArrayRef) -> Vec<Unscaled>
    where
        T::Native: Into<i128>,
    {
        let cell =
            |value: Option<T::Native>| value.map_or(Unscaled::Null, |value| Unscaled::Value(value.into()));
        array.as_primitive::<T>().iter().map(cell).collect()
    }
    Ok(match array.data_type() {
        DataType::Int32 => integers::<Int32Type>(array),
        DataType::Int64 => integers::<Int64Type>(array),
        _ => {
            let cells = bytes.column(array)?;
            (0..array.len()).map(|row| *cells.get(row)).collect()
        }
    })
}

/// The first number that a column of floats could not give.
fn unreadable_float(field: Field, array: &ArrayRef, column: &IntColumn) -> Option<Unreadable> {
    let (kind, float): (_, &dyn Fn(usize) -> f64) = match array.data_type() {
        DataType::Float32 => ("FLOAT", &|row| f64::from(array.as_primitive::<Float32Type>().value(row))),
        DataType::Float64 => ("DOUBLE", &|row| array.as_primitive::<Float64Type>().value(row)),
        _ => return None,
    };
    let row = column.first_bad()?;
    let value = float(row);
    let why = if value.is_finite() && value.fract() == 0.0 {
        "is too large to be exact"
    } else {
        "is not a whole number"
    };
    Some(Unreadable { field, row, value: format!("{value} of a {kind} column {why}") })
}

/// The first number that a column of decimals could not give.
fn unreadable_decimal(
    field: Field,
    unscaled: &[Unscaled],
    scale: u32,
    column: &IntColumn,
) -> Option<Unreadable> {
    let row = column.first_bad()?;
    let value = match unscaled[row] {
        Unscaled::Value(value) => format!("{value}e-{scale} of a DECIMAL column is not a 64-bit integer"),
        Unscaled::Null | Unscaled::Bad => "a number of a DECIMAL column has more than 128 bits".to_owned(),
    };
    Some(Unreadable { field, row, value })
}

fn primitives<T: ArrowPrimitiveType>(array: &ArrayRef, number: impl Fn(T::Native) -> i64) -> IntColumn {
    let array = array.as_primitive::<T>();
    let mut column = IntColumn::of_values(array.values().iter().map(|value| number(*value)));
    if let Some(nulls) = nulls(array) {
        for (row, valid) in nulls.iter().enumerate() {
            if !valid {
                column.clear(row);
            }
        }
    }
    column
}
