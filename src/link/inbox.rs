//! EDGE: the receiving half of the UDP socket: batched, and telling to which of this machine's addresses a datagram came.

// Fields of kernel structures are usize with glibc and u32 or i32 with musl.
#![allow(clippy::unnecessary_cast)]

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::ptr;
use std::rc::Rc;

use socket2::Socket;

use super::control::{self, Control};
use super::sockaddr;
use super::udp::empty_message;

/// Datagrams one system call brings in. An idle turn has one or two, a joining viewer a dozen.
const RECEIVE_BATCH: usize = 16;

/// Room for a datagram, bytes: an Ethernet frame and some. WebRTC stays below 1,500; what is longer is dropped.
const RECEIVE_ROOM: usize = 2048;

/// A datagram that came in, lent.
#[derive(Debug, Clone, Copy)]
pub struct Datagram<'a> {
    /// Who sent it.
    pub source: SocketAddr,
    /// Which of this machine's addresses it was sent to, and the port of the socket.
    pub destination: SocketAddr,
    /// UDP payload.
    pub bytes: &'a [u8],
}

/// What came in, since the socket was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InboxCounters {
    /// Datagrams handed on.
    pub datagrams_in: u64,
    /// Datagrams dropped because they were longer than any of WebRTC.
    pub truncated: u64,
    /// Failed receive calls.
    pub receive_errors: u64,
}

/// The receiving half.
#[derive(Debug)]
pub struct Inbox {
    socket: Rc<Socket>,
    port: u16,
    room: Box<[[u8; RECEIVE_ROOM]]>,
    pub(super) counters: InboxCounters,
}

impl Inbox {
    pub(super) fn new(socket: Rc<Socket>, port: u16) -> Self {
        let room = vec![[0; RECEIVE_ROOM]; RECEIVE_BATCH].into_boxed_slice();
        Self { socket, port, room, counters: InboxCounters::default() }
    }

    /// Hands at most `limit` datagrams to `each`, without blocking; true: there may be more, call again next turn
    /// (mio is edge-triggered and will not say so again).
    pub fn receive(&mut self, limit: usize, each: &mut dyn FnMut(Datagram<'_>)) -> bool {
        let mut left = limit;
        let mut failures = 0;
        while left > 0 {
            let wanted = left.min(RECEIVE_BATCH);
            match self.receive_batch(wanted, each) {
                // Fewer than asked for: within the call the kernel found the queue empty.
                Ok(got) if got < wanted => return false,
                Ok(got) => left -= got,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return false,
                Err(error) => {
                    // Not about a datagram here: an ICMP error for one that was sent, or no memory. Reading it cleared
                    // it; if not, the next datagram wakes us again.
                    self.counters.receive_errors += 1;
                    failures += 1;
                    log::debug!("cannot receive on UDP port {}: {error}", self.port);
                    if failures == RECEIVE_BATCH {
                        return false;
                    }
                }
            }
        }
        true
    }

    fn receive_batch(&mut self, wanted: usize, each: &mut dyn FnMut(Datagram<'_>)) -> io::Result<usize> {
        let mut slots = [const { MaybeUninit::<(libc::sockaddr_in6, Control)>::uninit() }; RECEIVE_BATCH];
        let mut vectors = [const { MaybeUninit::<libc::iovec>::uninit() }; RECEIVE_BATCH];
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; RECEIVE_BATCH];
        for (((slot, vector), header), room) in
            slots.iter_mut().zip(&mut vectors).zip(&mut headers).zip(&mut self.room).take(wanted)
        {
            // SAFETY: all zeros is a valid sockaddr_in6.
            let (name, control) = slot.write((unsafe { mem::zeroed() }, Control::default()));
            let vector = vector.write(libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() });
            let control = control.room();
            let header = header.write(empty_message());
            header.msg_hdr.msg_name = (name as *mut libc::sockaddr_in6).cast();
            header.msg_hdr.msg_namelen = size_of::<libc::sockaddr_in6>() as _;
            header.msg_hdr.msg_iov = vector;
            header.msg_hdr.msg_iovlen = 1;
            header.msg_hdr.msg_control = control.as_mut_ptr().cast();
            header.msg_hdr.msg_controllen = control.len() as _;
        }
        // SAFETY: the first `wanted` headers are initialised and point into slots, vectors and the room, which outlive
        // the call and which nobody else touches meanwhile. No time-out.
        let got = unsafe {
            let headers = headers.as_mut_ptr().cast();
            libc::recvmmsg(self.socket.as_raw_fd(), headers, wanted as _, 0, ptr::null_mut())
        };
        let got = usize::try_from(got).map_err(|_| io::Error::last_os_error())?;
        for ((slot, header), room) in slots.iter().zip(&headers).zip(&self.room).take(got) {
            // SAFETY: `got` is at most `wanted`, and so many were initialised.
            let ((name, control), header) = unsafe { (slot.assume_init_ref(), header.assume_init_ref()) };
            if header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                self.counters.truncated += 1;
                continue;
            }
            let destination = control::destination(control.written(header.msg_hdr.msg_controllen as usize));
            let (Some(source), Some((ip, interface))) = (sockaddr::plain(name), destination) else {
                self.counters.receive_errors += 1;
                continue;
            };
            self.counters.datagrams_in += 1;
            let bytes = &room[..header.msg_len as usize];
            each(Datagram { source, destination: sockaddr::scoped(ip, self.port, interface), bytes });
        }
        Ok(got)
    }
}
