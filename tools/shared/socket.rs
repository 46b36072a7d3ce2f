//! EDGE: a UDP socket whose datagrams carry the kernel's time of arrival (SO_TIMESTAMPNS, socket(7)): on loopback and veth
//! that is when the sender's system call handed them over, whenever this process gets to read them.

use std::io;
use std::mem;
use std::net::{SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// Bytes that the kernel may hold for us: a keyframe for a slow reader.
const RECEIVE_BUFFER: libc::c_int = 1 << 20;

/// A socket on `local`, non-blocking.
///
/// # Errors
/// A sentence.
pub fn open(local: SocketAddr) -> Result<UdpSocket, String> {
    let socket = UdpSocket::bind(local).map_err(|e| format!("cannot open a UDP socket on {local}: {e}"))?;
    socket.set_nonblocking(true).map_err(|e| e.to_string())?;
    for (option, value) in [(libc::SO_TIMESTAMPNS, 1), (libc::SO_RCVBUF, RECEIVE_BUFFER)] {
        // SAFETY: pointer and length are those of `value`.
        let result = unsafe {
            let at = (&raw const value).cast();
            libc::setsockopt(socket.as_raw_fd(), libc::SOL_SOCKET, option, at, size_of_val(&value) as _)
        };
        if result != 0 {
            return Err(format!("cannot have arrival times: {}", io::Error::last_os_error()));
        }
    }
    Ok(socket)
}

/// To wait for it.
pub fn readable(socket: &UdpSocket) -> libc::pollfd {
    libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 }
}

/// The next datagram: its length, who sent it, and when it arrived (ns of CLOCK_REALTIME, 0 if the kernel did not say).
pub fn receive_from(socket: &UdpSocket, room: &mut [u8]) -> Option<((usize, SocketAddr), u64)> {
    #[repr(C, align(8))]
    struct Control([u8; 128]);
    let mut control = Control([0; 128]);
    let mut vector = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
    // SAFETY: a zeroed sockaddr_in6 is valid; IPv4 addresses fit into it as well.
    let mut name: libc::sockaddr_in6 = unsafe { mem::zeroed() };
    // SAFETY: integers and null pointers: all zeros is valid.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = size_of_val(&name) as _;
    header.msg_iov = &raw mut vector;
    header.msg_iovlen = 1;
    header.msg_control = control.0.as_mut_ptr().cast();
    header.msg_controllen = control.0.len() as _;
    // SAFETY: the header points to what lives in this frame and in `room`.
    let size = usize::try_from(unsafe { libc::recvmsg(socket.as_raw_fd(), &mut header, 0) }).ok()?;
    let mut stamp = 0;
    // SAFETY: the CMSG macros walk the control messages that the kernel wrote; a timestamp holds one timespec.
    unsafe {
        let mut at = libc::CMSG_FIRSTHDR(&raw const header);
        while let Some(message) = at.as_ref() {
            if (message.cmsg_level, message.cmsg_type) == (libc::SOL_SOCKET, libc::SCM_TIMESTAMPNS) {
                let ts: libc::timespec = libc::CMSG_DATA(at).cast::<libc::timespec>().read_unaligned();
                stamp = ts.tv_sec as u64 * 1_000_000_000 + ts.tv_nsec as u64;
            }
            at = libc::CMSG_NXTHDR(&raw const header, at);
        }
    }
    Some(((size, plain(&name)), stamp))
}

/// The kernel's address as Rust has it.
fn plain(name: &libc::sockaddr_in6) -> SocketAddr {
    if i32::from(name.sin6_family) == libc::AF_INET {
        // SAFETY: the family says that it is a sockaddr_in, which is smaller.
        let name = unsafe { &*std::ptr::from_ref(name).cast::<libc::sockaddr_in>() };
        return SocketAddr::from((name.sin_addr.s_addr.to_ne_bytes(), u16::from_be(name.sin_port)));
    }
    SocketAddr::from((name.sin6_addr.s6_addr, u16::from_be(name.sin6_port)))
}
