// How large the structures are and where their parts lie, as linux/videodev2.h says with times of 64 bits. Three columns:
// 64-bit machines; 32-bit machines that align 64-bit numbers to 8 bytes (ARM); those that align them to 4 (x86).
// Every build holds the declarations against the column of its target, and tests/bindings.rs holds all three columns
// against the kernel's header.

/// Bytes of a structure, or up to one of its parts.
#[derive(Debug, Clone, Copy)]
pub struct Fact {
    /// As C says it: `sizeof(struct v4l2_buffer)`, `offsetof(struct v4l2_buffer, timestamp)`.
    pub expression: &'static str,
    /// 64-bit machines.
    pub bits64: usize,
    /// 32-bit ARM.
    pub arm: usize,
    /// 32-bit x86.
    pub x86: usize,
    /// What the declarations of this build make of it.
    pub here: usize,
}

const fn of_this_target(bits64: usize, arm: usize, x86: usize) -> usize {
    if cfg!(target_pointer_width = "64") {
        bits64
    } else if align_of::<u64>() == 8 {
        arm
    } else {
        x86
    }
}

macro_rules! layout {
    ($($name:ident $(. $field:ident)? : $bits64:literal $arm:literal $x86:literal,)*) => {
        $(const _: () = assert!(layout!(@here $name $($field)?) == of_this_target($bits64, $arm, $x86));)*
        /// All that is known of layouts.
        pub const LAYOUT: &[Fact] = &[$(Fact {
            expression: layout!(@c $name $($field)?),
            bits64: $bits64,
            arm: $arm,
            x86: $x86,
            here: layout!(@here $name $($field)?),
        },)*];
    };
    (@here $name:ident) => { size_of::<$name>() };
    (@here $name:ident $field:ident) => { std::mem::offset_of!($name, $field) };
    (@c $name:ident) => { concat!("sizeof(struct ", stringify!($name), ")") };
    (@c $name:ident $field:ident) => {
        concat!("__builtin_offsetof(struct ", stringify!($name), ", ", stringify!($field), ")")
    };
}

layout! {
    timeval: 16 16 16,
    timespec: 16 16 16,
    v4l2_capability: 104 104 104,
    v4l2_fmtdesc: 64 64 64,
    v4l2_frmsizeenum: 44 44 44,
    v4l2_frmivalenum: 52 52 52,
    v4l2_pix_format: 48 48 48,
    v4l2_plane_pix_format: 20 20 20,
    v4l2_pix_format_mplane: 192 192 192,
    v4l2_format: 208 204 204,
    v4l2_format.fmt: 8 4 4,
    v4l2_requestbuffers: 20 20 20,
    v4l2_plane: 64 60 60,
    v4l2_plane.m: 8 8 8,
    v4l2_plane.data_offset: 16 12 12,
    v4l2_buffer: 88 80 76,
    v4l2_buffer.timestamp: 24 24 20,
    v4l2_buffer.timecode: 40 40 36,
    v4l2_buffer.sequence: 56 56 52,
    v4l2_buffer.memory: 60 60 56,
    v4l2_buffer.m: 64 64 60,
    v4l2_buffer.length: 72 68 64,
    v4l2_exportbuffer: 64 64 64,
    v4l2_exportbuffer.fd: 16 16 16,
    v4l2_captureparm: 40 40 40,
    v4l2_streamparm: 204 204 204,
    v4l2_streamparm.parm: 4 4 4,
    v4l2_control: 8 8 8,
    v4l2_ext_control: 20 20 20,
    v4l2_ext_control.size: 4 4 4,
    v4l2_ext_controls: 32 24 24,
    v4l2_ext_controls.count: 4 4 4,
    v4l2_ext_controls.controls: 24 20 20,
    v4l2_queryctrl: 68 68 68,
    v4l2_query_ext_ctrl: 232 232 232,
    v4l2_query_ext_ctrl.minimum: 40 40 40,
    v4l2_query_ext_ctrl.flags: 72 72 72,
    v4l2_querymenu: 44 44 44,
    v4l2_event_subscription: 32 32 32,
    v4l2_event: 136 136 128,
    v4l2_event.u: 8 8 4,
    v4l2_event.pending: 72 72 68,
    v4l2_event.timestamp: 80 80 76,
    v4l2_event.id: 96 96 92,
    v4l2_encoder_cmd: 40 40 40,
    v4l2_encoder_cmd.flags: 4 4 4,
    v4l2_input: 80 80 76,
    v4l2_output: 72 72 72,
    v4l2_standard: 72 72 64,
    v4l2_crop: 20 20 20,
    v4l2_selection: 64 64 64,
}
