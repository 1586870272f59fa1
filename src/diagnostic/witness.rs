//! A packet that shows what a finding claims, as plain data.
//!
//! Who found it fills in what applies; what does not is left out of every output. Knows nothing of
//! chains and rules but their names.

use std::fmt;
use std::net::IpAddr;

use serde::{Serialize, Serializer};

/// One packet as one chain sees it, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Such as `INPUT`.
    pub chain: String,
    /// `None` for packets of this machine's own.
    pub incoming: Option<String>,
    /// `None` for packets to this machine.
    pub outgoing: Option<String>,
    // INVARIANT: of one family.
    pub source: IpAddr,
    pub destination: IpAddr,
    /// By its name (`tcp`, `icmpv6`, `gre`), or by its number where it has none.
    pub protocol: String,
    pub payload: Payload,
    /// The tcp flags that are set, as `flags` has them: `syn,ack`.
    pub flags: Option<String>,
    /// The state of its connection: `new`.
    pub state: Option<String>,
    pub mark: Option<u32>,
    /// The source's Ethernet address.
    pub mac: Option<String>,
    pub user: Option<String>,
    pub group: Option<String>,
    /// Bytes, header included.
    pub length: Option<u16>,
    pub ttl: Option<u8>,
    /// Below 64.
    pub dscp: Option<u8>,
    /// Where it was sent before it was translated, with the port where there is one.
    pub original: Option<(IpAddr, Option<u16>)>,
    /// The conditions that hold of it although it does not show them, by their texts.
    pub holds: Vec<String>,
    /// What becomes of it: `dropped at line 18`.
    pub fate: Option<String>,
    /// Whether the kernel can ever deliver such a packet to the chain.
    pub deliverable: bool,
}

/// What stands behind the addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    Ports {
        source: u16,
        destination: u16,
    },
    /// ICMP or ICMPv6.
    Icmp {
        kind: u8,
        code: u8,
    },
    /// A protocol without ports.
    Other,
}

impl Witness {
    /// A packet of which nothing more is known; it is deliverable.
    #[must_use]
    pub fn new(
        chain: impl Into<String>,
        source: IpAddr,
        destination: IpAddr,
        protocol: impl Into<String>,
        payload: Payload,
    ) -> Self {
        Witness {
            chain: chain.into(),
            incoming: None,
            outgoing: None,
            source,
            destination,
            protocol: protocol.into(),
            payload,
            flags: None,
            state: None,
            mark: None,
            mac: None,
            user: None,
            group: None,
            length: None,
            ttl: None,
            dscp: None,
            original: None,
            holds: Vec::new(),
            fate: None,
            deliverable: true,
        }
    }

    fn ports(&self) -> Option<(u16, u16)> {
        match self.payload {
            Payload::Ports { source, destination } => Some((source, destination)),
            Payload::Icmp { .. } | Payload::Other => None,
        }
    }

    fn icmp(&self) -> Option<(u8, u8)> {
        match self.payload {
            Payload::Icmp { kind, code } => Some((kind, code)),
            Payload::Ports { .. } | Payload::Other => None,
        }
    }

    /// `tcp 10.9.3.7:40000 → 10.20.0.5:5432`, `icmp 8/0 10.9.3.7 → 10.20.0.5`
    fn route(&self) -> String {
        let protocol = match self.icmp() {
            Some((kind, code)) => format!("{} {kind}/{code}", self.protocol),
            None => self.protocol.clone(),
        };
        let (sport, dport) = self.ports().unzip();
        format!("{protocol} {} → {}", end(self.source, sport), end(self.destination, dport))
    }
}

/// An address with the port that may follow; of IPv6 it then stands in brackets.
fn end(address: IpAddr, port: Option<u16>) -> String {
    match (address, port) {
        (IpAddr::V4(address), Some(port)) => format!("{address}:{port}"),
        (IpAddr::V6(address), Some(port)) => format!("[{address}]:{port}"),
        (address, None) => address.to_string(),
    }
}

/// So many conditions that a packet does not show are told to people.
const MOST_SHOWN: usize = 24;

/// `in eth1, tcp 10.9.3.7:40000 → 10.20.0.5:5432, new: dropped at line 18`
impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let named = |word: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("{word} {value}"))
        };
        let first = |(address, port): (IpAddr, Option<u16>)| {
            format!("first sent to {}", end(address, port))
        };
        let parts = [
            named("in", &self.incoming),
            named("out", &self.outgoing),
            Some(self.route()),
            named("flags", &self.flags),
            self.state.clone(),
            self.original.map(first),
            self.mark.map(|mark| format!("mark {mark:#x}")),
            named("mac", &self.mac),
            named("user", &self.user),
            named("group", &self.group),
            self.length.map(|length| format!("length {length}")),
            self.ttl.map(|ttl| format!("ttl {ttl}")),
            self.dscp.map(|dscp| format!("dscp {dscp}")),
        ];
        let more = self.holds.len().saturating_sub(MOST_SHOWN);
        let more = (more > 0).then(|| format!("and {more} conditions more"));
        let holds = self.holds.iter().take(MOST_SHOWN).cloned().chain(more);
        let parts = parts.into_iter().flatten().chain(holds);
        f.write_str(&parts.collect::<Vec<_>>().join(", "))?;
        if let Some(fate) = &self.fate {
            write!(f, ": {fate}")?;
        }
        if !self.deliverable {
            f.write_str(" (no such packet is ever delivered)")?;
        }
        Ok(())
    }
}

/// The keys of the published shape; what does not apply is absent, but for the two interfaces.
#[derive(Serialize)]
struct Shape<'a> {
    family: &'static str,
    chain: &'a str,
    r#in: Option<&'a str>,
    out: Option<&'a str>,
    src: IpAddr,
    dst: IpAddr,
    proto: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    sport: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dport: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    icmp_code: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    flags: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_dst: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_dport: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mark: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mac: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    length: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ttl: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dscp: Option<u8>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    holds: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    fate: Option<&'a str>,
    /// Present only where it is false.
    #[serde(skip_serializing_if = "Option::is_none")]
    deliverable: Option<bool>,
}

impl Serialize for Witness {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (sport, dport) = self.ports().unzip();
        let (icmp_type, icmp_code) = self.icmp().unzip();
        let shape = Shape {
            family: if self.source.is_ipv4() { "ipv4" } else { "ipv6" },
            chain: &self.chain,
            r#in: self.incoming.as_deref(),
            out: self.outgoing.as_deref(),
            src: self.source,
            dst: self.destination,
            proto: &self.protocol,
            sport,
            dport,
            icmp_type,
            icmp_code,
            flags: self.flags.as_deref(),
            state: self.state.as_deref(),
            original_dst: self.original.map(|(address, _)| address),
            original_dport: self.original.and_then(|(_, port)| port),
            mark: self.mark,
            mac: self.mac.as_deref(),
            user: self.user.as_deref(),
            group: self.group.as_deref(),
            length: self.length,
            ttl: self.ttl,
            dscp: self.dscp,
            holds: &self.holds,
            fate: self.fate.as_deref(),
            deliverable: (!self.deliverable).then_some(false),
        };
        shape.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet() -> Witness {
        let payload = Payload::Ports { source: 40_000, destination: 5_432 };
        let (from, to) = ([10, 9, 3, 7].into(), [10, 20, 0, 5].into());
        let mut packet = Witness::new("FORWARD", from, to, "tcp", payload);
        packet.incoming = Some("eth1".to_owned());
        packet.state = Some("new".to_owned());
        packet
    }

    #[test]
    fn a_packet_reads_as_the_house_style_says() {
        let mut packet = packet();
        packet.fate = Some("dropped at line 18".to_owned());
        let said = "in eth1, tcp 10.9.3.7:40000 → 10.20.0.5:5432, new: dropped at line 18";
        assert_eq!(packet.to_string(), said);
        packet.fate = None;
        packet.incoming = None;
        packet.outgoing = Some("eth0".to_owned());
        packet.source = "2001:db8::1".parse().unwrap();
        packet.destination = "2001:db8::2".parse().unwrap();
        packet.flags = Some("syn".to_owned());
        packet.mark = Some(16);
        packet.original = Some(("2001:db8::3".parse().unwrap(), Some(80)));
        packet.holds = vec!["via ipsec".to_owned()];
        packet.deliverable = false;
        assert_eq!(
            packet.to_string(),
            "out eth0, tcp [2001:db8::1]:40000 → [2001:db8::2]:5432, flags syn, new, first sent to \
             [2001:db8::3]:80, mark 0x10, via ipsec (no such packet is ever delivered)"
        );
        packet.payload = Payload::Icmp { kind: 128, code: 0 };
        packet.protocol = "icmpv6".to_owned();
        assert!(packet.to_string().contains("icmpv6 128/0 2001:db8::1 → 2001:db8::2, "));
    }

    #[test]
    fn of_thousands_of_conditions_the_first_are_told() {
        let mut packet = packet();
        packet.holds = (0..100).map(|at| format!("source in s{at}")).collect();
        let said = packet.to_string();
        assert!(said.ends_with("source in s23, and 76 conditions more"), "{said}");
    }

    #[test]
    fn only_the_fields_that_apply_are_there() {
        let mut packet = packet();
        let keys = |packet: &Witness| -> Vec<String> {
            let value = serde_json::to_value(packet).unwrap();
            value.as_object().unwrap().keys().cloned().collect()
        };
        let common = ["chain", "dst", "family", "in", "out", "proto", "src", "state"];
        let with = |more: &[&'static str]| {
            let mut all = [&common[..], more].concat();
            all.sort_unstable();
            all
        };
        assert_eq!(keys(&packet), with(&["sport", "dport"]));
        packet.payload = Payload::Icmp { kind: 8, code: 0 };
        packet.deliverable = false;
        assert_eq!(keys(&packet), with(&["icmp_type", "icmp_code", "deliverable"]));
        let value = serde_json::to_value(&packet).unwrap();
        assert_eq!((&value["out"], &value["icmp_type"]), (&serde_json::Value::Null, &8.into()));
        assert_eq!((&value["deliverable"], &value["family"]), (&false.into(), &"ipv4".into()));
    }
}
