//! flowcost-exporter
fn main() {}
