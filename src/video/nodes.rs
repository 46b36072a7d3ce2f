//! EDGE: what this machine has for `auto` to choose from: the video nodes as they describe themselves, and programs in
//! `PATH`. Asked once, at start. Opens each node for a moment and sets nothing: others may be streaming from it.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::auto::{Node, Rpicam};
use super::rpicam::PROGRAMS;

/// Every video node, in the order of their numbers.
pub(super) fn list() -> Vec<Node> {
    Vec::new()
}

/// The name under which `rpicam-vid` is installed; the newer one, for sentences, where it is not.
pub(super) fn rpicam() -> (&'static str, Rpicam) {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let found =
        PROGRAMS.into_iter().find(|name| std::env::split_paths(&folders).any(|folder| is_program(&folder.join(name))));
    found.map_or((PROGRAMS[0], Rpicam::Missing), |name| (name, Rpicam::Installed))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}
