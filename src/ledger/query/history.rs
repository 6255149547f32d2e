//! The hourly ledger series by series, for the export of the history.

use std::{collections::BTreeMap, ops::Range};

use super::{Amounts, HourRow, LedgerReader, Measure, Table};
use crate::{
    ledger::{
        OpenError,
        counters::{Counter, CounterMeasure, Offsets},
        load,
    },
    model::{Charge, FlowKey, Hour},
};

/// A series of all measures of a table, as it stands before the first hour of a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistorySeries {
    /// Of the charge families.
    pub charge: Option<Charge>,
    /// The four labels.
    pub key: FlowKey,
    /// The hour in which it begins: the first of the range if it was there before, else the first
    /// with a row.
    pub begins: Hour,
    /// The first hour that it has no part of any more: the end of the range, or the hour in which
    /// it left /metrics.
    pub ends: Hour,
    /// What /metrics would have shown before that hour, folded hours included.
    before: [i128; Measure::ALL.len()],
    /// By how much it fell in an hour in which it left /metrics.
    falls: BTreeMap<Hour, [i128; Measure::ALL.len()]>,
    id: i64,
}

impl HistorySeries {
    /// Returns what /metrics would have shown of a measure before the hour in which the series
    /// begins.
    pub fn before(&self, measure: Measure) -> i128 {
        self.before[measure as usize]
    }

    /// Returns by how much a measure fell where it left /metrics: from the start of these hours on
    /// it is so much lower.
    pub fn falls(&self, measure: Measure) -> BTreeMap<Hour, i128> {
        self.falls.iter().map(|(hour, falls)| (*hour, falls[measure as usize])).collect()
    }
}

impl LedgerReader {
    /// Returns the series that are there before the end of `hours`, in the order of /metrics.
    pub fn history_series(&self, table: Table, hours: &Range<Hour>) -> Result<Vec<HistorySeries>, OpenError> {
        self.series_of(table, hours).map_err(|error| self.failed(error))
    }

    fn series_of(&self, table: Table, hours: &Range<Hour>) -> rusqlite::Result<Vec<HistorySeries>> {
        let by_series = |row: HourRow<'_>| (row.charge, row.label_set);
        let earlier = self.add_up(table, ..hours.start, by_series)?;
        let since = self.add_up(table, hours.start.., by_series)?;
        let baseline = self.baseline_since(table, hours.start)?;
        let offsets = Offsets::load(&self.conn)?;
        let sql = format!(
            "SELECT {}, label_set_id, {}, retired_at FROM {}",
            table.charge_id(),
            table.columns(),
            table.total()
        );
        let mut series = BTreeMap::new();
        load::each(&self.conn, &sql, [], |row| {
            let charge = if table == Table::Charges { Some(load::charge(row, 0)?) } else { None };
            let id = row.get(1)?;
            let since = since.get(&(charge, id));
            let added = since.map(|sum| sum.amounts).unwrap_or_default();
            let disagrees = rusqlite::Error::IntegralValueOutOfRange(1, id);
            let folded = Amounts::read(row, 2, table)?.checked_sub(&added).ok_or(disagrees)?;
            let hidden = baseline.get(&(charge, id)).copied().unwrap_or_default();
            let begins = match since {
                _ if earlier.contains_key(&(charge, id)) || folded.of(table.presence()) > 0 => hours.start,
                Some(sum) if sum.first < hours.end => sum.first,
                _ => return Ok(()),
            };
            let retired = load::moment(row, 2 + table.measures().len())?.map(Hour::of);
            let ends = retired.map_or(hours.end, |retired| retired.min(hours.end));
            if ends <= begins {
                return Ok(());
            }
            let key = load::known(&self.label_sets, row, 1)?.clone();
            let (before, falls) = (Default::default(), BTreeMap::new());
            let mut one = HistorySeries { charge, key: key.clone(), begins, ends, before, falls, id };
            one.place(table, &folded, &hidden, &offsets);
            series.insert((charge, key), one);
            Ok(())
        })?;
        Ok(series.into_values().collect())
    }

    /// Returns what the hours from `first` on have in the baseline.
    fn baseline_since(
        &self,
        table: Table,
        first: Hour,
    ) -> rusqlite::Result<BTreeMap<(Option<Charge>, i64), Amounts>> {
        let mut sums: BTreeMap<_, Amounts> = BTreeMap::new();
        let sql = format!(
            "SELECT {}, label_set_id, {} FROM {} WHERE hour >= ?",
            table.charge_id(),
            table.columns(),
            table.baseline()
        );
        load::each(&self.conn, &sql, [first.start().0], |row| {
            let charge = if table == Table::Charges { Some(load::charge(row, 0)?) } else { None };
            sums.entry((charge, row.get(1)?)).or_default().add(&Amounts::read(row, 2, table)?);
            Ok(())
        })?;
        Ok(sums)
    }

    /// Returns what each hour has added to a series on /metrics, from its beginning to its end.
    pub fn hours_of(&self, measure: Measure, series: &HistorySeries) -> Result<Vec<u64>, OpenError> {
        let (begins, end) = (series.begins, series.ends);
        let mut hours = vec![0; usize::try_from(end.0 - begins.0).unwrap_or(0)];
        if hours.is_empty() {
            return Ok(hours);
        }
        let (table, column) = (measure.table(), measure.column());
        let sql = |of: &str| {
            format!(
                "WITH RECURSIVE h (hour) AS
                    (SELECT ?1 UNION ALL SELECT hour + 3600 FROM h WHERE hour + 3600 < ?2)
                 SELECT t.hour, t.{column} FROM {of} AND {} = ?4",
                table.charge_id()
            )
        };
        let of_series = format!(
            "series s CROSS JOIN h CROSS JOIN {} t ON s.label_set_id = ?3 AND t.hour = h.hour AND t.series_id = s.id",
            table.hourly()
        );
        let of_baseline =
            format!("h CROSS JOIN {} t ON t.hour = h.hour AND t.label_set_id = ?3", table.baseline());
        let charge = series.charge.map_or(0, Charge::code);
        let params = [begins.start().0, end.start().0, series.id, charge];
        let mut read = |sql: &str, apply: fn(u64, u64) -> Option<u64>| {
            load::each(&self.conn, sql, params, |row| {
                let at = usize::try_from(load::hour(row, 0)?.0 - begins.0).unwrap_or(usize::MAX);
                let amount = load::unsigned(row, 1)?;
                if let Some(hour) = hours.get_mut(at) {
                    let disagrees = rusqlite::Error::IntegralValueOutOfRange(1, series.id);
                    *hour = apply(*hour, amount).ok_or(disagrees)?;
                }
                Ok(())
            })
        };
        read(&sql(&of_series), u64::checked_add)
            .and_then(|()| read(&sql(&of_baseline), u64::checked_sub))
            .map_err(|error| self.failed(error))?;
        Ok(hours)
    }
}

impl HistorySeries {
    /// Works out what the counters showed when `folded` was their sum and the baseline had `hidden`
    /// less than now.
    fn place(&mut self, table: Table, folded: &Amounts, hidden: &Amounts, offsets: &Offsets) {
        let counters: &[CounterMeasure] = match table {
            Table::Traffic => &CounterMeasure::TRAFFIC,
            Table::Charges => &CounterMeasure::CHARGE,
        };
        for (measure, counter) in table.measures().iter().zip(counters) {
            let counter = Counter::of_label_set(*counter, self.charge.map_or(0, Charge::code), self.id);
            let offset = offsets.of(counter) - i128::from(hidden.of(*measure));
            let mut before = i128::from(folded.of(*measure)) - offset;
            for (at, fall) in offsets.retired(counter) {
                let hour = Hour::of(*at);
                if hour > self.begins {
                    before += fall;
                    self.falls.entry(hour).or_default()[*measure as usize] += fall;
                }
            }
            self.before[*measure as usize] = before;
        }
    }
}
