//! EDGE: a capture device that delivers H.264 by itself: bcm2835-v4l2, UVC cameras with an encoder. The machine round it
//! is `feed`.

use std::path::PathBuf;

use mio::{Registry, Token};

use super::super::Options;
use super::super::v4l2::H264;
use super::super::v4l2::node::Node;
use super::device::Device;
use super::health::Fault;
use super::setup::{Codec, apply_settings};
use super::stream::{Stream, Wanted};

/// A camera with an encoder inside.
#[derive(Debug)]
pub struct Direct {
    stream: Stream,
    codec: Codec,
}

impl Device for Direct {
    type Place = PathBuf;

    const NAME: &'static str = "camera";

    fn main(place: &PathBuf) -> &PathBuf {
        place
    }

    fn source(place: &PathBuf) -> String {
        format!("v4l2:{}", place.display())
    }

    fn open(
        place: &PathBuf,
        options: &Options,
        registry: &Registry,
        token: Token,
        told: &mut Vec<String>,
    ) -> Result<Self, Fault> {
        let wanted = Wanted {
            pixels: &[H264],
            called: "H.264",
            width: options.size.width,
            height: options.size.height,
            fps: options.fps,
        };
        let mut codec = Codec::default();
        let stream = Stream::open(place, &wanted, registry, token, &mut |node, identity, agreed| {
            told.push(format!("{} ({})", identity.card, identity.driver));
            told.push(agreed.to_string());
            let (width, height) = (agreed.format.width, agreed.format.height);
            let shape = (width, height, options.fps);
            codec = Codec::prepare(node, options.camera.profile, options.bitrate, shape, told);
            for outcome in apply_settings(node, &options.camera) {
                match outcome.result {
                    Ok(made) => told.push(format!("{} {made}", outcome.name)),
                    Err(error) => log::warn!("{}: {} was not set: {error}", place.display(), outcome.name),
                }
            }
        })?;
        Ok(Self { stream, codec })
    }

    fn stream(&self) -> &Stream {
        &self.stream
    }

    fn stream_mut(&mut self) -> &mut Stream {
        &mut self.stream
    }

    fn codec(&self) -> (&Codec, &Node) {
        (&self.codec, &self.stream.node)
    }
}
