//! windshield: drive a small car from a browser by what its camera sees.

pub mod banner;
pub mod clock;
pub mod frame;
pub mod h264;
pub mod host;
pub mod link;
pub mod message;
pub mod random;
pub mod trace;
