//! EDGE: a stateful memory-to-memory encoder (Documentation/userspace-api/media/v4l/dev-encoder.rst): pictures go into its
//! output queue, by DMABUF or by copying, and the coded stream comes out of its capture queue, with the time stamps of
//! the pictures. One step at a time; what is sent when is decided by `coder`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::path::Path;
use std::sync::Arc;

use v4l::v4l_sys as sys;

use super::super::camera::health::{Fault, Stage};
use super::super::v4l2::node::{Event, Identity, Node};
use super::super::v4l2::ring::{Filled, Filling, Memory, Ring};
use super::super::v4l2::{Format, FourCc, Queue, a_few};
use crate::clock::Micros;

/// Coded frames that lie ready while the loop is busy.
const CODED: u32 = 4;
/// Raw pictures inside at the same time: one being encoded, one to follow. More would only wait, and waiting is delay.
pub(in crate::video) const IN_FLIGHT: usize = 2;

/// An open encoder with both its queues.
#[derive(Debug)]
pub(in crate::video) struct M2m {
    // Before the node: buffers are given back while it is open.
    pictures: Pictures,
    pub(in crate::video) coded: Ring,
    pub(in crate::video) node: Arc<Node>,
    /// STOP was ordered.
    draining: bool,
    /// The encoder says that it is done; frames may still wait to be taken.
    end_told: bool,
    /// The last frame has left.
    ended: bool,
    streaming: bool,
}

/// The queue that pictures go into.
#[derive(Debug)]
struct Pictures {
    ring: Ring,
    memory: Memory,
    /// Which of the camera's buffers each buffer carries.
    carries: Vec<Option<u32>>,
}

/// A picture, and where it lies in the camera's memory.
#[derive(Debug, Clone, Copy)]
pub(in crate::video) struct Picture<'a> {
    /// The camera's buffer, returned by [`M2m::returned`].
    pub(in crate::video) index: u32,
    pub(in crate::video) bytes: &'a [u8],
    /// Of the whole buffer.
    pub(in crate::video) capacity: usize,
    pub(in crate::video) stamp: Micros,
    /// The buffer for other devices, if the camera exports it.
    pub(in crate::video) export: Option<&'a OwnedFd>,
}

/// An encoder that was opened, before formats are set.
#[derive(Debug)]
pub(in crate::video) struct Opened {
    node: Node,
    pub(in crate::video) identity: Identity,
    /// Raw formats that it takes.
    pub(in crate::video) takes: Vec<FourCc>,
}

impl Opened {
    /// Opens the encoder at `path`, which must give `coded`.
    pub(in crate::video) fn new(path: &Path, coded: FourCc) -> Result<Self, Fault> {
        let node = Node::open(path).map_err(|error| Fault::of(Stage::Open, &error))?;
        let identity = node.identity().map_err(|error| Fault::of(Stage::Identify, &error))?;
        if !identity.is_m2m() {
            let what = format!("{} ({}), which is no encoder with multi-planar queues", identity.card, identity.driver);
            return Err(Fault::Unfit(what));
        }
        let list = |queue| node.formats(queue).map_err(|error| Fault::of(Stage::Prepare("listing formats"), &error));
        let gives = list(Queue::CapturePlanes)?;
        if !gives.contains(&coded) {
            let gives = a_few(&gives);
            return Err(Fault::Unfit(match gives.is_empty() {
                true => format!("it encodes to no format, and so not to {coded}"),
                false => format!("it encodes to {gives} and not to {coded}"),
            }));
        }
        let takes = list(Queue::OutputPlanes)?;
        Ok(Self { node, identity, takes })
    }

    /// What the encoder makes of a size: most pad it to whole macroblocks, and then the camera has to give so much, since
    /// in planar formats each row more moves the colours.
    pub(in crate::video) fn padded(&self, pixels: FourCc, width: u32, height: u32) -> (u32, u32) {
        let asked = Format { pixels, width, height, bytes_per_line: 0, size: 0, colours: 0 };
        let made = self.node.set_format(Queue::OutputPlanes, &asked);
        made.map_or((width, height), |made| (made.width, made.height))
    }

    /// Sets both formats, `fps`, and makes both rings; pictures come by DMABUF if they can, otherwise they are copied.
    /// Controls are set after this: bcm2835-codec has no encoder before it has buffers.
    pub(in crate::video) fn prepare(self, raw: &Format, coded: FourCc, fps: u32, export: bool) -> Result<M2m, Fault> {
        let Self { node, .. } = self;
        let refused = |what| move |error: io::Error| Fault::of(Stage::Prepare(what), &error);
        // No encoder makes more of a picture than its pixels; the driver corrects it if it knows better.
        let size = raw.width * raw.height;
        let asked = Format { pixels: coded, bytes_per_line: 0, size, ..*raw };
        let made = node.set_format(Queue::CapturePlanes, &asked).map_err(refused("the encoder's format"))?;
        let taken = node.set_format(Queue::OutputPlanes, raw).map_err(refused("the format of pictures"))?;
        let shape = |format: &Format| (format.pixels, format.width, format.height, format.bytes_per_line);
        if made.pixels != coded || shape(&taken) != shape(raw) {
            let (pixels, width, height, stride) = shape(&taken);
            return Err(Fault::Unfit(format!(
                "the encoder takes {pixels} {width}x{height} in rows of {stride} bytes, \
                 the camera gives {} {}x{} in rows of {}; try a --size of multiples of 32 and 16, e.g. 640x480",
                raw.pixels, raw.width, raw.height, raw.bytes_per_line
            )));
        }
        // Only some encoders plan their bits by it.
        if let Err(error) = node.set_frame_rate(Queue::OutputPlanes, fps) {
            log::debug!("the encoder has no frame rate: {error}");
        }
        let node = Arc::new(node);
        let imported = if export { Pictures::new(&node, Memory::Imported).ok() } else { None };
        let pictures = match imported {
            Some(pictures) => pictures,
            None => Pictures::new(&node, Memory::Mapped).map_err(refused("the encoder's buffers"))?,
        };
        let mut coded =
            Ring::new(&node, Queue::CapturePlanes, Memory::Mapped, CODED).map_err(refused("the encoder's buffers"))?;
        coded.queue_all().map_err(refused("queueing the encoder's buffers"))?;
        node.subscribe();
        Ok(M2m { pictures, coded, node, draining: false, end_told: false, ended: false, streaming: false })
    }
}

impl Pictures {
    fn new(node: &Arc<Node>, memory: Memory) -> io::Result<Self> {
        let ring = Ring::new(node, Queue::OutputPlanes, memory, IN_FLIGHT as u32)?;
        let carries = vec![None; ring.len() as usize];
        Ok(Self { ring, memory, carries })
    }
}

impl M2m {
    /// Pictures are copied into its memory, because they cannot be lent.
    pub(in crate::video) fn copies(&self) -> bool {
        self.pictures.memory == Memory::Mapped
    }

    /// STREAMON on both queues; what is refused may be tried again.
    pub(in crate::video) fn start(&mut self) -> Result<(), Fault> {
        let started = self.coded.start().and_then(|()| self.pictures.ring.start());
        started.map_err(|error| Fault::of(Stage::Start, &error))?;
        self.streaming = true;
        (self.draining, self.end_told, self.ended) = (false, false, false);
        Ok(())
    }

    /// STREAMOFF on both queues, and everything ready to start again. What was inside is lost; whose it was is told by
    /// [`returned`](Self::returned).
    pub(in crate::video) fn stop(&mut self) -> Result<(), Fault> {
        self.streaming = false;
        let stopped = self.pictures.ring.stop().and(self.coded.stop());
        stopped.and_then(|()| self.coded.queue_all()).map_err(|error| Fault::of(Stage::Stream, &error))
    }

    /// Another picture may go in.
    pub(in crate::video) fn has_room(&self) -> bool {
        self.in_flight() < IN_FLIGHT && self.pictures.ring.free().is_some() && !self.draining && self.streaming
    }

    /// Pictures inside.
    pub(in crate::video) fn in_flight(&self) -> usize {
        self.pictures.carries.iter().flatten().count()
    }

    /// Sends a picture in. If its memory cannot be lent after all, pictures are copied from now on.
    pub(in crate::video) fn encode(&mut self, picture: &Picture<'_>) -> Result<(), Fault> {
        match self.send(picture) {
            Err(error) if !self.copies() && error.raw_os_error() != Some(libc::ENODEV) => {
                log::warn!("the encoder cannot read the camera's memory ({error}): each picture is copied");
                self.copy_from_now_on().and_then(|()| self.send(picture))
            }
            result => result,
        }
        .map_err(|error| Fault::of(Stage::Stream, &error))
    }

    /// A buffer of the camera's whose picture the encoder has read, if there is one.
    pub(in crate::video) fn returned(&mut self) -> Result<Option<u32>, Fault> {
        if !self.streaming {
            // Stopped: whatever was inside is free.
            return Ok(self.pictures.carries.iter_mut().find_map(Option::take));
        }
        match self.pictures.ring.dequeue() {
            Ok(Some(filled)) => Ok(self.pictures.carries.get_mut(filled.index as usize).and_then(Option::take)),
            Ok(None) => Ok(None),
            Err(error) => Err(Fault::of(Stage::Stream, &error)),
        }
    }

    /// The next coded frame.
    pub(in crate::video) fn dequeue(&mut self) -> Result<Option<Filled>, Fault> {
        match self.coded.dequeue() {
            Ok(Some(filled)) => {
                self.ended |= filled.last;
                Ok(Some(filled))
            }
            Ok(None) => {
                // For encoders that mark no buffer as the last.
                self.ended |= self.end_told;
                Ok(None)
            }
            // The buffer with the LAST flag has been here (dev-encoder.rst, "Drain").
            Err(error) if error.raw_os_error() == Some(libc::EPIPE) => {
                self.ended = true;
                Ok(None)
            }
            Err(error) => Err(Fault::of(Stage::Stream, &error)),
        }
    }

    /// No more pictures: what is inside comes out, then it [`has_ended`](Self::has_ended).
    pub(in crate::video) fn drain(&mut self) -> Result<(), Fault> {
        self.draining = true;
        self.node.command(sys::V4L2_ENC_CMD_STOP).map_err(|error| Fault::of(Stage::Stream, &error))
    }

    /// STOP was ordered, and not everything has come out yet or nothing was started since.
    pub(in crate::video) fn is_draining(&self) -> bool {
        self.draining
    }

    /// The last frame has left.
    pub(in crate::video) fn has_ended(&self) -> bool {
        self.ended
    }

    /// What the encoder tells beside frames.
    pub(in crate::video) fn check(&mut self) -> Result<(), Fault> {
        let condition = self.node.condition();
        if condition & libc::POLLPRI != 0 {
            while let Some(event) = self.node.event() {
                match event {
                    Event::End => self.end_told = self.draining,
                    Event::SourceChange => return Err(Fault::Changed),
                    Event::Other => {}
                }
            }
        }
        match condition & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) {
            // POLLERR is also said of a queue with nothing in it, which is how it is between two pictures.
            0 | libc::POLLERR => Ok(()),
            _ => Err(Fault::Unplugged),
        }
    }

    fn send(&mut self, picture: &Picture<'_>) -> io::Result<()> {
        let Pictures { ring, memory, carries } = &mut self.pictures;
        let Some(index) = ring.free() else { return Err(io::Error::from_raw_os_error(libc::EBUSY)) };
        let used = picture.bytes.len();
        let (import, length) = match memory {
            Memory::Imported => match picture.export {
                Some(export) => (Some(export.as_fd()), picture.capacity),
                None => return Err(io::Error::from_raw_os_error(libc::EBADF)),
            },
            Memory::Mapped => {
                let room = ring.room(index);
                let Some(room) = room.get_mut(..used) else { return Err(io::Error::from_raw_os_error(libc::ENOSPC)) };
                room.copy_from_slice(picture.bytes);
                (None, ring.capacity(index))
            }
        };
        ring.queue_filled(index, &Filling { import, used, length, stamp: picture.stamp })?;
        carries[index as usize] = Some(picture.index);
        Ok(())
    }

    fn copy_from_now_on(&mut self) -> io::Result<()> {
        let streaming = self.streaming;
        self.pictures.ring.stop()?;
        // The old buffers go first: a queue has one kind of memory.
        self.pictures.ring.release()?;
        self.pictures = Pictures::new(&self.node, Memory::Mapped)?;
        if streaming { self.pictures.ring.start() } else { Ok(()) }
    }
}

impl AsRawFd for M2m {
    fn as_raw_fd(&self) -> RawFd {
        self.node.as_raw_fd()
    }
}
