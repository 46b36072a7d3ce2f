//! windshield: drive a small car from a browser by what its camera sees.

pub mod banner;
pub mod clock;
pub mod config;
pub mod frame;
pub mod h264;
pub mod help;
pub mod host;
pub mod link;
pub mod message;
pub mod random;
pub mod run;
pub mod signal;
pub mod trace;
pub mod video;
