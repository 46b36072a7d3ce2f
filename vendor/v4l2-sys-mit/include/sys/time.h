/* In the place of libc's <sys/time.h> for videodev2.h: the kernel's own view of time since 5.6, 64 bits on every
   machine (struct __kernel_v4l2_timeval, struct __kernel_timespec). Used by tools/make_bindings and tests/bindings.rs. */
#ifndef WINDSHIELD_SYS_TIME_H
#define WINDSHIELD_SYS_TIME_H
typedef long long time_t;
typedef long long suseconds_t;
struct timeval { time_t tv_sec; suseconds_t tv_usec; };
struct timespec { time_t tv_sec; long long tv_nsec; };
#endif
