use std::collections::BTreeMap;

use super::{
    book::OpenObject,
    objects::{Objects, Print},
    *,
};

type Word = Option<(ObjectOutcome, Option<IgnoreReason>)>;

fn word(ledger: &Ledger, listed: &Listed, partition: &Partition) -> Word {
    ledger.unchanged().outcome(listed, partition)
}

#[test]
fn only_what_is_listed_exactly_as_it_was_settled_is_unchanged() {
    let place = Place::new();
    let mut ledger = place.open();
    let mut bare = counted(0, "bare", 1);
    bare.candidate.listed.version = None;
    let transit = Settlement::Ignored(IgnoreReason::TransitGateway);
    ledger.commit(&[counted(0, "x", 7), settled(0, "t", transit), bare.clone()], NOW).unwrap();
    for _ in 0..2 {
        let Candidate { listed, partition: hour, .. } = candidate(&partition(0), "x");
        assert_eq!(word(&ledger, &listed, &hour), Some((ObjectOutcome::Counted, None)));
        let transit = candidate(&hour, "t").listed;
        let reason = Some(IgnoreReason::TransitGateway);
        assert_eq!(word(&ledger, &transit, &hour), Some((ObjectOutcome::Ignored, reason)));
        // Whatever layout it is found by, it is the same object.
        let day = Partition { prefix: "logs/".into(), span: PartitionSpan::Day, ..hour.clone() };
        assert_eq!(word(&ledger, &listed, &day), Some((ObjectOutcome::Counted, None)));

        let other = |change: fn(&mut Listed)| {
            let mut listed = listed.clone();
            change(&mut listed);
            assert_eq!(word(&ledger, &listed, &hour), None, "{listed:?}");
        };
        other(|listed| listed.version = Some("v2".into()));
        other(|listed| listed.version = None);
        other(|listed| listed.size = 101);
        other(|listed| listed.id.key = "logs/0/y".into());
        other(|listed| listed.id.key = "logs/1/x".into());
        other(|listed| listed.id.bucket = "s3://other".into());
        let elsewhere = Partition { bucket: "s3://other".into(), ..hour.clone() };
        let id = ObjectId { bucket: elsewhere.bucket.clone(), ..listed.id.clone() };
        assert_eq!(word(&ledger, &Listed { id, ..listed }, &elsewhere), None);
        // Without a version nobody can say.
        assert_eq!(word(&ledger, &bare.candidate.listed, &hour), None);
        drop(ledger);
        ledger = place.open();
    }
}

#[test]
fn what_is_unchanged_follows_every_change() {
    let place = Place::new();
    let mut ledger = place.open();
    let bad = quarantined(QuarantineReason::Corrupt);
    ledger.commit(&[counted(0, "x", 1), counted(1, "x", 1), settled(1, "bad", bad)], NOW).unwrap();
    let old = counted(1, "x", 1).candidate;
    let mut mutated = Settled { candidate: old.clone(), settlement: Settlement::Mutated, fetched: 0 };
    mutated.candidate.listed.version = Some("v2".into());
    ledger.commit(std::slice::from_ref(&mutated), NOW).unwrap();
    let new = &mutated.candidate.listed;
    assert_eq!(word(&ledger, &old.listed, &partition(1)), None, "it is another version now");
    assert_eq!(word(&ledger, new, &partition(1)), Some((ObjectOutcome::Counted, None)));
    // The first folder leaves; those after it move up.
    ledger.seal("ops", partition(1).end()).unwrap();
    assert_eq!(word(&ledger, &candidate(&partition(0), "x").listed, &partition(0)), None, "sealed");
    assert_eq!(word(&ledger, new, &partition(1)), Some((ObjectOutcome::Counted, None)));
    let bad = candidate(&partition(1), "bad").listed;
    assert_eq!(word(&ledger, &bad, &partition(1)), Some((ObjectOutcome::Quarantined, None)));
    let fixed = Settled { candidate: candidate(&partition(1), "bad"), ..counted(1, "bad", 3) };
    ledger.commit(&[fixed], NOW).unwrap();
    assert_eq!(word(&ledger, &bad, &partition(1)), Some((ObjectOutcome::Counted, None)));
}

/// The guard of what a poll with nothing new costs: it makes no digest.
#[test]
fn a_listing_of_what_is_known_makes_no_digest() {
    let place = Place::new();
    let mut ledger = place.open();
    let batch: Vec<Settled> = (0..500).map(|one| counted(one % 5, &one.to_string(), 1)).collect();
    ledger.commit(&batch, NOW).unwrap();
    for _ in 0..2 {
        let before = book::digests_made();
        let mut unchanged = ledger.unchanged();
        for Settled { candidate, .. } in &batch {
            assert!(unchanged.outcome(&candidate.listed, &candidate.partition).is_some());
        }
        assert_eq!(book::digests_made() - before, 0);
        assert_eq!(outcome(&ledger, 0, "0"), Some(ObjectOutcome::Counted));
        assert_eq!(book::digests_made() - before, 1, "the counter counts");
        ledger = {
            drop(ledger);
            place.open()
        };
    }
}

fn object(number: u64) -> OpenObject {
    OpenObject {
        partition: i64::try_from(number % 7).unwrap(),
        size: number,
        outcome: ObjectOutcome::Counted,
        ignore: None,
        version: Some(format!("v{}", number % 3).into()),
        mutated: false,
        baseline: false,
    }
}

fn id(number: u64) -> ObjectId {
    ObjectId { bucket: "s3://bucket".into(), key: format!("logs/{}/{number}", number % 7) }
}

#[test]
fn the_objects_are_a_map() {
    let mut objects = Objects::default();
    let mut map: BTreeMap<Digest, (u64, OpenObject)> = BTreeMap::new();
    let mut random = fastrand::Rng::with_seed(7);
    for step in 0..4_000 {
        let number = random.u64(0..300);
        let digest = Digest::of(&id(number));
        match random.u8(0..40) {
            0 => {
                let gone = random.i64(0..7);
                objects.retain(|_, object| object.partition != gone);
                map.retain(|_, (_, object)| object.partition != gone);
            }
            1..6 => {
                if let Some(object) = objects.get_mut(&digest) {
                    object.outcome = ObjectOutcome::Ignored;
                }
                if let Some((_, object)) = map.get_mut(&digest) {
                    object.outcome = ObjectOutcome::Ignored;
                }
            }
            _ => {
                let object = OpenObject { size: step, ..object(number) };
                objects.insert(digest, objects.print(&id(number)), object.clone());
                map.insert(digest, (number, object));
            }
        }
        assert_eq!(objects.get(&digest), map.get(&digest).map(|(_, object)| object));
        if step % 50 == 0 {
            assert_eq!(objects.iter().count(), map.len());
            for (digest, (number, object)) in &map {
                assert_eq!(objects.get(digest), Some(object));
                let version = object.version.as_deref().map(str::to_owned);
                let listed = Listed { id: id(*number), size: object.size, version };
                // Wherever it is looked for first.
                let near = random.usize(0..400);
                let found = objects.unchanged(&listed, objects.print(&listed.id), near);
                assert_eq!(found.map(|(_, object)| object), Some(object));
            }
        }
    }
    objects.retain(|_, _| false);
    assert_eq!((objects.iter().count(), objects.get(&Digest::of(&id(1)))), (0, None));
}

#[test]
fn what_was_added_at_once_is_found_and_once() {
    for twice in [None, Some(9), Some(0)] {
        let mut objects = Objects::default();
        for number in (0..100).chain(twice) {
            let size = if number == 9 { objects.iter().count() as u64 } else { number };
            let print = objects.print(&id(number));
            objects.add(Digest::of(&id(number)), print, OpenObject { size, ..object(number) });
        }
        objects.found();
        assert_eq!(objects.iter().count(), 100);
        for number in 0..100 {
            let known = objects.get(&Digest::of(&id(number))).unwrap().clone();
            let last = if twice == Some(9) && number == 9 { 100 } else { number };
            assert_eq!(known.size, last);
            let version = known.version.as_deref().map(str::to_owned);
            let listed = Listed { id: id(number), size: known.size, version };
            assert!(objects.unchanged(&listed, objects.print(&listed.id), 0).is_some());
        }
    }
}

#[test]
fn a_print_is_of_bucket_and_key_and_of_this_process_only() {
    let (mine, another) = (Objects::default(), Objects::default());
    let whole = mine.print(&id(5));
    let key = id(5).key;
    for cut in 0..=key.len() {
        let (prefix, name) = key.split_at(cut);
        assert_eq!(mine.folder("s3://bucket", prefix).of(name), whole, "cut at {cut}");
    }
    let others: Vec<Print> = vec![
        mine.print(&id(6)),
        mine.folder("s3://bucke", "t").of(&id(5).key),
        mine.folder("s3://bucket", "").of(""),
        another.print(&id(5)),
    ];
    assert!(!others.contains(&whole));
    assert!(others.iter().all(|print| print.0 != print.1), "two halves, not one of them twice");
}
