//! Parquet to batches.
//!
//! Reads by physical and logical type; a schema that the writer embedded is not looked at. Text columns are asked for
//! as dictionaries, so that an address is parsed once per distinct value and not once per row. Row groups of the usual
//! types and encodings are read by [`Chunk`], all others by the library. Refuses to know what a field means.
//! Invariant: each row group gives exactly the rows it claims, or an error.

use std::{collections::BTreeSet, ops::Range, sync::OnceLock};

use ::arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field as ArrowField, Fields},
};
use ::parquet::{
    arrow::{
        FieldLevels, ProjectionMask,
        arrow_reader::{ParquetRecordBatchReader, RowGroups},
        parquet_to_arrow_field_levels,
    },
    basic::Repetition,
    column::page::PageIterator,
    errors::{ParquetError, Result as ParquetResult},
    file::metadata::{ParquetMetaData, ParquetMetaDataReader, RowGroupMetaData},
};

use bytes::Bytes;

use super::{
    AddrCell, ColumnSet, DecodeError, DecodeLimits, Field, FlowBatch, Input, IntColumn,
    builder::{Builder, Texts},
    cells::{ColumnDecoder, holds},
    chunk::{Chunk, Text},
    columns,
    feed::{Fault, Feed, OneChunk},
    field::Column,
    field::Kind,
    footer,
    guard::{self, PageGuard},
    interned::Interned,
    numbers::{Form, MOST_SCALE},
    refuse,
    types::{arrow_type, decimal_scale, fixed_bytes, schema_of, usual_type, wanted_type, without_annotation},
    values,
};
use crate::{
    limits,
    model::{Quarantine, QuarantineReason},
    panics,
};

/// A Parquet object that is being read.
#[derive(Debug)]
pub struct ParquetReader {
    input: Input,
    meta: ParquetMetaData,
    plan: Plan,
    guard: PageGuard,
    /// Of each row group that was looked at, whether all its pages are usual.
    usual: Vec<bool>,
    /// The row group that is being read, of an object that is read in parts; else all of it.
    group: Input,
    builders: Vec<Builder>,
    addresses: Interned<AddrCell>,
    /// What the chunks of the last row group gave back.
    spare: Vec<Vec<u8>>,
    decoders: Vec<ColumnDecoder>,
    next_group: usize,
    current: Option<OpenGroup>,
    first_row: u64,
    only_needed_starts: bool,
    /// Rows of the row group whose `start` has not been read.
    starts_behind: usize,
}

#[derive(Debug)]
struct OpenGroup {
    source: Source,
    rows_left: u64,
}

/// Who reads a row group.
enum Source {
    /// We do, each column by itself.
    Chunks(Vec<Chunk>),
    /// The library does.
    Arrow(ParquetRecordBatchReader, Fault),
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Chunks(_) => "Chunks",
            Self::Arrow(..) => "Arrow",
        })
    }
}

impl ParquetReader {
    /// Reads the footer and checks what it claims.
    pub(super) fn open(input: Input, limits: &DecodeLimits) -> Result<Self, DecodeError> {
        let footer = guard::footer(&input)?;
        let (meta, encrypted) = metadata(&footer)?;
        let plan = Plan::new(&meta)?;
        plan.reads_none_of(&encrypted)?;
        let data_end = input.len() - guard::TAIL_BYTES - footer.len() as u64;
        guard::chunks(&meta, &plan.leaves, data_end, limits)?;
        // What is fetched as it is read begins with the first row group; without one there is nothing else to look at.
        if !input.is_in_parts() || meta.row_groups().iter().all(|group| group.num_rows() <= 0) {
            guard::begins_like_parquet(&input)?;
        }
        let mut guard = PageGuard::new(limits);
        let mut usual = Vec::with_capacity(meta.num_row_groups());
        // What is in memory is looked at as a whole before any of it is decoded.
        if !input.is_in_parts() {
            for number in 0..meta.num_row_groups() {
                usual.push(guard.check(&meta, number, &plan.leaves, &input)?);
            }
        }
        let fields = plan.binding.columns.iter().map(|(field, _)| *field);
        let builders = fields.clone().map(Builder::new).collect();
        let decoders =
            fields.zip(&plan.forms).map(|(field, form)| ColumnDecoder::new(field, *form)).collect();
        Ok(Self {
            group: input.clone(),
            input,
            meta,
            plan,
            guard,
            usual,
            builders,
            addresses: Interned::new(values::address),
            spare: Vec::new(),
            decoders,
            next_group: 0,
            current: None,
            first_row: 0,
            only_needed_starts: false,
            starts_behind: 0,
        })
    }

    /// May leave out `start` where every row has an `end`.
    pub(super) fn only_needed_starts(&mut self) {
        self.only_needed_starts = true;
    }

    /// Whether any row group is read by [`Chunk`].
    #[cfg(test)]
    pub(super) fn reads_itself(&self) -> bool {
        self.plan.usual.is_some() && self.usual.contains(&true)
    }

    /// Has all row groups read by the library.
    #[cfg(test)]
    pub(super) fn leave_to_library(&mut self) {
        self.plan.usual = None;
    }

    /// The fields that the object has.
    pub(super) fn columns(&self) -> &ColumnSet {
        &self.plan.binding.set
    }

    pub(super) fn next_batch(&mut self) -> Result<Option<FlowBatch>, DecodeError> {
        loop {
            let Some(mut group) = self.current.take() else {
                let Some(group) = self.meta.row_groups().get(self.next_group) else { return Ok(None) };
                let rows_left = u64::try_from(group.num_rows()).unwrap_or(0);
                if rows_left > 0 {
                    self.current = Some(OpenGroup { source: self.open_group()?, rows_left });
                }
                self.next_group += 1;
                continue;
            };
            let number = self.next_group - 1;
            let batch = match &mut group.source {
                Source::Chunks(chunks) if group.rows_left > 0 => Some(self.read(chunks, group.rows_left)?),
                Source::Chunks(_) => None,
                Source::Arrow(batches, fault) => {
                    let batch = batches.next().transpose().map_err(|error| why(fault, &error))?;
                    batch.map(|batch| self.decode(&batch)).transpose()?
                }
            };
            match batch {
                Some(batch) => {
                    group.rows_left = group.rows_left.checked_sub(batch.rows as u64).ok_or_else(|| {
                        let detail = format!("row group {number} has more rows than it claims");
                        refuse(QuarantineReason::Corrupt, detail)
                    })?;
                    self.current = Some(group);
                    self.first_row += batch.rows as u64;
                    return Ok(Some(batch));
                }
                None if group.rows_left > 0 => {
                    let detail = format!("row group {number} lacks {} of its rows", group.rows_left);
                    return Err(refuse(QuarantineReason::Corrupt, detail));
                }
                None => {
                    if let Source::Chunks(chunks) = group.source {
                        self.spare = chunks.into_iter().map(Chunk::into_bytes).collect();
                    }
                }
            }
        }
    }

    fn read(&mut self, chunks: &mut [Chunk], rows_left: u64) -> Result<FlowBatch, DecodeError> {
        let rows = usize::try_from(rows_left).map_or(limits::BATCH_ROWS, |rows| rows.min(limits::BATCH_ROWS));
        let mut batch = FlowBatch { rows, first_row: self.first_row, ..FlowBatch::default() };
        // Columns of addresses without dictionaries have the same ones, which are remembered together.
        let together_too = self.plan.has_one_kind_of_address();
        let mut together = Vec::new();
        let mut start = None;
        let columns = chunks.iter_mut().zip(&mut self.builders).zip(&self.plan.binding.columns);
        for ((chunk, builder), (field, position)) in columns {
            let named = |why| named(&self.meta, *position, why);
            match builder {
                _ if *field == Field::Start && self.only_needed_starts => {
                    start = Some((chunk, builder, position))
                }
                Builder::Address(column) if chunk.is_plain() && together_too => {
                    std::mem::swap(column, &mut self.addresses);
                    let read = chunk.read(rows, builder);
                    if let Builder::Address(column) = builder {
                        together.push((*field, column.take_index()));
                        std::mem::swap(column, &mut self.addresses);
                    }
                    read.map_err(named)?;
                }
                _ => {
                    chunk.read(rows, builder).map_err(named)?;
                    batch.put(*field, builder.take());
                }
            }
        }
        for (field, index) in together {
            batch.put(field, Column::Address(self.addresses.column(index)));
        }
        self.addresses.trim();
        if let Some((chunk, builder, position)) = start {
            if batch.end.as_ref().is_some_and(IntColumn::is_complete) {
                self.starts_behind += rows;
                return Ok(batch);
            }
            let named = |why| named(&self.meta, *position, why);
            while self.starts_behind > 0 {
                let behind = self.starts_behind.min(limits::BATCH_ROWS);
                chunk.read(behind, builder).map_err(named)?;
                builder.take();
                self.starts_behind -= behind;
            }
            chunk.read(rows, builder).map_err(named)?;
            batch.put(Field::Start, builder.take());
        }
        Ok(batch)
    }

    fn decode(&mut self, arrays: &RecordBatch) -> Result<FlowBatch, DecodeError> {
        let rows = arrays.num_rows();
        let mut batch = FlowBatch { rows, first_row: self.first_row, ..FlowBatch::default() };
        for (decoder, array) in self.decoders.iter_mut().zip(arrays.columns()) {
            decoder.decode(array, &mut batch)?;
        }
        Ok(batch)
    }

    fn open_group(&mut self) -> Result<Source, DecodeError> {
        self.load_group()?;
        self.starts_behind = 0;
        // Of dictionaries there are never more than those of one row group.
        self.builders.iter_mut().filter_map(Builder::texts).for_each(Texts::take_back);
        let group = self.meta.row_group(self.next_group);
        if let Some(texts) = &self.plan.usual
            && self.usual[self.next_group]
        {
            let mut spare = std::mem::take(&mut self.spare).into_iter();
            let chunks = self.plan.leaves.iter().zip(texts).map(|(leaf, text)| {
                let (column, pages) = guard::chunk_pages(&self.meta, group.column(*leaf), &self.group)?;
                Ok(Chunk::new(column, pages, *text, spare.next().unwrap_or_default()))
            });
            return Ok(Source::Chunks(chunks.collect::<Result<_, DecodeError>>()?));
        }
        let fault = Fault::default();
        let batches = self.open_arrow(&fault).map_err(|error| why(&fault, &error))?;
        Ok(Source::Arrow(batches, fault))
    }

    /// Fetches the columns of the next row group and checks their pages, where that is not done yet.
    fn load_group(&mut self) -> Result<(), DecodeError> {
        if !self.input.is_in_parts() {
            return Ok(());
        }
        let missing = || refuse(QuarantineReason::Corrupt, "a row group is not there");
        let mut ranges = self.ranges(self.next_group).ok_or_else(missing)?;
        // The magic is at hand where a column is near the beginning, as nearly always.
        let is_first = self.first_row == 0;
        ranges.extend(is_first.then_some(guard::HEAD));
        // The one before goes first: there is never more than one, and one on its way.
        self.group = Input::Whole(Bytes::new());
        self.group = self.input.load(ranges).ok_or_else(missing)?;
        if is_first {
            guard::begins_like_parquet(&self.group)?;
        }
        // One without rows is never loaded, and nobody has looked at what it claims.
        let behind = self.next_group + 1..self.meta.num_row_groups();
        let next = behind.into_iter().find(|group| self.meta.row_group(*group).num_rows() > 0);
        if let Some(next) = next.and_then(|group| self.ranges(group)) {
            self.input.expect(next);
        }
        self.usual.resize(self.next_group, false);
        let usual = self.guard.check(&self.meta, self.next_group, &self.plan.leaves, &self.group)?;
        self.usual.push(usual);
        Ok(())
    }

    /// Where the columns of a row group are; `None` if there is no such group, or it is nowhere.
    fn ranges(&self, group: usize) -> Option<Vec<Range<u64>>> {
        let group = self.meta.row_groups().get(group)?;
        self.plan.leaves.iter().map(|leaf| guard::chunk_range(group.column(*leaf))).collect()
    }

    /// One reader per row group: a batch never spans two dictionaries, which would have to be merged.
    fn open_arrow(&self, fault: &Fault) -> ParquetResult<ParquetRecordBatchReader> {
        let group = Group {
            fault,
            input: &self.group,
            meta: &self.meta,
            group: self.meta.row_group(self.next_group),
            leaves: &self.plan.leaves,
        };
        ParquetRecordBatchReader::try_new_with_row_groups(&self.plan.levels, &group, limits::BATCH_ROWS, None)
    }
}

/// What is wrong with a column, with its name.
fn named(meta: &ParquetMetaData, position: usize, why: Quarantine) -> DecodeError {
    let name = meta.file_metadata().schema_descr().root_schema().get_fields()[position].name();
    refuse(why.reason, format!("column {name}: {}", why.detail))
}

fn corrupt(error: &dyn std::error::Error) -> DecodeError {
    refuse(QuarantineReason::Corrupt, error.to_string())
}

/// What our own reading found, else what the decoder says.
fn why(fault: &OnceLock<Quarantine>, error: &dyn std::error::Error) -> DecodeError {
    fault.get().cloned().map_or_else(|| corrupt(error), DecodeError::Quarantine)
}

/// The footer, and the columns that are encrypted by their number in a row group.
fn metadata(footer: &[u8]) -> Result<(ParquetMetaData, BTreeSet<usize>), DecodeError> {
    let encrypted = footer::check(footer)?;
    match ParquetMetaDataReader::decode_metadata(footer) {
        Ok(meta) => Ok((meta, encrypted)),
        Err(_) if !encrypted.is_empty() => Err(guard::is_encrypted("columns are")),
        Err(error) => Err(refuse(QuarantineReason::Corrupt, format!("the footer: {error}"))),
    }
}

/// Which columns are read, and as what.
#[derive(Debug)]
struct Plan {
    binding: columns::Binding,
    /// For each bound field the number of its column chunk in a row group.
    leaves: Vec<usize>,
    /// What the numbers of each bound field are.
    forms: Vec<Form>,
    /// Of each bound field what its text may be, if [`Chunk`] can read all their types.
    usual: Option<Vec<Text>>,
    levels: FieldLevels,
}

impl Plan {
    /// Only the bound columns are looked at, so that no other column can make an object unreadable.
    fn new(meta: &ParquetMetaData) -> Result<Self, DecodeError> {
        let schema = meta.file_metadata().schema_descr();
        let roots = schema.root_schema().get_fields();
        let binding = columns::bind(roots.iter().map(|root| root.name()))?;
        let mut projected = Vec::with_capacity(binding.columns.len());
        let mut leaves = Vec::with_capacity(binding.columns.len());
        let mut hints = Vec::with_capacity(binding.columns.len());
        let mut forms = Vec::with_capacity(binding.columns.len());
        let mut usual = Some(Vec::with_capacity(binding.columns.len()));
        for (field, position) in &binding.columns {
            let root = &roots[*position];
            let unfit = |found: &str| {
                let detail = format!("column {}: {found} cannot hold {}", root.name(), field.name());
                refuse(QuarantineReason::Schema, detail)
            };
            if !root.is_primitive() {
                return Err(unfit("a nested type"));
            }
            if root.get_basic_info().has_repetition()
                && root.get_basic_info().repetition() == Repetition::REPEATED
            {
                return Err(unfit("a repeated value"));
            }
            let scale = decimal_scale(root);
            if scale.is_some_and(|scale| !field.kind().is_integer() || scale > MOST_SCALE) {
                return Err(unfit("DECIMAL"));
            }
            let root = &scale
                .map_or_else(|| Ok(root.clone()), |_| without_annotation(root))
                .map_err(|error| corrupt(&error))?;
            let found = arrow_type(root).map_err(|error| unfit(&error.to_string()))?;
            let wanted = wanted_type(root, found.clone());
            if !holds(*field, &wanted) || fixed_bytes(&found) > limits::PARQUET_VALUE_BYTES {
                return Err(unfit(&found.to_string()));
            }
            let leaf = (0..schema.num_columns()).find(|leaf| schema.get_column_root_idx(*leaf) == *position);
            leaves.push(leaf.ok_or_else(|| unfit("no column chunk"))?);
            hints.push(ArrowField::new(root.name(), wanted, true));
            projected.push(root.clone());
            // Without a point they are integers, which need nothing more, or bytes.
            let is_integer = matches!(found, DataType::Int32 | DataType::Int64);
            let form = Form::of(scale.filter(|scale| *scale > 0 || !is_integer));
            forms.push(form);
            usual = usual.zip(usual_type(*field, root, &found).filter(|_| form == Form::Plain)).map(
                |(mut all, text)| {
                    all.push(text);
                    all
                },
            );
        }
        let hints: Fields = hints.into();
        let levels = schema_of(projected)
            .and_then(|schema| parquet_to_arrow_field_levels(&schema, ProjectionMask::all(), Some(&hints)))
            .map_err(|error| corrupt(&error))?;
        Ok(Self { binding, leaves, forms, usual, levels })
    }
}

impl Plan {
    fn reads_none_of(&self, encrypted: &BTreeSet<usize>) -> Result<(), DecodeError> {
        let mut columns = self.binding.columns.iter().zip(&self.leaves);
        match columns.find(|(_, leaf)| encrypted.contains(leaf)) {
            Some(((field, _), _)) => Err(guard::is_encrypted(&format!("column {} is", field.name()))),
            None => Ok(()),
        }
    }

    /// Whether what one column of addresses may have, all may.
    fn has_one_kind_of_address(&self) -> bool {
        let columns = self.binding.columns.iter().zip(self.usual.iter().flatten());
        let mut kinds = columns.filter(|((field, _), _)| field.kind() == Kind::Address).map(|(_, text)| text);
        kinds.next().is_none_or(|first| kinds.all(|text| text == first))
    }
}

/// One row group with the bound columns only.
struct Group<'a> {
    fault: &'a Fault,
    input: &'a Input,
    meta: &'a ParquetMetaData,
    group: &'a RowGroupMetaData,
    leaves: &'a [usize],
}

impl RowGroups for Group<'_> {
    fn num_rows(&self) -> usize {
        usize::try_from(self.group.num_rows()).unwrap_or(0)
    }

    fn column_chunks(&self, column: usize) -> ParquetResult<Box<dyn PageIterator>> {
        let chunk = self.group.column(self.leaves[column]);
        let (column, pages) = guard::chunk_pages(self.meta, chunk, self.input)
            .map_err(|error| ParquetError::General(error.to_string()))?;
        let name = chunk.column_path().string();
        let feed = Feed::new(name, column, pages, self.fault.clone());
        Ok(Box::new(OneChunk(Some(Box::new(feed)))))
    }

    fn row_groups(&self) -> Box<dyn Iterator<Item = &RowGroupMetaData> + '_> {
        Box::new(std::iter::once(self.group))
    }

    fn metadata(&self) -> &ParquetMetaData {
        self.meta
    }
}

/// What to fetch of an object after its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// The rest of the footer; then ask again.
    Footer(Range<u64>),
    /// These parts, in order, apart from each other. None at all when the end already shows that the object will be
    /// refused: [`super::Reader::open`] says why.
    Ranges(Vec<Range<u64>>),
    /// All of it: this is no Parquet.
    All,
}

/// Decides what has to be fetched, from the last bytes of an object of `object_len` bytes. Never panics: what makes the
/// footer's decoder panic is left to [`super::Reader::open`], whose caller is prepared.
pub fn wanted_ranges(tail: &[u8], object_len: u64) -> Wanted {
    if tail.len() < 4 || !guard::is_parquet(&tail[tail.len() - 4..]) {
        return Wanted::All;
    }
    let Ok(footer) = guard::footer_range(tail, object_len) else { return Wanted::Ranges(Vec::new()) };
    let tail_start = object_len - tail.len() as u64;
    if footer.start < tail_start {
        return Wanted::Footer(footer.start..tail_start);
    }
    let inside = (footer.start - tail_start) as usize..(footer.end - tail_start) as usize;
    let ranges = panics::caught(|| column_ranges(&tail[inside], footer.start));
    Wanted::Ranges(ranges.unwrap_or_default())
}

fn column_ranges(footer: &[u8], data_end: u64) -> Vec<Range<u64>> {
    let Ok((meta, encrypted)) = metadata(footer) else { return Vec::new() };
    let Ok(plan) = Plan::new(&meta) else { return Vec::new() };
    if plan.reads_none_of(&encrypted).is_err() {
        return Vec::new();
    }
    let no_limit = DecodeLimits { decompressed_bytes: u64::MAX };
    if guard::chunks(&meta, &plan.leaves, data_end, &no_limit).is_err() {
        return Vec::new();
    }
    let groups = meta.row_groups().iter().filter(|group| group.num_rows() > 0);
    let chunks = groups.flat_map(|group| plan.leaves.iter().map(|leaf| group.column(*leaf)));
    let chunks = chunks.filter_map(guard::chunk_range).filter(|range| !range.is_empty());
    let mut ranges: Vec<Range<u64>> = std::iter::once(guard::HEAD).chain(chunks).collect();
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut apart: Vec<Range<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}
