//! Label sets that leave /metrics, and the series limit: labels that the configuration does not have any more, once
//! nothing has been added to them for long.
//!
//! Their rows stay; what the counters showed becomes an adjustment, so that one that comes back begins at 0.

use std::collections::HashSet;

use rusqlite::params;

use super::{
    Ledger,
    counters::{Cause, Counter, CounterMeasure, adjust},
    error::{LedgerError, while_doing},
    load::{self, stored},
};
use crate::model::{Charge, ChargeCounts, FlowCounts, FlowKey, Snapshot, Timestamp};

const RETIRE: &str = "take label sets off the metrics";

/// Shown label sets to which nothing has been added since a moment.
const STANDING_STILL: &str = "
    SELECT label_set_id FROM (
        SELECT label_set_id, changed_at FROM traffic_total WHERE retired_at IS NULL
        UNION ALL SELECT label_set_id, changed_at FROM charge_total WHERE retired_at IS NULL)
    GROUP BY label_set_id HAVING max(changed_at) < ?";

impl Ledger {
    /// Takes label sets off the counters to which nothing has been added since `since` and of which `can_be` does not
    /// know how they could come back. Returns how many.
    ///
    /// # Errors
    /// When SQLite cannot write. Nothing has changed then.
    pub fn retire(
        &mut self,
        since: Timestamp,
        at: Timestamp,
        can_be: impl Fn(&FlowKey) -> bool,
    ) -> Result<u64, LedgerError> {
        self.catch_up()?;
        let mut still = HashSet::new();
        load::each(&self.conn, STANDING_STILL, [since.0], |row| {
            still.insert(row.get(0)?);
            Ok(())
        })
        .map_err(while_doing(RETIRE))?;
        let mut leaving = self.names.label_sets_among(&still);
        leaving.retain(|(_, key)| !key.is_overflow() && !can_be(key));
        if leaving.is_empty() {
            return Ok(0);
        }
        let transaction = self.durable(RETIRE)?;
        if !self.is_current().map_err(while_doing(RETIRE))? {
            // A recount came in between: another time.
            return Ok(0);
        }
        for (id, key) in &leaving {
            self.retire_one(*id, key, at).map_err(while_doing(RETIRE))?;
        }
        transaction.commit().map_err(while_doing(RETIRE))?;
        let mut next = Snapshot::clone(&self.snapshot);
        for (_, key) in &leaving {
            next.traffic.remove(key);
            for charge in Charge::ALL {
                next.charges.remove(&(charge, key.clone()));
            }
            self.names.hide(key);
        }
        self.snapshot = next.into();
        Ok(leaving.len() as u64)
    }

    fn retire_one(&self, id: i64, key: &FlowKey, at: Timestamp) -> rusqlite::Result<()> {
        let adjust = |measure, charge, shown: u64| {
            let counter = Counter::of_label_set(measure, charge, id);
            if shown == 0 { Ok(()) } else { adjust(&self.conn, Cause::Retired, at.0, counter, stored(shown)) }
        };
        if let Some(FlowCounts { flows, packets, bytes, inter_az_bytes }) = self.snapshot.traffic.get(key) {
            for (measure, shown) in
                CounterMeasure::TRAFFIC.into_iter().zip([flows, packets, bytes, inter_az_bytes])
            {
                adjust(measure, 0, *shown)?;
            }
        }
        for charge in Charge::ALL {
            let Some(counts) = self.snapshot.charges.get(&(charge, key.clone())) else { continue };
            let ChargeCounts { bytes, unpriced, cost } = counts;
            for (measure, shown) in CounterMeasure::CHARGE.into_iter().zip([bytes, unpriced, &cost.0]) {
                adjust(measure, charge.code(), *shown)?;
            }
        }
        for table in ["traffic_total", "charge_total"] {
            let sql =
                format!("UPDATE {table} SET retired_at = ? WHERE label_set_id = ? AND retired_at IS NULL");
            self.conn.prepare_cached(&sql)?.execute(params![at.0, id])?;
        }
        Ok(())
    }
}
