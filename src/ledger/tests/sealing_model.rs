//! Random sealings, with layouts that change and room that comes and goes, against a map from object to last word.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::{
    sealing::{FOLDER, at, day_above, hour_below},
    *,
};

const OBJECTS: u8 = 20;

/// Which partition a key is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layout {
    Hourly,
    Daily,
    Neither,
}

const LAYOUTS: [Layout; 3] = [Layout::Hourly, Layout::Daily, Layout::Neither];

#[derive(Debug, Clone)]
enum Op {
    Settle(Layout, Vec<(u8, u8)>),
    /// Everything that ends before an hour.
    Seal(i64),
    /// How many hashes the row of a day takes from here on.
    Room(usize),
    Reopen,
    Crash,
    /// A sealing that fails at its end.
    FailedSeal,
    Begin(u8),
    Ask(u8, Request),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let layout = prop_oneof![6 => Just(Layout::Hourly), 2 => Just(Layout::Daily), 1 => Just(Layout::Neither)];
    let some = prop::collection::vec((0..OBJECTS, 0_u8..9), 1..9);
    let request = prop_oneof![Just(Request::Retry), Just(Request::Drop)];
    let op = prop_oneof![
        8 => (layout, some).prop_map(|(layout, some)| Op::Settle(layout, some)),
        6 => prop_oneof![Just(2_i64), Just(24), Just(26), Just(100)].prop_map(Op::Seal),
        1 => prop_oneof![Just(0_usize), Just(2), Just(6), Just(1_000)].prop_map(Op::Room),
        1 => Just(Op::Reopen),
        1 => Just(Op::Crash),
        1 => Just(Op::FailedSeal),
        1 => (0..OBJECTS).prop_map(Op::Begin),
        1 => (0..OBJECTS, request).prop_map(|(object, request)| Op::Ask(object, request)),
    ];
    prop::collection::vec(op, 1..24)
}

/// Four hours of two days, with five objects each.
fn hour_of(object: u8) -> i64 {
    [0, 1, 22, 24][usize::from(object % 4)]
}

fn place_of(object: u8, layout: Layout) -> (Partition, String) {
    let hour = hour_below(FOLDER, hour_of(object));
    let name = format!("o{object}");
    let partition = match layout {
        Layout::Hourly => return (hour, name),
        Layout::Daily => day_above(&hour),
        Layout::Neither => outside(),
    };
    let name = format!("{}{name}", &hour.prefix[partition.prefix.len()..]);
    (partition, name)
}

fn settlement(what: u8) -> (&'static str, Settlement) {
    match what {
        0 | 1 => ("counted", Settlement::Counted(delta(0, "a", 1))),
        2 => ("counted", Settlement::Empty),
        3 | 4 => ("refused_late", Settlement::RefusedLate),
        5 => ("ignored", Settlement::Ignored(IgnoreReason::Filtered)),
        6 => ("counted", Settlement::Ignored(IgnoreReason::TransitGateway)),
        7 => ("gone", Settlement::Gone),
        _ => ("quarantined", quarantined(QuarantineReason::Schema)),
    }
}

#[derive(Debug, Clone)]
struct Memory {
    /// Final ones are all called counted.
    word: &'static str,
    /// Where it was said, until that is sealed.
    open: Option<Layout>,
}

#[derive(Debug, Default)]
struct Oracle {
    last: BTreeMap<u8, Memory>,
    counted: u64,
}

impl Oracle {
    fn settle(&mut self, layout: Layout, object: u8, what: u8) {
        let (word, settlement) = settlement(what);
        let was = self.last.get(&object).map_or("", |memory| memory.word);
        let stays = matches!((was, word), ("counted", _) | ("quarantined", "refused_late"));
        // A repetition moves nothing, either; the quarantine takes note of it.
        if stays || (was == word && word != "quarantined") {
            return;
        }
        self.counted += u64::from(matches!(settlement, Settlement::Counted(_)));
        self.last.insert(object, Memory { word, open: Some(layout) });
    }

    fn seal(&mut self, before: i64) {
        self.last.retain(|object, memory| {
            let hour = hour_of(*object);
            let end = match memory.open {
                Some(Layout::Hourly) => hour + 1,
                Some(Layout::Daily) => hour - hour % 24 + 24,
                Some(Layout::Neither) | None => return true,
            };
            if end < before {
                memory.open = None;
            }
            !(memory.open.is_none() && memory.word == "gone")
        });
    }

    fn check(&self, ledger: &Ledger) {
        for object in 0..OBJECTS {
            let expected = self.last.get(&object).map(|memory| memory.word);
            for layout in LAYOUTS {
                let (partition, name) = place_of(object, layout);
                let id = candidate(&partition, &name).listed.id;
                let known = ledger.status(&id, &partition).unwrap();
                let word = known.map(|known| match (known.outcome, known.reason) {
                    (ObjectOutcome::Empty, _) => "counted",
                    (ObjectOutcome::Ignored, Some(IgnoreReason::Filtered)) => "ignored",
                    (ObjectOutcome::Ignored, _) => "counted",
                    (outcome, _) => outcome.as_str(),
                });
                assert_eq!(word, expected, "object {object} by {layout:?}");
            }
        }
        assert_eq!(bytes(&ledger.snapshot()), self.counted, "each once");
        let quarantined = self.last.values().filter(|memory| memory.word == "quarantined").count();
        assert_eq!(ledger.snapshot().sources["ops"].quarantined, quarantined as u64);
        assert_eq!(ledger.quarantined().unwrap().len(), quarantined, "each found");
        assert_eq!(audit::contradiction(&ledger.conn, schema::VERSION).unwrap(), None);
        for unsound in [
            "SELECT count(*) FROM pragma_foreign_key_check",
            "SELECT count(*) FROM partition WHERE open = 0 AND id NOT IN (SELECT partition_id FROM sealed)",
        ] {
            let rows: i64 = ledger.conn.query_row(unsound, [], |row| row.get(0)).unwrap();
            assert_eq!(rows, 0, "{unsound}");
        }
    }
}

fn life(ops: &[Op]) {
    let mut place = Place::new();
    let mut ledger = place.open();
    let mut oracle = Oracle::default();
    let mut room = limits::SEALED_DAY_HASHES;
    for op in ops {
        match op {
            Op::Settle(layout, some) => {
                // As one commit: of an object that is in it twice the first word comes first.
                let batch = some.iter().map(|(object, what)| {
                    oracle.settle(*layout, *object, *what);
                    let (partition, name) = place_of(*object, *layout);
                    at(&partition, &name, settlement(*what).1)
                });
                let batch: Vec<Settled> = batch.collect();
                ledger.commit(&batch, NOW).unwrap();
            }
            Op::Seal(before) => {
                ledger.seal("ops", Hour(hour_below(FOLDER, 0).start.0 + before).start()).unwrap();
                oracle.seal(*before);
            }
            Op::Room(hashes) => room = *hashes,
            Op::Reopen => {
                drop(ledger);
                ledger = place.open();
            }
            Op::Crash => {
                let copy = place.crash_copy();
                drop(ledger);
                place = copy;
                ledger = place.open();
            }
            Op::FailedSeal => {
                let fault = "CREATE TEMP TRIGGER fault BEFORE UPDATE OF open ON main.partition
                    WHEN OLD.id = (SELECT max(id) FROM main.partition WHERE open = 1 AND start > 0)
                    BEGIN SELECT raise(ABORT, 'no'); END";
                ledger.conn.execute_batch(fault).unwrap();
                // There may be nothing to seal.
                let _ = ledger.seal("ops", Timestamp(i64::MAX)).map(|sealed| assert_eq!(sealed, 0));
                ledger.conn.execute_batch("DROP TRIGGER fault").unwrap();
            }
            Op::Begin(object) => {
                let (partition, name) = place_of(*object, Layout::Hourly);
                ledger.begin_decoding(&candidate(&partition, &name)).unwrap();
            }
            Op::Ask(object, request) => {
                let (partition, name) = place_of(*object, Layout::Hourly);
                let key = candidate(&partition, &name).listed.id.key;
                let asked = Ledger::request(&place.path(), *request, Some(&[key])).is_ok();
                let memory = oracle.last.get_mut(object).filter(|memory| memory.word == "quarantined");
                assert_eq!(asked, memory.is_some());
                if let Some(memory) = memory.filter(|_| *request == Request::Drop) {
                    memory.word = "counted";
                }
                ledger.take_requests().unwrap();
            }
        }
        ledger.bounds.day_hashes = room;
        oracle.check(&ledger);
    }
    // The end of all partitions, and whatever comes again.
    ledger.seal("ops", Timestamp(i64::MAX)).unwrap();
    oracle.seal(i64::MAX);
    oracle.check(&ledger);
    drop(ledger);
    let mut ledger = place.open();
    oracle.check(&ledger);
    for layout in LAYOUTS {
        let batch = (0..OBJECTS).map(|object| {
            oracle.settle(layout, object, 0);
            let (partition, name) = place_of(object, layout);
            at(&partition, &name, settlement(0).1)
        });
        ledger.commit(&batch.collect::<Vec<_>>(), NOW).unwrap();
        oracle.check(&ledger);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_last_word_about_every_object_is_known(ops in ops()) {
        life(&ops);
    }
}
