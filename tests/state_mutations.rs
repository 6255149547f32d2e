//! State files with bytes changed: each opens, or is refused with its remedy and not touched. The seeds of fuzzing among
//! them are files that were once changed before they were refused.
//!
//! `FLOWCOST_MUTATIONS=N` runs N mutations of each file, `FLOWCOST_MUTATION_SEED` starts elsewhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

use flowcost_exporter::{
    ledger::{Ledger, Options, SourceSpec},
    model::Timestamp,
};

fn files(folder: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Whether it opens.
fn opens(content: &[u8]) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("flowcost.db");
    fs::write(&path, content).unwrap();
    // Another configuration than the file has seen, so that there is something to be written down.
    let options = Options {
        series_limit: 100,
        sources: vec![SourceSpec { name: "new".into(), url: "s3://new/".into() }],
        classifier_fingerprint: "new".to_owned(),
        prices: Vec::new(),
    };
    match Ledger::open(&path, &options, Timestamp(0)) {
        Ok((mut ledger, _)) => {
            let _ = ledger.take_requests();
            true
        }
        Err(error) => {
            let text = error.to_string();
            assert!(text.contains("flowcost.db") && !text.contains('\n'), "{text}");
            assert!(fs::read(&path).unwrap() == content, "changed, then refused: {text}");
            false
        }
    }
}

#[test]
fn a_state_file_opens_or_is_refused_untouched() {
    let rounds = std::env::var("FLOWCOST_MUTATIONS").map_or(40, |count| count.parse().unwrap());
    let seed = std::env::var("FLOWCOST_MUTATION_SEED").map_or(1, |seed| seed.parse().unwrap());
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut opened, mut refused) = (0, 0);
    for path in [files("fuzz/seeds/state"), files("tests/fixtures/state")].concat() {
        let sound = fs::read(&path).unwrap();
        opens(&sound);
        for _ in 0..rounds {
            let mut content = sound.clone();
            for _ in 0..random.usize(1..6) {
                let at = random.usize(..content.len());
                match random.u8(..4) {
                    0 => content[at] ^= 1 << random.u8(..8),
                    1 => content[at] = random.u8(..),
                    2 => content.truncate(at.max(1)),
                    _ => {
                        let end = (at + random.usize(1..512)).min(content.len());
                        content[at..end].fill(random.u8(..));
                    }
                }
            }
            if opens(&content) { opened += 1 } else { refused += 1 }
        }
    }
    assert!(opened > 0 && refused > opened, "{opened} opened, {refused} refused");
}
