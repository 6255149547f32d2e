//! Writes files to measure with, and reads them as the exporter does: from a local store, on a bounded pool, into the
//! sums of each object. `benches/peers/run` and `benches/instructions/run` use it.
//!
//! ```text
//! flows setup                               zones, port groups and gateway as TOML
//! flows generate DIR VARIANT FILES ROWS     files of ROWS records each; gzip, snappy, plain, text,
//!                                           v5-without-zones or v11-all-columns
//! flows digest DIR VARIANT THREADS          sums as lines of words between tabs, then what it took
//! ```

#![allow(clippy::print_stdout, reason = "its output is what it is for")]

mod traffic;

use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    sync::{Arc, Mutex},
    time::Instant,
};

use flowcost_exporter as flowcost;
use flowcost_exporter::{
    accumulate::{DigestLimits, digest},
    classify::{Classifier, GatewaySpec, PortGroup, Rules, SourceScope, ZoneSpec},
    fetch::{Fetched, fetch_or_begin},
    model::{FlowCounts, FlowKey, Hour, Partition, PartitionSpan, Settlement, Timestamp},
    pricing::PriceBook,
    store::{ListRequest, ObjectStore, local::LocalStore},
};
use traffic::{GATEWAYS, GROUPS, Gateway, HOUR, REGION, Variant, ZONES};

type Outcome = Result<(), Box<dyn Error>>;

/// What a configuration has by default, but for the time that it takes to decompress.
const OBJECT_BYTES: u64 = 256 << 20;
const LIMITS: DigestLimits = DigestLimits { decompressed_bytes: 2 << 30, bad_rows: 0 };

fn main() -> Outcome {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["setup"] => setup(),
        ["generate", dir, variant, files, rows] => {
            generate(dir, known(variant)?, files.parse()?, rows.parse()?)?
        }
        ["digest", dir, variant, threads] => measure(dir, known(variant)?, threads.parse()?)?,
        _ => {
            return Err(
                "usage: flows setup | generate DIR VARIANT FILES ROWS | digest DIR VARIANT THREADS".into()
            );
        }
    }
    Ok(())
}

fn known(variant: &str) -> Result<Variant, String> {
    Variant::parse(variant).ok_or_else(|| format!("no variant is called {variant}"))
}

fn setup() {
    let [nat, _] = GATEWAYS;
    println!("nat_interface = {:?}\nnat_address = \"{}\"\n[zones]", nat.interface, nat.address);
    for (zone, _, cidrs) in ZONES {
        println!("{zone} = {cidrs:?}");
    }
    println!("[groups]");
    for (group, ports) in GROUPS {
        let ports: Vec<String> = ports.iter().map(|(low, high)| format!("[{low}, {high}]")).collect();
        println!("{group} = [{}]", ports.join(", "));
    }
}

fn generate(dir: &str, variant: Variant, files: u64, rows: usize) -> Outcome {
    fs::create_dir_all(dir)?;
    for number in 0..files {
        let path = format!("{dir}/{}-{number}.{}", variant.name(), variant.extension());
        fs::write(path, traffic::file(variant, number + 1, rows))?;
    }
    Ok(())
}

fn classifier(variant: Variant) -> Result<Classifier, Box<dyn Error>> {
    let source = SourceScope { name: "bench".into(), region: REGION.into() };
    if variant == Variant::WithoutZones {
        return Ok(Classifier::new(Rules::default(), &source, PriceBook::default(), None));
    }
    let mut zones = Vec::new();
    for (name, az_id, cidrs) in ZONES {
        let cidrs = cidrs.iter().map(|cidr| cidr.parse()).collect::<Result<_, _>>()?;
        zones.push(ZoneSpec {
            name: name.into(),
            az_id: Some(az_id.into()),
            region: Some(REGION.into()),
            cidrs,
            logged: true,
            ..ZoneSpec::default()
        });
    }
    let group = |(name, ports): (&str, &[(u16, u16)])| PortGroup {
        name: name.into(),
        ports: ports.iter().map(|(low, high)| *low..=*high).collect(),
    };
    let gateway = |gateway: &Gateway| GatewaySpec {
        name: gateway.name.into(),
        zone: Some(ZONES[gateway.zone].0.into()),
        interface_ids: vec![gateway.interface.into()],
        private_ips: vec![gateway.address.into()],
        ..GatewaySpec::default()
    };
    let port_groups = GROUPS.into_iter().map(group).collect();
    let gateways = variant.gateways().iter().map(gateway).collect();
    let rules = Rules { zones, port_groups, gateways, ..Rules::default() };
    Ok(Classifier::new(rules, &source, PriceBook::default(), None))
}

type Sums = BTreeMap<FlowKey, FlowCounts>;

/// Reads the files of a variant, as many at a time as there are threads.
fn measure(dir: &str, variant: Variant, threads: usize) -> Outcome {
    let dir = fs::canonicalize(dir)?;
    let root = dir.to_str().ok_or("the folder is not UTF-8")?.to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build()?;
    let classifier = Arc::new(classifier(variant)?);
    let partition = Partition {
        bucket: "file://".into(),
        prefix: "".into(),
        start: Hour::of(Timestamp(HOUR)),
        span: PartitionSpan::Hour,
    };
    let sums: Arc<Mutex<Sums>> = Arc::default();
    let began = Instant::now();
    let rows = runtime.block_on(async {
        let store: Arc<dyn ObjectStore> = Arc::new(LocalStore::new("bench".into(), &root, Arc::new(|_| {})));
        let prefix = format!("{}/{}-", root.trim_matches('/'), variant.name());
        let page = store
            .list(ListRequest { prefix: &prefix, start_after: None, delimited: false, page: None })
            .await?;
        let slots = Arc::new(tokio::sync::Semaphore::new(threads));
        let mut objects = tokio::task::JoinSet::new();
        for listed in page.objects {
            let (store, slots, sums) = (store.clone(), slots.clone(), sums.clone());
            let (classifier, partition) = (classifier.clone(), partition.clone());
            objects.spawn(async move {
                let _slot = slots.acquire_owned().await.map_err(|error| error.to_string())?;
                let fetched = fetch_or_begin(&store, &listed, OBJECT_BYTES).await;
                let Fetched { input, parts, .. } = fetched.map_err(|error| error.to_string())?;
                let work = move || digest(input, &partition.into(), &classifier, &LIMITS);
                let settlement =
                    tokio::task::spawn_blocking(work).await.map_err(|error| error.to_string())?;
                if let Some(error) = parts.as_ref().and_then(|parts| parts.failure()) {
                    return Err(error.to_string());
                }
                match settlement {
                    Settlement::Counted(delta) => {
                        let mut sums = sums.lock().map_err(|error| error.to_string())?;
                        for ((_, series), counts) in delta.traffic {
                            let sum = sums.entry(series.key).or_default();
                            *sum = sum.checked_add(counts).ok_or("the sums overflow")?;
                        }
                        Ok(delta.records.total())
                    }
                    other => Err(format!("{}: {other:?}", listed.id)),
                }
            });
        }
        let mut rows = 0;
        while let Some(done) = objects.join_next().await {
            rows += done??;
        }
        Ok::<u64, Box<dyn Error>>(rows)
    })?;
    let seconds = began.elapsed().as_secs_f64();
    for (key, counts) in sums.lock().map_err(|error| error.to_string())?.iter() {
        let FlowKey { src_zone, dst_zone, port_group, nat_direction } = key;
        let FlowCounts { bytes, packets, flows, .. } = counts;
        let nat = nat_direction.as_str();
        println!("{src_zone}\t{dst_zone}\t{port_group}\t{nat}\t{bytes}\t{packets}\t{flows}");
    }
    let status = procfs::process::Process::myself()?.status()?;
    println!("seconds\t{seconds}");
    println!("rows\t{rows}");
    println!("peak_kib\t{}", status.vmhwm.unwrap_or_default());
    Ok(())
}
