//! Which IP addresses belong to the inside (behaviour 11).
//!
//! An IPv6 address can carry an IPv4 address (mapped, translated, NAT64, 6to4, Teredo, ISATAP). Whoever routes the
//! packet may unwrap it, so both forms are judged and the stricter verdict counts.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is refused. Every class but those of [`BlockClass::may_be_allowed`] `== false` can be opened by an
/// allow list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BlockClass {
    /// 127.0.0.0/8, ::1
    Loopback,
    /// 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, fc00::/7, fec0::/10
    Private,
    /// 169.254.0.0/16, fe80::/10
    LinkLocal,
    /// The addresses at which clouds hand out credentials, some of them public-looking.
    Metadata,
    /// 224.0.0.0/4, ff00::/8
    Multicast,
    /// 0.0.0.0/8, ::
    Unspecified,
    /// 100.64.0.0/10
    SharedNat,
    /// 198.18.0.0/15, 2001:2::/48
    Benchmark,
    /// 2001:db8::/32, 3fff::/20
    Documentation,
    /// 192.0.0.0/24, 240.0.0.0/4, 64:ff9b:1::/48, 100::/64 and everything that is not global unicast.
    Reserved,
    /// One of Patchbay's own listeners or its access URL: a request to ourselves is a loop.
    OwnListener,
}

impl BlockClass {
    /// Whether the operator may open an address of this class (behaviour 11: never metadata, link-local, ourselves;
    /// multicast and the unspecified address are no destinations at all).
    pub fn may_be_allowed(self) -> bool {
        !matches!(
            self,
            Self::LinkLocal | Self::Metadata | Self::Multicast | Self::Unspecified | Self::OwnListener
        )
    }

    /// The word shown to people.
    pub fn label(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Private => "private network",
            Self::LinkLocal => "link-local",
            Self::Metadata => "cloud metadata",
            Self::Multicast => "multicast",
            Self::Unspecified => "unspecified",
            Self::SharedNat => "carrier-grade NAT",
            Self::Benchmark => "benchmarking network",
            Self::Documentation => "documentation network",
            Self::Reserved => "reserved",
            Self::OwnListener => "Patchbay itself",
        }
    }
}

/// Judges an address by itself; `None` means public.
pub(crate) fn classify(ip: IpAddr) -> Option<BlockClass> {
    let faces = faces(ip);
    let verdicts = || faces.iter().filter_map(|face| classify_face(*face));
    // The strictest verdict counts: an allow list must not open metadata that hides inside a private-looking form.
    verdicts().find(|class| !class.may_be_allowed()).or_else(|| verdicts().next())
}

/// The address in its plain form, then every IPv4 address it carries.
pub(crate) fn faces(ip: IpAddr) -> Vec<IpAddr> {
    let ip = ip.to_canonical();
    let mut faces = vec![ip];
    if let IpAddr::V6(v6) = ip {
        faces.extend(embedded(v6).into_iter().map(IpAddr::V4));
    }
    faces
}

fn classify_face(ip: IpAddr) -> Option<BlockClass> {
    match ip {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => classify_v6(v6),
    }
}

fn classify_v4(ip: Ipv4Addr) -> Option<BlockClass> {
    match ip.octets() {
        [169, 254, 169, 254] | [168, 63, 129, 16] | [192, 0, 0, 192] | [100, 100, 100, 200] => {
            Some(BlockClass::Metadata)
        }
        [0, ..] => Some(BlockClass::Unspecified),
        [127, ..] => Some(BlockClass::Loopback),
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] => Some(BlockClass::Private),
        [169, 254, ..] => Some(BlockClass::LinkLocal),
        [100, 64..=127, ..] => Some(BlockClass::SharedNat),
        [198, 18..=19, ..] => Some(BlockClass::Benchmark),
        [192, 0, 0, _] => Some(BlockClass::Reserved),
        [224..=239, ..] => Some(BlockClass::Multicast),
        [240..=255, ..] => Some(BlockClass::Reserved),
        _ => None,
    }
}

fn classify_v6(ip: Ipv6Addr) -> Option<BlockClass> {
    match ip.segments() {
        // EC2, and the same service on GCP
        [0xfd00, 0x0ec2, 0, 0, 0, 0, 0, 0x0254] | [0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254] => {
            Some(BlockClass::Metadata)
        }
        [0, 0, 0, 0, 0, 0, 0, 0] => Some(BlockClass::Unspecified),
        [0, 0, 0, 0, 0, 0, 0, 1] => Some(BlockClass::Loopback),
        [0xfe80..=0xfebf, ..] => Some(BlockClass::LinkLocal),
        [0xfec0..=0xfeff, ..] | [0xfc00..=0xfdff, ..] => Some(BlockClass::Private),
        [0xff00..=0xffff, ..] => Some(BlockClass::Multicast),
        [0x2001, 0x0002, 0, ..] => Some(BlockClass::Benchmark),
        [0x2001, 0x0db8, ..] | [0x3fff, 0..=0x0fff, ..] => Some(BlockClass::Documentation),
        // NAT64's well-known prefix: its verdict is that of the IPv4 address inside.
        [0x0064, 0xff9b, 0, 0, 0, 0, ..] => None,
        // Only 2000::/3 is allocated to hosts of the internet; 64:ff9b:1::/48 and 100::/64 fall in here too.
        [0x2000..=0x3fff, ..] => None,
        _ => Some(BlockClass::Reserved),
    }
}

/// IPv4 addresses carried inside an IPv6 address. Teredo carries two: its server and, inverted, its client.
fn embedded(ip: Ipv6Addr) -> Vec<Ipv4Addr> {
    let s = ip.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let last = v4(s[6], s[7]);
    match s {
        // ::1 and :: are judged as they are; the rest of ::/96 is the old IPv4-compatible form
        [0, 0, 0, 0, 0, 0, 0, 0..=1] => Vec::new(),
        [0, 0, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => vec![last],
        [0x0064, 0xff9b, 0, 0, 0, 0, ..] | [0x0064, 0xff9b, 1, ..] => vec![last],
        [0x2002, high, low, ..] => vec![v4(high, low)],
        [0x2001, 0, high, low, ..] => vec![v4(high, low), v4(!s[6], !s[7])],
        // ISATAP (RFC 5214): any prefix, interface id 0000:5efe or 0200:5efe
        [_, _, _, _, 0 | 0x0200, 0x5efe, ..] => vec![last],
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Option<BlockClass> {
        classify(text.parse().unwrap())
    }

    #[test]
    fn first_and_last_address_of_every_blocked_network() {
        use BlockClass::*;
        let table = [
            ("0.0.0.0", "0.255.255.255", Unspecified),
            ("10.0.0.0", "10.255.255.255", Private),
            ("100.64.0.0", "100.127.255.255", SharedNat),
            ("127.0.0.0", "127.255.255.255", Loopback),
            ("169.254.0.0", "169.254.255.255", LinkLocal),
            ("172.16.0.0", "172.31.255.255", Private),
            ("192.0.0.0", "192.0.0.255", Reserved),
            ("192.168.0.0", "192.168.255.255", Private),
            ("198.18.0.0", "198.19.255.255", Benchmark),
            ("224.0.0.0", "239.255.255.255", Multicast),
            ("240.0.0.0", "255.255.255.255", Reserved),
            ("64:ff9b:1::808:808", "64:ff9b:1:ffff:ffff:ffff:808:808", Reserved),
            ("100::", "100::ffff:ffff:ffff:ffff", Reserved),
            ("2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", Benchmark),
            ("2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Documentation),
            ("3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Documentation),
            ("fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private),
            ("fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", LinkLocal),
            ("fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private),
            ("ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Multicast),
        ];
        for (first, last, expected) in table {
            assert_eq!(class(first), Some(expected), "{first}");
            assert_eq!(class(last), Some(expected), "{last}");
        }
    }

    #[test]
    fn neighbours_of_blocked_networks_are_public() {
        for text in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2000::1",
            "2001:2:1::1",
            "2001:db7::1",
            "2001:db9::1",
            "2606:4700::1111",
            "3ffe::1",
            "3fff:1000::1",
            "64:ff9b::808:808",
            "2002:808:808::1",
            // Teredo of a public server (8.8.8.8) and a public client (1.1.1.1, inverted)
            "2001:0:808:808:0:0:fefe:fefe",
            "2606:4700::5efe:808:808",
        ] {
            assert_eq!(class(text), None, "{text}");
        }
    }

    #[test]
    fn metadata_is_never_openable_in_any_wrapping() {
        for text in [
            "169.254.169.254",
            "168.63.129.16",
            "192.0.0.192",
            "100.100.100.200",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:168.63.129.16",
            "::168.63.129.16",
            "::ffff:0:168.63.129.16",
            "64:ff9b::a83f:8110",
            "64:ff9b:1::a83f:8110",
            "2002:a83f:8110::1",
            "2001:0:a83f:8110::1",
            // Teredo client 168.63.129.16, inverted
            "2001:0:808:808:0:0:57c0:7eef",
            "fd12::200:5efe:a83f:8110",
        ] {
            let class = class(text).unwrap_or_else(|| panic!("{text} is not blocked"));
            assert_eq!(class, BlockClass::Metadata, "{text}");
            assert!(!class.may_be_allowed(), "{text}");
        }
    }

    #[test]
    fn wrapped_private_addresses_keep_their_class() {
        for text in [
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:0:7f00:1::",
            "2606:4700::5efe:7f00:1",
        ] {
            assert_eq!(class(text), Some(BlockClass::Loopback), "{text}");
        }
        // Teredo: public server, client 10.0.0.1 inverted
        assert_eq!(class("2001:0:808:808:0:0:f5ff:fffe"), Some(BlockClass::Private));
    }
}
