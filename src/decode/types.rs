//! What the types of columns mean: as which type of Arrow a column is asked for, and which ones need no library.

use std::sync::Arc;

use ::arrow::datatypes::{DataType, TimeUnit};
use ::parquet::{
    arrow::parquet_to_arrow_schema,
    basic::{ConvertedType, LogicalType, Type as PhysicalType},
    errors::Result as ParquetResult,
    schema::types::{SchemaDescriptor, Type, TypePtr},
};

use super::{Field, chunk::Text};

/// A schema that has these columns only; their leaves are numbered anew from 0.
pub(super) fn schema_of(columns: Vec<TypePtr>) -> ParquetResult<SchemaDescriptor> {
    let root = Type::group_type_builder("flows").with_fields(columns).build()?;
    Ok(SchemaDescriptor::new(Arc::new(root)))
}

/// Digits behind the point, of a column of decimals.
pub(super) fn decimal_scale(column: &Type) -> Option<u32> {
    let info = column.get_basic_info();
    let scale = match info.logical_type_ref() {
        Some(LogicalType::Decimal(decimal)) => decimal.scale,
        None if info.converted_type() == ConvertedType::DECIMAL => column.get_scale(),
        Some(_) | None => return None,
    };
    // A negative one is not allowed, and too large to be read.
    Some(u32::try_from(scale).unwrap_or(u32::MAX))
}

/// The column as its plain physical type. The library would read decimals of a few lengths only, and panic over others.
pub(super) fn without_annotation(column: &Type) -> ParquetResult<TypePtr> {
    let info = column.get_basic_info();
    let length = match column {
        Type::PrimitiveType { type_length, .. } => *type_length,
        Type::GroupType { .. } => 0,
    };
    let plain = Type::primitive_type_builder(column.name(), column.get_physical_type())
        .with_repetition(info.repetition())
        .with_length(length);
    Ok(Arc::new(plain.build()?))
}

pub(super) fn arrow_type(column: &TypePtr) -> ParquetResult<DataType> {
    let schema = parquet_to_arrow_schema(&schema_of(vec![column.clone()])?, None)?;
    Ok(schema.field(0).data_type().clone())
}

/// What the text of a column may be, `None` of a type that [`Chunk`] does not read.
pub(super) fn usual_type(field: Field, column: &TypePtr, found: &DataType) -> Option<Text> {
    let number = field.kind().is_integer();
    match (found, column.get_physical_type()) {
        (DataType::Utf8, PhysicalType::BYTE_ARRAY) if !number => Some(Text::Utf8),
        (DataType::Binary, PhysicalType::BYTE_ARRAY) if !number => Some(Text::Bytes),
        (DataType::Int32, PhysicalType::INT32) | (DataType::Int64, PhysicalType::INT64) if number => {
            Some(Text::Bytes)
        }
        _ => None,
    }
}

pub(super) fn fixed_bytes(found: &DataType) -> usize {
    match found {
        DataType::FixedSizeBinary(size) => usize::try_from(*size).unwrap_or(usize::MAX),
        _ => 0,
    }
}

/// Text as dictionaries. INT96 as seconds: in nanoseconds, the default, far dates would wrap.
pub(super) fn wanted_type(column: &Type, found: DataType) -> DataType {
    match found {
        DataType::Utf8 | DataType::Binary | DataType::FixedSizeBinary(_) => {
            DataType::Dictionary(Box::new(DataType::Int32), Box::new(found))
        }
        _ if column.get_physical_type() == PhysicalType::INT96 => DataType::Timestamp(TimeUnit::Second, None),
        other => other,
    }
}
