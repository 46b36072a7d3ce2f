//! EDGE: power and heat of a Raspberry Pi, from the kernel's files under /sys. A car's battery sags just when it
//! accelerates, and what then looks like a bad network is a processor at half its clock: so the page says it the moment
//! it happens. The kernel tells of a change by POLLPRI on those files; where it cannot they are read each second, and
//! where they are not, which is every other machine, nothing is ever due. `run` calls it.

mod throttled;

use std::fs::{self, File};
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::message::Severity;
use crate::trace::BoardStats;
pub use throttled::Throttled;

/// Pause between readings where the kernel does not tell of changes. The kernel itself asks the firmware every 2 s.
const READ_EVERY: Duration = Duration::from_secs(1);

/// The firmware's number, as the kernel of Raspberry Pi OS has kept it (drivers/firmware/raspberrypi.c); no file in
/// mainline. Refreshed, with a notification, whenever raspberrypi-hwmon asks, and never without it; the first to read it makes
/// the kernel write a warning that it is deprecated.
const THROTTLED: &str = "sys/devices/platform/soc/soc:firmware/get_throttled";

/// Where raspberrypi-hwmon has its alarm: 1 if the supply was too low at any time in the last 2 s
/// (Documentation/hwmon/raspberrypi-hwmon.rst).
const HWMON: &str = "sys/class/hwmon";
const HWMON_NAME: &str = "rpi_volt";
const HWMON_ALARM: &str = "in0_lcrit_alarm";

/// The firmware's number as it is now; none where there is no such file.
pub fn throttled(root: &Path) -> Option<Throttled> {
    Throttled::parse(&fs::read_to_string(root.join(THROTTLED)).ok()?)
}

/// The files, and what they said last.
#[derive(Debug, Default)]
pub struct Board {
    alarm: Option<File>,
    throttled: Option<File>,
    state: BoardStats,
    /// When the files are to be read; none where the kernel tells.
    due: Option<Instant>,
}

impl Board {
    /// Looks for the files below `root`, `/` but for tests. Finds nothing on machines that are no Raspberry Pi.
    pub fn open(root: &Path, registry: &Registry, token: Token, now: Instant) -> Self {
        let alarm = alarm(root).and_then(|path| File::open(path).ok());
        // Without raspberrypi-hwmon the number is that of long ago.
        let throttled = alarm.as_ref().and_then(|_| File::open(root.join(THROTTLED)).ok());
        let mut board = Self { alarm, throttled, ..Self::default() };
        let files = [&board.alarm, &board.throttled];
        let told = files.into_iter().flatten().all(|file| tells(file, registry, token));
        board.due = (!told).then(|| now + READ_EVERY);
        // Also what arms the kernel: it tells of changes since the last reading.
        board.read();
        board
    }

    /// The kernel told of a change.
    pub fn handle_ready(&mut self) {
        self.read();
    }

    /// Time passes.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.due.is_some_and(|due| due <= now) {
            self.read();
            self.due = Some(now + READ_EVERY);
        }
    }

    /// When [`Self::handle_timeout`] is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Power and heat; none where nothing tells of them.
    pub fn stats(&self) -> Option<BoardStats> {
        (self.state != BoardStats::default()).then_some(self.state)
    }

    /// What viewers should know; empty when all is well.
    pub fn notice(&self) -> (Severity, &'static str) {
        let is = |flag: Option<bool>| flag == Some(true);
        let text = if is(self.state.undervoltage) {
            "The car's supply voltage is too low: its computer slows down, and the picture with it. Charge the battery, or check cable and converter."
        } else if is(self.state.too_warm) {
            "The car's computer is too warm and slows down, and the picture with it: it needs air."
        } else if is(self.state.throttled) || is(self.state.clock_capped) {
            "The car's computer has been slowed down by its firmware, for want of power or for heat: the picture may be late."
        } else {
            ""
        };
        (if text.is_empty() { Severity::Info } else { Severity::Warning }, text)
    }

    fn read(&mut self) {
        let bits = content(&mut self.throttled).and_then(|text| Throttled::parse(&text));
        let alarm = content(&mut self.alarm).map(|text| text.trim() == "1");
        let before = self.notice().1;
        self.state = BoardStats {
            // Either may see what the other misses: the alarm looks back two seconds.
            undervoltage: match (alarm, bits.map(Throttled::undervoltage)) {
                (Some(alarm), Some(bit)) => Some(alarm || bit),
                (alarm, bit) => alarm.or(bit),
            },
            throttled: bits.map(Throttled::throttled),
            clock_capped: bits.map(Throttled::clock_capped),
            too_warm: bits.map(Throttled::too_warm),
        };
        match self.notice().1 {
            after if after == before => {}
            "" => log::info!("power and heat are well again"),
            after => log::warn!("{after}"),
        }
    }
}

/// The alarm of the sensor by its name: numbers are given in the order that drivers come up.
fn alarm(root: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(root.join(HWMON)).ok()?;
    let is_it = |folder: &PathBuf| fs::read_to_string(folder.join("name")).is_ok_and(|name| name.trim() == HWMON_NAME);
    entries.flatten().map(|entry| entry.path()).find(is_it).map(|folder| folder.join(HWMON_ALARM))
}

/// Whether the kernel will tell of changes of this file.
fn tells(file: &File, registry: &Registry, token: Token) -> bool {
    let registered = registry.register(&mut SourceFd(&file.as_raw_fd()), token, Interest::PRIORITY);
    if let Err(error) = &registered {
        log::debug!("power and heat are read each second, as the kernel will not tell of changes: {error}");
    }
    registered.is_ok()
}

/// What is in the file now. One that cannot be read any more (its driver was unloaded) is given up.
fn content(file: &mut Option<File>) -> Option<String> {
    let mut room = [0; 32];
    let read = |file: &File| -> io::Result<usize> { file.read_at(&mut room, 0) };
    match file.as_ref().map(read)? {
        Ok(length) => Some(String::from_utf8_lossy(&room[..length]).into_owned()),
        Err(error) => {
            log::debug!("power and heat cannot be read any more: {error}");
            *file = None;
            None
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const ANY: Token = Token(9);

    /// A folder that stands for `/`, gone with the test.
    struct Root(PathBuf);

    impl Root {
        fn new(test: &str) -> Self {
            let root = std::env::temp_dir().join(format!("windshield-board-{test}-{}", std::process::id()));
            fs::create_dir_all(&root).unwrap();
            Self(root)
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
    }

    impl Drop for Root {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn a_machine_that_is_no_pi_has_nothing_to_tell_and_nothing_is_due() {
        let (root, poll) = (Root::new("none"), mio::Poll::new().unwrap());
        root.write("sys/class/hwmon/hwmon0/name", "coretemp\n");
        root.write("sys/class/hwmon/hwmon0/in0_lcrit_alarm", "1\n");
        let board = Board::open(&root.0, poll.registry(), ANY, Instant::now());
        assert_eq!((board.stats(), board.notice(), board.poll_timeout()), (None, (Severity::Info, ""), None));
    }

    #[test]
    fn undervoltage_is_told_when_it_comes_and_withdrawn_when_it_goes() {
        let (root, poll, start) = (Root::new("alarm"), mio::Poll::new().unwrap(), Instant::now());
        root.write("sys/class/hwmon/hwmon0/name", "cpu_thermal\n");
        root.write("sys/class/hwmon/hwmon1/name", "rpi_volt\n");
        root.write("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
        let mut board = Board::open(&root.0, poll.registry(), ANY, start);
        let power = |undervoltage| Some(BoardStats { undervoltage: Some(undervoltage), ..BoardStats::default() });
        assert_eq!((board.stats(), board.notice().1), (power(false), ""));
        // Files of no kernel do not tell of changes.
        assert_eq!(board.poll_timeout(), Some(start + READ_EVERY));
        root.write("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1\n");
        board.handle_timeout(start + READ_EVERY / 2);
        assert_eq!(board.notice().1, "", "it is not read in every turn");
        board.handle_timeout(start + READ_EVERY);
        assert!(board.notice().1.contains("voltage is too low") && board.notice().0 == Severity::Warning);
        assert_eq!((board.stats(), board.poll_timeout()), (power(true), Some(start + 2 * READ_EVERY)));
        root.write("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
        board.handle_ready();
        assert_eq!(board.notice(), (Severity::Info, ""));
    }

    #[test]
    fn heat_and_throttling_are_told_by_the_firmwares_bits() {
        let (root, poll, start) = (Root::new("bits"), mio::Poll::new().unwrap(), Instant::now());
        root.write(THROTTLED, "5\n");
        let alone = Board::open(&root.0, poll.registry(), ANY, start);
        assert_eq!(alone.stats(), None, "without raspberrypi-hwmon the number may be of long ago");
        root.write("sys/class/hwmon/hwmon1/name", "rpi_volt\n");
        root.write("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n");
        let mut board = None;
        for (bits, wanted) in
            [("0", ""), ("80000", ""), ("8", "too warm"), ("6", "slowed down"), ("5", "voltage is too low"), ("?", "")]
        {
            root.write(THROTTLED, &format!("{bits}\n"));
            let board = board.get_or_insert_with(|| Board::open(&root.0, poll.registry(), ANY, start));
            board.handle_ready();
            let text = board.notice().1;
            assert!(if wanted.is_empty() { text.is_empty() } else { text.contains(wanted) }, "{bits}: {text}");
        }
        root.write(THROTTLED, "5\n");
        assert_eq!(throttled(&root.0), Some(Throttled(5)));
    }

    #[test]
    fn files_of_the_kernel_are_watched_without_a_timer_and_do_not_make_the_loop_spin() {
        let root = Root::new("kernel");
        let mut poll = mio::Poll::new().unwrap();
        // Any file of sysfs will do.
        for (folder, file) in
            [("sys/devices/platform/soc/soc:firmware", "get_throttled"), ("sys/class/hwmon/hwmon1", HWMON_ALARM)]
        {
            fs::create_dir_all(root.0.join(folder)).unwrap();
            std::os::unix::fs::symlink("/sys/kernel/uevent_seqnum", root.0.join(folder).join(file)).unwrap();
        }
        root.write("sys/class/hwmon/hwmon1/name", "rpi_volt\n");
        let board = Board::open(&root.0, poll.registry(), ANY, Instant::now());
        assert!(board.throttled.is_some() && board.alarm.is_some() && board.poll_timeout().is_none());
        let mut events = mio::Events::with_capacity(4);
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty(), "nothing has changed");
    }
}
