//! Addresses as the C library writes them, which is how `iptables-save` prints them.

use std::net::{IpAddr, Ipv4Addr};

use crate::net::Prefix;

/// Like `inet_ntop`: `::1.2.3.4` for IPv6 addresses whose first 96 bits are zero, where the
/// standard library writes `::102:304`.
pub(super) fn address_text(address: IpAddr) -> String {
    if let IpAddr::V6(v6) = address
        && let [0, 0, 0, 0, 0, 0, high, low] = v6.segments()
        && high != 0
    {
        let tail = Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low));
        return format!("::{tail}");
    }
    address.to_string()
}

/// Always with a length: `10.0.0.1/32`.
pub(super) fn prefix_text(prefix: Prefix) -> String {
    format!("{}/{}", address_text(prefix.address()), prefix.length())
}

/// With a length only when it is not one address.
pub(super) fn short_prefix_text(prefix: Prefix) -> String {
    if prefix.length() == prefix.family().bits() {
        return address_text(prefix.address());
    }
    prefix_text(prefix)
}

/// `address:port`, `[address]:first-last`.
pub(super) fn endpoint_text(address: IpAddr, ports: Option<(u16, u16)>) -> String {
    let text = address_text(address);
    let ports = match ports {
        None => return text,
        Some((low, high)) if low == high => low.to_string(),
        Some((low, high)) => format!("{low}-{high}"),
    };
    match address {
        IpAddr::V4(_) => format!("{text}:{ports}"),
        IpAddr::V6(_) => format!("[{text}]:{ports}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_is_written_like_the_c_library() {
        let say = |text: &str| address_text(text.parse().expect("an address"));
        for same in ["::", "::1", "::ffff", "::ffff:1.2.3.4", "2001:db8:0:1:1:1:1:1", "fe80::1"] {
            assert_eq!(say(same), same);
        }
        assert_eq!(say("::1:2"), "::0.1.0.2");
        assert_eq!(say("2001:0:0:1:0:0:0:1"), "2001:0:0:1::1");
    }
}
