//! The kernel's video devices as they are (Documentation/userspace-api/media/v4l): nodes, formats, controls, rings of
//! buffers, single- and multi-planar, never blocking. Over the v4l crate's ioctl and declarations; not over its streams,
//! which wait inside and panic on drop. What all of it is good for is known by `camera` and `encoder`.

pub(super) mod controls;
#[cfg(test)]
mod drivers;
pub(super) mod node;
pub(super) mod ring;

use std::fmt;

use v4l::v4l_sys as sys;

/// Four letters that name a pixel format.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct FourCc(pub(super) u32);

impl FourCc {
    pub(super) const fn new(letters: &[u8; 4]) -> Self {
        Self(u32::from_le_bytes(*letters))
    }
}

/// A byte stream of H.264 with start codes.
pub(super) const H264: FourCc = FourCc::new(b"H264");

impl fmt::Display for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The top bit says big-endian; it is no letter.
        let letters = (self.0 & 0x7fff_ffff).to_le_bytes();
        write!(f, "{}", String::from_utf8_lossy(&letters).trim_end().escape_debug())
    }
}

impl fmt::Debug for FourCc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Formats as a sentence can bear them: five, and how many more there are. Empty if there are none.
pub(super) fn a_few<T: fmt::Display>(formats: &[T]) -> String {
    const MOST: usize = 5;
    let names: Vec<_> = formats.iter().take(MOST).map(T::to_string).collect();
    match formats.len().saturating_sub(MOST) {
        0 => names.join(", "),
        more => format!("{} and {more} more", names.join(", ")),
    }
}

/// Which of a device's queues: frames it gives (capture) or takes (output), in one plane or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    Capture,
    CapturePlanes,
    OutputPlanes,
}

impl Queue {
    pub(super) fn kind(self) -> u32 {
        match self {
            Self::Capture => sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE,
            Self::CapturePlanes => sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE_MPLANE,
            Self::OutputPlanes => sys::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_OUTPUT_MPLANE,
        }
    }

    pub(super) fn has_planes(self) -> bool {
        !matches!(self, Self::Capture)
    }
}

/// What frames look like, as far as we care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) pixels: FourCc,
    pub(super) width: u32,
    pub(super) height: u32,
    /// Bytes from row to row of the first plane; 0 lets the driver choose.
    pub(super) bytes_per_line: u32,
    /// Bytes of the first plane; 0 lets the driver choose.
    pub(super) size: u32,
    /// V4L2_COLORSPACE_*; 0 is unknown.
    pub(super) colours: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_with_seventy_formats_does_not_fill_the_sentence() {
        let names: Vec<_> = (1..=70).map(|n| format!("F{n}")).collect();
        assert_eq!(a_few(&names), "F1, F2, F3, F4, F5 and 65 more");
        assert_eq!(a_few(&names[..5]), "F1, F2, F3, F4, F5");
        assert_eq!(a_few(&names[..0]), "");
    }

    #[test]
    fn formats_are_named_by_their_letters_whatever_a_driver_says() {
        assert_eq!(H264.to_string(), "H264");
        assert_eq!(FourCc::new(b"Y16 ").to_string(), "Y16");
        assert_eq!(FourCc(u32::from_le_bytes(*b"Y16 ") | 1 << 31).to_string(), "Y16");
        assert_eq!(FourCc(0x0a).to_string(), "\\n\\0\\0\\0");
    }
}
