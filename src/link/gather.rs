//! EDGE: this machine's network interfaces. Lists the addresses to offer as host candidates (RFC 8445 section 5.1.1),
//! read anew at every call because they come and go: Wi-Fi, modem, VPN. Not a watcher: whoever answers an offer calls.

use std::net::{IpAddr, Ipv6Addr};

/// Whether 127.0.0.1 and ::1 are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loopback {
    /// Also where there are others: for tests, and for a browser on this machine that was told to use nothing else.
    Include,
    /// Only where there is nothing else, which means that the browser can only be on this machine.
    Exclude,
}

/// The addresses of all interfaces that are up, VPN and modem interfaces among them: IPv4 first, then by interface
/// name, each once. Empty before any network is up, and where the kernel does not tell (said in the log).
pub fn addresses(loopback: Loopback) -> Vec<IpAddr> {
    match if_addrs::get_if_addrs() {
        Ok(interfaces) => choose(
            // getifaddrs(3) lists the addresses of interfaces that are down as well; `Up` stands for IFF_RUNNING here,
            // which WireGuard and tun interfaces have too.
            interfaces.iter().filter(|i| i.is_oper_up()).map(|i| (i.name.as_str(), i.ip())).collect(),
            loopback,
        ),
        Err(error) => {
            log::warn!(
                "cannot list this machine's addresses: {error}; viewers on the network cannot reach it until this works"
            );
            Vec::new()
        }
    }
}

/// The choice among `(interface name, address)`.
fn choose(mut found: Vec<(&str, IpAddr)>, loopback: Loopback) -> Vec<IpAddr> {
    found.retain(|&(_, ip)| offerable(ip));
    if loopback == Loopback::Exclude && found.iter().any(|(_, ip)| !ip.is_loopback()) {
        found.retain(|(_, ip)| !ip.is_loopback());
    }
    found.sort_by_key(|&(name, ip)| (ip.is_ipv6(), name, ip));
    let mut chosen = Vec::with_capacity(found.len());
    for (_, ip) in found {
        // Two interfaces may bear one address (a bridge and its port), not next to each other.
        if !chosen.contains(&ip) {
            chosen.push(ip);
        }
    }
    chosen
}

/// Whether a viewer could reach `ip` if the network lets it.
fn offerable(ip: IpAddr) -> bool {
    let usable = !ip.is_unspecified() && !ip.is_multicast();
    match ip {
        // 169.254/16 stays in: a Zero on a laptop's USB port has no other.
        IpAddr::V4(ip) => usable && !ip.is_broadcast(),
        // No link-local IPv6: browsers offer none themselves, and a candidate line has no place for the scope it needs
        // (RFC 8839 section 5.1). Site-local (RFC 3879) and v4-mapped ones never work.
        IpAddr::V6(ip) => usable && !ip.is_unicast_link_local() && !is_site_local(ip) && ip.to_ipv4_mapped().is_none(),
    }
}

fn is_site_local(ip: Ipv6Addr) -> bool {
    ip.segments()[0] & 0xffc0 == 0xfec0
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn chosen(found: &[(&str, &str)], loopback: Loopback) -> Vec<String> {
        choose(found.iter().map(|&(name, ip)| (name, ip.parse().unwrap())).collect(), loopback)
            .iter()
            .map(IpAddr::to_string)
            .collect()
    }

    const CAR: [(&str, &str); 12] = [
        ("wlan0", "fe80::1"),
        ("wlan0", "2001:db8::5"),
        ("wlan0", "192.168.1.5"),
        ("lo", "127.0.0.1"),
        ("lo", "::1"),
        ("wg0", "10.9.0.2"),
        ("wg0", "fd00::9"),
        ("usb0", "169.254.7.7"),
        ("br0", "192.168.1.5"),
        ("eth0", "ff02::1"),
        ("eth0", "0.0.0.0"),
        ("eth0", "fec0::1"),
    ];

    #[test]
    fn wifi_vpn_and_usb_are_offered_ipv4_first_and_each_once() {
        let expected = ["192.168.1.5", "169.254.7.7", "10.9.0.2", "fd00::9", "2001:db8::5"];
        assert_eq!(chosen(&CAR, Loopback::Exclude), expected);
        let mut backwards = CAR;
        backwards.reverse();
        assert_eq!(chosen(&backwards, Loopback::Exclude), expected, "the order does not depend on the kernel's");
    }

    #[test]
    fn loopback_is_offered_when_asked_for_or_when_there_is_nothing_else() {
        let all = chosen(&CAR, Loopback::Include);
        assert!(all.contains(&"127.0.0.1".into()) && all.contains(&"::1".into()) && all.len() == 7);
        let offline = [("lo", "127.0.0.1"), ("lo", "::1"), ("wlan0", "fe80::1")];
        assert_eq!(chosen(&offline, Loopback::Exclude), ["127.0.0.1", "::1"]);
        assert_eq!(chosen(&[], Loopback::Include), [""; 0], "before any network is up");
    }

    #[test]
    fn this_machine_has_a_loopback_address() {
        assert!(addresses(Loopback::Include).iter().any(IpAddr::is_loopback));
    }
}
