//! The checked-in declarations of V4L2 (vendor/v4l2-sys-mit) say what the kernel's header says, for 64-bit machines and
//! for both kinds of 32-bit ones, so that nobody who builds windshield needs libclang. The C compiler is asked for
//! constants and runs nothing, so it can answer for machines that are not here: `-m32` is x86, and with
//! `-malign-double` it lays structures out as ARM does. That the declarations, compiled for such a machine, are as the
//! table says is asserted by every build for it (vendor/v4l2-sys-mit/src/layout.rs).
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use v4l::v4l_sys::LAYOUT;
use v4l::v4l2::vidioc;

const VENDOR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vendor/v4l2-sys-mit/include");

/// What the C compiler makes of each expression; None if it cannot compile for such a machine or has no kernel header.
fn constants(expressions: &[&str], flags: &[&str]) -> Option<Vec<u64>> {
    let source = format!(
        "#include <linux/videodev2.h>\nconst unsigned int facts[] = {{ 0xfeedbeefu, {} }};\n",
        expressions.join(", ")
    );
    let machine = Command::new("cc").arg("-print-multiarch").output().ok()?;
    let machine = format!("/usr/include/{}", String::from_utf8_lossy(&machine.stdout).trim());
    let mut compiler = Command::new("cc")
        .args(flags)
        .args(["-S", "-o", "-", "-x", "c", "-isystem", &machine, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .ok()?;
    compiler.stdin.take().unwrap().write_all(source.as_bytes()).unwrap();
    let output = compiler.wait_with_output().unwrap();
    if !output.status.success() {
        println!("cc {}: {}", flags.join(" "), String::from_utf8_lossy(&output.stderr));
        return None;
    }
    let assembly = String::from_utf8_lossy(&output.stdout);
    // The array as `.long` or `.word` lines, zeros maybe as `.zero BYTES`.
    let mut numbers = assembly.lines().flat_map(|line| {
        let mut words = line.split_whitespace();
        let (kind, number) = (words.next().unwrap_or(""), words.next().and_then(|n| n.parse::<i64>().ok()));
        match (kind, number) {
            (".long" | ".word" | ".4byte", Some(number)) => vec![u64::from(number as u32)],
            (".zero", Some(bytes)) => vec![0; bytes as usize / 4],
            _ => Vec::new(),
        }
    });
    assert!(numbers.any(|n| n == 0xfeed_beef), "no array in what cc wrote:\n{assembly}");
    let numbers: Vec<u64> = numbers.take(expressions.len()).collect();
    assert_eq!(numbers.len(), expressions.len());
    Some(numbers)
}

fn expressions() -> Vec<&'static str> {
    LAYOUT.iter().map(|fact| fact.expression).collect()
}

/// Compares a column of the table with what the header makes of it.
fn compare(flags: &[&str], column: impl Fn(usize) -> usize) {
    if !Path::new("/usr/include/linux/videodev2.h").exists() {
        println!("not checked: this machine has no linux/videodev2.h (apt install linux-libc-dev)");
        return;
    }
    let Some(found) = constants(&expressions(), flags) else {
        assert!(flags.contains(&"-m32"), "cc must be able to compile for the machine it runs on");
        println!("not checked: cc {} does not work here", flags.join(" "));
        return;
    };
    for (n, (fact, found)) in LAYOUT.iter().zip(found).enumerate() {
        assert_eq!(column(n) as u64, found, "{} with cc {}", fact.expression, flags.join(" "));
    }
}

#[test]
fn the_declarations_are_those_of_the_kernels_header_on_this_machine() {
    // With libc's own view of time, where it is the kernel's.
    if cfg!(target_pointer_width = "64") {
        compare(&[], |n| LAYOUT[n].here);
    }
    compare(&["-I", VENDOR], |n| LAYOUT[n].here);
}

#[test]
fn sizes_and_places_for_64_bit_machines_are_the_headers() {
    if cfg!(target_pointer_width = "64") {
        compare(&["-I", VENDOR], |n| LAYOUT[n].bits64);
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn sizes_and_places_for_32_bit_arm_are_the_headers() {
    compare(&["-m32", "-malign-double", "-I", VENDOR], |n| LAYOUT[n].arm);
}

#[test]
#[cfg(target_arch = "x86_64")]
fn sizes_and_places_for_32_bit_x86_are_the_headers() {
    compare(&["-m32", "-I", VENDOR], |n| LAYOUT[n].x86);
}

/// _IOWR and the like (asm-generic/ioctl.h): two bits of direction, 14 of size, 'V', the number.
fn ioctl(direction: u64, number: u64, size: usize) -> u64 {
    direction << 30 | (size as u64) << 16 | u64::from(b'V') << 8 | number
}

macro_rules! numbers {
    ($($name:ident),*) => { [$((stringify!($name), vidioc::$name as u32 as u64)),*] };
}

#[test]
fn ioctl_numbers_are_the_headers() {
    let ours = numbers![
        VIDIOC_QUERYCAP,
        VIDIOC_ENUM_FMT,
        VIDIOC_G_FMT,
        VIDIOC_S_FMT,
        VIDIOC_REQBUFS,
        VIDIOC_QUERYBUF,
        VIDIOC_QBUF,
        VIDIOC_EXPBUF,
        VIDIOC_DQBUF,
        VIDIOC_STREAMON,
        VIDIOC_STREAMOFF,
        VIDIOC_S_PARM,
        VIDIOC_QUERYMENU,
        VIDIOC_G_EXT_CTRLS,
        VIDIOC_S_EXT_CTRLS,
        VIDIOC_QUERY_EXT_CTRL,
        VIDIOC_ENCODER_CMD
    ];
    let names: Vec<_> = ours.iter().map(|(name, _)| *name).collect();
    let Some(found) = constants(&names, &["-I", VENDOR]) else {
        println!("not checked: no compiler or no kernel header");
        return;
    };
    for ((name, ours), found) in ours.iter().zip(found) {
        assert_eq!(*ours, found, "{name}");
    }
}

#[test]
#[cfg(target_arch = "x86_64")]
fn on_32_bits_the_ioctl_numbers_are_made_of_the_tables_sizes() {
    type Column = fn(&v4l::v4l_sys::Fact) -> usize;
    let columns: [(&[&str], Column); 2] =
        [(&["-m32", "-malign-double", "-I", VENDOR], |fact| fact.arm), (&["-m32", "-I", VENDOR], |fact| fact.x86)];
    for (flags, column) in columns {
        let size = |name: &str| {
            let expression = format!("sizeof(struct {name})");
            column(LAYOUT.iter().find(|fact| fact.expression == expression).unwrap())
        };
        let expected = [
            ("VIDIOC_QBUF", ioctl(3, 15, size("v4l2_buffer"))),
            ("VIDIOC_DQBUF", ioctl(3, 17, size("v4l2_buffer"))),
            ("VIDIOC_S_FMT", ioctl(3, 5, size("v4l2_format"))),
            ("VIDIOC_S_EXT_CTRLS", ioctl(3, 72, size("v4l2_ext_controls"))),
            ("VIDIOC_QUERY_EXT_CTRL", ioctl(3, 103, size("v4l2_query_ext_ctrl"))),
            ("VIDIOC_DQEVENT", ioctl(2, 89, size("v4l2_event"))),
            ("VIDIOC_SUBSCRIBE_EVENT", ioctl(1, 90, size("v4l2_event_subscription"))),
        ];
        let names: Vec<_> = expected.iter().map(|(name, _)| *name).collect();
        let Some(found) = constants(&names, flags) else {
            println!("not checked: cc {} does not work here", flags.join(" "));
            continue;
        };
        for ((name, ours), found) in expected.iter().zip(found) {
            assert_eq!(*ours, found, "{name} with cc {}", flags.join(" "));
        }
    }
}
