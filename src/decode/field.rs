//! The one table of columns: every field that is read, its slot in a batch, what its values are, and its names.
//!
//! Binding, building, the slots of [`FlowBatch`] and sets of columns all follow from it. To add a
//! column, see CONTRIBUTING.md.

use super::{
    Account, Action, AddrCell, AwsService, DictColumn, Direction, IntColumn, InterfaceType, LogStatus,
    TextColumn, TimeUnit, Unreadable,
};

/// What the values of a field are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Address,
    InterfaceType,
    AwsService,
    Direction,
    Action,
    LogStatus,
    Account,
    /// Whether there is a value; which one does not matter.
    Presence,
    Integer,
    /// An integer of Unix seconds; files may have timestamps or smaller units instead.
    Time,
}

impl Kind {
    /// Whether columns of it hold integers.
    pub(super) fn is_integer(self) -> bool {
        match self {
            Self::Integer | Self::Time => true,
            Self::Text | Self::Address | Self::InterfaceType | Self::AwsService => false,
            Self::Direction | Self::Action | Self::LogStatus | Self::Account | Self::Presence => false,
        }
    }
}

/// A decoded column, by what its values are.
#[derive(Debug)]
pub(super) enum Column {
    Text(TextColumn),
    Address(DictColumn<AddrCell>),
    InterfaceType(DictColumn<InterfaceType>),
    AwsService(DictColumn<AwsService>),
    Direction(DictColumn<Direction>),
    Action(DictColumn<Action>),
    LogStatus(DictColumn<LogStatus>),
    Account(DictColumn<Account>),
    Presence(DictColumn<bool>),
    /// Also of a field of times.
    Integer(IntColumn),
}

/// The column of a kind.
macro_rules! column_of {
    (Text) => { TextColumn };
    (Address) => { DictColumn<AddrCell> };
    (InterfaceType) => { DictColumn<InterfaceType> };
    (AwsService) => { DictColumn<AwsService> };
    (Direction) => { DictColumn<Direction> };
    (Action) => { DictColumn<Action> };
    (LogStatus) => { DictColumn<LogStatus> };
    (Account) => { DictColumn<Account> };
    (Presence) => { DictColumn<bool> };
    (Integer) => { IntColumn };
    (Time) => { IntColumn };
}

/// The column inside a [`Column`] of a kind.
macro_rules! expect_column {
    ($column:ident, Time) => {
        expect_column!($column, Integer)
    };
    ($column:ident, $kind:ident) => {
        match $column {
            Column::$kind(column) => column,
            other => unreachable!("a column of {} is not {other:?}", stringify!($kind)),
        }
    };
}

macro_rules! fields {
    ($($field:ident $slot:ident $kind:tt [$($name:literal)+];)*) => {
        /// The fields that are read. Everything else in a flow log is left alone.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "the fields of AWS's documentation, under their own names")]
        #[repr(u8)]
        pub enum Field { $($field),* }

        impl Field {
            /// All fields, in the order of the table.
            pub const ALL: [Self; Self::COUNT] = [$(Self::$field),*];

            /// Number of fields.
            pub const COUNT: usize = [$(stringify!($field)),*].len();

            /// AWS's name first, then that of converted files; the first wins (semantics 1.2).
            pub(super) fn names(self) -> &'static [&'static str] {
                match self { $(Self::$field => &[$($name),+]),* }
            }

            /// What its values are.
            pub(super) fn kind(self) -> Kind {
                match self { $(Self::$field => Kind::$kind),* }
            }
        }

        /// Some records of one object, in columns. A column is `None` when the object does not have the field; all
        /// columns that are there have `rows` rows.
        #[derive(Debug, Clone, Default)]
        #[allow(missing_docs, reason = "the fields are the fields of AWS's documentation, under their own names")]
        pub struct FlowBatch {
            /// Number of records.
            pub rows: usize,
            /// Number of records of the object before these.
            pub first_row: u64,
            /// Per row, set only when the row itself is malformed (wrong number of fields in text). Empty: none is.
            pub malformed: Vec<bool>,
            /// The smallest unit that a time of the file had. Here all are seconds.
            pub time_unit: TimeUnit,
            /// Of each column of floats or decimals the first number that is unreadable.
            pub unreadable: Vec<Unreadable>,
            $(pub $slot: Option<column_of!($kind)>,)*
        }

        impl FlowBatch {
            /// Puts the column of a field, which is of the field's [`kind`](Field::kind), into its slot.
            pub(super) fn put(&mut self, field: Field, column: Column) {
                match field { $(Field::$field => self.$slot = Some(expect_column!(column, $kind)),)* }
                let times = match field {
                    Field::Start => &mut self.start,
                    Field::End => &mut self.end,
                    Field::TrafficPath => return self.traffic_path.iter_mut().for_each(|path| path.clear_where(0)),
                    _ => return,
                };
                self.time_unit = times.iter_mut().map(IntColumn::make_seconds).fold(self.time_unit, Ord::max);
            }

            /// The value of a row, as text for a person; `None` where there is no such column.
            #[cfg(test)]
            pub(crate) fn shown(&self, field: Field, row: usize) -> Option<String> {
                match field {
                    $(Field::$field => self.$slot.as_ref().map(|column| format!("{:?}", column.get(row))),)*
                }
            }

            /// Which fields are there.
            pub fn columns(&self) -> ColumnSet {
                let there = [$((Field::$field, self.$slot.is_some())),*];
                there.into_iter().filter(|(_, there)| *there).map(|(field, _)| field).collect()
            }
        }
    };
}

fields! {
    AccountId account_id Account ["account_id"];
    InterfaceId interface_id Text ["interface_id"];
    VpcId vpc_id Text ["vpc_id"];
    InstanceId instance_id Presence ["instance_id"];
    ResourceId resource_id Text ["resource_id"];
    InterfaceType interface_type InterfaceType ["interface_type"];
    AzId az_id Text ["az_id"];
    NextHopInterfaceId next_hop_interface_id Text ["next_hop_interface_id"];
    NextHopInterfaceType next_hop_interface_type InterfaceType ["next_hop_interface_type"];
    NextHopAzId next_hop_az_id Text ["next_hop_az_id"];
    Srcaddr srcaddr Address ["srcaddr" "src_addr"];
    Dstaddr dstaddr Address ["dstaddr" "dst_addr"];
    PktSrcaddr pkt_srcaddr Address ["pkt_srcaddr" "pkt_src_addr"];
    PktDstaddr pkt_dstaddr Address ["pkt_dstaddr" "pkt_dst_addr"];
    PktSrcAwsService pkt_src_aws_service AwsService ["pkt_src_aws_service"];
    PktDstAwsService pkt_dst_aws_service AwsService ["pkt_dst_aws_service"];
    FlowDirection flow_direction Direction ["flow_direction"];
    Action action Action ["action"];
    LogStatus log_status LogStatus ["log_status" "flowlogstatus"];
    Srcport srcport Integer ["srcport" "src_port"];
    Dstport dstport Integer ["dstport" "dst_port"];
    Packets packets Integer ["packets"];
    Bytes bytes Integer ["bytes"];
    Start start Time ["start" "windowstart"];
    End end Time ["end" "windowend"];
    TrafficPath traffic_path Integer ["traffic_path"];
}

impl Field {
    /// The name as Parquet has it, with underscores.
    pub fn name(self) -> &'static str {
        self.names()[0]
    }

    fn bit(self) -> u64 {
        1 << self as u8
    }
}

/// Which fields an object has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ColumnSet(u64);

const _: () = assert!(Field::COUNT <= u64::BITS as usize, "a set of columns has a bit for each field");

impl ColumnSet {
    /// Whether the object has a field.
    pub fn contains(&self, field: Field) -> bool {
        self.0 & field.bit() != 0
    }

    /// The fields, in the order of [`Field::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = Field> + '_ {
        Field::ALL.into_iter().filter(|field| self.contains(*field))
    }
}

impl FromIterator<Field> for ColumnSet {
    fn from_iter<T: IntoIterator<Item = Field>>(fields: T) -> Self {
        Self(fields.into_iter().fold(0, |set, field| set | field.bit()))
    }
}
