//! The verdict on one destination: block list, allow list, ourselves.

use std::{
    fmt,
    net::{IpAddr, SocketAddr, UdpSocket},
    sync::{PoisonError, RwLock},
};

use url::{Host, Url};

use crate::{
    address::{BlockClass, classify, faces},
    allow::AllowList,
    target::Target,
};

/// A destination that is not dialled. Its text names the setting that opens it, where one can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    class: BlockClass,
    /// The allow list entry that would open it; `None` when nothing can.
    entry: Option<String>,
    list_is_empty: bool,
}

impl Refusal {
    /// The kind of address that was met.
    pub fn class(&self) -> BlockClass {
        self.class
    }

    /// The entry of `PATCHBAY_EGRESS_ALLOW` that would open the destination, when one can.
    pub fn allow_entry(&self) -> Option<&str> {
        self.entry.as_deref()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "blocked address ({})", self.class.label())?;
        match &self.entry {
            Some(entry) if self.list_is_empty => {
                write!(f, "; to allow it, start with PATCHBAY_EGRESS_ALLOW={entry}")
            }
            // Setting the variable to this entry alone would close what it opens today.
            Some(entry) => write!(f, "; to allow it, add {entry} to PATCHBAY_EGRESS_ALLOW"),
            None => f.write_str("; it cannot be allowed"),
        }
    }
}

/// What may be dialled now. Shared with the resolvers, so a change counts for the next dial.
#[derive(Debug)]
pub(crate) struct Policy {
    rules: RwLock<Rules>,
}

#[derive(Clone, Debug)]
struct Rules {
    allow: AllowList,
    own: Vec<SocketAddr>,
    access: Option<Target>,
}

impl Policy {
    pub(crate) fn new(allow: AllowList, own: Vec<SocketAddr>, access_url: Option<&Url>) -> Self {
        let access = access_url.and_then(Target::of);
        Self { rules: RwLock::new(Rules { allow, own, access }) }
    }

    pub(crate) fn allow(&self) -> AllowList {
        self.read().allow.clone()
    }

    /// Tells whether anything changed, so that an unchanged list does not cost the open connections.
    pub(crate) fn set_allow(&self, allow: AllowList) -> bool {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let changed = rules.allow != allow;
        rules.allow = allow;
        changed
    }

    pub(crate) fn set_own_listeners(&self, own: Vec<SocketAddr>) -> bool {
        let mut rules = self.rules.write().unwrap_or_else(PoisonError::into_inner);
        let changed = rules.own != own;
        rules.own = own;
        changed
    }

    /// Everything that can be said without asking a name server: our own name, and addresses written in the URL.
    pub(crate) fn check_literal(&self, url: &Url, target: &Target) -> Result<(), Refusal> {
        self.check_host(target)?;
        match url.host() {
            Some(Host::Ipv4(ip)) => self.check_address(target, ip.into()),
            Some(Host::Ipv6(ip)) => self.check_address(target, ip.into()),
            _ => Ok(()),
        }
    }

    /// The access URL is ourselves by name, wherever a load balancer in front of us may stand.
    pub(crate) fn check_host(&self, target: &Target) -> Result<(), Refusal> {
        let rules = self.read();
        let ours =
            rules.access.as_ref().is_some_and(|a| a.host() == target.host() && a.port() == target.port());
        if ours { Err(rules.refusal(BlockClass::OwnListener, target)) } else { Ok(()) }
    }

    /// Judges one address of a destination.
    pub(crate) fn check_address(&self, target: &Target, ip: IpAddr) -> Result<(), Refusal> {
        let rules = self.read();
        if rules.is_ourselves(ip, target.port()) {
            return Err(rules.refusal(BlockClass::OwnListener, target));
        }
        match classify(ip) {
            None => Ok(()),
            Some(class)
                if class.may_be_allowed() && rules.allow.contains(target.host(), target.port(), ip) =>
            {
                Ok(())
            }
            Some(class) => Err(rules.refusal(class, target)),
        }
    }

    /// The class of the first entry of `list` that would never open anything, whatever is dialled.
    pub(crate) fn never_opens(&self, list: &AllowList) -> Option<BlockClass> {
        let rules = self.read();
        list.never_opens(|host, port, ip| {
            let access = rules.access.as_ref();
            let named = access.is_some_and(|own| own.host() == host && Some(own.port()) == port);
            named || matches!((ip, port), (Some(ip), Some(port)) if rules.is_ourselves(ip, port))
        })
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Rules> {
        // A panic while holding the lock cannot leave a half-written rule: each setter replaces one value.
        self.rules.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rules {
    fn refusal(&self, class: BlockClass, target: &Target) -> Refusal {
        Refusal {
            class,
            entry: class.may_be_allowed().then(|| target.authority()),
            list_is_empty: self.allow.is_empty(),
        }
    }

    fn is_ourselves(&self, ip: IpAddr, port: u16) -> bool {
        let faces = faces(ip);
        self.own.iter().filter(|own| own.port() == port).any(|own| {
            let listener = own.ip().to_canonical();
            faces.contains(&listener)
                || (listener.is_unspecified() && faces.iter().any(|face| is_local(*face)))
        })
    }
}

/// Whether an address belongs to this machine. The kernel binds a socket only to its own addresses; no packet leaves.
fn is_local(ip: IpAddr) -> bool {
    ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allow: &str, own: &[&str], access: Option<&str>) -> Policy {
        let access = access.map(|url| Url::parse(url).unwrap());
        Policy::new(allow.parse().unwrap(), own.iter().map(|a| a.parse().unwrap()).collect(), access.as_ref())
    }

    fn check(policy: &Policy, url: &str) -> Result<(), BlockClass> {
        let url = Url::parse(url).unwrap();
        let target = Target::of(&url).unwrap();
        policy.check_literal(&url, &target).map_err(|refusal| refusal.class())
    }

    #[test]
    fn the_allow_list_opens_exactly_what_it_names() {
        let policy = policy("127.0.0.1:3990,10.0.0.0/8:*,0.0.0.0/0:9,[::/0]:9", &["0.0.0.0:9"], None);
        assert_eq!(check(&policy, "http://127.0.0.1:3990/"), Ok(()));
        assert_eq!(check(&policy, "http://2130706433:3990/"), Ok(()));
        assert_eq!(check(&policy, "http://127.0.0.1:3991/"), Err(BlockClass::Loopback));
        assert_eq!(check(&policy, "http://127.0.0.2:3990/"), Err(BlockClass::Loopback));
        assert_eq!(check(&policy, "https://10.20.30.40/"), Ok(()));
        assert_eq!(check(&policy, "https://192.168.0.1/"), Err(BlockClass::Private));
        // the whole internet on port 9 still opens none of these
        for (url, class) in [
            ("http://169.254.169.254:9/", BlockClass::Metadata),
            ("http://168.63.129.16:9/", BlockClass::Metadata),
            ("http://192.0.0.192:9/", BlockClass::Metadata),
            ("http://100.100.100.200:9/", BlockClass::Metadata),
            ("http://[fd00:ec2::254]:9/", BlockClass::Metadata),
            ("http://169.254.1.1:9/", BlockClass::LinkLocal),
            ("http://[fe80::1]:9/", BlockClass::LinkLocal),
            ("http://127.0.0.1:9/", BlockClass::OwnListener),
            ("http://[::1]:9/", BlockClass::OwnListener),
            ("http://0.0.0.0:9/", BlockClass::OwnListener),
            ("http://[::ffff:127.0.0.1]:9/", BlockClass::OwnListener),
            ("http://[64:ff9b::7f00:1]:9/", BlockClass::OwnListener),
        ] {
            assert_eq!(check(&policy, url), Err(class), "{url}");
        }
    }

    #[test]
    fn entries_that_can_never_act_are_known() {
        let policy = policy("", &["127.0.0.1:3000"], Some("https://patchbay.example.com"));
        for (entry, class) in [
            ("169.254.169.254:80", Some(BlockClass::Metadata)),
            ("169.254.0.0/17:*", Some(BlockClass::LinkLocal)),
            ("[fe80::/10]:*", Some(BlockClass::LinkLocal)),
            ("224.0.0.0/4:*", Some(BlockClass::Multicast)),
            ("127.0.0.1:3000", Some(BlockClass::OwnListener)),
            ("patchbay.example.com:443", Some(BlockClass::OwnListener)),
            ("127.0.0.1:3001", None),
            ("127.0.0.0/8:3000", None),
            ("patchbay.example.com:8443", None),
            ("10.0.0.0/8:*", None),
            ("0.0.0.0/0:*", None),
            ("8.8.8.8:80", None),
            ("mcp.corp.lan:443", None),
        ] {
            assert_eq!(policy.never_opens(&entry.parse().unwrap()), class, "{entry}");
        }
        assert_eq!(policy.never_opens(&"a:1,169.254.1.1:1".parse().unwrap()), Some(BlockClass::LinkLocal));
    }

    #[test]
    fn ourselves_by_listener_and_by_access_url() {
        let policy = policy("", &["203.0.113.9:443", "[::]:8443"], Some("https://Patchbay.example.com"));
        assert_eq!(check(&policy, "https://203.0.113.9/"), Err(BlockClass::OwnListener));
        assert_eq!(check(&policy, "https://[2002:cb00:7109::]/"), Err(BlockClass::OwnListener));
        assert_eq!(check(&policy, "https://203.0.113.9:8444/"), Ok(()));
        assert_eq!(check(&policy, "https://127.0.0.1:8443/"), Err(BlockClass::OwnListener));
        assert_eq!(check(&policy, "https://patchbay.example.com./x"), Err(BlockClass::OwnListener));
        assert_eq!(check(&policy, "https://patchbay.example.com:8080/"), Ok(()));
        assert_eq!(check(&policy, "https://8.8.8.8:8443/"), Ok(()));
    }

    #[test]
    fn a_refusal_names_setting_and_value() {
        let text = |policy: &Policy, url: &str| {
            let url = Url::parse(url).unwrap();
            policy.check_literal(&url, &Target::of(&url).unwrap()).unwrap_err().to_string()
        };
        let none = policy("", &[], None);
        assert_eq!(
            text(&none, "http://127.0.0.1:3990/mcp"),
            "blocked address (loopback); to allow it, start with PATCHBAY_EGRESS_ALLOW=127.0.0.1:3990"
        );
        assert_eq!(
            text(&none, "https://[fd00::1]/mcp"),
            "blocked address (private network); to allow it, start with PATCHBAY_EGRESS_ALLOW=[fd00::1]:443"
        );
        assert_eq!(
            text(&none, "http://169.254.169.254/"),
            "blocked address (cloud metadata); it cannot be allowed"
        );
        let some = policy("localhost:1", &[], None);
        assert_eq!(
            text(&some, "http://127.0.0.1:3990/"),
            "blocked address (loopback); to allow it, add 127.0.0.1:3990 to PATCHBAY_EGRESS_ALLOW"
        );
    }
}
