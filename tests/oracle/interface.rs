//! What the recording interface is: semantics 2.5 to 2.8.

use super::{Columns, OracleConfig, nat::Nat, record::Record};

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Interface {
    NatGateway,
    Forwarder,
    /// With its type, where the type tells.
    Middlebox(Option<String>),
    /// Steps 3, 5 and 6 (semantics 2.8).
    Plain {
        for_sure: bool,
        /// Doubt `interface`.
        doubt: bool,
    },
}

impl Interface {
    pub(super) fn is_plain(&self) -> bool {
        matches!(self, Self::Plain { .. })
    }

    pub(super) fn is_sure(&self) -> bool {
        matches!(self, Self::Plain { for_sure: true, .. })
    }

    pub(super) fn is_a(&self, word: &str) -> bool {
        matches!(self, Self::Middlebox(Some(kind)) if kind == word)
    }
}

/// Returns whether a forwarder lists an interface, whatever its scope (semantics 2.4).
pub(super) fn is_forwarder(interface_id: Option<&String>, config: &OracleConfig) -> bool {
    interface_id
        .is_some_and(|id| config.forwarders.iter().any(|forwarder| forwarder.interface_ids.contains(id)))
}

/// Takes the first step that matches (semantics 2.5).
pub(super) fn of(record: &Record, nat: Option<&Nat>, columns: &Columns, config: &OracleConfig) -> Interface {
    let plain = |for_sure, doubt| Interface::Plain { for_sure, doubt };
    // Step 1. A resource `nat-...` that nobody lists is an id of a NAT gateway, too: its interface
    // shows other hosts' addresses in plain and packet columns alike, and is nobody's own.
    if nat.is_some_and(|nat| !nat.by_type) {
        return Interface::NatGateway;
    }
    if is_forwarder(record.interface_id.as_ref(), config) {
        return Interface::Forwarder;
    }
    // Step 2.
    if record.interface_type.is_some() {
        return Interface::Middlebox(record.interface_type.clone());
    }
    // Without a direction there is no own side to compare (semantics 2.6).
    let same = record.own().is_some_and(|own| own.same());
    let differ = record.own().is_some_and(|own| own.differ());
    // Step 3.
    if record.instance_id.is_some() || same {
        return plain(true, false);
    }
    // Step 4. Of an interface of another account nothing is said (semantics 2.7).
    let ours = record.account_id.is_none() || record.account_id == record.scope.account;
    if columns.contains("instance_id") && ours && differ {
        return Interface::Middlebox(None);
    }
    // Steps 5 and 6.
    plain(false, differ && !columns.contains("interface_type"))
}
