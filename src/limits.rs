//! Every bound of the program, with its reason. Nothing grows without one of these.

use std::time::Duration;

/// Objects in one commit. A commit costs one fsync; 64 make its share small and keep the redo after a crash short.
pub const COMMIT_OBJECTS: usize = 64;

/// Ledger rows in one commit, so that one transaction stays in the tens of milliseconds.
pub const COMMIT_ROWS: usize = 20_000;

/// How long a finished object waits for its batch to fill.
pub const COMMIT_DELAY: Duration = Duration::from_millis(500);

/// Objects found but not yet read that are held in memory, some 350 bytes each. Discovery waits while it is full.
pub const BACKLOG_OBJECTS: usize = 20_000;

/// Keys in one page of a listing (the maximum of the S3 API).
pub const LIST_PAGE_KEYS: i32 = 1_000;

/// Pages of one listing: 10 million keys under one account and region inside the window. More is a mistake in `url`.
pub const LIST_PAGES: usize = 10_000;

/// Accounts, and regions of an account, that one source may have.
pub const ROOTS: usize = 10_000;

/// Views of a topology that are kept: one for each set of scopes that match. Some for each account in large organisations.
pub const VIEWS: usize = 256;

/// Folders of layouts that a source does not read into which a full scan looks, of accounts and of regions: a request each.
pub const OTHER_LAYOUT_FOLDERS: usize = 4;

/// How often it is said of a source that flow logs are not read, for each reason.
pub const UNREAD_EVERY: Duration = Duration::from_secs(3600);

/// Every how many polls the whole lookback is listed, and accounts and regions are looked for anew.
pub const FULL_SCAN_EVERY: u32 = 10;

/// How often each account and region of a source is listed for new objects, unless polls are further apart: AWS writes
/// every five minutes.
pub const LIST_ROOT_EVERY: Duration = Duration::from_secs(300);

/// Accounts and regions that every poll lists. Only with more of them do they take turns, to keep listing cheap: 100
/// requests a minute are 0.72 USD a day.
pub const ROOTS_PER_POLL: usize = 100;

/// How long after its end a partition is listed at every poll. Real listings have stragglers 21 minutes after the
/// slot; an hour is three times that.
pub const RECENT_PARTITIONS: Duration = Duration::from_secs(3600);

/// How often partitions between one and two lookbacks old are searched for objects that came too late.
pub const LATE_SCAN_EVERY: Duration = Duration::from_secs(24 * 3600);

/// How far ahead of the clock a partition may begin and still be read: other hosts' clocks differ.
pub const FUTURE_PARTITIONS: Duration = Duration::from_secs(3600);

/// Keys outside every partition that are remembered, so that each is counted as ignored once.
pub const FOREIGN_KEYS: usize = 10_000;

/// A record's time further than this from its object's partition is not believed.
pub const RECORD_TIME_TOLERANCE: Duration = Duration::from_secs(24 * 3600);

/// How long the ledger keeps hours apart before they are only in the totals, unless `state.keep` says else.
pub const KEEP: Duration = Duration::from_secs(400 * 24 * 3600);

/// What `state.keep` may be: the month gauges and the projection look back 45 days, a recount of last month 62.
pub const KEEPS: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(62 * 24 * 3600)..=Duration::from_secs(10 * 366 * 24 * 3600);

/// Objects that one recount reads: some 200 bytes of memory each.
pub const RECOUNT_OBJECTS: usize = 1_000_000;

/// Objects that a recount makes durable together.
pub const RECOUNT_BATCH: usize = 32;

/// Objects, partitions or changes that a recount names; the rest is counted.
pub const RECOUNT_LINES: usize = 100;

/// How long nothing was added to a label set that the configuration cannot produce any more when it leaves /metrics.
pub const RETIRES_AFTER: Duration = Duration::from_secs(30 * 24 * 3600);

/// Hours whose cost a snapshot carries: a month of 31 days and the seven days before its first hour, with a margin.
pub const COST_HOURS: i64 = 45 * 24;

/// An hour is settled this long after its end: nearly all of its records have been delivered and read.
pub const HOUR_SETTLES_AFTER: Duration = Duration::from_secs(30 * 60);

/// A source without any record for so long has ended. Sources that are quiet by nature still log NODATA.
pub const SOURCE_SILENT: Duration = Duration::from_secs(14 * 24 * 3600);

/// How far apart the sources of a first start may begin: one cycle with its first listings.
pub const FIRST_CYCLE: Duration = Duration::from_secs(3600);

/// Settled hours whose mean carries a projection: seven days, so that every weekday counts once.
pub const PROJECTION_HOURS: i64 = 7 * 24;

/// Percent of the projection from which on the youth of a source matters.
pub const PROJECTION_PERCENT: u128 = 5;

/// How often the process may die while decoding an object before the object is set aside.
pub const DECODE_ATTEMPTS: u32 = 3;

/// How far threads that decode stand behind all others of the process: a tenth of their share when both want to run.
pub const DECODE_NICENESS: i32 = 10;

/// Bytes up to which an object is fetched whole: a second round trip costs more than the bytes it could save.
pub const WHOLE_OBJECT_BYTES: u64 = 1 << 20;

/// Bytes fetched from the end of a larger object to find its Parquet footer.
pub const FOOTER_BYTES: u64 = 64 << 10;

/// Bytes up to which an object is in memory before it is decoded. A larger one is fetched while it is, row group by row
/// group or megabyte by megabyte, so that memory does not follow its size.
pub const IN_PARTS_BYTES: u64 = 8 << 20;

/// Bytes of an object that is read in parts that are asked for at a time, where not a row group says how many.
pub const PART_BYTES: u64 = 1 << 20;

/// Bytes of such an object that are fetched while those before them are decoded. A larger row group is waited for.
pub const AHEAD_BYTES: u64 = 8 << 20;

/// Buffers of objects and their parts that are kept for the next ones, and how large one may be.
pub const SPARE_BUFFERS: usize = 4;
/// See [`SPARE_BUFFERS`].
pub const SPARE_BYTES: usize = 8 << 20;
/// Room in such a buffer is a multiple of this.
pub const SPARE_STEP_BYTES: usize = 64 << 10;

/// A gap between two wanted ranges that is fetched along rather than paid for with another request.
pub const COALESCE_GAP_BYTES: u64 = 128 << 10;

/// Largest Parquet footer that is read. Footers of flow logs are kilobytes.
pub const PARQUET_FOOTER_BYTES: u64 = 16 << 20;

/// Elements of a Parquet schema. A flow log has some fifty.
pub const PARQUET_SCHEMA_ELEMENTS: usize = 4_096;

/// Nesting of a Parquet schema, which its decoder follows by recursion. A flow log has none.
pub const PARQUET_SCHEMA_DEPTH: usize = 64;

/// Column chunks of one object, read or not, at some 600 bytes each: a thousand row groups of a hundred columns.
pub const PARQUET_CHUNKS: usize = 100_000;

/// Elements of all lists in one Parquet footer: 20 for each of [`PARQUET_CHUNKS`], and at most 50 MB once decoded.
pub const PARQUET_FOOTER_ELEMENTS: u64 = 2_000_000;

/// Largest Parquet page, decompressed. Writers aim at 1 MiB; some write one page per column and row group.
pub const PARQUET_PAGE_BYTES: usize = 64 << 20;

/// Decompressed bytes of one object that are held at a time: of each column that is read the largest page and the
/// dictionary. Twenty pages and dictionaries of 1 MiB, with [`PARQUET_DICTIONARY_VALUE_BYTES`] for each value.
pub const PARQUET_OPEN_BYTES: u64 = 128 << 20;

/// Memory of pages that a column keeps from row group to row group: one page as writers aim at.
pub const PARQUET_KEPT_BYTES: usize = 2 << 20;

/// What a value of a dictionary costs in memory beside its own bytes, once it is parsed.
pub const PARQUET_DICTIONARY_VALUE_BYTES: u64 = 64;

/// Longest text that is read from a Parquet column. The longest that means anything is an IPv6 address of 45 bytes.
pub const PARQUET_VALUE_BYTES: usize = 256;

/// Bytes that a record is taken to have decompressed to at least: run lengths can claim any number of records.
pub const RECORD_BYTES: u64 = 16;

/// Records decoded at a time: large enough to amortise, small enough for the cache.
pub const BATCH_ROWS: usize = 8_192;

/// Longest line of a text log. A record of all fields of all versions is a tenth of it.
pub const TEXT_LINE_BYTES: usize = 64 << 10;

/// Decompressed text that is held at a time: some lines of the longest kind, so that little is moved about.
pub const TEXT_BUFFER_BYTES: usize = 256 << 10;

/// Text of one batch: [`BATCH_ROWS`] ordinary lines are half of it. Long lines make smaller batches, not larger ones.
pub const BATCH_TEXT_BYTES: usize = 4 << 20;

/// Headers of one text object: a day of 5-minute files put together has 288, or a few times that.
pub const TEXT_HEADERS: u32 = 10_000;

/// Columns of one text header. All fields of all versions are some seventy.
pub const TEXT_COLUMNS: usize = 1_000;

/// Gzip members that one line may run through and still be cut where one of them begins with a header.
pub const TEXT_SEAMS: usize = 256;

/// Distinct values of a text column that are remembered from batch to batch; beyond, the column begins anew. The
/// addresses of a large cluster fit.
pub const INTERNED_VALUES: usize = 1 << 15;

/// Bytes of them: [`INTERNED_VALUES`] of the usual length.
pub const INTERNED_BYTES: usize = 1 << 20;

/// Values of a dictionary that batches share; of a larger one each batch has those of its rows.
pub const SHARED_VALUES: usize = 1 << 15;

/// Addresses of one object that are remembered with what they are, at some 150 bytes each, beside those of the dictionaries
/// that are being read.
pub const ADDRESSES: usize = 1 << 15;

/// Different meanings of the values of a column that are remembered, beside those of the dictionary that is being read. Only
/// AZ ids can have so many, and a region has some.
pub const CLASSES: usize = 1 << 13;

/// Sums of one object that are kept where they are found by number, at 24 bytes each; beyond, they are looked up. A day of a
/// cluster has some thousands.
pub const LANES: usize = 1 << 18;

/// Sums of one object that are looked up, at some 100 bytes each; beyond, the object is no flow log.
pub const OBJECT_LANES: usize = 1 << 19;

/// Different sums of one object, charges included, at some 400 bytes each until they are committed. Five minutes of fifty
/// zones have a tenth of it.
pub const OBJECT_SUMS: usize = 1 << 18;

/// Signatures of records of one object that are remembered; beyond, they are looked at anew. A cluster has some thousands:
/// zones by zones by port groups by directions.
pub const SIGNATURES: usize = 1 << 16;

/// Kinds of records of one object, by all that bears on their meaning, at some 400 bytes each. More is no flow log.
pub const OBJECT_KINDS: usize = 1 << 17;

/// Addresses of an object that can be taught, at some 150 bytes each with what was taught; an object with more teaches
/// nothing (semantics 2.19).
pub const LEARNED_ADDRESSES: usize = 1 << 18;

/// Sums of an object that wait for what it teaches (semantics 2.19).
pub const OPEN_SUMS: usize = 1 << 18;

/// Lessons of an object: each address may be shown by some interfaces.
pub const LESSONS: usize = 1 << 19;

/// Lessons of one address: a few interfaces may show it, no flow log has so many.
pub const ADDRESS_LESSONS: usize = 256;

/// VPCs of one object that are told apart. A region of an account has some.
pub const OBJECT_VPCS: usize = 1 << 12;

/// AZ ids of one object beside the configured ones. A region has some.
pub const OBJECT_AZS: usize = 1 << 16;

/// Interfaces that one object names to find out whether two flow logs cover the same ones.
pub const OBJECT_INTERFACES: usize = 64;

/// Bytes of an interface id that is remembered. AWS's have 21.
pub const INTERFACE_ID_BYTES: usize = 64;

/// Interfaces that are remembered for that, some 150 bytes each. With more of them it is a sample, the same of every
/// flow log.
pub const WATCHED_INTERFACES: usize = 4_096;

/// Flow logs of one interface that are told apart.
pub const WATCHED_FLOW_LOGS: usize = 16;

/// Flow logs with records of one interface in one hour that no change from one to its successor explains.
pub const CROWD: usize = 3;

/// Hours that two flow logs must share an interface: one that is deleted and made anew with other fields meets its
/// successor in the hour of the change, and with its last records in the next.
pub const SHARED_HOURS: i64 = 3;

/// How long an interface without records is remembered.
pub const WATCHED_HOURS: i64 = 48;

/// Pairs of flow logs that are told of: all of so many over one interface.
pub const OVERLAPS: usize = WATCHED_FLOW_LOGS * (WATCHED_FLOW_LOGS - 1) / 2;

/// Distinct remarks (for example zones without their az_id) that one object may carry.
pub const HINTS: usize = 64;

/// Meanings of a label set that the ledger keeps apart: AZs of both ends, and how they stand to each other. A label set
/// has one, or two where a zone's AZ was changed; beyond, they are summed as not known.
pub const SERIES_MEANINGS: usize = 4;

/// AWS regions of keys that the ledger keeps apart; beyond, they are `other`. AWS has some forty.
pub const AWS_REGIONS: usize = 128;

/// Remarks and missing prices that are told in the life of a process.
pub const REMARKS: usize = 256;

/// Attempts of one store request before the object or scan is put back.
pub const STORE_ATTEMPTS: u32 = 4;

/// First pause between attempts; doubles each time, with full jitter.
pub const STORE_BACKOFF: Duration = Duration::from_millis(200);

/// Longest pause between attempts of one request.
pub const STORE_BACKOFF_MAX: Duration = Duration::from_secs(20);

/// Time to open a connection to AWS.
pub const AWS_CONNECT: Duration = Duration::from_secs(5);

/// Certificates that are looked at in one bundle of trusted authorities: the public ones are some 150.
pub const CA_BUNDLE_CERTIFICATES: usize = 4096;

/// Time to obtain credentials from their provider, its own retries included.
pub const AWS_CREDENTIALS: Duration = Duration::from_secs(15);

/// Time from the start of one attempt to the headers of its answer (for a listing page: to its end). The SDK has
/// no such limit of its own.
pub const STORE_ANSWER: Duration = Duration::from_secs(20);

/// Each time this long passes while a body is read, [`STORE_STALL_BYTES`] must have come.
pub const STORE_STALL: Duration = Duration::from_secs(20);

/// Least progress of a body in one [`STORE_STALL`]: far below any usable link, far above a dripping one.
pub const STORE_STALL_BYTES: usize = 64 << 10;

/// Folders below the root of a local store that are entered. The deepest AWS layout with a template is half of it.
pub const LOCAL_DEPTH: usize = 32;

/// Local folders that reloads may bring, for which threads are kept ready in name only.
pub const RELOADED_FOLDERS: usize = 8;

/// Requests to one local folder at a time. A mount that does not answer keeps their threads for ever, and no more.
pub const LOCAL_REQUESTS: usize = 8;

/// Deadline of one listing page.
pub const LIST_DEADLINE: Duration = Duration::from_secs(60);

/// Deadline of one object: 256 MiB at 1 MiB/s, rounded up.
pub const OBJECT_DEADLINE: Duration = Duration::from_secs(300);

/// First pause before an object that failed is tried again; doubles up to [`OBJECT_RETRY_MAX`].
pub const OBJECT_RETRY: Duration = Duration::from_secs(30);

/// Longest pause before an object that failed is tried again.
pub const OBJECT_RETRY_MAX: Duration = Duration::from_secs(30 * 60);

/// First pause of a source whose first scan fails; doubles up to [`FIRST_SCAN_RETRY_MAX`].
pub const FIRST_SCAN_RETRY: Duration = Duration::from_secs(2);

/// Longest pause of a source whose first scan fails: credentials and policies come within minutes.
pub const FIRST_SCAN_RETRY_MAX: Duration = Duration::from_secs(30);

/// How long the flow families of a fresh state wait, once a source has been read, for sources that cannot be.
pub const FIRST_SCAN_WAIT: Duration = Duration::from_secs(15 * 60);

/// Longest pause of a source whose scans fail.
pub const SCAN_BACKOFF_MAX: Duration = Duration::from_secs(10 * 60);

/// Quarantined objects that are kept with their particulars; beyond, the oldest lose theirs but stay counted.
pub const QUARANTINE_ROWS: usize = 10_000;

/// Hashes of sealed objects that are held in memory at 16 bytes each: 16 MiB, a busy day of a large account.
pub const SEALED_CACHE_HASHES: usize = 1 << 20;

/// Partitions for which it is remembered which sealed partitions lie at or above them.
pub const SEALED_CACHE_PARTITIONS: usize = 4_096;

/// Hashes of sealed objects that the row of a day holds for its hours: 256 an hour. Sealing an hour rewrites that row, 96 KiB
/// at the most. Hours that do not fit have rows of their own, which cost some 300 bytes and a part of a page: little beside
/// 256 hashes, much beside twelve.
pub const SEALED_DAY_HASHES: usize = 24 * 256;

/// Partitions sealed in one transaction, so that a commit does not wait long behind it.
pub const SEAL_PARTITIONS: usize = 64;

/// Hours folded in one transaction, for the same reason.
pub const FOLD_HOURS: i64 = 48;

/// How long a write waits for another program that holds the state file, for example a database shell.
pub const STATE_BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Size that the write-ahead log of the state is cut back to after a large transaction.
pub const STATE_LOG_BYTES: u64 = 16 << 20;

/// Bytes of text kept of one quarantine reason.
pub const DETAIL_BYTES: usize = 512;

/// Open connections of the web server. The next ones wait in the kernel's queue.
pub const CONNECTIONS: usize = 512;

/// How long all connections may be taken before those that were silent meanwhile are closed: short against the 10 s
/// that a scrape may take by default, so that idle sockets cannot keep a scraper out.
pub const CONNECTION_PATIENCE: Duration = Duration::from_secs(1);

/// Scrapes that are under way at a time; one more waits. Bounds the memory of responses that are not read: 10,000
/// series are some 10 MB.
pub const SCRAPES: usize = 16;

/// How long a scrape waits for a place before those that have not been read to their end in all that time are cut, and
/// how long after that before it is told to come back. Both together are short against the 10 s of a scrape.
pub const SCRAPE_PATIENCE: Duration = Duration::from_secs(1);

/// Time for a TLS handshake: three round trips over the slowest usable link.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes handed to a connection at a time, so that a response leaves the count of [`SCRAPES`] only when it is sent.
pub const RESPONSE_CHUNK: usize = 64 << 10;

/// Pause after a connection could not be accepted for want of file descriptors or memory.
pub const ACCEPT_PAUSE: Duration = Duration::from_secs(1);

/// Time for a request's headers to arrive, and for an idle connection to send the next request.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest time for the answer to a request, its sending included: longer than any scrape may take that is repeated
/// every minute.
pub const CONNECTION_TIMEOUT: Duration = Duration::from_secs(60);

/// Bytes of request headers.
pub const HEADER_BYTES: usize = 16 << 10;

/// Bytes of a file with certificates or a key. A chain has some kilobytes; a bundle of every public CA is a fifth of it.
pub const PEM_BYTES: u64 = 1 << 20;

/// Cost of a bcrypt hash: each step doubles the time. 10 takes some 60 ms, 16 some 4 s.
pub const BCRYPT_COST: std::ops::RangeInclusive<u32> = 4..=16;

/// Passwords that are compared at a time: guessers get one processor at the most.
pub const PASSWORDS_COMPARED: usize = 1;

/// How long a password waits for being compared before its sender is told to come back.
pub const PASSWORD_PATIENCE: Duration = Duration::from_secs(5);

/// Wrong passwords that are remembered, 32 bytes each; right ones are remembered apart.
pub const PASSWORDS_KNOWN: usize = 128;

/// How often the files of certificates are looked at. Three small files; a client of the next second gets the new one.
pub const CERTIFICATES_EVERY: Duration = Duration::from_secs(1);

/// Sources that reloads took away and whose counters are kept, should they come back.
pub const RETIRED_SOURCES: usize = 256;

/// Time that open requests and the running commit get after SIGTERM. Below Kubernetes' 30 s grace period.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(10);

/// Each step of `healthcheck`: below the 5 s that the container image gives the whole of it.
pub const HEALTHCHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Characters of a configured name.
pub const NAME_CHARS: usize = 128;

/// Records a minute that the demo writes at most: a file covers up to five minutes and is built in memory.
pub const DEMO_ROWS_PER_MINUTE: u32 = 100_000;

/// Past of a new demo folder: the usual two days at least, what the ledger keeps at the most.
pub const DEMO_HISTORY: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(2 * 86_400)..=Duration::from_secs(400 * 86_400);

/// Bytes of AWS's file of address ranges, before and after decompression. It has 2 MiB.
pub const IP_RANGES_BYTES: u64 = 64 << 20;

/// Bytes of a configuration file. 40,000 networks of 400 zones are a tenth of it, at 20 to 40 bytes each.
pub const CONFIG_BYTES: u64 = 16 << 20;

/// Configured zones: each account, VPC and AZ of a large organisation can have one of its own, and all still fit 16 bits.
pub const ZONES: usize = 65_000;

/// How many zones `in` may lead through: it is followed by recursion. Two or three are usual.
pub const ZONE_DEPTH: usize = 64;

/// Names that a warning or an error lists before it counts the rest.
pub const NAMES_LISTED: usize = 20;

/// `ingest.poll_interval`: below, listing costs more than it finds (objects come every 5 minutes); above, freshness
/// metrics and alerts lose their meaning.
pub const POLL_INTERVAL: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(1)..=Duration::from_secs(3600);

/// `ingest.lookback`: at least one hourly partition and its stragglers; at most what can be listed again and again.
pub const LOOKBACK: std::ops::RangeInclusive<Duration> =
    Duration::from_secs(2 * 3600)..=Duration::from_secs(31 * 24 * 3600);

/// `ingest.concurrency`: each object in work holds up to `limits.object_bytes`.
pub const CONCURRENCY: std::ops::RangeInclusive<u64> = 1..=64;

/// `limits.series`: room for a few zones at least; at most what one scrape can carry in seconds.
pub const SERIES: std::ops::RangeInclusive<u64> = 10..=1_000_000;

/// `limits.object_bytes`: an object is held in memory. AWS closes flow-log files at 75 MB.
pub const OBJECT_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=4 << 30;

/// `limits.decompressed_bytes`: decoded in batches, so it bounds time rather than memory.
pub const DECOMPRESSED_BYTES: std::ops::RangeInclusive<u64> = 1 << 10..=64 << 30;

/// Highest price of a gigabyte that is believed, in USD. List prices are below 1: what is above this is a price per
/// terabyte or a slipped decimal point.
pub const PRICE_USD: u64 = 1_000;

/// Most gigabytes of a month that are believed, for tiers: an exabyte.
pub const TIER_GB: u64 = 1_000_000_000;

/// Highest monthly budget, in USD: a ninth of what the ledger's sums can hold.
pub const BUDGET_USD: u64 = 1_000_000_000;

const _: () = assert!(STORE_BACKOFF.as_millis() < STORE_BACKOFF_MAX.as_millis());
const _: () = assert!(AWS_CREDENTIALS.as_secs() < STORE_ANSWER.as_secs());
const _: () = assert!(AWS_CONNECT.as_secs() < STORE_ANSWER.as_secs());
const _: () = assert!(STORE_ANSWER.as_secs() < LIST_DEADLINE.as_secs());
const _: () = assert!(LIST_DEADLINE.as_secs() < OBJECT_DEADLINE.as_secs());
const _: () = assert!(COST_HOURS >= 31 * 24 + PROJECTION_HOURS && COST_HOURS < 62 * 24);
const _: () = assert!(TEXT_LINE_BYTES < TEXT_BUFFER_BYTES && TEXT_LINE_BYTES < BATCH_TEXT_BYTES);
const _: () = assert!(FOOTER_BYTES < WHOLE_OBJECT_BYTES && FOOTER_BYTES < PART_BYTES);
const _: () = assert!(WHOLE_OBJECT_BYTES < IN_PARTS_BYTES);
const _: () = assert!((PARQUET_PAGE_BYTES as u64) < PARQUET_OPEN_BYTES);
const _: () = assert!(HEADER_BYTES <= RESPONSE_CHUNK);
const _: () = assert!(SEALED_DAY_HASHES < SEALED_CACHE_HASHES);

const _: () = assert!(POLL_INTERVAL.end().as_secs() < LOOKBACK.start().as_secs());
const _: () = assert!(BUDGET_USD < i64::MAX as u64 / 1_000_000_000);

/// Threads for blocking work beside the decoders: the ledger, local files, name look-ups.
pub const BLOCKING_THREADS: usize = 8;

/// How often the demo writes a file.
pub const DEMO_FILE_EVERY: Duration = Duration::from_secs(3);

/// How often the log tells how far a backlog has come.
pub const PROGRESS_EVERY: Duration = Duration::from_secs(30);

/// Percentage after which it tells earlier.
pub const PROGRESS_PERCENT: u64 = 5;

/// How often it tells at the most: a backlog that is read sooner needs no word.
pub const PROGRESS_PAUSE: Duration = Duration::from_secs(5);

/// Bytes of an export that are written at a time: a line is some 150.
pub const EXPORT_BUFFER_BYTES: usize = 64 << 10;

/// Extra labels that an export can give its series.
pub const EXPORT_LABELS: usize = 16;

/// Accounts and regions of a source that `check --reach` names.
pub const REACH_ROOTS: usize = 20;

/// Pages of a listing that `check --reach` reads of a source.
pub const REACH_PAGES: usize = 20;

/// Objects of a source in the sample of `check --reach`, where there are so many of one slot.
pub const REACH_OBJECTS: usize = 24;

/// A slot with so many is enough.
pub const REACH_SLOT: usize = 12;

/// Bytes of them.
pub const REACH_BYTES: u64 = 64 << 20;

/// Time to read them in.
pub const REACH_TIME: Duration = Duration::from_secs(60);

/// Records of one object: a large one is not read to its end.
pub const REACH_RECORDS: u64 = 4 << 20;

/// Kinds of records of one object that a sample tells apart; the rest is only added up.
pub const REACH_KINDS: usize = 1 << 18;

/// Networks, ports, gateways of a sample that are remembered.
pub const REACH_ENTRIES: usize = 4_096;

/// Entries of each kind that are named.
pub const REACH_LINES: usize = 8;

/// Log lines that wait for stderr. Beyond, lines are dropped rather than the program held up.
pub const LOG_LINES: usize = 8_192;

/// How long one cycle takes up new work. What is left is found again by the next one, after every source had its turn:
/// a source that is slow or huge does not keep the others from being listed.
pub const CYCLE_BUDGET: Duration = Duration::from_secs(300);

/// Objects that may be put back while a scan still counts as complete. More are not single objects any more but a part
/// of the source that cannot be read, and the window waits for them.
pub const HELD_BACK_OBJECTS: usize = 10;

/// How often every object that was put back is tried before a first scan counts as complete without them.
pub const FIRST_SCAN_TRIES: u32 = 3;

/// How long the window waits at the most for objects that cannot be read, so that it does not grow for ever.
pub const HELD_BACK: Duration = Duration::from_secs(7 * 24 * 3600);
