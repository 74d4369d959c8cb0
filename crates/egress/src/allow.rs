//! The operator's list of private destinations (`PATCHBAY_EGRESS_ALLOW`, behaviour 11 and 30).

use std::{fmt, net::IpAddr, str::FromStr, sync::Arc};

use url::Host;

use crate::{
    address::{BlockClass, classify},
    limits::{ALLOW_ENTRIES, ALLOW_ENTRY},
    target::host_key,
};

/// Private destinations that may be dialled: comma-separated `host:port` or `cidr:port`, with `*` for any port.
///
/// IPv6 is written in brackets: `[::1]:8080`, `[fd00::/8]:443`. A host entry opens that name, whatever private address
/// it resolves to; an address or CIDR entry opens those addresses, whatever name led there. No entry opens link-local
/// or metadata addresses or Patchbay's own listeners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowList {
    // Shared, because the list is read on every dial and cloned on every look at the settings.
    entries: Arc<[Entry]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    place: Place,
    /// `None` is any port.
    port: Option<u16>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Place {
    Host(String),
    Network { base: IpAddr, prefix: u8 },
}

/// An entry that cannot be read. Correct it in `PATCHBAY_EGRESS_ALLOW` or in the settings.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("allow list entry \"{entry}\": {reason}")]
pub struct AllowListError {
    entry: String,
    reason: &'static str,
}

impl AllowListError {
    fn of(entry: &str, reason: &'static str) -> Self {
        Self { entry: entry.chars().take(ALLOW_ENTRY).collect(), reason }
    }

    /// What is wrong with the entry.
    pub fn reason(&self) -> &'static str {
        self.reason
    }
}

impl AllowList {
    /// Reads one entry: what several settings fields or lines hold, each refused by itself.
    ///
    /// # Errors
    /// [`AllowListError`], also for none and for several.
    pub fn entry(text: &str) -> Result<Self, AllowListError> {
        let list: Self = match text.contains(',') {
            true => return Err(AllowListError::of(text, "write one destination, without a comma")),
            false => text.parse()?,
        };
        if list.is_empty() { Err(AllowListError::of(text, "it is empty")) } else { Ok(list) }
    }

    /// What either of the two opens.
    #[must_use]
    pub fn with(&self, other: &Self) -> Self {
        let more = other.entries.iter().filter(|entry| !self.entries.contains(entry));
        Self { entries: self.entries.iter().chain(more).cloned().collect() }
    }

    /// Each entry as it is written.
    pub fn entries(&self) -> impl Iterator<Item = String> {
        self.entries.iter().map(ToString::to_string)
    }

    /// No entry: every private destination is refused.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The class of the first entry that can never act; `is_own` judges host, port and address of our own listeners.
    pub(crate) fn never_opens(
        &self,
        is_own: impl Fn(&str, Option<u16>, Option<IpAddr>) -> bool,
    ) -> Option<BlockClass> {
        self.entries.iter().find_map(|entry| entry.never_opens(&is_own))
    }

    /// Whether the list opens this address for a request to `host` and `port`.
    pub fn contains(&self, host: &str, port: u16, addr: IpAddr) -> bool {
        let (host, addr) = (host_key(host), addr.to_canonical());
        self.entries.iter().any(|entry| {
            entry.port.is_none_or(|allowed| allowed == port)
                && match &entry.place {
                    Place::Host(name) => *name == host,
                    Place::Network { base, prefix } => network_contains(*base, *prefix, addr),
                }
        })
    }
}

impl FromStr for AllowList {
    type Err = AllowListError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut entries: Vec<Entry> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            let refuse = |reason| AllowListError::of(part, reason);
            if part.len() > ALLOW_ENTRY {
                return Err(refuse("too long"));
            }
            if entries.len() == ALLOW_ENTRIES {
                return Err(refuse("too many entries; at most 256 are kept"));
            }
            let entry = parse_entry(part).map_err(refuse)?;
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
        Ok(Self { entries: entries.into() })
    }
}

fn parse_entry(text: &str) -> Result<Entry, &'static str> {
    let (place, port) = text.rsplit_once(':').ok_or("write it as host:port, or host:* for any port")?;
    let port = match port {
        "*" => None,
        digits if digits.bytes().all(|b| b.is_ascii_digit()) => {
            Some(digits.parse().ok().filter(|port| *port != 0).ok_or("the port must be 1 to 65535, or *")?)
        }
        _ => return Err("the port must be 1 to 65535, or *"),
    };
    Ok(Entry { place: parse_place(place)?, port })
}

fn parse_place(text: &str) -> Result<Place, &'static str> {
    let bare = match text.strip_prefix('[') {
        None => text.to_owned(),
        // `[fd00::/8]` and `[fd00::]/8` mean the same
        Some(rest) => {
            let (inside, after) = rest.split_once(']').ok_or("the bracket is not closed")?;
            if !inside.contains(':') {
                return Err("brackets are for IPv6 addresses");
            }
            format!("{inside}{after}")
        }
    };
    if let Some((base, prefix)) = bare.split_once('/') {
        let base = base.parse().map_err(|_| "the network is not an IP address")?;
        let prefix = prefix.parse().map_err(|_| "the prefix length is not a number")?;
        return network(base, prefix);
    }
    if text.starts_with('[') {
        let ip: IpAddr = bare.parse().map_err(|_| "not an IPv6 address")?;
        return network(ip, 128);
    }
    if bare.contains(':') {
        return Err("write IPv6 in brackets, as [::1]:8080");
    }
    if bare.contains('*') {
        return Err("* stands for a port only; name each host");
    }
    // The parser of the URLs that are compared with it: IDN and odd spellings of IPv4 come out the same.
    match Host::parse(&bare).map_err(|_| "not a host name or address")? {
        Host::Domain(name) => Ok(Place::Host(host_key(&name))),
        Host::Ipv4(ip) => network(ip.into(), 32),
        Host::Ipv6(ip) => network(ip.into(), 128),
    }
}

/// Normalises a network: host bits cleared, IPv4-mapped as IPv4.
fn network(base: IpAddr, prefix: u8) -> Result<Place, &'static str> {
    let (base, prefix) = match (base, base.to_canonical()) {
        (IpAddr::V6(_), v4 @ IpAddr::V4(_)) => {
            (v4, prefix.checked_sub(96).ok_or("a mapped IPv4 network needs a prefix of 96 or more")?)
        }
        _ => (base, prefix),
    };
    let base = match base {
        IpAddr::V4(ip) if prefix <= 32 => IpAddr::V4((u32::from(ip) & mask_v4(prefix)).into()),
        IpAddr::V6(ip) if prefix <= 128 => IpAddr::V6((u128::from(ip) & mask_v6(prefix)).into()),
        _ => return Err("the prefix is longer than the address"),
    };
    Ok(Place::Network { base, prefix })
}

fn network_contains(base: IpAddr, prefix: u8, addr: IpAddr) -> bool {
    match (base, addr) {
        (IpAddr::V4(base), IpAddr::V4(addr)) => u32::from(addr) & mask_v4(prefix) == u32::from(base),
        (IpAddr::V6(base), IpAddr::V6(addr)) => u128::from(addr) & mask_v6(prefix) == u128::from(base),
        _ => false,
    }
}

fn mask_v4(prefix: u8) -> u32 {
    // a shift by the full width has no value: prefix 0 keeps no bit
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn mask_v6(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

impl Entry {
    /// The class of destinations that this entry names and that no list opens: it would never act.
    fn never_opens(&self, is_own: &impl Fn(&str, Option<u16>, Option<IpAddr>) -> bool) -> Option<BlockClass> {
        let (base, prefix) = match &self.place {
            Place::Host(name) => return is_own(name, self.port, None).then_some(BlockClass::OwnListener),
            Place::Network { base, prefix } => (*base, *prefix),
        };
        let last = match base {
            IpAddr::V4(ip) => IpAddr::V4((u32::from(ip) | !mask_v4(prefix)).into()),
            IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) | !mask_v6(prefix)).into()),
        };
        if base == last && is_own(&base.to_string(), self.port, Some(base)) {
            return Some(BlockClass::OwnListener);
        }
        // Both ends of one class: the whole network is, as every such class is one block or one address.
        let class = classify(base).filter(|class| !class.may_be_allowed())?;
        (classify(last) == Some(class)).then_some(class)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Host(name) => f.write_str(name)?,
            Place::Network { base: IpAddr::V4(ip), prefix: 32 } => write!(f, "{ip}")?,
            Place::Network { base: IpAddr::V6(ip), prefix: 128 } => write!(f, "[{ip}]")?,
            Place::Network { base: IpAddr::V4(ip), prefix } => write!(f, "{ip}/{prefix}")?,
            Place::Network { base: IpAddr::V6(ip), prefix } => write!(f, "[{ip}/{prefix}]")?,
        }
        match self.port {
            Some(port) => write!(f, ":{port}"),
            None => f.write_str(":*"),
        }
    }
}

impl fmt::Display for AllowList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, entry) in self.entries.iter().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            write!(f, "{entry}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(text: &str) -> AllowList {
        text.parse().unwrap()
    }

    #[test]
    fn display_reads_back() {
        for (text, shown) in [
            ("", ""),
            (" , ", ""),
            ("localhost:3990", "localhost:3990"),
            ("MCP.corp.Lan.:443 , 10.0.0.0/8:*", "mcp.corp.lan:443,10.0.0.0/8:*"),
            ("10.1.2.3/8:443", "10.0.0.0/8:443"),
            ("[::1]:8080", "[::1]:8080"),
            ("[fd00::/8]:443", "[fd00::/8]:443"),
            ("[fd00::]/8:443", "[fd00::/8]:443"),
            ("fd00::/8:443", "[fd00::/8]:443"),
            ("[::ffff:10.0.0.0/104]:*", "10.0.0.0/8:*"),
            ("127.1:80", "127.0.0.1:80"),
            ("0.0.0.0/0:*", "0.0.0.0/0:*"),
            ("[::/0]:1", "[::/0]:1"),
            ("a:1,a:1", "a:1"),
            ("bücher.example:443", "xn--bcher-kva.example:443"),
        ] {
            assert_eq!(list(text).to_string(), shown, "{text}");
            assert_eq!(list(shown), list(text), "{text}");
        }
    }

    #[test]
    fn unreadable_entries_name_themselves() {
        for text in [
            "localhost",
            "localhost:",
            "localhost:0",
            "localhost:65536",
            "localhost:+80",
            "localhost:http",
            "*:443",
            "*.corp.lan:443",
            "::1:80",
            "[::1:80",
            "[localhost]:80",
            "10.0.0.0/33:80",
            "[fd00::/129]:80",
            "10.0.0.0/x:80",
            "corp/8:80",
            "[::ffff:10.0.0.0/64]:80",
            "a b:80",
            ":80",
            "http://localhost:80",
        ] {
            let error = text.parse::<AllowList>().expect_err(text);
            assert!(error.to_string().contains(text), "{error}");
        }
        let many = (1..=300).map(|n| format!("h{n}:1")).collect::<Vec<_>>().join(",");
        assert!(many.parse::<AllowList>().is_err());
        let long = format!("{}:80", "a".repeat(ALLOW_ENTRY));
        assert!(long.parse::<AllowList>().is_err());
    }

    #[test]
    fn one_entry_is_one_entry() {
        assert_eq!(AllowList::entry(" MCP.corp.lan:443 ").unwrap().to_string(), "mcp.corp.lan:443");
        for (text, reason) in [
            ("", "empty"),
            (" ", "empty"),
            (",", "comma"),
            ("a:1,b:2", "comma"),
            ("a", "host:port"),
            ("10.0.0.0/33:80", "prefix"),
        ] {
            let error = AllowList::entry(text).expect_err(text);
            assert!(error.reason().contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn two_lists_open_what_either_opens() {
        let both = list("a:1,10.0.0.0/8:*").with(&list("b:2,a:1"));
        assert_eq!(both.to_string(), "a:1,10.0.0.0/8:*,b:2");
        assert_eq!(both.entries().collect::<Vec<_>>(), ["a:1", "10.0.0.0/8:*", "b:2"]);
        assert_eq!(list("").with(&list("")), AllowList::default());
    }

    #[test]
    fn contains_needs_place_and_port() {
        let list = list("mcp.corp.lan:443,10.0.0.0/8:8080,192.168.1.7:*,[fd00::/8]:443");
        let table = [
            ("mcp.corp.lan", 443, "10.9.9.9", true),
            ("MCP.corp.lan.", 443, "fd00::1", true),
            ("mcp.corp.lan", 80, "192.168.3.3", false),
            ("evil.mcp.corp.lan", 443, "192.168.3.3", false),
            ("any.example", 8080, "10.255.255.255", true),
            ("any.example", 8080, "::ffff:10.0.0.1", true),
            ("any.example", 8081, "10.0.0.1", false),
            ("any.example", 8080, "11.0.0.1", false),
            ("192.168.1.7", 1, "192.168.1.7", true),
            ("any.example", 65535, "192.168.1.7", true),
            ("any.example", 1, "192.168.1.8", false),
            ("any.example", 443, "fdff::1", true),
            ("any.example", 443, "fe00::1", false),
            ("any.example", 443, "0.0.0.10", false),
        ];
        for (host, port, addr, expected) in table {
            assert_eq!(list.contains(host, port, addr.parse().unwrap()), expected, "{host}:{port} {addr}");
        }
        assert!(!AllowList::default().contains("localhost", 1, "127.0.0.1".parse().unwrap()));
    }
}
