//! Arguments to configuration to loop.

fn main() {}
