//! EDGE: the file of `--trace`. Written by a thread of its own, so that the picture waits neither for the text to be made
//! nor for an SD card; whole or not at all, as it takes its name when it is complete. `run` calls it.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};

use super::events;
use super::ring::Record;
use crate::priority;

/// Where traces go.
#[derive(Debug)]
pub struct TraceFile {
    path: PathBuf,
    writing: Option<JoinHandle<()>>,
}

impl TraceFile {
    /// Makes sure at the start that it can be written later.
    ///
    /// # Errors
    /// A sentence: which file and why not.
    pub fn open(path: PathBuf) -> io::Result<Self> {
        let tried = if path.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { create(&part(&path)) };
        tried.and_then(|_| fs::remove_file(part(&path))).map_err(|error| {
            let why =
                format!("--trace {}: cannot be written: {error}; name a file in a folder of yours", path.display());
            io::Error::new(error.kind(), why)
        })?;
        Ok(Self { path, writing: None })
    }

    /// Begins to write these; what was there before is replaced when they are complete. Never waits.
    pub fn write(&mut self, records: impl FnOnce() -> Vec<Record>) {
        if self.writing.as_ref().is_some_and(|thread| !thread.is_finished()) {
            log::warn!("--trace: still writing the one before; ask again in a moment");
            return;
        }
        let (path, records) = (self.path.clone(), records());
        let started = thread::Builder::new().name("trace".to_owned()).spawn(move || {
            priority::stand_back();
            save(&path, &records);
        });
        self.writing = started.map_err(|error| log::warn!("--trace: no thread to write it: {error}")).ok();
    }

    /// Writes these last ones, and waits until they are written: the program ends. Without any, what was asked for before
    /// stays.
    pub fn finish(mut self, records: &[Record]) {
        if let Some(thread) = self.writing.take() {
            // What went wrong there it has said itself.
            let _ = thread.join();
        }
        if !records.is_empty() {
            save(&self.path, records);
        }
    }
}

/// A new file for its owner alone; what a run before left half done goes, and no link is followed.
fn create(part: &Path) -> io::Result<File> {
    match fs::remove_file(part) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(part)
}

fn save(path: &Path, records: &[Record]) {
    let written = create(&part(path)).and_then(|file| {
        let mut out = BufWriter::new(file);
        events::write(records, &mut out)?;
        // A car ends by losing its power: on the card before it has its name.
        out.into_inner()?.sync_all()?;
        fs::rename(part(path), path)
    });
    match written {
        Ok(()) => log::info!("--trace: {} frames in {}; open it at ui.perfetto.dev", records.len(), path.display()),
        Err(error) => log::warn!("--trace {}: not written: {error}", path.display()),
    }
}

/// Its name until it is complete.
fn part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::frame::Stamps;

    #[test]
    fn it_is_written_whole_beside_the_loop_and_replaced_by_the_last() {
        let path = std::env::temp_dir().join(format!("windshield-trace-{}.json", std::process::id()));
        let mut file = TraceFile::open(path.clone()).unwrap();
        assert!(!path.exists(), "nothing is there until somebody asks");
        let record = Record { viewer: 1, stamps: Stamps::default() };
        file.write(|| vec![record; 3]);
        file.finish(&[record; 2]);
        let document: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let frames =
            document["traceEvents"].as_array().unwrap().iter().filter(|e| e["ph"] == "b" && e["name"] != "camera");
        assert_eq!(frames.filter(|e| e["name"].as_str().unwrap().starts_with("frame")).count(), 2);
        assert!(!part(&path).exists());
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn an_end_without_frames_leaves_what_was_asked_for() {
        let path = std::env::temp_dir().join(format!("windshield-trace-kept-{}.json", std::process::id()));
        // Nor does it follow what somebody put in its way.
        std::os::unix::fs::symlink("/nowhere", part(&path)).unwrap();
        let mut file = TraceFile::open(path.clone()).unwrap();
        file.write(|| vec![Record { viewer: 1, stamps: Stamps::default() }]);
        file.finish(&[]);
        assert!(fs::read_to_string(&path).unwrap().contains("frame"));
        fs::remove_file(path).unwrap();
    }

    #[test]
    fn what_cannot_be_written_is_said_at_the_start() {
        let why = |path: &str| TraceFile::open(path.into()).unwrap_err().to_string();
        assert!(why("/nowhere/at/all.json").starts_with("--trace /nowhere/at/all.json: cannot be written: "));
        assert!(why("/").contains("--trace /: cannot be written"));
    }
}
