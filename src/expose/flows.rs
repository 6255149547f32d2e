//! Everything that is committed, as metric families over one immutable snapshot.
//!
//! Refuses to know where a snapshot comes from. Invariant: one scrape shows one snapshot, in the order of its keys.

use std::{fmt, sync::Arc};

use prometheus_client::{collector::Collector, encoding::DescriptorEncoder};

use super::{
    Readiness, SourceInfo, Static, catalog,
    encode::{Families, Value},
};
use crate::{
    model::{
        Charge, ChargeCounts, Contradiction, Doubt, FlowCounts, FlowKey, ObjectOutcome, RecordOutcome,
        Snapshot, Timestamp,
    },
    month::{self, SourceFigures},
};

/// The families that a first backlog must not show half-way. They change with a commit and with nothing else, so their
/// text is kept.
#[derive(Debug)]
pub(super) struct Flows(pub(super) Arc<Snapshot>);

impl Collector for Flows {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        if self.0.first_scan_complete { flows(&mut Families::new(encoder), &self.0) } else { Ok(()) }
    }
}

/// All other committed state, the configuration that goes with it, and the moment of the scrape.
#[derive(Debug)]
pub(super) struct Committed {
    /// What is committed. `None` until the state is loaded: then nothing that lives in it is shown, because a zero
    /// would be a counter that went down.
    pub(super) snapshot: Option<Arc<Snapshot>>,
    /// What is shown of the configuration.
    pub(super) fixed: Arc<Static>,
    /// When the scrape was asked for.
    pub(super) now: Timestamp,
}

impl Collector for Committed {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Families::new(encoder);
        if let Some(snapshot) = &self.snapshot {
            totals(&mut page, snapshot)?;
            progress(&mut page, snapshot, &self.fixed)?;
            months(&mut page, snapshot, &self.fixed, self.now)?;
        }
        let ready = super::readiness(self.snapshot.as_deref()) == Readiness::Ready;
        page.single(&catalog::READY, Value::Int(u64::from(ready)))?;
        configured(&mut page, &self.fixed)
    }
}

fn flows(page: &mut Families<'_>, snapshot: &Snapshot) -> fmt::Result {
    let mut traffic = |metric, value: fn(&FlowCounts) -> u64| {
        let samples = snapshot.traffic.iter().map(|(key, counts)| {
            let FlowKey { src_zone, dst_zone, port_group, nat_direction } = key;
            ([&**src_zone, dst_zone, port_group, nat_direction.as_str()], Value::Int(value(counts)))
        });
        page.family(metric, samples)
    };
    traffic(&catalog::BYTES, |counts| counts.bytes)?;
    traffic(&catalog::PACKETS, |counts| counts.packets)?;
    traffic(&catalog::FLOWS, |counts| counts.flows)?;
    // Zeros too: with the same label sets as bytes, a ratio by any label is there, and is 0 where nothing crosses.
    traffic(&catalog::INTER_AZ_BYTES, |counts| counts.inter_az_bytes)?;

    let mut charges = |metric, value: fn(&ChargeCounts) -> Value| {
        let samples = snapshot.charges.iter().map(|((charge, key), counts)| {
            let FlowKey { src_zone, dst_zone, port_group, nat_direction } = key;
            ([charge.as_str(), src_zone, dst_zone, port_group, nat_direction.as_str()], value(counts))
        });
        page.family(metric, samples)
    };
    charges(&catalog::CHARGED_BYTES, |counts| Value::Int(counts.bytes))?;
    charges(&catalog::COST, |counts| Value::Real(counts.cost.as_usd()))?;
    let unpriced = snapshot.unpriced.iter();
    let unpriced =
        unpriced.map(|((charge, region), bytes)| ([charge.as_str(), &**region], Value::Int(*bytes)));
    page.family(&catalog::UNPRICED_BYTES, unpriced)?;
    sources(page, snapshot)
}

/// What each source has added; every charge from the start.
fn sources(page: &mut Families<'_>, snapshot: &Snapshot) -> fmt::Result {
    let bytes = snapshot.by_source.iter().map(|(name, sums)| ([&**name], Value::Int(sums.bytes)));
    page.family(&catalog::SOURCE_BYTES, bytes)?;
    let cost = snapshot.by_source.iter().flat_map(|(name, sums)| {
        let by_charge = Charge::ALL.into_iter().zip(&sums.cost);
        by_charge.map(|(charge, cost)| ([&**name, charge.as_str()], Value::Real(cost.as_usd())))
    });
    page.family(&catalog::SOURCE_COST, cost)
}

/// Counters of records, objects and doubt, and the size of the state.
fn totals(page: &mut Families<'_>, snapshot: &Snapshot) -> fmt::Result {
    let records = RecordOutcome::ALL.map(|outcome| {
        let count = snapshot.records.get(outcome);
        ([outcome.as_str()], Value::Int(count))
    });
    page.family(&catalog::RECORDS, records)?;
    let objects = ObjectOutcome::ALL.map(|outcome| {
        let count = snapshot.objects.get(outcome);
        ([outcome.as_str()], Value::Int(count))
    });
    page.family(&catalog::OBJECTS, objects)?;
    let doubts = Doubt::ALL.into_iter().zip(snapshot.doubts);
    page.family(&catalog::DOUBTFUL_BYTES, doubts.map(|(kind, bytes)| ([kind.as_str()], Value::Int(bytes))))?;
    let kinds = Contradiction::ALL.into_iter().zip(snapshot.contradictions);
    page.family(
        &catalog::CONTRADICTIONS,
        kinds.map(|(kind, records)| ([kind.as_str()], Value::Int(records))),
    )?;
    page.single(&catalog::OBJECT_BYTES, Value::Int(snapshot.object_bytes))?;
    page.single(&catalog::SERIES, Value::Int(snapshot.traffic.len() as u64))?;
    page.single(&catalog::STATE_BYTES, Value::Int(snapshot.state_bytes))
}

/// How far each source has come. Only configured sources: one that was removed would look stale for ever.
fn progress(page: &mut Families<'_>, snapshot: &Snapshot, fixed: &Static) -> fmt::Result {
    let of = |name: &str| snapshot.sources.get(name).copied().unwrap_or_default();
    let quarantined = fixed.sources.keys().map(|name| ([&**name], Value::Int(of(name).quarantined)));
    page.family(&catalog::OBJECTS_QUARANTINED, quarantined)?;
    let newest = fixed.sources.keys().map(|name| ([&**name], moment(of(name).newest_record)));
    page.family(&catalog::NEWEST_RECORD, newest)?;
    let ready = |name: &str| Value::Int(u64::from(of(name).is_read()));
    page.family(&catalog::SOURCE_READY, fixed.sources.keys().map(|name| ([&**name], ready(name))))?;
    page.single(&catalog::LAST_COMMIT, moment(snapshot.last_commit))
}

/// The month gauges; every charge and every configured source from the start.
fn months(page: &mut Families<'_>, snapshot: &Snapshot, fixed: &Static, now: Timestamp) -> fmt::Result {
    let mut figures = month::figures(snapshot, &fixed.book, now);
    for name in fixed.sources.keys() {
        let known = figures.sources.entry(name.clone()).or_default();
        known.coverage.get_or_insert(0.0);
    }
    let by_charge = |values: [f64; Charge::COUNT]| {
        Charge::ALL.into_iter().zip(values).map(|(charge, value)| ([charge.as_str()], Value::Real(value)))
    };
    page.family(&catalog::MONTH_TO_DATE, by_charge(figures.to_date))?;
    page.family(&catalog::PROJECTED_MONTH, by_charge(figures.projected))?;
    page.single(&catalog::MONTH_COVERAGE, Value::Real(figures.coverage))?;
    page.single(&catalog::PROJECTION_HOURS, Value::Int(figures.projection_hours))?;
    let mut by_source = |metric, value: fn(&SourceFigures) -> Option<Value>| {
        let samples = figures.sources.iter();
        page.family(metric, samples.filter_map(|(name, of)| Some(([&**name], value(of)?))))
    };
    by_source(&catalog::SOURCE_MONTH_TO_DATE, |of| Some(Value::Real(of.to_date)))?;
    by_source(&catalog::SOURCE_PROJECTED_MONTH, |of| Some(Value::Real(of.projected)))?;
    by_source(&catalog::SOURCE_MONTH_COVERAGE, |of| of.coverage.map(Value::Real))?;
    by_source(&catalog::SOURCE_PROJECTION_HOURS, |of| Some(Value::Int(of.projection_hours)))
}

/// What the configuration says.
fn configured(page: &mut Families<'_>, fixed: &Static) -> fmt::Result {
    let infos = fixed.sources.iter().map(|(name, source)| {
        let SourceInfo { url, region, filters } = source;
        ([&**name, url, region, filters], Value::Int(1))
    });
    page.family(&catalog::SOURCE_INFO, infos)?;
    let prices = fixed.prices.iter().map(|((charge, region), price)| {
        ([charge.as_str(), &**region], Value::Real(price.per_gigabyte.as_usd()))
    });
    page.family(&catalog::PRICE, prices)?;
    page.single(&catalog::BUDGET_MONTHLY, fixed.budget_monthly_usd.map(Value::Real))?;
    page.single(&catalog::BUDGET_INTER_AZ, fixed.budget_inter_az_ratio.map(Value::Real))?;
    let budgets = fixed.source_budgets.iter();
    page.family(&catalog::SOURCE_BUDGET, budgets.map(|(name, usd)| ([&**name], Value::Real(*usd))))?;
    page.single(&catalog::SERIES_LIMIT, Value::Int(fixed.series_limit as u64))?;
    page.single(&catalog::RELOAD_SUCCESS, moment(Some(fixed.loaded_at)))?;
    let build = [([&*fixed.build.version, &*fixed.build.revision], Value::Int(1))];
    page.family(&catalog::BUILD_INFO, build)
}

/// Seconds since 1970, or 0 for never: an age computed from it is then absurdly large, which an alert cannot miss.
pub(super) fn moment(at: Option<Timestamp>) -> Value {
    Value::Int(at.map_or(0, |at| u64::try_from(at.0).unwrap_or(0)))
}
