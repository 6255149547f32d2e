//! Bytes to records: the one shape that every input format is turned into.
//!
//! Refuses to know zones, gateways and prices. A batch says what the file says: nothing is dropped, guessed or
//! corrected here, and a value that cannot be read is marked as such.

mod builder;
mod cells;
mod chunk;
pub mod columns;
pub mod encode;
mod fault;
mod feed;
mod field;
mod footer;
pub mod guard;
mod hybrid;
mod input;
mod interned;
mod lengths;
mod numbers;
mod pages;
pub mod parquet;
mod sniff;
pub mod text;
mod thrift;
mod types;
mod unpack;
mod values;

#[cfg(test)]
pub(crate) mod tests;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

pub use columns::{Feature, features};
pub use field::{ColumnSet, Field, FlowBatch};
pub use input::{Input, InputReader, Parts, SparseBytes};
pub use numbers::{TimeUnit, Unreadable};
pub use parquet::{Wanted, wanted_ranges};

use crate::{
    limits,
    model::{IgnoreReason, Quarantine, QuarantineReason},
};

/// What one object may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes that the parts that are read may decompress to: `limits.decompressed_bytes`.
    pub decompressed_bytes: u64,
}

/// Why an object has no records for us.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// It cannot be read as a flow log.
    #[error("{0}")]
    Quarantine(Quarantine),
    /// It is a log, but none that this program counts.
    #[error("ignored: {}", .0.as_str())]
    Ignore(IgnoreReason),
}

/// A quarantine whose detail is cut to [`limits::DETAIL_BYTES`]: other people's data ends up in it.
pub(crate) fn quarantine(reason: QuarantineReason, detail: impl Into<String>) -> Quarantine {
    let mut detail = detail.into();
    if detail.len() > limits::DETAIL_BYTES {
        let end = (0..=limits::DETAIL_BYTES).rev().find(|end| detail.is_char_boundary(*end));
        detail.truncate(end.unwrap_or(0));
    }
    Quarantine { reason, detail }
}

/// [`quarantine`] as an error.
pub(crate) fn refuse(reason: QuarantineReason, detail: impl Into<String>) -> DecodeError {
    DecodeError::Quarantine(quarantine(reason, detail))
}

/// An object that is being read, in order, batch by batch.
///
/// The rows of all batches together are those of the whole object, by its own count or checksum, or the last call is an
/// error. After an error the reader is of no use.
#[derive(Debug)]
pub struct Reader(Format);

#[derive(Debug)]
enum Format {
    /// No bytes, no records.
    Empty(ColumnSet),
    Parquet(Box<parquet::ParquetReader>),
    Text(Box<text::TextReader>),
}

impl Reader {
    /// Looks at the first bytes (never at a name), finds the columns, and checks what can be checked before any
    /// record is decoded.
    pub fn open(input: Input, limits: &DecodeLimits) -> Result<Self, DecodeError> {
        if input.is_empty() {
            return Ok(Self(Format::Empty(ColumnSet::default())));
        }
        match input.magic() {
            Some(magic) if magic.starts_with(text::MAGIC) => {
                text::TextReader::open(input, limits).map(|reader| Self(Format::Text(Box::new(reader))))
            }
            // A sparse object is one whose end has been seen to be Parquet's; its beginning may not be there.
            None => parquet::ParquetReader::open(input, limits).map(Self::from),
            Some(magic) if guard::is_parquet(&magic) => {
                parquet::ParquetReader::open(input, limits).map(Self::from)
            }
            Some(magic) => {
                let len = input.len();
                if input.range(len.saturating_sub(4)..len).is_some_and(|end| guard::is_parquet(&end)) {
                    guard::begins_like_parquet(&input)?;
                }
                let head = input.range(0..input.len().min(sniff::HEAD_BYTES)).unwrap_or(magic);
                Err(refuse(QuarantineReason::Format, sniff::object(&head)))
            }
        }
    }

    /// Lets batches be without `start` where every record has an `end`, which is asked first: to read it for nothing takes
    /// time.
    pub fn only_needed_starts(&mut self) {
        if let Format::Parquet(reader) = &mut self.0 {
            reader.only_needed_starts();
        }
    }

    /// The columns that the object has; of a text object with several headers, those of the header in force.
    pub fn columns(&self) -> &ColumnSet {
        match &self.0 {
            Format::Empty(columns) => columns,
            Format::Parquet(reader) => reader.columns(),
            Format::Text(reader) => reader.columns(),
        }
    }

    /// The next records, at most [`limits::BATCH_ROWS`] and at least one; `None` after the last.
    pub fn next_batch(&mut self) -> Result<Option<FlowBatch>, DecodeError> {
        match &mut self.0 {
            Format::Empty(_) => Ok(None),
            Format::Parquet(reader) => reader.next_batch(),
            Format::Text(reader) => reader.next_batch(),
        }
    }
}

impl From<parquet::ParquetReader> for Reader {
    fn from(reader: parquet::ParquetReader) -> Self {
        Self(Format::Parquet(Box::new(reader)))
    }
}

/// A column of few distinct values: each row points at one of them.
///
/// Work that depends on the value alone is done once per value of a dictionary. The values need not be distinct, and
/// not all of them need to have a row.
#[derive(Debug, Clone)]
pub struct DictColumn<T> {
    /// The values, shared by all batches of the dictionary.
    pub values: Arc<Vec<T>>,
    /// For each row the index of its value; always inside `values`.
    pub index: Vec<u32>,
    /// Which dictionary the values are of.
    pub dictionary: DictionaryId,
}

/// Tells dictionaries apart, for as long as the process lives: of two columns with the same one, the values of the
/// shorter are the first values of the longer. A number that is counted up, never an address: memory is used again.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DictionaryId(u64);

impl DictionaryId {
    fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

/// Says nothing: what was read does not depend on what was read before.
impl fmt::Debug for DictionaryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("_")
    }
}

impl<T> DictColumn<T> {
    /// A column with a dictionary of its own.
    fn new(values: Vec<T>, index: Vec<u32>) -> Self {
        Self { values: Arc::new(values), index, dictionary: DictionaryId::next() }
    }

    /// The value of a row.
    pub fn get(&self, row: usize) -> &T {
        &self.values[self.index[row] as usize]
    }
}

/// An address as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AddrCell {
    /// Null, `-` or empty.
    Null,
    /// Not an address.
    Bad,
    /// An address; IPv4-mapped IPv6 addresses are IPv4 already.
    Ip(IpAddr),
    /// An IPv4 address that was written as NAT64, `64:ff9b::/96`.
    Nat64(Ipv4Addr),
}

/// An integer as the file has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum IntCell {
    /// Null, `-` or empty.
    Null,
    /// Not an integer, or outside the range of `i64`.
    Bad,
    /// A value.
    Value(i64),
}

/// Integers of a column, packed: two values at the lower end of `i64`, which no flow log field can have, stand for
/// null and for unreadable. They are read back as such only by [`IntColumn::get`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IntColumn(Vec<i64>);

impl IntColumn {
    /// What [`Self::cells`] has for [`IntCell::Null`].
    pub(crate) const NULL: i64 = i64::MIN;
    const BAD: i64 = i64::MIN + 1;
    /// Above it are values, up to it marks.
    pub(crate) const HIGHEST_MARK: i64 = Self::BAD;

    /// An empty column with room for `rows`.
    pub fn with_capacity(rows: usize) -> Self {
        Self(Vec::with_capacity(rows))
    }

    /// Appends a cell. The two lowest values of `i64` are unreadable: no field can have them.
    pub fn push(&mut self, cell: IntCell) {
        self.0.push(match cell {
            IntCell::Null => Self::NULL,
            IntCell::Bad => Self::BAD,
            IntCell::Value(value) if value <= Self::BAD => Self::BAD,
            IntCell::Value(value) => value,
        });
    }

    /// A column of present values. The two lowest values of `i64` are unreadable, as in [`Self::push`].
    pub(crate) fn of_values(values: impl Iterator<Item = i64>) -> Self {
        Self(values.map(|value| value.max(Self::BAD)).collect())
    }

    /// Appends cells of another column, as they are.
    fn extend_cells(&mut self, cells: impl Iterator<Item = i64>) {
        self.0.extend(cells);
    }

    /// Puts nulls among the last rows: see [`builder::spread`].
    fn spread(&mut self, runs: &[builder::Run]) {
        builder::spread(&mut self.0, runs, Self::NULL);
    }

    /// Whether every row has a value.
    fn is_complete(&self) -> bool {
        self.0.iter().fold(0, |marks, cell| marks | u8::from(*cell <= Self::HIGHEST_MARK)) == 0
    }

    /// Makes a row null.
    pub(crate) fn clear(&mut self, row: usize) {
        self.0[row] = Self::NULL;
    }

    /// Makes every row null that has this value.
    pub(crate) fn clear_where(&mut self, null: i64) {
        for cell in &mut self.0 {
            if *cell == null {
                *cell = Self::NULL;
            }
        }
    }

    /// The first row that could not be read.
    fn first_bad(&self) -> Option<usize> {
        self.0.iter().position(|cell| *cell == Self::BAD)
    }

    /// The cell of a row.
    pub fn get(&self, row: usize) -> IntCell {
        match self.0[row] {
            Self::NULL => IntCell::Null,
            Self::BAD => IntCell::Bad,
            value => IntCell::Value(value),
        }
    }

    /// All cells: a value as it is, [`Self::NULL`], and an unreadable one as another number below zero.
    pub(crate) fn cells(&self) -> &[i64] {
        &self.0
    }

    /// Appends present values. The two lowest values of `i64` are unreadable, as in [`Self::push`].
    fn extend(&mut self, values: impl Iterator<Item = i64>) {
        self.0.extend(values.map(|value| value.max(Self::BAD)));
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `log-status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LogStatus {
    /// `-`, empty or null.
    Null,
    /// `OK`, or a word that is none of the others: the record counts.
    Ok,
    /// No traffic in the interval.
    NoData,
    /// Records were lost in the interval.
    SkipData,
}

/// `action`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// `ACCEPT`, null, or an unknown word: only `REJECT` rejects.
    Accept,
    /// `REJECT`.
    Reject,
}

/// `flow-direction`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Null or an unknown word.
    Unknown,
    /// Into the interface.
    Ingress,
    /// Out of the interface.
    Egress,
}

/// `interface-type` and `next-hop-interface-type` of version 11.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InterfaceType {
    /// `-`, null, or a type that is no middlebox.
    Plain,
    /// `nat_gateway`
    NatGateway,
    /// `regional_nat_gateway`
    RegionalNatGateway,
    /// `transit_gateway`
    TransitGateway,
    /// `network_load_balancer`
    NetworkLoadBalancer,
    /// `vpc_endpoint`
    VpcEndpoint,
    /// `gateway_load_balancer_endpoint`
    GatewayLoadBalancerEndpoint,
}

/// `pkt-src-aws-service` and `pkt-dst-aws-service`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AwsService {
    /// Null: the address is no AWS service's.
    None,
    /// `EC2`: an instance, which is no service in the sense of zones.
    Ec2,
    /// `AMAZON`: some address of AWS.
    Amazon,
    /// Any other.
    Other,
}

/// `account-id`: the owner of the interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Account {
    /// Null.
    Null,
    /// The twelve digits of an account, as a number.
    Id(u64),
    /// Anything else, such as `unknown`.
    Other,
}

/// Text that is only compared: interface, resource and zone ids. `None` is null, `-` or empty.
pub type TextColumn = DictColumn<Option<Arc<str>>>;
