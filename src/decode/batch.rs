//! Where the columns of a batch go: the one place that all formats put them through.

use super::{
    Action, AddrCell, AwsService, DictColumn, Direction, Field, FlowBatch, IntColumn, InterfaceType,
    LogStatus, TextColumn,
};

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
    Integer(IntColumn),
}

impl FlowBatch {
    /// Puts the column of a field into its place. The column is of the field's [`kind`](Field::kind).
    pub(super) fn put(&mut self, field: Field, column: Column) {
        match column {
            Column::Text(column) => match field {
                Field::InterfaceId => self.interface_id = Some(column),
                Field::ResourceId => self.resource_id = Some(column),
                Field::AzId => self.az_id = Some(column),
                Field::NextHopInterfaceId => self.next_hop_interface_id = Some(column),
                _ => self.next_hop_az_id = Some(column),
            },
            Column::Address(column) => match field {
                Field::Srcaddr => self.srcaddr = Some(column),
                Field::Dstaddr => self.dstaddr = Some(column),
                Field::PktSrcaddr => self.pkt_srcaddr = Some(column),
                _ => self.pkt_dstaddr = Some(column),
            },
            Column::InterfaceType(column) => match field {
                Field::InterfaceType => self.interface_type = Some(column),
                _ => self.next_hop_interface_type = Some(column),
            },
            Column::AwsService(column) => match field {
                Field::PktSrcAwsService => self.pkt_src_aws_service = Some(column),
                _ => self.pkt_dst_aws_service = Some(column),
            },
            Column::Direction(column) => self.flow_direction = Some(column),
            Column::Action(column) => self.action = Some(column),
            Column::LogStatus(column) => self.log_status = Some(column),
            Column::Integer(mut column) => match field {
                Field::Srcport => self.srcport = Some(column),
                Field::Dstport => self.dstport = Some(column),
                Field::Packets => self.packets = Some(column),
                Field::Bytes => self.bytes = column,
                Field::Start => self.start = Some(column),
                Field::End => self.end = Some(column),
                _ => {
                    column.clear_where(0);
                    self.traffic_path = Some(column);
                }
            },
        }
    }
}
