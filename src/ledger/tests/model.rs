//! Random lives of a ledger against a naive re-computation in plain maps.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::{
    event::ScanKind,
    model::{HourlyCost, SourceSums},
};

/// One settlement of one of a few objects.
#[derive(Debug, Clone)]
struct Spec {
    object: u8,
    what: u8,
    rows: Vec<(i64, u8, u8, u16)>,
    version: u8,
}

#[derive(Debug, Clone)]
enum Op {
    Commit(Vec<Spec>),
    FailedCommit(Vec<Spec>),
    Reopen,
    Crash,
    Seal(i64),
    Fold(i64),
    Begin(u8),
    Abandon(u8),
    Ask(u8, Request),
    Scan(usize),
    AddSource,
    Retire(u8),
}

fn specs() -> impl Strategy<Value = Vec<Spec>> {
    let rows = prop::collection::vec((0_i64..1_200, 0_u8..4, 0_u8..5, any::<u16>()), 0..4);
    let spec = (0_u8..14, 0_u8..14, rows, 0_u8..3);
    let spec = spec.prop_map(|(object, what, rows, version)| Spec { object, what, rows, version });
    prop::collection::vec(spec, 0..8)
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        8 => specs().prop_map(Op::Commit),
        1 => specs().prop_map(Op::FailedCommit),
        1 => Just(Op::Reopen),
        1 => Just(Op::Crash),
        2 => (0_i64..7).prop_map(Op::Seal),
        1 => (0_i64..1_200).prop_map(Op::Fold),
        1 => (0_u8..14).prop_map(Op::Begin),
        1 => (0_u8..14).prop_map(Op::Abandon),
        2 => (0_u8..14, any::<bool>()).prop_map(|(object, retry)| {
            Op::Ask(object, if retry { Request::Retry } else { Request::Drop })
        }),
        3 => (0_usize..3).prop_map(Op::Scan),
        2 => Just(Op::AddSource),
        2 => (0_u8..4).prop_map(Op::Retire),
    ];
    prop::collection::vec(op, 1..24)
}

fn place_of(object: u8) -> (i64, String) {
    (i64::from(object % 6), format!("o{object}"))
}

/// Sources, of which the last is added later.
const SOURCES: [&str; 3] = ["ops", "net", "new"];

fn source_of(object: u8) -> &'static str {
    SOURCES[usize::from(object % 3)]
}

fn candidate_of(object: u8) -> Candidate {
    let (hour, name) = place_of(object);
    Candidate { source: source_of(object).into(), ..candidate(&partition(hour), &name) }
}

fn sources(count: usize) -> Options {
    with_sources(&SOURCES.map(|source| (source, "s3://bucket/"))[..count])
}

fn reopen(place: &Place, count: usize) -> Ledger {
    open(&place.path(), &sources(count)).0
}

fn settlement(spec: &Spec) -> Settlement {
    match spec.what {
        0..=4 => {
            let region = ["us-east-1", "eu-west-1"][usize::from(spec.object / 7)];
            let mut delta = ObjectDelta { aws_region: region.into(), ..ObjectDelta::default() };
            for (hour, zone, charge, bytes) in &spec.rows {
                let mut series = series(&format!("z{zone}"), "b");
                // One of the zones changes its AZ more often than is kept apart.
                series.src_az =
                    (*zone > 0).then(|| if *zone == 1 { bytes % 9 } else { 0 }.to_string().into());
                series.key.nat_direction = NatDirection::ALL[usize::from(*charge) % 3];
                let at = (Hour(HOUR.0 + hour), series);
                let bytes = u64::from(*bytes);
                delta.records.add(RecordOutcome::ALL[usize::from(*zone)], 1 + bytes % 3);
                let cost =
                    ChargeCounts { bytes, cost: NanoUsd(bytes * 11), unpriced: bytes / 4 * (bytes % 2) };
                delta.charges.insert((at.0, at.1.clone(), Charge::ALL[2 * usize::from(*charge)]), cost);
                delta.doubts.insert((at.0, Doubt::ALL[usize::from(*charge)]), bytes / 3);
                delta.contradictions.insert((at.0, Contradiction::ALL[usize::from(*zone)]), bytes % 5);
                let counts = FlowCounts { flows: 1, packets: bytes % 7, bytes, inter_az_bytes: bytes / 2 };
                delta.traffic.insert(at, counts);
                let newest = Timestamp(NOW.0 + (hour - 600) * 3600);
                delta.newest_record = delta.newest_record.max(Some(newest));
            }
            Settlement::Counted(delta)
        }
        5 => Settlement::Empty,
        6 => Settlement::Ignored(IgnoreReason::Filtered),
        7 => Settlement::Ignored(IgnoreReason::TransitGateway),
        8 => Settlement::RefusedLate,
        9 | 10 => quarantined(QuarantineReason::Schema),
        11 => Settlement::Gone,
        _ => Settlement::Mutated,
    }
}

fn build(specs: &[Spec]) -> Vec<Settled> {
    specs
        .iter()
        .map(|spec| {
            let candidate = candidate_of(spec.object);
            let mut settled = Settled { candidate, settlement: settlement(spec), fetched: 0 };
            settled.candidate.listed.version = Some(format!("v{}", spec.version));
            settled.fetched = u64::from(spec.version);
            settled
        })
        .collect()
}

/// What became of one object, as the model sees it.
#[derive(Debug, Clone)]
struct Memory {
    word: &'static str,
    version: Option<u8>,
}

/// What an hour of a source has in the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Live {
    cost: [u64; Charge::COUNT],
    bytes: u64,
    unpriced: u64,
    doubts: u64,
    contradictions: u64,
}

/// The same rules, told in another way: no sums are kept, they are made anew from all counted deltas.
#[derive(Debug, Clone, Default)]
struct Model {
    objects: BTreeMap<u8, Memory>,
    counted: Vec<(&'static str, ObjectDelta)>,
    /// Which of them are in the ledger and not on /metrics.
    baseline: Vec<bool>,
    /// How many of them left /metrics by zone of the source: what came before is on none of its series.
    retired: BTreeMap<String, usize>,
    scanned: BTreeSet<&'static str>,
    /// So many sources are configured.
    sources: usize,
    shown: bool,
    outcomes: BTreeMap<&'static str, u64>,
    fetched: u64,
    folded: i64,
    committed: bool,
    /// Cost, traffic, doubts and contradictions of the hours that are not folded, by source.
    live: BTreeMap<(Hour, &'static str), Live>,
    hours_seen: BTreeSet<Hour>,
}

impl Model {
    fn knows(&self, object: u8) -> bool {
        SOURCES[..self.sources].contains(&source_of(object))
    }

    /// What can be committed.
    fn known(&self, specs: &[Spec]) -> Vec<Spec> {
        specs.iter().filter(|spec| self.knows(spec.object)).cloned().collect()
    }

    fn commit(&mut self, specs: &[Spec]) {
        self.committed |= !specs.is_empty();
        for spec in specs {
            let settlement = settlement(spec);
            let known = self.objects.get(&spec.object).cloned();
            let word = match &settlement {
                Settlement::Ignored(IgnoreReason::TransitGateway) => "transit",
                other => other.outcome().as_str(),
            };
            let was = known.as_ref().map_or("", |known| known.word);
            if word == "mutated" {
                let Some(Memory { version: Some(version), .. }) = known else { continue };
                if version != spec.version {
                    *self.outcomes.entry("mutated").or_default() += 1;
                    self.objects.insert(spec.object, Memory { word: was, version: Some(spec.version) });
                }
                continue;
            }
            let settles = match (was, word) {
                ("counted" | "empty" | "transit", _) => continue,
                ("quarantined", "quarantined") | ("ignored", "transit") => false,
                ("quarantined", "refused_late") => continue,
                (was, word) if was == word => continue,
                _ => true,
            };
            if settles {
                let counter = if word == "transit" { "ignored" } else { word };
                *self.outcomes.entry(counter).or_default() += 1;
                self.fetched += u64::from(spec.version);
            }
            self.objects.insert(spec.object, Memory { word, version: Some(spec.version) });
            if let Settlement::Counted(delta) = settlement {
                let source = source_of(spec.object);
                let mut live =
                    |hour: &Hour, add: &dyn Fn(&mut Live)| add(self.live.entry((*hour, source)).or_default());
                for ((hour, _, charge), counts) in &delta.charges {
                    live(hour, &|live| {
                        live.cost[*charge as usize] += counts.cost.0;
                        live.unpriced += counts.unpriced;
                    });
                }
                delta
                    .traffic
                    .iter()
                    .for_each(|((hour, _), counts)| live(hour, &|live| live.bytes += counts.bytes));
                delta.doubts.iter().for_each(|((hour, _), bytes)| live(hour, &|live| live.doubts += bytes));
                for ((hour, _), records) in &delta.contradictions {
                    live(hour, &|live| live.contradictions += records);
                }
                self.hours_seen.extend(delta.traffic.keys().map(|(hour, _)| *hour));
                self.counted.push((source, delta));
                self.baseline.push(self.shown && !self.scanned.contains(source));
            }
        }
    }

    fn seal(&mut self, before: i64) {
        self.objects.retain(|object, memory| {
            let leaves = i64::from(object % 6) + 1 < before;
            if leaves {
                memory.version = None;
                if memory.word == "transit" {
                    memory.word = "counted";
                }
            }
            !(leaves && memory.word == "gone")
        });
    }

    /// Whether there was something to ask for.
    fn ask(&mut self, object: u8, request: Request) -> bool {
        let Some(memory) = self.objects.get_mut(&object).filter(|memory| memory.word == "quarantined") else {
            return false;
        };
        if request == Request::Drop {
            // Final and shown as ignored, as a transit gateway's log is.
            memory.word = if memory.version.is_some() { "transit" } else { "counted" };
        }
        true
    }

    /// The families are shown when all sources are read that there are.
    fn scan(&mut self, source: usize) -> bool {
        self.scanned.insert(SOURCES[source]);
        let first = !self.shown && self.scanned.len() == self.sources;
        self.shown |= first;
        first
    }

    fn fold(&mut self, before: i64) {
        let limit = Hour(HOUR.0 + before);
        self.live.retain(|(hour, _), _| *hour >= limit);
        self.hours_seen.retain(|hour| *hour >= limit);
        self.folded = self.folded.max(before);
    }

    fn check(&self, ledger: &Ledger) {
        let snapshot = ledger.snapshot();
        let sources = &SOURCES[..self.sources];
        let by_source = sources.iter().map(|source| ((*source).into(), SourceSums::default())).collect();
        let mut expected = Snapshot { by_source, ..Snapshot::default() };
        for (at, ((source, delta), hidden)) in self.counted.iter().zip(&self.baseline).enumerate() {
            let mut delta = delta.clone();
            let is_retired = |series: &Series| {
                self.retired.get(&*series.key.src_zone).is_some_and(|retired| at < *retired)
            };
            if *hidden {
                delta.traffic.values_mut().for_each(|counts| *counts = FlowCounts::default());
                delta.charges.values_mut().for_each(|counts| {
                    *counts = ChargeCounts::default();
                });
                delta.doubts.clear();
                delta.contradictions.clear();
            }
            let sums = expected.by_source.entry((*source).into()).or_default();
            for ((hour, series), counts) in &delta.traffic {
                if series.key.nat_direction == NatDirection::None {
                    sums.bytes += counts.bytes;
                }
                if !is_retired(series) {
                    let total = expected.traffic.entry(series.key.clone()).or_default();
                    *total = total.checked_add(*counts).unwrap();
                }
                let first = expected.first_hour.map_or(*hour, |first| first.min(*hour));
                expected.first_hour = Some(first);
            }
            for ((_, series, charge), counts) in &delta.charges {
                if !is_retired(series) {
                    let total = expected.charges.entry((*charge, series.key.clone())).or_default();
                    *total = total.checked_add(*counts).unwrap();
                }
                sums.cost[*charge as usize].0 += counts.cost.0;
                if counts.unpriced > 0 {
                    let unpriced = expected.unpriced.entry((*charge, delta.aws_region.clone()));
                    *unpriced.or_default() += counts.unpriced;
                }
            }
            delta.doubts.iter().for_each(|((_, doubt), bytes)| expected.doubts[*doubt as usize] += bytes);
            for ((_, kind), records) in &delta.contradictions {
                expected.contradictions[*kind as usize] += records;
            }
            expected.records.merge(&delta.records);
        }
        assert_eq!(snapshot.traffic, expected.traffic);
        assert_eq!(snapshot.charges, expected.charges);
        assert_eq!(snapshot.first_scan_complete, self.shown);
        let unpriced = snapshot.unpriced.iter().filter(|(_, bytes)| **bytes > 0);
        assert_eq!(
            unpriced.map(|(at, bytes)| (at.clone(), *bytes)).collect::<BTreeMap<_, _>>(),
            expected.unpriced
        );
        assert_eq!(snapshot.doubts, expected.doubts);
        assert_eq!(snapshot.contradictions, expected.contradictions);
        let by_source = |snapshot: &Snapshot| {
            let sums = |(name, sums): (&Arc<str>, &SourceSums)| (name.clone(), sums.bytes, sums.cost);
            snapshot.by_source.iter().map(sums).collect::<Vec<_>>()
        };
        assert_eq!(by_source(&snapshot), by_source(&expected));
        assert_eq!(snapshot.records, expected.records);
        assert_eq!(snapshot.first_hour, expected.first_hour);
        for outcome in ObjectOutcome::ALL {
            let expected = self.outcomes.get(outcome.as_str()).copied().unwrap_or(0);
            assert_eq!(snapshot.objects.get(outcome), expected, "{outcome:?}");
        }
        assert_eq!(snapshot.object_bytes, self.fetched);
        assert_eq!(snapshot.last_commit, self.committed.then_some(NOW));
        for source in sources.iter().copied() {
            let of = |(name, delta): &(&str, ObjectDelta)| delta.newest_record.filter(|_| *name == source);
            let newest = self.counted.iter().filter_map(of).max().map(|newest| newest.min(NOW));
            assert_eq!(snapshot.sources[source].newest_record, newest);
            let hours = |delta: &ObjectDelta| {
                let traffic = delta.traffic.keys().map(|(hour, _)| *hour).collect::<Vec<_>>();
                let charged = delta.charges.keys().map(|(hour, ..)| *hour);
                traffic.into_iter().chain(charged).chain(delta.newest_record.map(Hour::of)).min()
            };
            let of = |(name, delta): &(&str, ObjectDelta)| hours(delta).filter(|_| *name == source);
            assert_eq!(snapshot.sources[source].first_hour, self.counted.iter().filter_map(of).min());
            let of = |(object, memory): &(&u8, &Memory)| {
                source_of(**object) == source && memory.word == "quarantined"
            };
            let quarantined = self.objects.iter().filter(of).count();
            assert_eq!(snapshot.sources[source].quarantined, quarantined as u64);
        }
        let quarantined = self.objects.values().filter(|memory| memory.word == "quarantined").count();
        assert_eq!(ledger.quarantined().unwrap().len(), quarantined);
        self.check_hours(&snapshot, ledger);
        for object in 0..14 {
            let (hour, name) = place_of(object);
            let known = outcome(ledger, hour, &name).map(ObjectOutcome::as_str);
            let expected = self.objects.get(&object).map(|memory| match memory {
                Memory { word: "transit", .. } => "ignored",
                Memory { word: "empty", version: None } => "counted",
                other => other.word,
            });
            assert_eq!(known, expected, "object {object}");
        }
    }

    fn check_hours(&self, snapshot: &Snapshot, ledger: &Ledger) {
        let newest = self.hours_seen.last().copied();
        for source in SOURCES[..self.sources].iter().copied() {
            let mut expected = BTreeMap::new();
            let kept = newest.map(|newest| HourlyCost::kept_from(Hour(newest.0 - limits::COST_HOURS)));
            for ((hour, of), live) in &self.live {
                for (charge, cost) in Charge::ALL.into_iter().zip(live.cost) {
                    if *of == source && cost > 0 && kept.is_some_and(|kept| *hour >= kept) {
                        expected.insert((*hour, charge), cost);
                    }
                }
            }
            let mut found = BTreeMap::new();
            for (hour, charge, _, _, cost) in snapshot.by_source[source].hourly_cost.iter() {
                *found.entry((hour, charge)).or_insert(0) += cost.0;
            }
            found.retain(|_, cost| *cost > 0);
            assert_eq!(found, expected);
        }
        let views = "
            SELECT hour, source, 0 AS what, bytes AS amount FROM ledger
            UNION ALL SELECT hour, source, 1, unpriced_bytes FROM ledger_charges
            UNION ALL SELECT hour, source, 2, bytes FROM ledger_doubts
            UNION ALL SELECT hour, source, 3, records FROM ledger_contradictions
            UNION ALL SELECT hour, source, 4, nano_usd FROM ledger_charges";
        let mut found: BTreeMap<(Hour, String), [u64; 5]> = BTreeMap::new();
        load::each(&ledger.conn, views, [], |row| {
            let at = (load::hour(row, 0)?, row.get(1)?);
            let what = usize::try_from(load::unsigned(row, 2)?).unwrap();
            found.entry(at).or_default()[what] += load::unsigned(row, 3)?;
            Ok(())
        })
        .unwrap();
        let expected = self.live.iter().map(|((hour, source), live)| {
            let Live { cost, bytes, unpriced, doubts, contradictions } = live;
            let all = [*bytes, *unpriced, *doubts, *contradictions, cost.iter().sum()];
            ((*hour, (*source).to_owned()), all)
        });
        assert_eq!(found, expected.collect());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_random_life_equals_the_naive_sums(ops in ops()) {
        let mut place = Place::new();
        let mut model = Model { sources: 2, ..Model::default() };
        let mut ledger = reopen(&place, model.sources);
        for op in &ops {
            match op {
                Op::Commit(specs) => {
                    let specs = &model.known(specs);
                    ledger.commit(&build(specs), NOW).unwrap();
                    model.commit(specs);
                }
                Op::FailedCommit(specs) => {
                    let specs = &model.known(specs);
                    ledger.conn.execute_batch(
                        "CREATE TEMP TRIGGER fault BEFORE UPDATE ON main.state
                         BEGIN SELECT raise(ABORT, 'no'); END").unwrap();
                    let failed = ledger.commit(&build(specs), NOW).is_err();
                    prop_assert_eq!(failed, !specs.is_empty());
                    ledger.conn.execute_batch("DROP TRIGGER fault").unwrap();
                }
                Op::Reopen => {
                    let before = state(&ledger);
                    drop(ledger);
                    ledger = reopen(&place, model.sources);
                    prop_assert_eq!(state(&ledger), before);
                }
                Op::Crash => {
                    let copy = place.crash_copy();
                    drop(ledger);
                    place = copy;
                    ledger = reopen(&place, model.sources);
                }
                Op::Seal(before) => {
                    for source in &SOURCES[..model.sources] {
                        ledger.seal(source, Hour(HOUR.0 + before).start()).unwrap();
                    }
                    model.seal(*before);
                }
                Op::Fold(before) => {
                    ledger.fold(Hour(HOUR.0 + before)).unwrap();
                    model.fold(*before);
                }
                Op::Begin(object) | Op::Abandon(object) if !model.knows(*object) => {}
                Op::Begin(object) => {
                    ledger.begin_decoding(&candidate_of(*object)).unwrap();
                }
                Op::Abandon(object) => {
                    ledger.abandon_decoding(&candidate_of(*object).listed.id).unwrap();
                }
                Op::Ask(object, request) => {
                    let key = candidate_of(*object).listed.id.key;
                    let asked = Ledger::request(&place.path(), *request, Some(&[key])).is_ok();
                    prop_assert_eq!(asked, model.ask(*object, *request));
                    let taken = ledger.take_requests().unwrap();
                    prop_assert_eq!(taken.dropped == 1, asked && *request == Request::Drop);
                }
                Op::Retire(zone) => {
                    let zone = format!("z{zone}");
                    let shown = ledger.snapshot().traffic.keys().filter(|key| *key.src_zone == *zone).count();
                    let can_be = |key: &FlowKey| *key.src_zone != *zone;
                    prop_assert_eq!(ledger.retire(NOW, NOW, can_be).unwrap(), 0, "it has not stood still");
                    let later = Timestamp(NOW.0 + 1);
                    prop_assert_eq!(ledger.retire(later, NOW, can_be).unwrap(), shown as u64);
                    prop_assert_eq!(ledger.retire(later, NOW, can_be).unwrap(), 0);
                    model.retired.insert(zone, model.counted.len());
                }
                Op::AddSource => {
                    model.sources = SOURCES.len();
                    ledger.reconfigure(&sources(model.sources), NOW).unwrap();
                }
                Op::Scan(source) if *source >= model.sources => {}
                Op::Scan(source) => {
                    let first = ledger.finish_scan(SOURCES[*source], NOW, ScanKind::Full).unwrap();
                    prop_assert_eq!(first, model.scan(*source));
                }
            }
            model.check(&ledger);
        }
        let before = state(&ledger);
        drop(ledger);
        let ledger = reopen(&place, model.sources);
        prop_assert_eq!(state(&ledger), before);
        model.check(&ledger);
        let conn = Connection::open(place.path()).unwrap();
        let broken: i64 = conn
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).unwrap();
        prop_assert_eq!(broken, 0);
    }
}
