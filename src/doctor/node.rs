//! EDGE: asks one video device what it is and which controls it has: three ioctls that change nothing (VIDIOC_QUERYCAP,
//! VIDIOC_ENUM_FMT, VIDIOC_QUERYCTRL; Linux media documentation, "Video for Linux API"). Their structs hold neither
//! pointers nor times and so are the same on 32 and 64 bit. Not the way the program takes pictures. `gather` calls it.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::facts::{Capabilities, Node};

/// `struct v4l2_capability`, linux/videodev2.h.
#[repr(C)]
#[derive(Default)]
struct Capability {
    driver: [u8; 16],
    card: [u8; 32],
    bus_info: [u8; 32],
    version: u32,
    capabilities: u32,
    device_caps: u32,
    reserved: [u32; 3],
}

/// `struct v4l2_fmtdesc`.
#[repr(C)]
#[derive(Default)]
struct Format {
    index: u32,
    kind: u32,
    flags: u32,
    description: [u8; 32],
    pixel_format: u32,
    mbus_code: u32,
    reserved: [u32; 3],
}

/// `struct v4l2_queryctrl`.
#[repr(C)]
#[derive(Default)]
struct Control {
    id: u32,
    kind: u32,
    name: [u8; 32],
    minimum: i32,
    maximum: i32,
    step: i32,
    default: i32,
    flags: u32,
    reserved: [u32; 2],
}

/// Request numbers, `_IOC(direction, 'V', number, size)`, the same on ARM and x86.
const fn request(direction: u32, number: u32, size: usize) -> u32 {
    direction << 30 | (size as u32) << 16 | (b'V' as u32) << 8 | number
}
const READ: u32 = 2;
const READ_WRITE: u32 = 3;
const QUERYCAP: u32 = request(READ, 0, size_of::<Capability>());
const ENUM_FMT: u32 = request(READ_WRITE, 2, size_of::<Format>());
const QUERYCTRL: u32 = request(READ_WRITE, 36, size_of::<Control>());

/// V4L2_CAP_*
const CAPTURE: u32 = 0x1;
const CAPTURE_MPLANE: u32 = 0x1000;
const M2M: u32 = 0x8000;
const M2M_MPLANE: u32 = 0x4000;
const DEVICE_CAPS: u32 = 0x8000_0000;

/// V4L2_BUF_TYPE_VIDEO_CAPTURE and _MPLANE.
const BUFFERS: u32 = 1;
const BUFFERS_MPLANE: u32 = 9;

const H264: u32 = u32::from_le_bytes(*b"H264");

/// V4L2_CID_MPEG_VIDEO_*; V4L2_CID_CODEC_BASE is 0x00990900.
const BITRATE: u32 = 0x0099_0900 + 207;
const REPEAT_SEQ_HEADER: u32 = 0x0099_0900 + 226;
const FORCE_KEY_FRAME: u32 = 0x0099_0900 + 229;
const H264_PROFILE: u32 = 0x0099_0900 + 363;

/// V4L2_CTRL_FLAG_DISABLED
const DISABLED: u32 = 1;

/// More formats than any driver has: a driver that never says "no more" shall not hold us.
const MOST_FORMATS: u32 = 256;

/// Fills in what the device itself says. `node` comes with what sysfs knows and keeps it where the device says nothing.
pub fn ask(mut node: Node) -> Node {
    let device = Path::new(&node.path);
    // Non-blocking, and without waiting for a device that is just being set up. Opening starts no stream.
    let opened = OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(device);
    node.capabilities = Some(match opened {
        Ok(file) => match capability(&file) {
            Ok(capability) => {
                node.driver = text(&capability.driver);
                node.card = text(&capability.card);
                Ok(capabilities(&file, &capability))
            }
            Err(error) => Err(format!("it does not answer as a video device: {error}")),
        },
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err("it may not be opened; run doctor as root: sudo windshield doctor".into())
        }
        Err(error) => Err(format!("it cannot be opened: {error}")),
    });
    node
}

fn capabilities(file: &File, capability: &Capability) -> Capabilities {
    let caps = match capability.capabilities & DEVICE_CAPS {
        0 => capability.capabilities,
        // Of this node, not of the whole device.
        _ => capability.device_caps,
    };
    let has = |id| control(file, id).is_ok_and(|control| control.flags & DISABLED == 0);
    Capabilities {
        captures: caps & (CAPTURE | CAPTURE_MPLANE) != 0,
        converts: caps & (M2M | M2M_MPLANE) != 0,
        h264: offers_h264(file, BUFFERS) || offers_h264(file, BUFFERS_MPLANE),
        force_keyframe: has(FORCE_KEY_FRAME),
        bitrate: has(BITRATE),
        repeat_headers: has(REPEAT_SEQ_HEADER),
        profile: has(H264_PROFILE),
    }
}

fn offers_h264(file: &File, kind: u32) -> bool {
    (0..MOST_FORMATS)
        .map_while(|index| {
            let mut format = Format { index, kind, ..Format::default() };
            // SAFETY: ENUM_FMT reads and writes one v4l2_fmtdesc, which `Format` is, and nothing beyond.
            unsafe { ioctl(file, ENUM_FMT, &raw mut format) }.ok().map(|()| format.pixel_format)
        })
        .any(|pixel_format| pixel_format == H264)
}

fn control(file: &File, id: u32) -> io::Result<Control> {
    let mut control = Control { id, ..Control::default() };
    // SAFETY: QUERYCTRL reads and writes one v4l2_queryctrl, which `Control` is, and nothing beyond.
    unsafe { ioctl(file, QUERYCTRL, &raw mut control) }.map(|()| control)
}

fn capability(file: &File) -> io::Result<Capability> {
    let mut capability = Capability::default();
    // SAFETY: QUERYCAP writes one v4l2_capability, which `Capability` is, and nothing beyond.
    unsafe { ioctl(file, QUERYCAP, &raw mut capability) }.map(|()| capability)
}

/// # Safety
/// `argument` is valid for what `request` reads and writes.
unsafe fn ioctl<T>(file: &File, request: u32, argument: *mut T) -> io::Result<()> {
    // SAFETY: the descriptor is open for as long as `file` is borrowed; the caller answers for the argument. The type of
    // the request differs between glibc and musl, its bits do not.
    match unsafe { libc::ioctl(file.as_raw_fd(), request as _, argument) } {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// A field of bytes up to its first zero.
fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.split(|byte| *byte == 0).next().unwrap_or_default()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structs_and_numbers_are_those_of_the_kernel_header() {
        assert_eq!((size_of::<Capability>(), size_of::<Format>(), size_of::<Control>()), (104, 64, 68));
        assert_eq!((QUERYCAP, ENUM_FMT, QUERYCTRL), (0x8068_5600, 0xc040_5602, 0xc044_5624));
        assert_eq!((FORCE_KEY_FRAME, BITRATE), (0x0099_09e5, 0x0099_09cf));
        assert_eq!((REPEAT_SEQ_HEADER, H264_PROFILE), (0x0099_09e2, 0x0099_0a6b));
    }

    #[test]
    fn what_is_no_video_device_is_told_apart_from_what_is_not_there() {
        let node = |path: &str| Node { path: path.into(), driver: "kept".into(), ..Node::default() };
        let answer = ask(node("/dev/null"));
        assert!(answer.capabilities.is_some_and(|c| c.is_err_and(|why| why.contains("does not answer"))));
        assert_eq!(answer.driver, "kept");
        let answer = ask(node("/dev/video-not-there"));
        assert!(answer.capabilities.is_some_and(|c| c.is_err_and(|why| why.contains("cannot be opened"))));
    }
}
