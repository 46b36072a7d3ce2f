//! The seam between the machine `feed` and the devices it runs: `direct`, one that delivers H.264 by itself, and
//! `encoder::coder`, a raw camera with an encoder behind it. A device does one step at a time and decides nothing.

use std::fmt;
use std::path::PathBuf;

use mio::{Registry, Token};

use super::super::Options;
use super::super::v4l2::node::Node;
use super::super::v4l2::ring::{Filled, Ring};
use super::health::Fault;
use super::setup::Codec;
use super::stream::Stream;
use crate::clock::Micros;

/// Something that gives buffers of H.264. Each method is one step, and says which fault it met.
pub trait Device: fmt::Debug + Sized {
    /// Where it is.
    type Place: fmt::Debug;
    /// As `/stats` names it.
    const NAME: &'static str;

    /// The device that sentences are about.
    fn main(place: &Self::Place) -> &PathBuf;
    /// As `--source` names it.
    fn source(place: &Self::Place) -> String;
    /// Opens and prepares it, and queues its buffers; tells what the drivers made of the options.
    fn open(
        place: &Self::Place,
        options: &Options,
        registry: &Registry,
        token: Token,
        told: &mut Vec<String>,
    ) -> Result<Self, Fault>;
    /// The capture node. All that follows, but the codec, is by default done by it alone.
    fn stream(&self) -> &Stream;
    /// The same.
    fn stream_mut(&mut self) -> &mut Stream;
    /// STREAMON; may be called again after a refusal.
    fn start(&mut self) -> Result<(), Fault> {
        self.stream_mut().start()
    }
    /// STREAMOFF, queue, STREAMON.
    fn restart(&mut self) -> Result<(), Fault> {
        self.stream_mut().restart()
    }
    /// The next buffer.
    fn dequeue(&mut self, _now: Micros) -> Result<Option<Filled>, Fault> {
        self.stream_mut().dequeue()
    }
    /// A buffer has been read.
    fn give_back(&mut self, index: u32) -> Result<(), Fault> {
        self.stream_mut().give_back(index)
    }
    /// An event came and no buffer.
    fn check(&mut self) -> Result<(), Fault> {
        self.stream().check()
    }
    /// Its buffers.
    fn memory(&self) -> &Ring {
        &self.stream().ring
    }
    /// What the encoder can be told, and where.
    fn codec(&self) -> (&Codec, &Node);
    /// Who has the controls of the camera itself.
    fn camera(&self) -> &Node {
        &self.stream().node
    }
}
