//! EDGE: a video device node: open, ask, set, start, stop. One method an ioctl, errors as the kernel gives them; what
//! they mean is known by `camera::health`. Buffers are the affair of `ring`, controls of `controls`.

use std::fs::{File, OpenOptions};
use std::io;
use std::mem;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use v4l::v4l_sys as sys;
use v4l::v4l2::{self, vidioc};

use super::{Format, FourCc, Queue};

/// _IOR('V', 89, struct v4l2_event), _IOW('V', 90, struct v4l2_event_subscription): the v4l crate stops at 103 but
/// leaves these out.
const DQEVENT: u32 = 2 << 30 | (size_of::<sys::v4l2_event>() as u32) << 16 | (b'V' as u32) << 8 | 89;
const SUBSCRIBE_EVENT: u32 =
    1 << 30 | (size_of::<sys::v4l2_event_subscription>() as u32) << 16 | (b'V' as u32) << 8 | 90;

/// No device has so many formats; ends the enumeration of one that is broken.
const MOST_FORMATS: u32 = 256;

/// An open device.
#[derive(Debug)]
pub struct Node {
    file: File,
}

/// Who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::video) struct Identity {
    /// `bcm2835 mmal`, `uvcvideo`, `unicam`, ..
    pub(in crate::video) driver: String,
    pub(in crate::video) card: String,
    /// Of this node, not of the whole device: V4L2_CAP_*.
    pub(in crate::video) can: u32,
}

impl Identity {
    /// Delivers frames and takes none.
    pub(in crate::video) fn capture_queue(&self) -> Option<Queue> {
        match self.can {
            can if can & sys::V4L2_CAP_STREAMING == 0 => None,
            can if can & sys::V4L2_CAP_VIDEO_CAPTURE != 0 => Some(Queue::Capture),
            can if can & sys::V4L2_CAP_VIDEO_CAPTURE_MPLANE != 0 => Some(Queue::CapturePlanes),
            _ => None,
        }
    }

    /// Takes frames at one end and gives others at the other.
    pub(in crate::video) fn is_m2m(&self) -> bool {
        self.can & sys::V4L2_CAP_STREAMING != 0 && self.can & sys::V4L2_CAP_VIDEO_M2M_MPLANE != 0
    }
}

/// What happened beside frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::video) enum Event {
    /// The last frame has left (V4L2_EVENT_EOS).
    End,
    /// Size or format are others now (V4L2_EVENT_SOURCE_CHANGE).
    SourceChange,
    Other,
}

impl Node {
    pub(in crate::video) fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)?;
        Ok(Self { file })
    }

    pub(in crate::video) fn identity(&self) -> io::Result<Identity> {
        let mut answer: sys::v4l2_capability = zeroed();
        // SAFETY: QUERYCAP fills a v4l2_capability.
        unsafe { self.call(vidioc::VIDIOC_QUERYCAP, &mut answer)? };
        let can = match answer.capabilities & sys::V4L2_CAP_DEVICE_CAPS {
            0 => answer.capabilities,
            _ => answer.device_caps,
        };
        Ok(Identity { driver: text(&answer.driver), card: text(&answer.card), can })
    }

    /// What a queue can carry.
    pub(in crate::video) fn formats(&self, queue: Queue) -> io::Result<Vec<FourCc>> {
        let mut formats = Vec::new();
        for index in 0..MOST_FORMATS {
            let mut answer = sys::v4l2_fmtdesc { index, type_: queue.kind(), ..zeroed() };
            // SAFETY: ENUM_FMT reads and fills a v4l2_fmtdesc.
            match unsafe { self.call(vidioc::VIDIOC_ENUM_FMT, &mut answer) } {
                Ok(()) => formats.push(FourCc(answer.pixelformat)),
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(formats)
    }

    /// Asks for a format; returns what the driver made of it.
    pub(in crate::video) fn set_format(&self, queue: Queue, format: &Format) -> io::Result<Format> {
        let mut raw = sys::v4l2_format { type_: queue.kind(), ..zeroed() };
        if queue.has_planes() {
            let mut planes: sys::v4l2_pix_format_mplane = zeroed();
            (planes.width, planes.height, planes.pixelformat) = (format.width, format.height, format.pixels.0);
            (planes.field, planes.num_planes) = (sys::v4l2_field_V4L2_FIELD_NONE, 1);
            planes.colorspace = format.colours;
            planes.plane_fmt[0].bytesperline = format.bytes_per_line;
            planes.plane_fmt[0].sizeimage = format.size;
            raw.fmt.pix_mp = planes;
        } else {
            let mut pix: sys::v4l2_pix_format = zeroed();
            (pix.width, pix.height, pix.pixelformat) = (format.width, format.height, format.pixels.0);
            (pix.bytesperline, pix.sizeimage) = (format.bytes_per_line, format.size);
            (pix.field, pix.colorspace) = (sys::v4l2_field_V4L2_FIELD_NONE, format.colours);
            raw.fmt.pix = pix;
        }
        // SAFETY: S_FMT reads and fills a v4l2_format.
        unsafe { self.call(vidioc::VIDIOC_S_FMT, &mut raw)? };
        Ok(read_format(queue, &raw))
    }

    /// Asks for frames a second; returns (frames, seconds) as the driver will have it.
    pub(in crate::video) fn set_frame_rate(&self, queue: Queue, fps: u32) -> io::Result<(u32, u32)> {
        let mut raw = sys::v4l2_streamparm { type_: queue.kind(), ..zeroed() };
        let interval = sys::v4l2_fract { numerator: 1, denominator: fps };
        // The same place in both, see struct v4l2_captureparm and v4l2_outputparm.
        raw.parm.capture.timeperframe = interval;
        // SAFETY: S_PARM reads and fills a v4l2_streamparm.
        unsafe { self.call(vidioc::VIDIOC_S_PARM, &mut raw)? };
        // SAFETY: every bit pattern is a v4l2_captureparm.
        let interval = unsafe { raw.parm.capture }.timeperframe;
        Ok((interval.denominator, interval.numerator))
    }

    pub(in crate::video) fn stream_on(&self, queue: Queue) -> io::Result<()> {
        let mut kind = queue.kind();
        // SAFETY: STREAMON reads an int.
        unsafe { self.call(vidioc::VIDIOC_STREAMON, &mut kind) }
    }

    pub(in crate::video) fn stream_off(&self, queue: Queue) -> io::Result<()> {
        let mut kind = queue.kind();
        // SAFETY: STREAMOFF reads an int.
        unsafe { self.call(vidioc::VIDIOC_STREAMOFF, &mut kind) }
    }

    /// A descriptor for a buffer that other devices can use (VIDIOC_EXPBUF).
    pub(in crate::video) fn export(&self, queue: Queue, index: u32, plane: u32) -> io::Result<OwnedFd> {
        let flags = (libc::O_CLOEXEC | libc::O_RDWR) as u32;
        let mut raw = sys::v4l2_exportbuffer { type_: queue.kind(), index, plane, flags, ..zeroed() };
        // SAFETY: EXPBUF reads and fills a v4l2_exportbuffer.
        unsafe { self.call(vidioc::VIDIOC_EXPBUF, &mut raw)? };
        // SAFETY: the call has just made this descriptor and nobody else owns it.
        Ok(unsafe { OwnedFd::from_raw_fd(raw.fd) })
    }

    /// From now on [`event`](Self::event) tells of ends and changes, as far as the driver has such events.
    pub(in crate::video) fn subscribe(&self) {
        for kind in [sys::V4L2_EVENT_EOS, sys::V4L2_EVENT_SOURCE_CHANGE] {
            let mut raw = sys::v4l2_event_subscription { type_: kind, ..zeroed() };
            // SAFETY: SUBSCRIBE_EVENT reads a v4l2_event_subscription.
            if let Err(error) = unsafe { self.call(SUBSCRIBE_EVENT as vidioc::_IOC_TYPE, &mut raw) } {
                log::debug!("no events of kind {kind}: {error}");
            }
        }
    }

    /// The next event, if there is one.
    pub(in crate::video) fn event(&self) -> Option<Event> {
        let mut raw: sys::v4l2_event = zeroed();
        // SAFETY: DQEVENT fills a v4l2_event.
        unsafe { self.call(DQEVENT as vidioc::_IOC_TYPE, &mut raw) }.ok()?;
        Some(match raw.type_ {
            sys::V4L2_EVENT_EOS => Event::End,
            sys::V4L2_EVENT_SOURCE_CHANGE => Event::SourceChange,
            _ => Event::Other,
        })
    }

    /// Tells an encoder to finish (V4L2_ENC_CMD_STOP) or to go on after that (V4L2_ENC_CMD_START).
    pub(in crate::video) fn command(&self, command: u32) -> io::Result<()> {
        let mut raw = sys::v4l2_encoder_cmd { cmd: command, ..zeroed() };
        // SAFETY: ENCODER_CMD reads and fills a v4l2_encoder_cmd.
        unsafe { self.call(vidioc::VIDIOC_ENCODER_CMD, &mut raw) }
    }

    /// What poll(2) says at this moment, for the rare turn in which an event came and no frame.
    pub(in crate::video) fn condition(&self) -> libc::c_short {
        let mut asked = libc::pollfd { fd: self.as_raw_fd(), events: libc::POLLIN | libc::POLLPRI, revents: 0 };
        // SAFETY: one valid pollfd; a time-out of 0 never waits.
        unsafe { libc::poll(&mut asked, 1, 0) };
        asked.revents
    }

    /// The open file, for those who write frames.
    #[cfg(test)]
    pub(super) fn into_file(self) -> File {
        self.file
    }

    /// # Safety
    /// `value` must be what the ioctl `request` reads and writes.
    pub(super) unsafe fn call<T>(&self, request: vidioc::_IOC_TYPE, value: &mut T) -> io::Result<()> {
        loop {
            // SAFETY: promised by the caller; the descriptor is ours and open.
            match unsafe { v4l2::ioctl(self.as_raw_fd(), request, std::ptr::from_mut(value).cast()) } {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }
}

impl AsRawFd for Node {
    fn as_raw_fd(&self) -> RawFd {
        self.file.as_raw_fd()
    }
}

/// A kernel structure with nothing in it.
pub(super) fn zeroed<T: Plain>() -> T {
    // SAFETY: `Plain` is only for types of which all zeros is a value.
    unsafe { mem::zeroed() }
}

/// # Safety
/// All zeros is a value of the type.
pub(super) unsafe trait Plain {}

macro_rules! plain {
    ($($name:ident),*) => {
        $(
            // SAFETY: a C structure or union of integers, arrays of them and raw pointers.
            unsafe impl Plain for sys::$name {}
        )*
    };
}

plain!(
    v4l2_capability,
    v4l2_fmtdesc,
    v4l2_format,
    v4l2_pix_format,
    v4l2_pix_format_mplane,
    v4l2_streamparm,
    v4l2_exportbuffer,
    v4l2_event,
    v4l2_event_subscription,
    v4l2_encoder_cmd,
    v4l2_requestbuffers,
    v4l2_buffer,
    v4l2_plane,
    v4l2_query_ext_ctrl,
    v4l2_querymenu,
    v4l2_ext_control,
    v4l2_ext_controls
);

fn read_format(queue: Queue, raw: &sys::v4l2_format) -> Format {
    // SAFETY: which one it is follows from the queue, and every bit pattern is one of either.
    unsafe {
        if queue.has_planes() {
            let (planes, first) = (raw.fmt.pix_mp, raw.fmt.pix_mp.plane_fmt[0]);
            Format {
                pixels: FourCc(planes.pixelformat),
                width: planes.width,
                height: planes.height,
                bytes_per_line: first.bytesperline,
                size: first.sizeimage,
                colours: planes.colorspace,
            }
        } else {
            let pix = raw.fmt.pix;
            Format {
                pixels: FourCc(pix.pixelformat),
                width: pix.width,
                height: pix.height,
                bytes_per_line: pix.bytesperline,
                size: pix.sizeimage,
                colours: pix.colorspace,
            }
        }
    }
}

/// A name of the kernel's, up to its zero.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).trim().to_owned()
}
