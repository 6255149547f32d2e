//! Sums over hours, by any key that a row has.

use std::{collections::BTreeMap, ops::RangeBounds};

use rusqlite::Row;

use super::LedgerReader;
use crate::{
    ledger::{OpenError, load},
    model::{Charge, FlowKey, Hour, Series},
};

/// The two hourly tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Table {
    /// Traffic by hour and label set.
    Traffic,
    /// Billed bytes and money by hour, label set and charge.
    Charges,
}

impl Table {
    /// Both, in the order in which /metrics shows what they have.
    pub const ALL: [Self; 2] = [Self::Traffic, Self::Charges];

    /// What its rows have.
    pub(super) fn measures(self) -> &'static [Measure] {
        match self {
            Self::Traffic => &[Measure::Flows, Measure::Packets, Measure::Bytes, Measure::InterAzBytes],
            Self::Charges => &[Measure::ChargedBytes, Measure::UnpricedBytes, Measure::Cost],
        }
    }

    /// The measure that shows whether a series was there in folded hours, whatever the others say.
    pub(super) fn presence(self) -> Measure {
        self.measures()[0]
    }

    pub(super) fn hourly(self) -> &'static str {
        match self {
            Self::Traffic => "traffic_hour",
            Self::Charges => "charge_hour",
        }
    }

    /// Its part that is not on /metrics, by label set.
    pub(super) fn baseline(self) -> &'static str {
        match self {
            Self::Traffic => "baseline_traffic_hour",
            Self::Charges => "baseline_charge_hour",
        }
    }

    pub(super) fn total(self) -> &'static str {
        match self {
            Self::Traffic => "traffic_total",
            Self::Charges => "charge_total",
        }
    }

    /// The column of the charge; the tables of traffic have none.
    pub(super) fn charge_id(self) -> &'static str {
        match self {
            Self::Traffic => "0",
            Self::Charges => "charge_id",
        }
    }

    /// The column of the region in the hourly table; that of traffic has none.
    fn region_id(self) -> &'static str {
        match self {
            Self::Traffic => "0",
            Self::Charges => "aws_region_id",
        }
    }

    /// The columns that [`Amounts::read`] reads.
    pub(super) fn columns(self) -> String {
        self.measures().iter().map(|measure| measure.column()).collect::<Vec<_>>().join(", ")
    }
}

/// A sum that the ledger keeps by hour and of all time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measure {
    /// Bytes of traffic.
    Bytes,
    /// Packets.
    Packets,
    /// Flow records.
    Flows,
    /// Bytes between two zones of a region.
    InterAzBytes,
    /// Bytes that a charge applies to.
    ChargedBytes,
    /// The part of them that had no price.
    UnpricedBytes,
    /// Money, in nano-dollars.
    Cost,
}

impl Measure {
    /// All measures.
    pub const ALL: [Self; 7] = [
        Self::Bytes,
        Self::Packets,
        Self::Flows,
        Self::InterAzBytes,
        Self::ChargedBytes,
        Self::UnpricedBytes,
        Self::Cost,
    ];

    /// The table that has it.
    pub fn table(self) -> Table {
        match self {
            Self::Bytes | Self::Packets | Self::Flows | Self::InterAzBytes => Table::Traffic,
            Self::ChargedBytes | Self::UnpricedBytes | Self::Cost => Table::Charges,
        }
    }

    pub(super) fn column(self) -> &'static str {
        match self {
            Self::Bytes | Self::ChargedBytes => "bytes",
            Self::Packets => "packets",
            Self::Flows => "flows",
            Self::InterAzBytes => "inter_az_bytes",
            Self::UnpricedBytes => "unpriced_bytes",
            Self::Cost => "nano_usd",
        }
    }
}

/// A value of each measure; 0 for those of the other table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amounts([u64; Measure::ALL.len()]);

impl Amounts {
    /// The value of one measure.
    pub fn of(&self, measure: Measure) -> u64 {
        self.0[measure as usize]
    }

    /// Reads the columns of a table from `column` on.
    pub(super) fn read(row: &Row<'_>, column: usize, table: Table) -> rusqlite::Result<Self> {
        let mut amounts = Self::default();
        for (at, measure) in table.measures().iter().enumerate() {
            amounts.0[*measure as usize] = load::unsigned(row, column + at)?;
        }
        Ok(amounts)
    }

    /// Adds other amounts. No sum over a column can overflow: the ledger sees to it.
    pub(super) fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum = sum.saturating_add(more);
        }
    }

    pub(super) fn checked_sub(&self, other: &Self) -> Option<Self> {
        let mut rest = *self;
        for (sum, less) in rest.0.iter_mut().zip(other.0) {
            *sum = sum.checked_sub(less)?;
        }
        Some(rest)
    }
}

/// What a row of an hourly table can be grouped by.
#[derive(Debug, Clone, Copy)]
pub struct HourRow<'a> {
    /// Its hour.
    pub hour: Hour,
    /// Its charge, in the table of charges.
    pub charge: Option<Charge>,
    /// AWS region of the objects' keys, in the table of charges.
    pub aws_region: Option<&'a str>,
    /// Name of the source.
    pub source: &'a str,
    /// Its labels.
    pub labels: &'a FlowKey,
    /// Its labels with what they stood for.
    pub series: &'a Series,
    pub(super) label_set: i64,
}

/// What the rows of a group come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sum {
    /// The first hour that has a row.
    pub first: Hour,
    /// The sums.
    pub amounts: Amounts,
}

impl LedgerReader {
    /// Adds up the rows of some hours, group by group. Folded hours have no rows.
    pub fn sums<G: Ord>(
        &self,
        table: Table,
        hours: impl RangeBounds<Hour>,
        group: impl FnMut(HourRow<'_>) -> G,
    ) -> Result<BTreeMap<G, Sum>, OpenError> {
        self.add_up(table, hours, group).map_err(|error| self.failed(error))
    }

    pub(super) fn add_up<G: Ord>(
        &self,
        table: Table,
        hours: impl RangeBounds<Hour>,
        mut group: impl FnMut(HourRow<'_>) -> G,
    ) -> rusqlite::Result<BTreeMap<G, Sum>> {
        let sql = format!(
            "SELECT hour, {}, {}, source_id, series_id, {} FROM {} WHERE hour BETWEEN ?1 AND ?2",
            table.charge_id(),
            table.region_id(),
            table.columns(),
            table.hourly()
        );
        let mut sums = BTreeMap::new();
        load::each(&self.conn, &sql, bounds(&hours), |row| {
            let hour = load::hour(row, 0)?;
            let (charge, aws_region) = match table {
                Table::Traffic => (None, None),
                Table::Charges => (Some(load::charge(row, 1)?), Some(&**load::known(&self.regions, row, 2)?)),
            };
            let source = &**load::known(&self.sources, row, 3)?;
            let (label_set, series) = load::known(&self.series, row, 4)?;
            let amounts = Amounts::read(row, 5, table)?;
            let row = HourRow {
                hour,
                charge,
                aws_region,
                source,
                labels: &series.key,
                series,
                label_set: *label_set,
            };
            sums.entry(group(row))
                .and_modify(|sum: &mut Sum| {
                    sum.first = sum.first.min(hour);
                    sum.amounts.add(&amounts);
                })
                .or_insert(Sum { first: hour, amounts });
            Ok(())
        })?;
        Ok(sums)
    }
}

/// Returns the starts of the first and the last of some hours, as far as they have bounds.
fn bounds(hours: &impl RangeBounds<Hour>) -> [i64; 2] {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let first = match hours.start_bound() {
        Included(hour) => hour.start().0,
        Excluded(hour) => hour.end().0,
        Unbounded => i64::MIN,
    };
    let last = match hours.end_bound() {
        Included(hour) => hour.start().0,
        Excluded(hour) => hour.start().0.saturating_sub(1),
        Unbounded => i64::MAX,
    };
    [first, last]
}
