//! How `reject` answers, in the words of each family.

use crate::net::{Family, Protocol};
use crate::resolve::policy::RejectWith;
use crate::ruleset::{MatchKind, RejectType, Target};

use super::layout::Ending;

/// The target; for `tcp-reset` with the `-p tcp` that the kernel asks for in the same rule.
pub(super) fn reject_ending(with: RejectWith, family: Family) -> Ending {
    let answer = reject(with, family);
    let tcp = (answer == RejectType::TcpReset).then(|| MatchKind::Protocol(Protocol::TCP).into());
    Ending { matches: tcp.into_iter().collect(), target: Target::Reject(answer) }
}

/// The answer in a family. An answer that only the other family has becomes the nearest one.
pub(super) fn reject(with: RejectWith, family: Family) -> RejectType {
    match family {
        Family::V4 => reject_v4(with),
        Family::V6 => reject_v6(with),
    }
}

fn reject_v4(with: RejectWith) -> RejectType {
    match with {
        RejectWith::PortUnreachable => RejectType::IcmpPortUnreachable,
        RejectWith::NetUnreachable | RejectWith::RejectRoute => RejectType::IcmpNetUnreachable,
        RejectWith::HostUnreachable => RejectType::IcmpHostUnreachable,
        RejectWith::ProtoUnreachable => RejectType::IcmpProtoUnreachable,
        RejectWith::NetProhibited => RejectType::IcmpNetProhibited,
        RejectWith::HostProhibited => RejectType::IcmpHostProhibited,
        RejectWith::AdminProhibited | RejectWith::PolicyFail => RejectType::IcmpAdminProhibited,
        RejectWith::TcpReset => RejectType::TcpReset,
    }
}

fn reject_v6(with: RejectWith) -> RejectType {
    match with {
        RejectWith::PortUnreachable | RejectWith::ProtoUnreachable => {
            RejectType::Icmp6PortUnreachable
        }
        RejectWith::NetUnreachable => RejectType::Icmp6NoRoute,
        RejectWith::HostUnreachable => RejectType::Icmp6AddrUnreachable,
        RejectWith::NetProhibited | RejectWith::HostProhibited | RejectWith::AdminProhibited => {
            RejectType::Icmp6AdmProhibited
        }
        RejectWith::TcpReset => RejectType::TcpReset,
        RejectWith::PolicyFail => RejectType::Icmp6PolicyFail,
        RejectWith::RejectRoute => RejectType::Icmp6RejectRoute,
    }
}
