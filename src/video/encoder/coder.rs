//! EDGE: a camera that delivers raw pictures and an encoder behind it, as one device that delivers H.264. Pictures go from
//! the one to the other without being copied where the drivers allow it; at most two are inside the encoder, and of those
//! that wait only the newest is kept: a raw picture may be left out, a coded one may not.

use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use super::super::Options;
use super::super::camera::device::Device;
use super::super::camera::health::{Fault, Stage};
use super::super::camera::setup::{Codec, apply_settings};
use super::super::camera::stamps::Stamps;
use super::super::camera::stream::{Stream, Wanted};
use super::super::v4l2::node::Node;
use super::super::v4l2::ring::{Filled, Ring};
use super::super::v4l2::{FourCc, H264};
use super::inside::Inside;
use super::m2m::{M2m, Opened, Picture};
use crate::clock::Micros;

/// Raw formats in the order in which encoders like them: 4:2:0 is what they work in.
const RAW: [FourCc; 6] = [
    FourCc::new(b"YU12"),
    FourCc::new(b"NV12"),
    FourCc::new(b"YV12"),
    FourCc::new(b"NV21"),
    FourCc::new(b"YUYV"),
    FourCc::new(b"UYVY"),
];

/// Where the two devices are.
#[derive(Debug, Clone)]
pub struct Pair {
    pub(in crate::video) raw: PathBuf,
    pub(in crate::video) encoder: PathBuf,
}

/// Both devices.
#[derive(Debug)]
pub struct Coder {
    camera: Stream,
    encoder: M2m,
    codec: Codec,
    /// The camera's buffers for the encoder.
    exports: Vec<OwnedFd>,
    /// Of the camera's pictures, which the encoder passes on.
    stamps: Stamps,
    /// A picture that waits for room in the encoder, stamped by our clock.
    waiting: Option<Filled>,
    inside: Inside,
    registry: Registry,
    token: Token,
    registered: bool,
}

impl Device for Coder {
    type Place = Pair;

    const NAME: &'static str = "encoder";

    fn main(place: &Pair) -> &PathBuf {
        &place.raw
    }

    fn source(place: &Pair) -> String {
        format!("encoder:{},{}", place.raw.display(), place.encoder.display())
    }

    fn open(
        place: &Pair,
        options: &Options,
        registry: &Registry,
        token: Token,
        told: &mut Vec<String>,
    ) -> Result<Self, Fault> {
        Self::open_for(H264, place, options, registry, token, told)
    }

    fn stream(&self) -> &Stream {
        &self.camera
    }

    fn stream_mut(&mut self) -> &mut Stream {
        &mut self.camera
    }

    fn start(&mut self) -> Result<(), Fault> {
        self.encoder.start()?;
        if !self.registered {
            let interest = Interest::READABLE | Interest::WRITABLE | Interest::PRIORITY;
            let registered = self.registry.register(&mut SourceFd(&self.encoder.as_raw_fd()), self.token, interest);
            registered.map_err(|error| Fault::of(Stage::Stream, &error))?;
            self.registered = true;
        }
        self.camera.start()
    }

    fn restart(&mut self) -> Result<(), Fault> {
        if self.encoder.is_draining() {
            // It was on its way to another format, and a new start would not bring that.
            return Err(Fault::Changed);
        }
        self.deregister();
        self.waiting = None;
        self.inside.clear();
        self.stamps.restart();
        self.camera.stop()?;
        self.encoder.stop()?;
        while self.encoder.returned()?.is_some() {}
        self.camera.ring.queue_all().map_err(|error| Fault::of(Stage::Prepare("queueing buffers"), &error))?;
        self.start()
    }

    fn dequeue(&mut self, now: Micros) -> Result<Option<Filled>, Fault> {
        while let Some(index) = self.encoder.returned()? {
            self.camera.give_back(index)?;
        }
        while let Some(mut filled) = self.camera.dequeue()? {
            filled.stamp = self.stamps.map(filled.clock, filled.stamp, now);
            if filled.broken || self.encoder.is_draining() {
                self.camera.give_back(filled.index)?;
            } else if let Some(old) = self.waiting.replace(filled) {
                self.camera.give_back(old.index)?;
            }
        }
        if self.encoder.has_room()
            && let Some(filled) = self.waiting.take()
        {
            self.encode(&filled, now)?;
        }
        match self.encoder.dequeue()? {
            None if self.encoder.is_draining() && self.encoder.has_ended() => Err(Fault::Changed),
            coded => Ok(coded.map(|coded| self.inside.recognise(coded))),
        }
    }

    fn give_back(&mut self, index: u32) -> Result<(), Fault> {
        let ring = &mut self.encoder.coded;
        let again = ring.queue(index).or_else(|_| ring.queue(index));
        again.map_err(|error| Fault::of(Stage::Stream, &error))
    }

    fn check(&mut self) -> Result<(), Fault> {
        match self.camera.check() {
            // What is inside is shown before everything is opened for the new format.
            Err(Fault::Changed) if !self.encoder.is_draining() => self.encoder.drain().or(Err(Fault::Changed))?,
            other => other?,
        }
        self.encoder.check()
    }

    fn memory(&self) -> &Ring {
        &self.encoder.coded
    }

    fn codec(&self) -> (&Codec, &Node) {
        (&self.codec, &self.encoder.node)
    }
}

impl Coder {
    /// The same for an encoder to another format than H.264.
    pub(in crate::video) fn open_for(
        coded: FourCc,
        place: &Pair,
        options: &Options,
        registry: &Registry,
        token: Token,
        told: &mut Vec<String>,
    ) -> Result<Self, Fault> {
        let about_encoder = |fault| match fault {
            Fault::Missing => Fault::Unfit(format!("there is no encoder at {}", place.encoder.display())),
            Fault::Busy => Fault::Unfit(format!("the encoder {} is busy", place.encoder.display())),
            Fault::Unfit(what) => Fault::Unfit(format!("the encoder {}: {what}", place.encoder.display())),
            other => other,
        };
        let opened = Opened::new(&place.encoder, coded).map_err(about_encoder)?;
        let pixels: Vec<_> = RAW.into_iter().filter(|raw| opened.takes.contains(raw)).collect();
        let (width, height) =
            opened.padded(pixels.first().copied().unwrap_or(RAW[0]), options.size.width, options.size.height);
        let called = "raw pictures that the encoder takes";
        let wanted = Wanted { pixels: &pixels, called, width, height, fps: options.fps };
        let camera = Stream::open(&place.raw, &wanted, registry, token, &mut |node, identity, agreed| {
            told.push(format!("{} ({})", identity.card, identity.driver));
            told.push(agreed.to_string());
            for outcome in apply_settings(node, &options.camera) {
                match outcome.result {
                    Ok(made) => told.push(format!("{} {made}", outcome.name)),
                    Err(error) => log::warn!("{}: {} was not set: {error}", place.raw.display(), outcome.name),
                }
            }
        })?;
        camera.node.subscribe();
        let exports = camera.ring.export().unwrap_or_default();
        told.push(format!("encoder {} ({})", opened.identity.card, opened.identity.driver));
        let format = camera.agreed.format;
        let encoder = opened.prepare(&format, coded, options.fps, !exports.is_empty()).map_err(about_encoder)?;
        told.push(if encoder.copies() { "each picture is copied once" } else { "pictures are not copied" }.to_owned());
        let shape = (format.width, format.height, options.fps);
        let codec = Codec::prepare(&encoder.node, options.camera.profile, options.bitrate, shape, told);
        let registry =
            registry.try_clone().map_err(|error| Fault::of(Stage::Prepare("waiting for the encoder"), &error))?;
        let (stamps, inside) = (Stamps::default(), Inside::default());
        Ok(Self { camera, encoder, codec, exports, stamps, waiting: None, inside, registry, token, registered: false })
    }

    #[cfg(test)]
    pub(super) fn encoder(&self) -> &M2m {
        &self.encoder
    }

    fn encode(&mut self, filled: &Filled, now: Micros) -> Result<(), Fault> {
        let picture = Picture {
            index: filled.index,
            bytes: self.camera.ring.bytes(filled),
            capacity: filled.capacity,
            stamp: filled.stamp,
            export: self.exports.get(filled.index as usize),
        };
        self.encoder.encode(&picture)?;
        self.inside.give(filled.stamp, now);
        Ok(())
    }

    fn deregister(&mut self) {
        if std::mem::take(&mut self.registered) {
            // Fails only if it is not registered: nothing is lost then.
            let _ = self.registry.deregister(&mut SourceFd(&self.encoder.as_raw_fd()));
        }
    }
}

impl Drop for Coder {
    fn drop(&mut self) {
        self.deregister();
    }
}
