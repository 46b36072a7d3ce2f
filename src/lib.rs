//! windshield: drive a small car from a browser by what its camera sees.

pub mod clock;
pub mod frame;
pub mod h264;
pub mod message;
pub mod trace;
