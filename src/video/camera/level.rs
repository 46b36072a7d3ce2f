//! The level to ask an H.264 encoder for (ITU-T H.264 table A-1): the lowest that holds picture, rate and bits, but not
//! below 3.1, which Safari wants to see and every browser offers. Pure.

use v4l::v4l_sys as sys;

use crate::frame::Bitrate;

/// A level and where it stands in V4L2's menu.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::video) struct Level {
    pub(in crate::video) entry: i64,
    pub(in crate::video) name: &'static str,
    /// Macroblocks a second.
    rate: u32,
    /// Macroblocks a picture.
    picture: u32,
    /// Thousands of bits a second, baseline and main.
    kilobits: u32,
}

const fn at(entry: u32, name: &'static str, rate: u32, picture: u32, kilobits: u32) -> Level {
    Level { entry: entry as i64, name, rate, picture, kilobits }
}

const LEVELS: [Level; 8] = [
    at(sys::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_3_1, "3.1", 108_000, 3_600, 14_000),
    at(sys::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_3_2, "3.2", 216_000, 5_120, 20_000),
    at(sys::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_4_0, "4.0", 245_760, 8_192, 20_000),
    at(sys::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_4_1, "4.1", 245_760, 8_192, 50_000),
    at(sys::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_4_2, "4.2", 522_240, 8_704, 50_000),
    at(sys::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_5_0, "5.0", 589_824, 22_080, 135_000),
    at(sys::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_5_1, "5.1", 983_040, 36_864, 240_000),
    at(sys::v4l2_mpeg_video_h264_level_V4L2_MPEG_VIDEO_H264_LEVEL_5_2, "5.2", 2_073_600, 36_864, 240_000),
];

/// The lowest level that fits; the highest if none does.
pub(in crate::video) fn level(width: u32, height: u32, fps: u32, bitrate: Bitrate) -> Level {
    let picture = width.div_ceil(16) * height.div_ceil(16);
    let fits = |level: &&Level| {
        picture.saturating_mul(fps) <= level.rate
            && picture <= level.picture
            && bitrate.0.div_ceil(1_000) <= level.kilobits
    };
    *LEVELS.iter().find(fits).unwrap_or(&LEVELS[LEVELS.len() - 1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lowest_level_that_fits_is_asked_for_and_none_below_what_safari_wants() {
        for (width, height, fps, mbit, name) in [
            (320, 240, 15, 1, "3.1"),
            (640, 480, 30, 2, "3.1"),
            (640, 480, 90, 4, "3.1"),
            (1280, 720, 30, 4, "3.1"),
            (1280, 720, 60, 4, "3.2"),
            (640, 480, 30, 15, "3.2"),
            (1920, 1080, 30, 8, "4.0"),
            (1920, 1080, 60, 8, "4.2"),
            (4096, 4096, 1000, 8, "5.2"),
        ] {
            assert_eq!(level(width, height, fps, Bitrate(mbit * 1_000_000)).name, name, "{width}x{height}@{fps}");
        }
    }
}
