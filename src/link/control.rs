//! Control messages of `sendmsg(2)` and `recvmsg(2)`, laid out by hand as cmsg(3) says: the address from which a
//! datagram leaves or at which it came in (IPV6_PKTINFO of ipv6(7) and RFC 3542 section 6, IP_PKTINFO of ip(7)), and
//! the length of segments (UDP_SEGMENT of udp(7)). socket2 carries such bytes but cannot make or read them. Memory
//! only, no socket; `udp.rs` calls it.

// Fields of kernel structures are usize with glibc and u32 or i32 with musl.
#![allow(clippy::unnecessary_cast)]

use std::mem::{offset_of, size_of};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Room for the largest set we send (pktinfo and segment length) or ask the kernel for (pktinfo), in bytes.
/// Computed, since the header differs between 32 and 64 bits.
pub const CAPACITY: usize = space::<libc::in6_pktinfo>() + space::<u16>();

/// Bytes a control message with a `T` inside takes, padding included.
const fn space<T>() -> usize {
    // SAFETY: arithmetic only.
    unsafe { libc::CMSG_SPACE(size_of::<T>() as u32) as usize }
}

/// Where the data begins in a control message.
// SAFETY: arithmetic only.
const DATA: usize = unsafe { libc::CMSG_LEN(0) as usize };

/// A buffer of control messages; aligned for the kernel's `cmsghdr`, which holds a `size_t`.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(8))]
pub struct Control {
    bytes: [u8; CAPACITY],
    len: usize,
}

const _: () = assert!(offset_of!(Control, bytes) == 0 && align_of::<Control>() >= align_of::<libc::cmsghdr>());

impl Default for Control {
    fn default() -> Self {
        Self { bytes: [0; CAPACITY], len: 0 }
    }
}

impl Control {
    /// The messages so far.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// All of the room, for the kernel to write into.
    pub fn room(&mut self) -> &mut [u8] {
        &mut self.bytes
    }

    /// The first `len` bytes, after the kernel wrote them.
    pub fn written(&self, len: usize) -> &[u8] {
        &self.bytes[..len.min(CAPACITY)]
    }

    /// Leave from `ip` on a socket of family AF_INET6; an IPv4 address goes in v4-mapped form. `interface` is 0 unless
    /// the address is link-local: any other index would override the routing table.
    pub fn push_source_v6(&mut self, ip: IpAddr, interface: u32) {
        let ip = match ip {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        let info =
            libc::in6_pktinfo { ipi6_addr: libc::in6_addr { s6_addr: ip.octets() }, ipi6_ifindex: interface as _ };
        self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, info);
    }

    /// Leave from `ip` on a socket of family AF_INET.
    pub fn push_source_v4(&mut self, ip: Ipv4Addr) {
        let info = libc::in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: libc::in_addr { s_addr: u32::from_ne_bytes(ip.octets()) },
            ipi_addr: libc::in_addr { s_addr: 0 },
        };
        self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, info);
    }

    /// Cut the bytes into datagrams of `length` each; the last may be shorter.
    pub fn push_segment(&mut self, length: u16) {
        self.push(libc::SOL_UDP, libc::UDP_SEGMENT, length);
    }

    /// Appends one message; past the capacity (which fits one source and one length) it panics.
    fn push<T: Copy>(&mut self, level: i32, kind: i32, value: T) {
        let space = space::<T>();
        let room = &mut self.bytes[self.len..self.len + space];
        // SAFETY: `room` has space for header and value, was checked by the slice above, and starts at a multiple of
        // the header's alignment because every message before it took a multiple (CMSG_SPACE) of it.
        unsafe {
            let header = room.as_mut_ptr().cast::<libc::cmsghdr>();
            (*header).cmsg_len = libc::CMSG_LEN(size_of::<T>() as u32) as _;
            (*header).cmsg_level = level;
            (*header).cmsg_type = kind;
            room.as_mut_ptr().add(DATA).cast::<T>().write_unaligned(value);
        }
        self.len += space;
    }
}

/// The address a datagram was sent to, and the index of the interface it came in at; `None` where the kernel did not say.
pub fn destination(mut control: &[u8]) -> Option<(IpAddr, u32)> {
    while control.len() >= size_of::<libc::cmsghdr>() {
        // SAFETY: there are enough bytes, and any bytes make a valid header of integers.
        let header = unsafe { control.as_ptr().cast::<libc::cmsghdr>().read_unaligned() };
        let length = header.cmsg_len as usize;
        let data = control.get(DATA..length)?;
        match (header.cmsg_level, header.cmsg_type) {
            (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) => {
                let ip = data.get(offset_of!(libc::in6_pktinfo, ipi6_addr)..)?.first_chunk::<16>()?;
                let interface = data.get(offset_of!(libc::in6_pktinfo, ipi6_ifindex)..)?.first_chunk::<4>()?;
                return Some((Ipv6Addr::from(*ip).to_canonical(), u32::from_ne_bytes(*interface)));
            }
            (libc::IPPROTO_IP, libc::IP_PKTINFO) => {
                let ip = data.get(offset_of!(libc::in_pktinfo, ipi_addr)..)?.first_chunk::<4>()?;
                let interface = data.get(offset_of!(libc::in_pktinfo, ipi_ifindex)..)?.first_chunk::<4>()?;
                return Some((Ipv4Addr::from(*ip).into(), u32::from_ne_bytes(*interface)));
            }
            _ => {
                // SAFETY: arithmetic only; `length` is at most the size of the slice.
                let padded = unsafe { libc::CMSG_SPACE((length - DATA) as u32) as usize };
                control = control.get(padded..)?;
            }
        }
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pushed_can_be_read_back() {
        for (ip, interface) in [("10.1.2.3", 0), ("::1", 0), ("fe80::1", 7)] {
            let ip: IpAddr = ip.parse().unwrap();
            let mut control = Control::default();
            control.push_segment(1200);
            control.push_source_v6(ip, interface);
            assert_eq!(destination(control.as_bytes()), Some((ip, interface)));
            assert_eq!(control.as_bytes().len(), CAPACITY);
        }
    }

    #[test]
    fn the_bytes_are_those_of_cmsg_3() {
        let mut control = Control::default();
        control.push_segment(0x1234);
        let mut expected = (DATA + 2).to_ne_bytes().to_vec();
        expected.extend(17_i32.to_ne_bytes());
        expected.extend(103_i32.to_ne_bytes());
        expected.extend(0x1234_u16.to_ne_bytes());
        expected.resize(control.as_bytes().len(), 0);
        assert_eq!(control.as_bytes(), expected);
    }

    #[test]
    fn control_bytes_cut_short_or_garbled_are_no_address_and_no_panic() {
        let mut control = Control::default();
        control.push_segment(1);
        control.push_source_v6(Ipv6Addr::LOCALHOST.into(), 0);
        let whole = control.as_bytes();
        for len in 0..whole.len() - 8 {
            assert_eq!(destination(&whole[..len]), None, "{len} bytes");
        }
        for at in 0..whole.len() {
            for value in [0, 1, 0x7f, 0xff] {
                let mut garbled = whole.to_vec();
                garbled[at] = value;
                destination(&garbled);
            }
        }
        assert_eq!(destination(&[0xff; 80]), None);
        assert_eq!(destination(&[0; 80]), None);
    }
}
