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
    /// STREAMON; may be called again after a refusal.
    fn start(&mut self) -> Result<(), Fault>;
    /// STREAMOFF, queue, STREAMON.
    fn restart(&mut self) -> Result<(), Fault>;
    /// The next buffer.
    fn dequeue(&mut self, now: Micros) -> Result<Option<Filled>, Fault>;
    /// A buffer has been read.
    fn give_back(&mut self, index: u32) -> Result<(), Fault>;
    /// An event came and no buffer.
    fn check(&mut self) -> Result<(), Fault>;
    /// Its buffers.
    fn memory(&self) -> &Ring;
    /// What the encoder can be told, and where.
    fn codec(&self) -> (&Codec, &Node);
    /// Who has the controls of the camera itself.
    fn camera(&self) -> &Node;
}
