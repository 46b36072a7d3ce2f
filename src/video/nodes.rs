//! EDGE: what this machine has for `auto` to choose from: the video nodes as they describe themselves, and programs in
//! `PATH`. Asked once, at start. Opens each node for a moment and sets nothing: others may be streaming from it.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::auto::{FourCc, Node, Refused, Rpicam};
use super::rpicam::PROGRAMS;
use super::v4l2::Queue;
use super::v4l2::node::Node as Device;

/// Every video node, in the order of their numbers.
pub(super) fn list() -> Vec<Node> {
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<_> = entries.filter_map(|path| Some((number(&path)?, path))).collect();
    paths.sort();
    let nodes: Vec<_> = paths.into_iter().map(|(_, path)| ask(path)).collect();
    for node in &nodes {
        log::debug!("{node:?}");
    }
    nodes
}

/// N of `/dev/videoN`.
fn number(path: &Path) -> Option<u32> {
    path.file_name()?.to_str()?.strip_prefix("video")?.parse().ok()
}

/// What a node says of itself.
fn ask(path: PathBuf) -> Node {
    let asked = Device::open(&path).and_then(|device| Ok((device.identity()?, device)));
    let (identity, device) = match asked {
        Ok(asked) => asked,
        Err(error) => {
            let refused = match error.kind() {
                ErrorKind::PermissionDenied => Refused::Forbidden,
                _ => Refused::Other(error.to_string()),
            };
            return Node { path, refused: Some(refused), ..Node::default() };
        }
    };
    let formats = |queue| -> Vec<FourCc> {
        // A queue that the node does not have has no formats.
        let formats = device.formats(queue).unwrap_or_default();
        formats.into_iter().map(|format| format.0.to_le_bytes()).collect()
    };
    let (gives, takes) = match identity.capture_queue() {
        _ if identity.is_m2m() => (formats(Queue::CapturePlanes), formats(Queue::OutputPlanes)),
        Some(queue) => (formats(queue), Vec::new()),
        None => (Vec::new(), Vec::new()),
    };
    Node { path, driver: identity.driver, card: identity.card, caps: identity.can, gives, takes, refused: None }
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn nodes_are_known_by_their_numbers() {
        for (path, expected) in [
            ("/dev/video0", Some(0)),
            ("/dev/video31", Some(31)),
            ("/dev/video", None),
            ("/dev/video-codec", None),
            ("/dev/vbi0", None),
        ] {
            assert_eq!(number(Path::new(path)), expected, "{path}");
        }
    }

    #[test]
    fn whatever_this_machine_has_can_be_asked_for() {
        let nodes = list();
        assert!(nodes.iter().all(|node| node.refused.is_some() || !node.driver.is_empty()), "{nodes:?}");
        // What is no video device says so, and breaks nothing.
        let null = ask("/dev/null".into());
        assert!(null.refused.is_some() && null.gives.is_empty(), "{null:?}");
        assert!(ask("/dev/video-that-is-not-there".into()).refused.is_some());
        assert!(
            is_program(Path::new("/bin/sh")) && !is_program(Path::new("/bin")) && !is_program(Path::new("/nothing"))
        );
    }
}
