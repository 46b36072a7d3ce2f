//! EDGE: a ring of buffers that a device and this program pass to each other: mapped (VIDIOC_REQBUFS, QUERYBUF, mmap) or
//! brought along as DMABUFs; single- and multi-planar. Holds who has which buffer and gives everything back on drop, in
//! the order that leaves the device free for the next: munmap, STREAMOFF, REQBUFS 0. Who gets a buffer when, is decided
//! by `camera` and `encoder`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::ptr::{self, NonNull};
use std::slice;
use std::sync::Arc;

use v4l::v4l_sys as sys;
use v4l::v4l2::{self, vidioc};

use super::Queue;
use super::node::{Node, zeroed};
use crate::clock::Micros;

/// Planes that a buffer may have (VIDEO_MAX_PLANES).
const MOST_PLANES: usize = 8;

/// Whose memory it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::video) enum Memory {
    /// The driver's, mapped by us.
    Mapped,
    /// Another device's, passed by descriptor.
    Imported,
}

/// Buffers of one queue.
#[derive(Debug)]
pub struct Ring {
    node: Arc<Node>,
    queue: Queue,
    memory: Memory,
    buffers: Vec<Buffer>,
    streaming: bool,
    /// Given up: the queue may belong to another ring by now.
    released: bool,
}

#[derive(Debug)]
struct Buffer {
    planes: Vec<Mapping>,
    /// The driver has it.
    queued: bool,
}

/// A mapped piece of a device's memory.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    length: usize,
}

// SAFETY: nothing but the address of memory that belongs to the process; `Ring` hands it out by its own borrow.
unsafe impl Send for Mapping {}

/// A buffer that came back from the driver, and what it says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filled {
    pub(in crate::video) index: u32,
    /// Where the picture begins and ends in the first plane.
    pub(in crate::video) start: usize,
    pub(in crate::video) end: usize,
    /// As large as a picture can be here.
    pub(in crate::video) capacity: usize,
    /// Counted by the driver.
    pub(in crate::video) sequence: u32,
    pub(in crate::video) stamp: Micros,
    pub(in crate::video) clock: Clock,
    /// When an encoder was given the raw picture; only whoever gave it knows.
    pub(in crate::video) encoding: Option<Micros>,
    /// Its content is broken (V4L2_BUF_FLAG_ERROR).
    pub(in crate::video) broken: bool,
    /// Nothing comes after it (V4L2_BUF_FLAG_LAST).
    pub(in crate::video) last: bool,
}

/// What a buffer's time counts from (V4L2_BUF_FLAG_TIMESTAMP_*).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::video) enum Clock {
    /// CLOCK_MONOTONIC.
    Monotonic,
    /// Copied from the buffer that went in at the other end.
    Copied,
    /// Mapped to our clock by `camera::stamps` already.
    Ours,
    Unknown,
}

/// What is put into a buffer on its way to the driver.
#[derive(Debug, Clone, Copy)]
pub(in crate::video) struct Filling<'a> {
    /// For [`Memory::Imported`]: where the picture lies.
    pub(in crate::video) import: Option<BorrowedFd<'a>>,
    /// Bytes of the picture.
    pub(in crate::video) used: usize,
    /// Bytes of the memory it lies in.
    pub(in crate::video) length: usize,
    pub(in crate::video) stamp: Micros,
}

impl Ring {
    /// Asks for `count` buffers; the driver may make more or fewer of it. None of them is queued yet.
    ///
    /// # Errors
    /// The kernel's. What had been given by then is given back.
    pub(in crate::video) fn new(node: &Arc<Node>, queue: Queue, memory: Memory, count: u32) -> io::Result<Self> {
        let mut ring =
            Self { node: Arc::clone(node), queue, memory, buffers: Vec::new(), streaming: false, released: false };
        let given = ring.request(count)?;
        if given == 0 {
            return Err(io::Error::from_raw_os_error(libc::ENOMEM));
        }
        for index in 0..given {
            let planes = if memory == Memory::Mapped { ring.map(index)? } else { Vec::new() };
            ring.buffers.push(Buffer { planes, queued: false });
        }
        Ok(ring)
    }

    /// How many there are.
    pub(in crate::video) fn len(&self) -> u32 {
        self.buffers.len() as u32
    }

    /// A buffer that is with us and not with the driver.
    pub(in crate::video) fn free(&self) -> Option<u32> {
        self.buffers.iter().position(|buffer| !buffer.queued).map(|index| index as u32)
    }

    /// How many the driver has.
    #[cfg(test)]
    pub(in crate::video) fn queued(&self) -> usize {
        self.buffers.iter().filter(|buffer| buffer.queued).count()
    }

    /// Hands a buffer to the driver, to be filled.
    pub(in crate::video) fn queue(&mut self, index: u32) -> io::Result<()> {
        self.hand_over(index, None)
    }

    /// Hands a buffer with a picture to the driver.
    pub(in crate::video) fn queue_filled(&mut self, index: u32, filling: &Filling<'_>) -> io::Result<()> {
        self.hand_over(index, Some(filling))
    }

    /// Hands over every buffer that is with us.
    pub(in crate::video) fn queue_all(&mut self) -> io::Result<()> {
        (0..self.len()).try_for_each(|index| match self.buffers[index as usize].queued {
            true => Ok(()),
            false => self.queue(index),
        })
    }

    /// The next buffer that the driver is done with; None if there is none now.
    ///
    /// # Errors
    /// The kernel's: EIO and ENODEV say that the stream is over, EPIPE that the last buffer has been here already.
    pub(in crate::video) fn dequeue(&mut self) -> io::Result<Option<Filled>> {
        let mut planes: [sys::v4l2_plane; MOST_PLANES] = std::array::from_fn(|_| zeroed());
        let mut raw = self.raw(0, &mut planes);
        // SAFETY: DQBUF reads and fills a v4l2_buffer and as many planes as its length says, which are there.
        match unsafe { self.node.call(vidioc::VIDIOC_DQBUF, &mut raw) } {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error),
        }
        let Some(buffer) = self.buffers.get_mut(raw.index as usize) else {
            return Err(io::Error::other(format!("the driver returned buffer {}, which does not exist", raw.index)));
        };
        buffer.queued = false;
        let capacity = buffer.planes.first().map_or(0, |plane| plane.length);
        // SAFETY: every bit pattern is a number of bytes.
        let (start, end) = match self.queue.has_planes() {
            true => (planes[0].data_offset as usize, planes[0].bytesused as usize),
            false => (0, raw.bytesused as usize),
        };
        let end = end.min(capacity);
        let clock = match raw.flags & sys::V4L2_BUF_FLAG_TIMESTAMP_MASK {
            sys::V4L2_BUF_FLAG_TIMESTAMP_MONOTONIC => Clock::Monotonic,
            sys::V4L2_BUF_FLAG_TIMESTAMP_COPY => Clock::Copied,
            _ => Clock::Unknown,
        };
        let (seconds, micros) = (raw.timestamp.tv_sec, raw.timestamp.tv_usec);
        let stamp = seconds.checked_mul(1_000_000).and_then(|s| u64::try_from(s.checked_add(micros)?).ok());
        Ok(Some(Filled {
            index: raw.index,
            start: start.min(end),
            end,
            capacity,
            sequence: raw.sequence,
            stamp: Micros(stamp.unwrap_or(0)),
            clock,
            encoding: None,
            broken: raw.flags & sys::V4L2_BUF_FLAG_ERROR != 0,
            last: raw.flags & sys::V4L2_BUF_FLAG_LAST != 0,
        }))
    }

    /// What lies in a buffer; nothing while the driver has it.
    pub(in crate::video) fn bytes(&self, filled: &Filled) -> &[u8] {
        let buffer = self.buffers.get(filled.index as usize).filter(|buffer| !buffer.queued);
        let Some(plane) = buffer.and_then(|buffer| buffer.planes.first()) else { return &[] };
        // SAFETY: the mapping lives as long as `self`, is readable, and belongs to us until it is queued, which needs
        // `&mut self`.
        let all = unsafe { slice::from_raw_parts(plane.start.as_ptr(), plane.length) };
        all.get(filled.start..filled.end).unwrap_or(&[])
    }

    /// Room for a picture in a buffer that is with us; none while the driver has it.
    pub(in crate::video) fn room(&mut self, index: u32) -> &mut [u8] {
        let buffer = self.buffers.get_mut(index as usize).filter(|buffer| !buffer.queued);
        let Some(plane) = buffer.and_then(|buffer| buffer.planes.first()) else { return &mut [] };
        // SAFETY: as in `bytes`; mapped writable, and borrowed mutably.
        unsafe { slice::from_raw_parts_mut(plane.start.as_ptr(), plane.length) }
    }

    /// Bytes of a buffer's memory.
    pub(in crate::video) fn capacity(&self, index: u32) -> usize {
        self.buffers.get(index as usize).and_then(|buffer| buffer.planes.first()).map_or(0, |plane| plane.length)
    }

    /// A descriptor of each buffer, for another device.
    pub(in crate::video) fn export(&self) -> io::Result<Vec<OwnedFd>> {
        (0..self.len()).map(|index| self.node.export(self.queue, index, 0)).collect()
    }

    /// Starts the stream. If it is refused, what is queued stays queued: call this again, alone.
    pub(in crate::video) fn start(&mut self) -> io::Result<()> {
        self.node.stream_on(self.queue)?;
        self.streaming = true;
        Ok(())
    }

    /// Ends the stream; every buffer is with us again.
    pub(in crate::video) fn stop(&mut self) -> io::Result<()> {
        self.streaming = false;
        self.buffers.iter_mut().for_each(|buffer| buffer.queued = false);
        self.node.stream_off(self.queue)
    }

    /// Gives every buffer up, for another ring on the same queue.
    pub(in crate::video) fn release(&mut self) -> io::Result<()> {
        self.buffers.clear();
        self.released = true;
        self.request(0).map(|_| ())
    }

    fn request(&self, count: u32) -> io::Result<u32> {
        let memory = self.memory();
        let mut raw = sys::v4l2_requestbuffers { count, type_: self.queue.kind(), memory, ..zeroed() };
        // SAFETY: REQBUFS reads and fills a v4l2_requestbuffers.
        unsafe { self.node.call(vidioc::VIDIOC_REQBUFS, &mut raw)? };
        Ok(raw.count)
    }

    fn map(&self, index: u32) -> io::Result<Vec<Mapping>> {
        let mut planes: [sys::v4l2_plane; MOST_PLANES] = std::array::from_fn(|_| zeroed());
        let mut raw = self.raw(index, &mut planes);
        // SAFETY: QUERYBUF reads and fills a v4l2_buffer and as many planes as its length says, which are there.
        unsafe { self.node.call(vidioc::VIDIOC_QUERYBUF, &mut raw)? };
        let places: Vec<(u32, u32)> = match self.queue.has_planes() {
            // SAFETY: for mapped memory the offset is what the kernel filled in.
            true => planes.iter().take(raw.length as usize).map(|p| (p.length, unsafe { p.m.mem_offset })).collect(),
            // SAFETY: the same.
            false => vec![(raw.length, unsafe { raw.m.offset })],
        };
        places.into_iter().map(|(length, offset)| Mapping::new(&self.node, length as usize, offset)).collect()
    }

    fn hand_over(&mut self, index: u32, filling: Option<&Filling<'_>>) -> io::Result<()> {
        let mut planes: [sys::v4l2_plane; MOST_PLANES] = std::array::from_fn(|_| zeroed());
        let mapped = self.buffers.get(index as usize).map_or(0, |buffer| buffer.planes.len());
        let mut raw = self.raw(index, &mut planes);
        raw.length = mapped.max(1) as u32;
        if let Some(filling) = filling {
            let (used, length) = (filling.used as u32, filling.length as u32);
            raw.timestamp.tv_sec = (filling.stamp.0 / 1_000_000) as sys::time_t;
            raw.timestamp.tv_usec = (filling.stamp.0 % 1_000_000) as sys::time_t;
            raw.field = sys::v4l2_field_V4L2_FIELD_NONE;
            (planes[0].bytesused, planes[0].length) = (used, length);
            if !self.queue.has_planes() {
                (raw.bytesused, raw.length) = (used, length);
            }
            if let Some(import) = filling.import {
                planes[0].m.fd = import.as_raw_fd();
                if !self.queue.has_planes() {
                    raw.m.fd = import.as_raw_fd();
                }
            }
        }
        // The planes were changed after `raw` was made; the pointer is taken anew.
        if self.queue.has_planes() {
            raw.m.planes = planes.as_mut_ptr();
        }
        // SAFETY: QBUF reads a v4l2_buffer and as many planes as its length says, which are there; an imported
        // descriptor is open while it is borrowed, and the kernel takes a reference of its own.
        unsafe { self.node.call(vidioc::VIDIOC_QBUF, &mut raw)? };
        if let Some(buffer) = self.buffers.get_mut(index as usize) {
            buffer.queued = true;
        }
        Ok(())
    }

    fn raw(&self, index: u32, planes: &mut [sys::v4l2_plane; MOST_PLANES]) -> sys::v4l2_buffer {
        let mut raw =
            sys::v4l2_buffer { index, type_: self.queue.kind(), memory: self.memory(), ..zeroed::<sys::v4l2_buffer>() };
        if self.queue.has_planes() {
            raw.m.planes = planes.as_mut_ptr();
            raw.length = MOST_PLANES as u32;
        }
        raw
    }

    fn memory(&self) -> u32 {
        match self.memory {
            Memory::Mapped => sys::v4l2_memory_V4L2_MEMORY_MMAP,
            Memory::Imported => sys::v4l2_memory_V4L2_MEMORY_DMABUF,
        }
    }
}

impl Drop for Ring {
    /// A device that is gone answers ENODEV, and nothing can be done about it: no result matters here.
    fn drop(&mut self) {
        self.buffers.clear();
        if self.released {
            return;
        }
        if self.streaming {
            let _ = self.node.stream_off(self.queue);
        }
        let _ = self.request(0);
    }
}

impl Mapping {
    fn new(node: &Node, length: usize, offset: u32) -> io::Result<Self> {
        let access = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a new mapping wherever the kernel likes; nothing that exists is touched.
        let start = unsafe {
            v4l2::mmap(ptr::null_mut(), length, access, libc::MAP_SHARED, node.as_raw_fd(), offset as libc::off_t)?
        };
        let start = NonNull::new(start.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
        Ok(Self { start, length })
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped by us with this length, and nobody borrows from it: it is being dropped.
        let _ = unsafe { v4l2::munmap(self.start.as_ptr().cast(), self.length) };
    }
}
