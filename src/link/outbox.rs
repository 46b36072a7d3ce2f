//! EDGE: the sending half of the UDP socket: a viewer's datagrams in one system call and without a copy, each run of equal
//! ones as one segmented message, from the address that the viewer asked.

// Fields of kernel structures are usize with glibc and u32 or i32 with musl.
#![allow(clippy::unnecessary_cast)]

use std::io;
use std::mem::{self, MaybeUninit};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::rc::Rc;
use std::time::Instant;

use socket2::{Domain, SockAddr, Socket};
use str0m::net::Transmit;

use super::control::Control;
use super::outlet::{Outlet, Sent};
use super::refusal::{Complaints, Reaction, reaction};
use super::room::Room;
use super::segments::{RUN_MOST, Unsegmented, run_length};
use super::sockaddr;
use super::udp::empty_message;
use crate::clock::Micros;

/// Datagrams and messages in one system call: two long runs, or a frame of 35 kB without segmentation. They size
/// arrays on the stack, 14 kB together.
const CALL_DATAGRAMS: usize = 2 * RUN_MOST;
const CALL_MESSAGES: usize = 32;

/// What went out, since the socket was made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OutboxCounters {
    /// Datagrams the kernel took.
    pub datagrams_out: u64,
    /// Their bytes, UDP payload.
    pub bytes_out: u64,
    /// System calls for sending, failed ones among them.
    pub send_calls: u64,
    /// Times the socket would have blocked.
    pub blocked: u64,
    /// Datagrams the kernel refused for another reason.
    pub send_errors: u64,
}

/// The sending half.
#[derive(Debug)]
pub struct Outbox {
    socket: Rc<Socket>,
    domain: Domain,
    /// Whether the kernel knows UDP_SEGMENT (Linux 4.18).
    segmentation: bool,
    room: Room,
    unsegmented: Unsegmented,
    complaints: Complaints,
    pub(super) counters: OutboxCounters,
}

impl Outbox {
    pub(super) fn new(socket: Rc<Socket>, domain: Domain, segmentation: bool) -> Self {
        Self {
            socket,
            domain,
            segmentation,
            room: Room::default(),
            unsegmented: Unsegmented::default(),
            complaints: Complaints::default(),
            counters: OutboxCounters::default(),
        }
    }

    /// How many datagrams from the start of `batch` (not empty) make one message.
    fn message_length(&self, batch: &[Transmit]) -> usize {
        if self.segmentation && !self.unsegmented.holds(batch[0].destination.ip()) { run_length(batch) } else { 1 }
    }

    /// Sends the start of `batch` with one system call and says how many datagrams went. The first `singly` of them
    /// go one by one: a message each. Nothing is joined or copied here: a message is a list of pieces.
    ///
    /// By libc, because socket2 has no `sendmmsg` (nor `recvmmsg`): its `sendmsg` would take one call for each run.
    fn send_some(&mut self, batch: &[Transmit], singly: usize) -> io::Result<usize> {
        let mut slots = [const { MaybeUninit::<(SockAddr, Control)>::uninit() }; CALL_MESSAGES];
        let mut vectors = [const { MaybeUninit::<libc::iovec>::uninit() }; CALL_DATAGRAMS];
        let mut headers = [const { MaybeUninit::<libc::mmsghdr>::uninit() }; CALL_MESSAGES];
        let mut datagrams = 0;
        let mut messages = 0;
        let mut free = &mut vectors[..];
        for (slot, header) in slots.iter_mut().zip(&mut headers) {
            let rest = &batch[datagrams..];
            let Some(first) = rest.first() else { break };
            let run = if datagrams < singly { 1 } else { self.message_length(rest) };
            let Some((pieces, left)) = mem::take(&mut free).split_at_mut_checked(run) else { break };
            free = left;
            for (piece, datagram) in pieces.iter_mut().zip(rest) {
                let bytes: &[u8] = &datagram.contents;
                piece.write(libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() });
            }
            let to = first.destination;
            let to = if self.domain == Domain::IPV6 { sockaddr::mapped(to) } else { to };
            let (name, control) = slot.write((SockAddr::from(to), Control::default()));
            self.push_source(control, first.source);
            if run > 1 {
                // A run is at most RUN_BYTES long, which fits.
                control.push_segment(first.contents.len() as u16);
            }
            let control = control.as_bytes();
            let header = header.write(empty_message());
            header.msg_hdr.msg_name = name.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_namelen = name.len();
            header.msg_hdr.msg_iov = pieces.as_mut_ptr().cast();
            header.msg_hdr.msg_iovlen = run as _;
            header.msg_hdr.msg_control = control.as_ptr().cast_mut().cast();
            header.msg_hdr.msg_controllen = control.len() as _;
            datagrams += run;
            messages += 1;
        }
        self.counters.send_calls += 1;
        // SAFETY: the first `messages` headers are initialised and point into slots, vectors and batch, which outlive
        // the call. The kernel reads them only; it writes `msg_len` of the headers.
        let sent = unsafe {
            let headers = headers.as_mut_ptr().cast();
            libc::sendmmsg(self.socket.as_raw_fd(), headers, messages as _, 0)
        };
        let sent = usize::try_from(sent).map_err(|_| io::Error::last_os_error())?;
        let gone = headers[..sent]
            .iter()
            // SAFETY: `sent` is at most `messages`, and so many were initialised.
            .map(|header| unsafe { header.assume_init_ref() }.msg_hdr.msg_iovlen as usize)
            .sum();
        self.counters.datagrams_out += gone as u64;
        self.counters.bytes_out += batch[..gone].iter().map(|datagram| datagram.contents.len() as u64).sum::<u64>();
        Ok(gone)
    }

    /// Makes a message leave from `source`; without an address there the routing table chooses.
    fn push_source(&self, control: &mut Control, source: SocketAddr) {
        match source {
            source if source.ip().is_unspecified() => {}
            SocketAddr::V6(source) => {
                let interface = if source.ip().is_unicast_link_local() { source.scope_id() } else { 0 };
                control.push_source_v6((*source.ip()).into(), interface);
            }
            SocketAddr::V4(source) if self.domain == Domain::IPV6 => control.push_source_v6((*source.ip()).into(), 0),
            SocketAddr::V4(source) => control.push_source_v4(*source.ip()),
        }
    }

    /// `count` datagrams from `first` on were refused.
    fn complain(&mut self, first: &Transmit, count: usize, error: &io::Error) {
        self.counters.send_errors += count as u64;
        if let Some(all) = self.complaints.add(count as u64, Instant::now()) {
            log::warn!(
                "cannot send from {} to {}: {error}; {all} datagrams refused since the last such line",
                first.source.ip(),
                first.destination
            );
        }
    }
}

impl Outlet for Outbox {
    /// The clock is read once a call, and only while a destination is held or after an error.
    fn send(&mut self, batch: &[Transmit]) -> Sent {
        if let Some(bytes) = self.room.make(batch) {
            // The kernel caps it at net.core.wmem_max, 166 plain datagrams by default: beyond that a frame may be cut
            // off, and is counted. Refused, the former size stays.
            let _ = self.socket.set_send_buffer_size(bytes);
        }
        if !self.unsegmented.is_empty() {
            self.unsegmented.expire(Instant::now());
        }
        let mut settled = 0;
        // Up to here datagrams go one by one: the kernel refused them as one message.
        let mut singly_to = 0;
        while let Some(first) = batch.get(settled) {
            let rest = &batch[settled..];
            let singly = singly_to - settled.min(singly_to);
            match self.send_some(rest, singly) {
                Ok(gone) => {
                    if singly > 0 {
                        // The plain try went through: it was the segmentation, not the address.
                        self.unsegmented.hold(first.destination.ip(), Instant::now());
                        log::debug!("no segmentation towards {} for a while", first.destination.ip());
                        singly_to = 0;
                    }
                    settled += gone;
                }
                Err(error) => {
                    let segmented = singly == 0 && self.message_length(rest) > 1;
                    match reaction(error.raw_os_error().unwrap_or(0), segmented) {
                        Reaction::Again => {}
                        Reaction::Blocked => {
                            self.counters.blocked += 1;
                            return Sent::Blocked { accepted: settled };
                        }
                        Reaction::Single => singly_to = settled + run_length(rest),
                        Reaction::Skip => {
                            // What is alike fares alike: the whole run.
                            let run = run_length(rest);
                            self.complain(first, run, &error);
                            settled += run;
                        }
                    }
                }
            }
        }
        Sent::All
    }

    fn clock(&self) -> Micros {
        Micros::now()
    }
}
