//! Pictures to H.264, by the openh264 crate (Cisco's encoder): what the demo's stream is made of, and nothing else.
//! Constrained baseline, one slice a picture, one reference picture, no reordering, no keyframe but the first and those
//! ordered, no picture ever skipped: each picture that goes in comes out at once. Synchronous: no thread, no clock.
//! `filming` calls it for the live source, `tools/make_clip.rs` for clips.

use std::ffi::{c_int, c_void};
use std::io;

use openh264::encoder::{
    BitRate, Complexity, Encoder as OpenH264, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, Level, Profile,
    RateControlMode, SpsPpsStrategy, UsageType, VuiConfig,
};
use openh264::formats::YUVSlices;
use openh264::{OpenH264API, Timestamp};
use openh264_sys2::{
    ENCODER_OPTION, ENCODER_OPTION_BITRATE, ENCODER_OPTION_FRAME_RATE, ENCODER_OPTION_MAX_BITRATE,
    ENCODER_OPTION_TRACE_LEVEL, LAYER_NUM, SBitrateInfo, SPATIAL_LAYER_0, SPATIAL_LAYER_ALL, WELS_LOG_QUIET,
};

use super::picture::Picture;
use crate::frame::Bitrate;

/// Below this openh264 makes mud, and a keyframe takes seconds of its budget.
pub const LOWEST_BITRATE: Bitrate = Bitrate(20_000);
/// Above this more bits change nothing one can see in a drawn scene.
pub const HIGHEST_BITRATE: Bitrate = Bitrate(50_000_000);
/// openh264 computes with at most 60 frames a second (MAX_FRAME_RATE in wels_const.h); above, the bitrate it is told is
/// lowered in proportion, so that bits a second stay what was asked.
const HIGHEST_KNOWN_RATE: u32 = 60;

/// What a picture became.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coded {
    /// An IDR picture behind its parameter sets.
    Keyframe,
    /// A picture that needs the one before it.
    Delta,
}

/// One stream being made.
pub struct Encoder {
    openh264: OpenH264,
    fps: u32,
    bitrate: Bitrate,
    /// openh264 refuses a bitrate above the largest it was ever told.
    largest: c_int,
    /// Pictures encoded; while 0, openh264 is not initialised and takes no options.
    pictures: u64,
}

impl Encoder {
    /// An encoder for `fps` (1 to 120) pictures a second; the size is that of the first picture. The bitrate is limited
    /// to what [`Self::bitrate`] then says. An error is a sentence.
    pub fn new(fps: u32, bitrate: Bitrate) -> io::Result<Self> {
        let (fps, bitrate) = (fps.clamp(1, 120), bitrate.clamp(LOWEST_BITRATE, HIGHEST_BITRATE));
        let config = EncoderConfig::new()
            .usage_type(UsageType::CameraVideoRealTime)
            .profile(Profile::Baseline)
            // What every browser takes; openh264 raises it by itself for a picture that does not fit (1080p: 4.0).
            .level(Level::Level_3_1)
            .rate_control_mode(RateControlMode::Bitrate)
            .bitrate(BitRate::from_bps(told(bitrate, fps) as u32))
            .max_frame_rate(FrameRate::from_hz(fps.min(HIGHEST_KNOWN_RATE) as f32))
            // A skipped picture is a frame that tests and people miss; too many bits for a moment are the lesser evil.
            .skip_frames(false)
            // 0: never by itself. Keyframes are large; the link orders them when somebody needs one.
            .intra_frame_period(IntraFramePeriod::from_num_frames(0))
            .scene_change_detect(false)
            .sps_pps_strategy(SpsPpsStrategy::ConstantId)
            // One thread: one slice, and the caller's thread is all the demo costs.
            .num_threads(1)
            .complexity(Complexity::Low)
            .adaptive_quantization(false)
            .background_detection(false)
            .vui(VuiConfig::bt709());
        let openh264 =
            OpenH264::with_api_config(OpenH264API::from_source(), config).map_err(|e| failed("start", &e))?;
        let mut encoder = Self { openh264, fps, bitrate, largest: told(bitrate, fps), pictures: 0 };
        // The wrapper silences openh264 only after its start, which warns on stderr that the rate may be missed for want
        // of skipping: that is known here.
        encoder.set(ENCODER_OPTION_TRACE_LEVEL, &mut c_int::from(WELS_LOG_QUIET))?;
        Ok(encoder)
    }

    /// Bits a second the encoder was last told to make.
    pub fn bitrate(&self) -> Bitrate {
        self.bitrate
    }

    /// Makes the next picture an IDR.
    pub fn order_keyframe(&mut self) {
        // Before the first picture there is nothing to force: it is an IDR anyway.
        self.openh264.force_intra_frame();
    }

    /// Encodes to this many bits a second from the next picture on.
    pub fn order_bitrate(&mut self, bitrate: Bitrate) -> io::Result<()> {
        self.retune(self.fps, bitrate.clamp(LOWEST_BITRATE, HIGHEST_BITRATE))
    }

    /// Shares the bits out to this many pictures a second from the next picture on.
    pub fn order_frame_rate(&mut self, fps: u32) -> io::Result<()> {
        self.retune(fps.clamp(1, 120), self.bitrate)
    }

    fn retune(&mut self, fps: u32, bitrate: Bitrate) -> io::Result<()> {
        if (fps, bitrate) == (self.fps, self.bitrate) {
            return Ok(());
        }
        if self.pictures == 0 {
            *self = Self::new(fps, bitrate)?;
            return Ok(());
        }
        let bits = told(bitrate, fps);
        if bits > self.largest {
            // Only the layer's own limit counts in the comparison that would refuse the new rate
            // (WelsBitRateVerification), and only this call reaches it.
            self.set(ENCODER_OPTION_MAX_BITRATE, &mut layer(SPATIAL_LAYER_0, bits))?;
            self.largest = bits;
        }
        self.set(ENCODER_OPTION_FRAME_RATE, &mut (fps.min(HIGHEST_KNOWN_RATE) as f32))?;
        self.set(ENCODER_OPTION_BITRATE, &mut layer(SPATIAL_LAYER_ALL, bits))?;
        (self.fps, self.bitrate) = (fps, bitrate);
        Ok(())
    }

    /// `T` must be what openh264's header codec_app_def.h says of `option`: this is the only place that knows both.
    fn set<T>(&mut self, option: ENCODER_OPTION, value: &mut T) -> io::Result<()> {
        // SAFETY: no option that the wrapper keeps track of is touched (it tracks size and format); `value` is valid and
        // of the option's own type (callers: SBitrateInfo for the two rates, float for the frame rate, int for the trace
        // level), and openh264 copies it before it returns.
        let status = unsafe { self.openh264.raw_api().set_option(option, (&raw mut *value).cast::<c_void>()) };
        match status {
            0 => Ok(()),
            status => Err(io::Error::other(format!(
                "the demo's encoder refused a setting (option {option}, status {status})"
            ))),
        }
    }

    /// Encodes one picture into `out`, over whatever it held: one access unit, Annex B, parameter sets before an IDR.
    /// All pictures of one encoder have the same size. An error is a sentence; the stream ends with it.
    pub fn encode(&mut self, picture: &Picture, out: &mut Vec<u8>) -> io::Result<Coded> {
        out.clear();
        let (width, height) = (picture.width(), picture.height());
        let planes = (&picture.luma[..], &picture.cb[..], &picture.cr[..]);
        let source = YUVSlices::new(planes, (width, height), (width, width / 2, width / 2));
        let at = Timestamp::from_millis(self.pictures * 1_000 / u64::from(self.fps));
        let stream = self.openh264.encode_at(&source, at).map_err(|e| failed("encode a picture", &e))?;
        stream.write_vec(out);
        self.pictures += 1;
        match stream.frame_type() {
            FrameType::IDR => Ok(Coded::Keyframe),
            FrameType::P | FrameType::I => Ok(Coded::Delta),
            other => Err(io::Error::other(format!(
                "the demo's encoder made no frame of a {width}x{height} picture (openh264 says {other:?})"
            ))),
        }
    }
}

/// What openh264 is told so that `bitrate` comes out.
fn told(bitrate: Bitrate, fps: u32) -> c_int {
    let bits = u64::from(bitrate.0) * u64::from(fps.min(HIGHEST_KNOWN_RATE)) / u64::from(fps.max(1));
    c_int::try_from(bits).unwrap_or(c_int::MAX)
}

fn layer(layer: LAYER_NUM, bits: c_int) -> SBitrateInfo {
    SBitrateInfo { iLayer: layer, iBitrate: bits }
}

fn failed(what: &str, error: &openh264::Error) -> io::Error {
    io::Error::other(format!("the demo's encoder could not {what} ({error}); try another --size or --source"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use openh264::decoder::Decoder;
    use openh264::formats::YUVSource;

    use super::super::scene::Scene;
    use super::super::strip::{self, Strip};
    use super::*;
    use crate::clock::Micros;
    use crate::h264::{self, ProfileLevelId, kind};
    use crate::video::Size;

    /// The demo as the thread makes it, without the thread.
    struct Stream {
        scene: Scene,
        picture: Picture,
        encoder: Encoder,
        frame: u32,
        bytes: Vec<u8>,
    }

    impl Stream {
        fn new(width: u32, height: u32, bitrate: u32) -> Self {
            let picture = Picture::new(Size { width, height });
            let encoder = Encoder::new(30, Bitrate(bitrate)).unwrap();
            Self { scene: Scene::new(), picture, encoder, frame: 0, bytes: Vec::new() }
        }

        fn strip(frame: u32) -> Strip {
            Strip::new(frame, Micros(987_654_321 + u64::from(frame) * 33_333))
        }

        fn next(&mut self) -> Coded {
            self.scene.draw(&mut self.picture, Self::strip(self.frame));
            self.scene.step(1.0 / 30.0);
            self.frame += 1;
            self.encoder.encode(&self.picture, &mut self.bytes).unwrap()
        }

        /// Bytes of the next `frames` frames.
        fn bytes_of(&mut self, frames: u32) -> usize {
            (0..frames).map(|_| (self.next(), self.bytes.len()).1).sum()
        }
    }

    fn strip_survives(width: u32, height: u32, bitrate: u32, frames: u32) {
        let mut stream = Stream::new(width, height, bitrate);
        let mut decoder = Decoder::new().unwrap();
        for frame in 0..frames {
            stream.next();
            let decoded = decoder.decode(&stream.bytes).unwrap().expect("each frame is shown at once");
            let (w, h) = decoded.dimensions();
            assert_eq!((w as u32, h as u32), (width, height));
            let read = strip::read(decoded.y(), decoded.strides().0, w, h);
            assert_eq!(read, Some(Stream::strip(frame)), "frame {frame} of {width}x{height} at {bitrate} bit/s");
        }
    }

    #[test]
    fn the_strip_survives_the_encoder() {
        strip_survives(640, 480, 2_000_000, 60);
        strip_survives(1280, 720, 3_000_000, 10);
        strip_survives(1920, 1080, 4_000_000, 4);
        strip_survives(854, 480, 1_000_000, 20);
    }

    #[test]
    fn the_strip_survives_a_starved_encoder() {
        strip_survives(160, 120, 150_000, 120);
        strip_survives(160, 120, 20_000, 60);
        strip_survives(320, 240, 150_000, 90);
        strip_survives(640, 480, 150_000, 90);
        strip_survives(1280, 720, 150_000, 20);
    }

    #[test]
    fn only_the_first_frame_and_those_ordered_are_keyframes() {
        let mut stream = Stream::new(320, 240, 300_000);
        stream.encoder.order_keyframe();
        for frame in 0..200 {
            if [7, 8, 100].contains(&frame) {
                stream.encoder.order_keyframe();
            }
            let expected = if [0, 7, 8, 100].contains(&frame) { Coded::Keyframe } else { Coded::Delta };
            assert_eq!(stream.next(), expected, "frame {frame}");
        }
    }

    #[test]
    fn a_frame_is_one_slice_and_a_keyframe_brings_its_parameter_sets() {
        let mut stream = Stream::new(640, 480, 4_000_000);
        for frame in 0..20 {
            if frame == 10 {
                stream.encoder.order_keyframe();
            }
            stream.next();
            let kinds: Vec<u8> = h264::nals(&stream.bytes).map(|nal| nal.kind()).collect();
            let expected = if frame % 10 == 0 { &[kind::SPS, kind::PPS, kind::IDR][..] } else { &[kind::SLICE] };
            assert_eq!(kinds, expected, "frame {frame}");
            assert!(stream.bytes.starts_with(&[0, 0, 0, 1]) || stream.bytes.starts_with(&[0, 0, 1]));
        }
    }

    #[test]
    fn every_browser_can_take_it_and_none_waits_to_reorder() {
        for (width, height, level) in [(160, 120, 0x1f), (640, 480, 0x1f), (1280, 720, 0x1f), (1920, 1080, 0x28)] {
            let mut stream = Stream::new(width, height, 1_000_000);
            stream.next();
            let sps = h264::nals(&stream.bytes).find(|nal| nal.kind() == kind::SPS).unwrap();
            // Constrained baseline: profile 66 with constraint_set1_flag.
            assert_eq!(ProfileLevelId::of_sps(sps.bytes), Some(ProfileLevelId(0x42_c0_00 | level)), "{width}x{height}");
            let mut bits = Bits { bytes: &sps.bytes[4..], at: 0 };
            let _id = bits.golomb();
            let _log2_max_frame_num = bits.golomb();
            assert_eq!(bits.golomb(), 2, "pic_order_cnt_type: output order is decoding order (clause 8.2.1.3)");
            assert_eq!(bits.golomb(), 1, "max_num_ref_frames");
        }
    }

    struct Bits<'a> {
        bytes: &'a [u8],
        at: usize,
    }

    impl Bits<'_> {
        fn bit(&mut self) -> u32 {
            self.at += 1;
            u32::from(self.bytes[(self.at - 1) / 8] >> (7 - (self.at - 1) % 8) & 1)
        }

        /// ue(v), clause 9.1.
        fn golomb(&mut self) -> u32 {
            let zeros = std::iter::repeat_with(|| self.bit()).take_while(|&bit| bit == 0).count();
            (0..zeros).fold(1, |value, _| value << 1 | self.bit()) - 1
        }
    }

    #[test]
    fn a_bitrate_order_changes_the_frames_up_and_down() {
        let mut stream = Stream::new(640, 480, 600_000);
        let per_second = |bytes: usize| bytes * 8 / 2;
        stream.bytes_of(30);
        let first = per_second(stream.bytes_of(60));
        stream.encoder.order_bitrate(Bitrate(2_400_000)).unwrap();
        stream.bytes_of(15);
        let more = per_second(stream.bytes_of(60));
        stream.encoder.order_bitrate(Bitrate(300_000)).unwrap();
        stream.bytes_of(15);
        let less = per_second(stream.bytes_of(60));
        assert!((400_000..800_000).contains(&first), "{first} bit/s at 600,000");
        assert!((1_600_000..3_000_000).contains(&more), "{more} bit/s at 2,400,000");
        assert!((200_000..450_000).contains(&less), "{less} bit/s at 300,000");
    }

    #[test]
    fn half_the_frame_rate_is_twice_the_frame() {
        let mut stream = Stream::new(640, 480, 600_000);
        stream.bytes_of(30);
        let thirty = stream.bytes_of(60);
        stream.encoder.order_frame_rate(15).unwrap();
        stream.bytes_of(15);
        let fifteen = stream.bytes_of(60);
        let ratio = fifteen as f64 / thirty as f64;
        assert!((1.6..2.6).contains(&ratio), "{ratio}");
        assert_eq!(told(Bitrate(900_000), 90), 600_000, "above 60 a second openh264 counts 60");
    }

    #[test]
    fn orders_before_the_first_picture_and_beyond_all_limits_are_taken() {
        let mut stream = Stream::new(160, 120, 0);
        assert_eq!(stream.encoder.bitrate(), LOWEST_BITRATE);
        stream.encoder.order_bitrate(Bitrate(u32::MAX)).unwrap();
        assert_eq!(stream.encoder.bitrate(), HIGHEST_BITRATE);
        stream.encoder.order_frame_rate(0).unwrap();
        assert_eq!(stream.next(), Coded::Keyframe);
        for (bitrate, fps) in [(0, u32::MAX), (u32::MAX, 0), (1, 1), (100_000, 120), (20_000_000, 60)] {
            stream.encoder.order_bitrate(Bitrate(bitrate)).unwrap();
            stream.encoder.order_frame_rate(fps).unwrap();
            assert_eq!(stream.next(), Coded::Delta);
        }
    }

    /// `tests/data` is made by `tools/make_clip.rs`: name = size, frames per second.
    #[test]
    fn the_clips_of_the_tests_are_what_their_names_say() {
        let clips = [
            (&include_bytes!("../../../tests/data/road_320x240_30.h264")[..], (320, 240), 30, 90, 3),
            (&include_bytes!("../../../tests/data/road_640x480_30.h264")[..], (640, 480), 30, 60, 2),
            (&include_bytes!("../../../tests/data/road_160x120_10_one_keyframe.h264")[..], (160, 120), 10, 30, 1),
        ];
        for (clip, size, fps, frames, keyframes) in clips {
            assert_eq!(h264::nals(clip).filter(|nal| nal.kind() == kind::IDR).count(), keyframes);
            let mut decoder = Decoder::new().unwrap();
            let mut frame = 0;
            for nal in h264::nals(clip) {
                let packet = [&[0, 0, 0, 1], nal.bytes].concat();
                let Some(picture) = decoder.decode(&packet).unwrap() else { continue };
                assert_eq!(picture.dimensions(), size);
                let read = strip::read(picture.y(), picture.strides().0, size.0, size.1);
                assert_eq!(read, Some(Strip::new(frame, Micros(u64::from(frame) * 1_000_000 / fps))));
                frame += 1;
            }
            assert_eq!(frame, frames);
        }
    }
}
