//! Random lives of a ledger against a naive re-computation in plain maps.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

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
        2 => (0_i64..5).prop_map(Op::Seal),
        1 => (0_i64..1_200).prop_map(Op::Fold),
        1 => (0_u8..14).prop_map(Op::Begin),
        1 => (0_u8..14).prop_map(Op::Abandon),
        2 => (0_u8..14, any::<bool>()).prop_map(|(object, retry)| {
            Op::Ask(object, if retry { Request::Retry } else { Request::Drop })
        }),
    ];
    prop::collection::vec(op, 1..24)
}

fn place_of(object: u8) -> (i64, String) {
    (i64::from(object % 4), format!("o{object}"))
}

fn settlement(spec: &Spec) -> Settlement {
    match spec.what {
        0..=4 => {
            let mut delta = ObjectDelta::default();
            for (hour, zone, charge, bytes) in &spec.rows {
                let at = (Hour(HOUR.0 + hour), key(&format!("z{zone}"), "b"));
                let bytes = u64::from(*bytes);
                delta.records.add(RecordOutcome::ALL[usize::from(*zone)], 1 + bytes % 3);
                let cost = ChargeCounts { bytes, cost: NanoUsd(bytes * 11) };
                delta.charges.insert((at.0, at.1.clone(), Charge::ALL[usize::from(*charge)]), cost);
                let counts = FlowCounts { flows: 1, packets: bytes % 7, bytes, inter_az_bytes: bytes / 2 };
                delta.traffic.insert(at, counts);
                delta.newest_record = delta.newest_record.max(Some(Timestamp(hour * 3600)));
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
            let (hour, name) = place_of(spec.object);
            let mut settled = settled(hour, &name, settlement(spec));
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

/// The same rules, told in another way: no sums are kept, they are made anew from all counted deltas.
#[derive(Debug, Clone, Default)]
struct Model {
    objects: BTreeMap<u8, Memory>,
    counted: Vec<ObjectDelta>,
    outcomes: BTreeMap<&'static str, u64>,
    fetched: u64,
    folded: i64,
    committed: bool,
    /// Hours of deltas that were committed after a fold and before its limit.
    live_hours: Vec<(Hour, Charge, u64)>,
    hours_seen: BTreeSet<Hour>,
}

impl Model {
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
                for ((hour, _, charge), counts) in &delta.charges {
                    self.live_hours.push((*hour, *charge, counts.cost.0));
                }
                self.hours_seen.extend(delta.traffic.keys().map(|(hour, _)| *hour));
                self.counted.push(delta);
            }
        }
    }

    fn seal(&mut self, before: i64) {
        self.objects.retain(|object, memory| {
            let leaves = i64::from(object % 4) + 1 < before;
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

    fn fold(&mut self, before: i64) {
        let limit = Hour(HOUR.0 + before);
        self.live_hours.retain(|(hour, ..)| *hour >= limit);
        self.hours_seen.retain(|hour| *hour >= limit);
        self.folded = self.folded.max(before);
    }

    fn check(&self, ledger: &Ledger) {
        let snapshot = ledger.snapshot();
        let mut expected = Snapshot::default();
        for delta in &self.counted {
            for ((hour, key), counts) in &delta.traffic {
                let total = expected.traffic.entry(key.clone()).or_default();
                *total = total.checked_add(*counts).unwrap();
                let first = expected.first_hour.map_or(*hour, |first| first.min(*hour));
                expected.first_hour = Some(first);
            }
            for ((_, key, charge), counts) in &delta.charges {
                let total = expected.charges.entry((*charge, key.clone())).or_default();
                *total = total.checked_add(*counts).unwrap();
            }
            expected.records.merge(&delta.records);
        }
        assert_eq!(snapshot.traffic, expected.traffic);
        assert_eq!(snapshot.charges, expected.charges);
        assert_eq!(snapshot.records, expected.records);
        assert_eq!(snapshot.first_hour, expected.first_hour);
        for outcome in ObjectOutcome::ALL {
            let expected = self.outcomes.get(outcome.as_str()).copied().unwrap_or(0);
            assert_eq!(snapshot.objects.get(outcome), expected, "{outcome:?}");
        }
        assert_eq!(snapshot.object_bytes, self.fetched);
        assert_eq!(snapshot.last_commit, self.committed.then_some(NOW));
        let newest = self.counted.iter().filter_map(|delta| delta.newest_record).max();
        assert_eq!(snapshot.sources["ops"].newest_record, newest);
        let quarantined = self.objects.values().filter(|memory| memory.word == "quarantined").count();
        assert_eq!(snapshot.sources["ops"].quarantined, quarantined as u64);
        assert_eq!(ledger.quarantined().unwrap().len(), quarantined);
        self.check_hours(&snapshot);
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

    fn check_hours(&self, snapshot: &Snapshot) {
        let mut expected: BTreeMap<Hour, [NanoUsd; Charge::ALL.len()]> = BTreeMap::new();
        if let Some(newest) = self.hours_seen.last() {
            for (hour, charge, cost) in &self.live_hours {
                if hour.0 >= newest.0 - limits::COST_HOURS {
                    let slot = &mut expected.entry(*hour).or_insert([NanoUsd(0); _])[*charge as usize];
                    *slot = slot.checked_add(NanoUsd(*cost)).unwrap();
                }
            }
        }
        assert_eq!(*snapshot.hourly_cost, expected);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_random_life_equals_the_naive_sums(ops in ops()) {
        let mut place = Place::new();
        let mut ledger = place.open();
        let mut model = Model::default();
        for op in &ops {
            match op {
                Op::Commit(specs) => {
                    ledger.commit(&build(specs), NOW).unwrap();
                    model.commit(specs);
                }
                Op::FailedCommit(specs) => {
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
                    ledger = place.open();
                    prop_assert_eq!(state(&ledger), before);
                }
                Op::Crash => {
                    let copy = place.crash_copy();
                    drop(ledger);
                    place = copy;
                    ledger = place.open();
                }
                Op::Seal(before) => {
                    ledger.seal("ops", Hour(HOUR.0 + before).start()).unwrap();
                    model.seal(*before);
                }
                Op::Fold(before) => {
                    ledger.fold(Hour(HOUR.0 + before)).unwrap();
                    model.fold(*before);
                }
                Op::Begin(object) => {
                    let (hour, name) = place_of(*object);
                    ledger.begin_decoding(&candidate(&partition(hour), &name)).unwrap();
                }
                Op::Abandon(object) => {
                    let (hour, name) = place_of(*object);
                    ledger.abandon_decoding(&candidate(&partition(hour), &name).listed.id).unwrap();
                }
                Op::Ask(object, request) => {
                    let (hour, name) = place_of(*object);
                    let key = candidate(&partition(hour), &name).listed.id.key;
                    let asked = Ledger::request(&place.path(), *request, Some(&[key])).is_ok();
                    prop_assert_eq!(asked, model.ask(*object, *request));
                    let taken = ledger.take_requests().unwrap();
                    prop_assert_eq!(taken.dropped == 1, asked && *request == Request::Drop);
                }
            }
            model.check(&ledger);
        }
        let before = state(&ledger);
        drop(ledger);
        let ledger = place.open();
        prop_assert_eq!(state(&ledger), before);
        model.check(&ledger);
        let conn = Connection::open(place.path()).unwrap();
        let broken: i64 = conn
            .query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0)).unwrap();
        prop_assert_eq!(broken, 0);
    }
}
