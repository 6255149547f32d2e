//! A column of a batch in the making, for the decoders that do not go by way of Arrow.

use super::{
    Account, Action, AddrCell, AwsService, Direction, Field, IntColumn, InterfaceType, LogStatus,
    field::Column, field::Kind, interned::Interned, lengths, values,
};
use crate::limits;

/// By what the values of a column become.
#[derive(Debug)]
pub(super) enum Builder {
    Text(Interned<Option<std::sync::Arc<str>>>),
    Address(Interned<AddrCell>),
    InterfaceType(Interned<InterfaceType>),
    AwsService(Interned<AwsService>),
    Direction(Interned<Direction>),
    Action(Interned<Action>),
    LogStatus(Interned<LogStatus>),
    Account(Interned<Account>),
    Presence(Presence),
    Integer(IntColumn),
}

impl Builder {
    pub(super) fn new(field: Field) -> Self {
        match field.kind() {
            Kind::Text => Self::Text(Interned::new(values::text)),
            Kind::Address => Self::Address(Interned::new(values::address)),
            Kind::InterfaceType => Self::InterfaceType(Interned::new(values::interface_type)),
            Kind::AwsService => Self::AwsService(Interned::new(values::aws_service)),
            Kind::Direction => Self::Direction(Interned::new(values::direction)),
            Kind::Action => Self::Action(Interned::new(values::action)),
            Kind::LogStatus => Self::LogStatus(Interned::new(values::log_status)),
            Kind::Account => Self::Account(Interned::new(values::account)),
            Kind::Presence => Self::Presence(Presence(Interned::new(values::presence))),
            Kind::Integer | Kind::Time => Self::Integer(IntColumn::with_capacity(limits::BATCH_ROWS)),
        }
    }

    /// Appends the value of a row as text.
    pub(super) fn push(&mut self, text: &[u8]) {
        match self {
            Self::Text(column) => column.push(text),
            Self::Address(column) => column.push(text),
            Self::InterfaceType(column) => column.push(text),
            Self::AwsService(column) => column.push(text),
            Self::Direction(column) => column.push(text),
            Self::Action(column) => column.push(text),
            Self::LogStatus(column) => column.push(text),
            Self::Account(column) => column.push(text),
            Self::Presence(column) => column.push(text),
            Self::Integer(column) => column.push(values::integer(text)),
        }
    }

    /// The column, which begins anew.
    pub(super) fn take(&mut self) -> Column {
        match self {
            Self::Text(column) => Column::Text(column.take()),
            Self::Address(column) => Column::Address(column.take()),
            Self::InterfaceType(column) => Column::InterfaceType(column.take()),
            Self::AwsService(column) => Column::AwsService(column.take()),
            Self::Direction(column) => Column::Direction(column.take()),
            Self::Action(column) => Column::Action(column.take()),
            Self::LogStatus(column) => Column::LogStatus(column.take()),
            Self::Account(column) => Column::Account(column.take()),
            Self::Presence(column) => Column::Presence(column.0.take()),
            Self::Integer(column) => Column::Integer(begin_anew(column)),
        }
    }

    /// The column as one of text, `None` where it has integers.
    pub(super) fn texts(&mut self) -> Option<&mut dyn Texts> {
        Some(match self {
            Self::Text(column) => column,
            Self::Address(column) => column,
            Self::InterfaceType(column) => column,
            Self::AwsService(column) => column,
            Self::Direction(column) => column,
            Self::Action(column) => column,
            Self::LogStatus(column) => column,
            Self::Account(column) => column,
            Self::Presence(column) => column,
            Self::Integer(_) => return None,
        })
    }
}

/// A column as it was; what is built begins anew.
pub(super) fn begin_anew(column: &mut IntColumn) -> IntColumn {
    std::mem::replace(column, IntColumn::with_capacity(limits::BATCH_ROWS))
}

/// Rows with or without values, one after another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) is_there: bool,
    pub(super) rows: usize,
}

/// Spreads the last values of a column over so many rows, which are null where no value is.
pub(super) fn spread<T: Copy>(values: &mut Vec<T>, runs: &[Run], null: T) {
    let rows_of = |is_there: bool| {
        runs.iter().filter(|run| run.is_there == is_there).map(|run| run.rows).sum::<usize>()
    };
    let mut from = values.len();
    values.resize(from + rows_of(false), null);
    let mut to = values.len();
    for run in runs.iter().rev() {
        to -= run.rows;
        if run.is_there {
            from -= run.rows;
            values.copy_within(from..from + run.rows, to);
        } else {
            values[to..to + run.rows].fill(null);
        }
    }
}

/// What text has to pass.
pub(super) type Check = fn(&[u8]) -> Result<(), String>;

/// A column of text, whatever its values become.
pub(super) trait Texts {
    /// [`Interned::give`]
    fn give(&mut self, texts: &[&[u8]]);
    /// [`Interned::take_back`]
    fn take_back(&mut self);
    /// [`Interned::push_given`]
    fn push_given(&mut self, rows: usize, fill: &mut dyn FnMut(&mut [u32])) -> bool;
    /// [`Interned::spread`]
    fn spread(&mut self, runs: &[Run]);
    /// Appends rows, each text behind its length in four bytes. Says how many bytes they took; what is wrong with them is
    /// a text for a person.
    fn push_plain(&mut self, bytes: &[u8], rows: usize, check: Check) -> Result<usize, String>;
}

impl<T: Clone> Texts for Interned<T> {
    fn give(&mut self, texts: &[&[u8]]) {
        self.give(texts.iter().copied());
    }

    fn take_back(&mut self) {
        self.take_back();
    }

    fn push_given(&mut self, rows: usize, fill: &mut dyn FnMut(&mut [u32])) -> bool {
        self.push_given(rows, fill)
    }

    fn spread(&mut self, runs: &[Run]) {
        self.spread(runs);
    }

    fn push_plain(&mut self, bytes: &[u8], rows: usize, check: Check) -> Result<usize, String> {
        let mut rest = bytes;
        for _ in 0..rows {
            let (text, behind) = lengths::text(rest)?;
            self.push_checked(text, check)?;
            rest = behind;
        }
        Ok(bytes.len() - rest.len())
    }
}

/// Whether there is a value. Values are many, and none is remembered but the first.
#[derive(Debug)]
pub(super) struct Presence(Interned<bool>);

impl Presence {
    fn push(&mut self, text: &[u8]) {
        self.0.push(if values::presence(text) { b"there" } else { b"-" });
    }
}

impl Texts for Presence {
    fn give(&mut self, texts: &[&[u8]]) {
        Texts::give(&mut self.0, texts);
    }

    fn take_back(&mut self) {
        self.0.take_back();
    }

    fn push_given(&mut self, rows: usize, fill: &mut dyn FnMut(&mut [u32])) -> bool {
        self.0.push_given(rows, fill)
    }

    fn spread(&mut self, runs: &[Run]) {
        self.0.spread(runs);
    }

    fn push_plain(&mut self, bytes: &[u8], rows: usize, check: Check) -> Result<usize, String> {
        let mut rest = bytes;
        for _ in 0..rows {
            let (text, behind) = lengths::text(rest)?;
            check(text)?;
            self.push(text);
            rest = behind;
        }
        Ok(bytes.len() - rest.len())
    }
}
