//! EDGE: a capture device that streams: opened and prepared, with its ring of buffers, registered with the loop. Does
//! one step at a time and says which fault it met; what to do then is decided by `health`.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::sync::Arc;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::super::v4l2::node::{Event, Identity, Node};
use super::super::v4l2::ring::{Filled, Memory, Ring};
use super::super::v4l2::{Format, FourCc, Queue, a_few};
use super::health::{Fault, Stage};

/// Frames that lie ready while the loop is busy, plus one lent, plus what a driver keeps for itself. A frame of H.264
/// gets w * h bytes on VideoCore: 1.8 MB in all at 640x480.
const BUFFERS: u32 = 6;

/// What was agreed on with a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::video) struct Agreed {
    pub(in crate::video) format: Format,
    /// Frames in so many seconds, where the driver has a rate.
    pub(in crate::video) rate: Option<(u32, u32)>,
}

impl fmt::Display for Agreed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Format { pixels, width, height, .. } = self.format;
        write!(f, "{pixels} {width}x{height}")?;
        match self.rate {
            Some((frames, seconds)) => write!(f, " at {} fps", f64::from(frames) / f64::from(seconds)),
            None => f.write_str(" at its own frame rate"),
        }
    }
}

/// A device with its buffers.
#[derive(Debug)]
pub struct Stream {
    // Before the node: buffers are given back while it is open.
    pub(in crate::video) ring: Ring,
    pub(in crate::video) node: Arc<Node>,
    pub(in crate::video) agreed: Agreed,
    registry: Registry,
    token: Token,
    registered: bool,
}

/// What is wanted of a device.
#[derive(Debug, Clone, Copy)]
pub(in crate::video) struct Wanted<'a> {
    /// Formats, the best first.
    pub(in crate::video) pixels: &'a [FourCc],
    /// What they are called in a sentence.
    pub(in crate::video) called: &'static str,
    pub(in crate::video) width: u32,
    pub(in crate::video) height: u32,
    pub(in crate::video) fps: u32,
}

impl Stream {
    /// Opens and prepares a device; `prepare` sets its controls once the format stands. All buffers are queued, the
    /// stream is not started.
    pub(in crate::video) fn open(
        path: &Path,
        wanted: &Wanted<'_>,
        registry: &Registry,
        token: Token,
        prepare: &mut dyn FnMut(&Node, &Identity, &Agreed),
    ) -> Result<Self, Fault> {
        let node = Node::open(path).map_err(|error| Fault::of(Stage::Open, &error))?;
        let identity = node.identity().map_err(|error| Fault::of(Stage::Identify, &error))?;
        let queue = identity.capture_queue().ok_or_else(|| {
            let what = format!("{} ({}), which captures nothing", identity.card, identity.driver);
            Fault::NoCamera(what)
        })?;
        let agreed = agree(&node, queue, wanted)?;
        prepare(&node, &identity, &agreed);
        let node = Arc::new(node);
        let refused = |what| move |error: io::Error| Fault::of(Stage::Prepare(what), &error);
        let mut ring = Ring::new(&node, queue, Memory::Mapped, BUFFERS).map_err(refused("buffers"))?;
        ring.queue_all().map_err(refused("queueing buffers"))?;
        let registry = registry.try_clone().map_err(refused("waiting for it"))?;
        Ok(Self { ring, node, agreed, registry, token, registered: false })
    }

    /// STREAMON, then the loop waits for it: before, epoll would say only that there is nothing to wait for.
    pub(in crate::video) fn start(&mut self) -> Result<(), Fault> {
        self.ring.start().map_err(|error| Fault::of(Stage::Start, &error))?;
        if self.registered {
            return Ok(());
        }
        let interest = Interest::READABLE | Interest::PRIORITY;
        let registered = self.registry.register(&mut SourceFd(&self.node.as_raw_fd()), self.token, interest);
        registered.map_err(|error| Fault::of(Stage::Stream, &error))?;
        self.registered = true;
        Ok(())
    }

    /// STREAMOFF, every buffer back to the driver, STREAMON.
    pub(in crate::video) fn restart(&mut self) -> Result<(), Fault> {
        self.stop()?;
        self.ring.queue_all().map_err(|error| Fault::of(Stage::Prepare("queueing buffers"), &error))?;
        self.start()
    }

    /// STREAMOFF; every buffer is ours.
    pub(in crate::video) fn stop(&mut self) -> Result<(), Fault> {
        self.deregister();
        self.ring.stop().map_err(|error| Fault::of(Stage::Stream, &error))
    }

    /// The next frame, if there is one.
    pub(in crate::video) fn dequeue(&mut self) -> Result<Option<Filled>, Fault> {
        self.ring.dequeue().map_err(|error| Fault::of(Stage::Stream, &error))
    }

    /// A buffer goes back to be filled.
    pub(in crate::video) fn give_back(&mut self, index: u32) -> Result<(), Fault> {
        // A driver may refuse once and take it then; if not, the stream has to begin anew.
        let again = self.ring.queue(index).or_else(|_| self.ring.queue(index));
        again.map_err(|error| Fault::of(Stage::Stream, &error))
    }

    /// An event came and no frame: is it the end? Also true in the silence of a device that was pulled out.
    pub(in crate::video) fn check(&self) -> Result<(), Fault> {
        if self.node.condition() & libc::POLLPRI != 0 {
            while let Some(event) = self.node.event() {
                log::debug!("event: {event:?}");
                if event == Event::SourceChange {
                    return Err(Fault::Changed);
                }
            }
        }
        let condition = self.node.condition();
        if condition & (libc::POLLERR | libc::POLLHUP | libc::POLLNVAL) == 0 {
            return Ok(());
        }
        match self.node.identity() {
            Ok(_) if condition & libc::POLLHUP != 0 => Err(Fault::Unplugged),
            Ok(_) => Err(Fault::Broken("it stopped by itself".to_owned())),
            Err(error) => Err(Fault::of(Stage::Stream, &error)),
        }
    }

    fn deregister(&mut self) {
        if std::mem::take(&mut self.registered) {
            // Fails only if it is not registered: nothing is lost then.
            let _ = self.registry.deregister(&mut SourceFd(&self.node.as_raw_fd()));
        }
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.deregister();
    }
}

fn agree(node: &Node, queue: Queue, wanted: &Wanted<'_>) -> Result<Agreed, Fault> {
    let refused = |what| move |error: io::Error| Fault::of(Stage::Prepare(what), &error);
    let offers = node.formats(queue).map_err(refused("listing formats"))?;
    let without = |offers: &[FourCc]| Fault::WithoutFormat { wanted: wanted.called, offers: a_few(offers) };
    let pixels = wanted.pixels.iter().copied().find(|pixels| offers.contains(pixels));
    let pixels = pixels.ok_or_else(|| without(&offers))?;
    let Wanted { width, height, .. } = *wanted;
    let format = Format { pixels, width, height, bytes_per_line: 0, size: 0, colours: 0 };
    let format = node.set_format(queue, &format).map_err(refused("its format"))?;
    if format.pixels != pixels {
        return Err(without(&[format.pixels]));
    }
    // Many devices have one rate and no such ioctl.
    let rate = node.set_frame_rate(queue, wanted.fps).ok().filter(|(frames, seconds)| *frames > 0 && *seconds > 0);
    Ok(Agreed { format, rate })
}
