//! `windshield doctor` as a person or a script meets it: on this machine, whatever it is, it says something, never
//! fails on what is missing, and its exit code tells whether something is at fault.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, UdpSocket};
use std::process::{Command, Output, Stdio};

use windshield::help;

fn doctor(arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_windshield"));
    let output = command.arg("doctor").args(arguments).stdin(Stdio::null()).output();
    let Output { status, stdout, stderr } = output.expect("cargo built it");
    (status.code(), String::from_utf8_lossy(&stdout).into(), String::from_utf8_lossy(&stderr).into())
}

/// A port that nobody has at this moment, as TCP and as UDP.
fn free_port() -> u16 {
    (0..100)
        .filter_map(|_| {
            let tcp = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).ok()?;
            let address = tcp.local_addr().ok()?;
            UdpSocket::bind(address).ok()?;
            Some(address.port())
        })
        .next()
        .expect("one of a hundred")
}

#[test]
fn help_explains_every_option() {
    let (code, stdout, _) = doctor(&["--help"]);
    assert_eq!((code, stdout.as_str()), (Some(0), help::DOCTOR));
    for option in ["--port", "--peer", "--udp", "--echo", "--help"] {
        assert!(stdout.contains(option), "{option}");
    }
}

#[test]
fn any_machine_gets_a_report_and_the_exit_code_fits_it() {
    let port = free_port().to_string();
    let (code, stdout, stderr) = doctor(&["--port", &port]);
    assert_eq!(stderr, "");
    assert!(
        stdout.contains(&format!("TCP {port} is free")) && stdout.contains(&format!("UDP {port} is free")),
        "{stdout}"
    );
    assert!(stdout.contains("kernel"), "{stdout}");
    let faults = !stdout.trim_end().ends_with(", 0 at fault");
    assert_eq!(code, Some(i32::from(faults)), "{stdout}");
}

#[test]
fn a_port_that_others_have_is_a_fault() {
    let holder = TcpListener::bind("[::]:0").or_else(|_| TcpListener::bind("0.0.0.0:0")).expect("any port");
    let port = holder.local_addr().expect("bound").port();
    // It takes connections and never answers, as a program that hangs.
    let (code, stdout, _) = doctor(&["--port", &port.to_string()]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains(&format!("FAULT    port      TCP {port} is taken by another program")), "{stdout}");
}

#[test]
fn a_running_windshield_is_known_by_its_answer() {
    let port = free_port();
    let mut program = Command::new(env!("CARGO_BIN_EXE_windshield"))
        .args(["--http", &port.to_string(), "--source", "clip:tests/data/road_160x120_10_one_keyframe.h264"])
        .env_remove("WINDSHIELD_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("cargo built it");
    let banner = BufReader::new(program.stdout.take().expect("piped"));
    // The banner is printed when everything is bound; reading ends with the program, should it not start.
    let started = banner.lines().map_while(Result::ok).any(|line| line.contains("Ctrl-C stops"));
    let (_, stdout, _) = doctor(&["--port", &port.to_string()]);
    let _ = program.kill();
    let _ = program.wait();
    assert!(started);
    assert!(stdout.contains(&format!("TCP {port} is served by windshield")), "{stdout}");
    assert!(stdout.contains(&format!("UDP {port} is served by windshield")), "{stdout}");
}

#[test]
fn datagrams_go_to_an_echo_and_back() {
    let port = free_port();
    let mut echo = Command::new(env!("CARGO_BIN_EXE_windshield"))
        .args(["doctor", "--echo", &port.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .expect("cargo built it");
    let mut line = String::new();
    BufReader::new(echo.stdout.take().expect("piped")).read_line(&mut line).expect("it says that it is there");
    assert!(line.contains(&format!("--udp IP:{port}")), "{line}");
    let (_, stdout, _) = doctor(&["--port", &free_port().to_string(), "--udp", &format!("127.0.0.1:{port}")]);
    let _ = echo.kill();
    let _ = echo.wait();
    assert!(stdout.contains("round trip of 90 datagrams: half within") && stdout.contains("; 0 % lost"), "{stdout}");
}

#[test]
fn nobody_there_is_a_fault_with_a_hint() {
    let (code, stdout, _) =
        doctor(&["--port", &free_port().to_string(), "--udp", &format!("127.0.0.1:{}", free_port())]);
    assert_eq!(code, Some(1), "{stdout}");
    assert!(stdout.contains("none of 90 datagrams came back") && stdout.contains("doctor --echo PORT"), "{stdout}");
}

#[test]
fn an_echo_on_a_port_that_is_taken_says_so() {
    let holder = UdpSocket::bind("[::]:0").or_else(|_| UdpSocket::bind("0.0.0.0:0")).expect("any port");
    let port = holder.local_addr().expect("bound").port();
    let (code, _, stderr) = doctor(&["--echo", &port.to_string()]);
    assert_eq!(code, Some(1));
    assert!(stderr.starts_with(&format!("windshield: doctor --echo {port}: ")), "{stderr}");
}
