//! Addresses as the kernel has them and as the program has them. On a dual-stack socket the kernel speaks of IPv4 in
//! v4-mapped form (RFC 4291 section 2.5.5.2); everywhere else in the program addresses are plain, as they are in
//! candidates. Memory only; `udp.rs` calls it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// `address` in the form a dual-stack socket takes.
pub fn mapped(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(v4) => SocketAddrV6::new(v4.ip().to_ipv6_mapped(), v4.port(), 0, 0).into(),
        v6 => v6,
    }
}

/// The plain form of an address the kernel wrote; `None` if it is of another family.
pub fn plain(name: &libc::sockaddr_in6) -> Option<SocketAddr> {
    match i32::from(name.sin6_family) {
        libc::AF_INET6 => {
            let ip = Ipv6Addr::from(name.sin6_addr.s6_addr).to_canonical();
            Some(scoped(ip, u16::from_be(name.sin6_port), name.sin6_scope_id))
        }
        libc::AF_INET => {
            // SAFETY: the kernel wrote a sockaddr_in, which is smaller and no stricter in alignment.
            let name = unsafe { &*(name as *const libc::sockaddr_in6).cast::<libc::sockaddr_in>() };
            Some((Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr)), u16::from_be(name.sin_port)).into())
        }
        _ => None,
    }
}

/// `ip` and `port` as an address; only link-local IPv6 keeps the interface (RFC 4007), so that others compare equal.
pub fn scoped(ip: IpAddr, port: u16, interface: u32) -> SocketAddr {
    match ip {
        IpAddr::V6(ip) if ip.is_unicast_link_local() => SocketAddrV6::new(ip, port, 0, interface).into(),
        ip => SocketAddr::new(ip, port),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use socket2::SockAddr;

    use super::*;

    #[test]
    fn an_address_survives_the_way_through_the_kernels_forms() {
        for text in ["10.1.2.3:4", "[2001:db8::1]:65535", "[fe80::1%3]:9", "[::1]:1"] {
            let address: SocketAddr = text.parse().unwrap();
            for form in [address, mapped(address)] {
                let name = SockAddr::from(form);
                // SAFETY: a SockAddr has room for any address; the family inside says which it is.
                let read = plain(unsafe { &*name.as_ptr().cast::<libc::sockaddr_in6>() });
                assert_eq!(read, Some(address), "{form}");
            }
        }
    }

    #[test]
    fn link_local_addresses_keep_their_interface_and_no_others_do() {
        let scope = |ip: &str| match scoped(ip.parse().unwrap(), 1, 5) {
            SocketAddr::V6(v6) => v6.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        assert_eq!((scope("fe80::1"), scope("fd00::1"), scope("::1"), scope("10.0.0.1")), (5, 0, 0, 0));
    }
}
