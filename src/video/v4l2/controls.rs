//! EDGE: a device's controls (VIDIOC_QUERY_EXT_CTRL, G/S_EXT_CTRLS), each probed before use, of kinds we know nothing
//! of too. What they are for is known by `camera::setup`.

use std::io;

use v4l::v4l_sys as sys;
use v4l::v4l2::vidioc;

use super::node::{Node, text, zeroed};

/// What a control takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::video) struct Control {
    pub(in crate::video) id: u32,
    /// V4L2_CTRL_TYPE_*, or one that this program does not know.
    pub(in crate::video) kind: u32,
    pub(in crate::video) name: String,
    pub(in crate::video) least: i64,
    pub(in crate::video) most: i64,
    pub(in crate::video) step: u64,
    pub(in crate::video) flags: u32,
}

impl Control {
    /// The nearest value that the control can take.
    pub(in crate::video) fn nearest(&self, value: i64) -> i64 {
        if self.least > self.most {
            return value;
        }
        let value = value.clamp(self.least, self.most);
        match i64::try_from(self.step) {
            Ok(step) if step > 1 => {
                let up = value.saturating_sub(self.least).saturating_add(step / 2);
                self.least.saturating_add(up / step * step).min(self.most)
            }
            _ => value,
        }
    }

    /// Single numbers, switches, menus and buttons; no text, no structure.
    fn is_simple(&self) -> bool {
        matches!(
            self.kind,
            sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER
                | sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN
                | sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU
                | sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU
                | sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_BITMASK
                | sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_BUTTON
                | sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER64
        )
    }

    fn is_button(&self) -> bool {
        self.kind == sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_BUTTON
    }

    fn is_menu(&self) -> bool {
        [sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU, sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU].contains(&self.kind)
    }
}

impl Node {
    /// The control of this number, if the device has it and it can be set.
    pub(in crate::video) fn control(&self, id: u32) -> Option<Control> {
        let mut raw = sys::v4l2_query_ext_ctrl { id, ..zeroed() };
        // SAFETY: QUERY_EXT_CTRL reads and fills a v4l2_query_ext_ctrl.
        unsafe { self.call(vidioc::VIDIOC_QUERY_EXT_CTRL, &mut raw) }.ok()?;
        let name: Vec<u8> = raw.name.iter().map(|c| *c as u8).collect();
        let control = Control {
            id,
            kind: raw.type_,
            name: text(&name),
            least: raw.minimum,
            most: raw.maximum,
            step: raw.step,
            flags: raw.flags,
        };
        let never = sys::V4L2_CTRL_FLAG_DISABLED | sys::V4L2_CTRL_FLAG_READ_ONLY;
        (control.is_simple() && control.flags & never == 0).then_some(control)
    }

    /// Whether a menu has this entry; true for what is no menu.
    pub(in crate::video) fn has_entry(&self, control: &Control, index: i64) -> bool {
        let Ok(index) = u32::try_from(index) else { return false };
        if !control.is_menu() {
            return true;
        }
        let mut raw = sys::v4l2_querymenu { id: control.id, index, ..zeroed() };
        // SAFETY: QUERYMENU reads and fills a v4l2_querymenu.
        unsafe { self.call(vidioc::VIDIOC_QUERYMENU, &mut raw) }.is_ok()
    }

    /// Its value now.
    pub(in crate::video) fn value(&self, control: &Control) -> io::Result<i64> {
        self.exchange(vidioc::VIDIOC_G_EXT_CTRLS, control, 0)
    }

    /// Sets it to `value`, or what comes nearest; returns what the driver made of it.
    pub(in crate::video) fn set(&self, control: &Control, value: i64) -> io::Result<i64> {
        if control.is_button() {
            return self.exchange(vidioc::VIDIOC_S_EXT_CTRLS, control, 1);
        }
        let made = self.exchange(vidioc::VIDIOC_S_EXT_CTRLS, control, control.nearest(value))?;
        // Some can be written only, and some drivers do not write back what they made of it.
        match control.flags & sys::V4L2_CTRL_FLAG_WRITE_ONLY {
            0 => self.value(control).or(Ok(made)),
            _ => Ok(made),
        }
    }

    fn exchange(&self, request: vidioc::_IOC_TYPE, control: &Control, value: i64) -> io::Result<i64> {
        let wide = control.kind == sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER64;
        let mut one = sys::v4l2_ext_control { id: control.id, ..zeroed() };
        if wide {
            one.__bindgen_anon_1.value64 = value;
        } else {
            one.__bindgen_anon_1.value = value as i32;
        }
        let mut all = sys::v4l2_ext_controls { count: 1, controls: &mut one, ..zeroed() };
        // SAFETY: both calls read and fill a v4l2_ext_controls, here with one control of a kind that holds a number, so
        // that none of its pointers is looked at.
        unsafe { self.call(request, &mut all)? };
        // SAFETY: every bit pattern is a number of either width.
        Ok(unsafe { if wide { one.__bindgen_anon_1.value64 } else { one.__bindgen_anon_1.value.into() } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn control(least: i64, most: i64, step: u64) -> Control {
        let kind = sys::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER;
        Control { id: 1, kind, name: String::new(), least, most, step, flags: 0 }
    }

    #[test]
    fn a_value_goes_to_the_nearest_that_the_control_takes() {
        // The bit rate of bcm2835-v4l2.
        let rate = control(25_000, 25_000_000, 25_000);
        assert_eq!(rate.nearest(2_000_000), 2_000_000);
        assert_eq!(rate.nearest(2_012_499), 2_000_000);
        assert_eq!(rate.nearest(2_012_500), 2_025_000);
        assert_eq!(rate.nearest(0), 25_000);
        assert_eq!(rate.nearest(i64::MAX), 25_000_000);
    }

    #[test]
    fn a_control_whose_range_is_nonsense_breaks_nothing() {
        assert_eq!(control(5, 1, 0).nearest(7), 7);
        assert_eq!(control(0, 9, 0).nearest(7), 7);
        assert_eq!(control(i64::MIN, i64::MAX, u64::MAX).nearest(7), 7);
        assert!((0..=i64::MAX).contains(&control(0, i64::MAX, i64::MAX as u64).nearest(i64::MAX)));
        let _ = control(i64::MIN, i64::MAX, 3).nearest(i64::MAX);
    }
}
