//! What the unit file counts on: the real program says when it is ready, beats while nobody watches and nothing else
//! happens, and says that it stops. The listener here is what systemd puts behind NOTIFY_SOCKET.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::time::Duration;

/// For a machine that is busy with everything else; nothing here waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(120);

#[test]
fn ready_then_beats_then_stopping() {
    let dir = std::env::temp_dir().join(format!("windshield-notify-{}", std::process::id()));
    std::fs::create_dir_all(&dir).expect("a folder of this test's own");
    let path = dir.join("notify");
    let listener = UnixDatagram::bind(&path).expect("a fresh name");
    listener.set_read_timeout(Some(PATIENCE)).expect("more than zero");
    let mut program = Command::new(env!("CARGO_BIN_EXE_windshield"))
        // A pipe that nobody writes to: a source that never has anything to do.
        .args(["--http", "127.0.0.1:0", "--source", "pipe:-"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "100000")
        .env_remove("WATCHDOG_PID")
        .env_remove("WINDSHIELD_TOKEN")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("cargo built it");
    let hear = || {
        let mut buffer = [0; 64];
        let length = listener.recv(&mut buffer).expect("a word within the time given");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    let beginning: Vec<String> = (0..4).map(|_| hear()).collect();
    assert_eq!(beginning, ["READY=1\n", "WATCHDOG=1\n", "WATCHDOG=1\n", "WATCHDOG=1\n"]);

    let killed = Command::new("kill").arg(program.id().to_string()).status().expect("kill is everywhere");
    assert!(killed.success());
    let last = std::iter::repeat_with(hear).find(|word| word != "WATCHDOG=1\n");
    assert_eq!(last.as_deref(), Some("STOPPING=1\n"));
    assert!(program.wait().expect("our own child").success());
    let _ = std::fs::remove_dir_all(dir);
}
