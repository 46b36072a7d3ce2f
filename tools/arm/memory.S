// memcpy and memset for the ARM1176 of a Pi Zero, linked in by tools/build-arm. The compiler may not assume that this core can
// load words that do not lie on words, so what comes with it goes byte by byte; Linux has let ARMv6 do so since 2.6.24
// (Documentation/arch/arm/mem_alignment.rst: SCTLR.U), for single loads and stores, not for those of several registers.
// Every byte of picture is copied three times, so this is a tenth of the program's instructions (perf/instructions.md).
// tools/arm/memory-test.c holds it against plain loops.

        .syntax unified
        .arch   armv6
        .arm
        .text

// void *memcpy(void *to, const void *from, size_t n): r0, r1, r2. Forward, so that `to` may lie anywhere before `from`.
        .p2align 5
        .global memcpy, __aeabi_memcpy, __aeabi_memcpy4, __aeabi_memcpy8
        .type   memcpy, %function
        .type   __aeabi_memcpy, %function
        .type   __aeabi_memcpy4, %function
        .type   __aeabi_memcpy8, %function
memcpy:
__aeabi_memcpy:
__aeabi_memcpy4:
__aeabi_memcpy8:
        mov     ip, r0                  // r0 is returned
        cmp     r2, #32
        blo     4f
        push    {r4-r10, lr}
        rsb     r3, r0, #0
        ands    r3, r3, #3              // bytes until ip lies on a word
        beq     1f
        sub     r2, r2, r3
0:      ldrb    r4, [r1], #1
        strb    r4, [ip], #1
        subs    r3, r3, #1
        bne     0b
1:      subs    r2, r2, #32
        blo     3f
        tst     r1, #3
        bne     2f
1:      pld     [r1, #96]               // three lines of the cache ahead
        ldmia   r1!, {r3-r10}
        stmia   ip!, {r3-r10}
        subs    r2, r2, #32
        bhs     1b
        b       3f
2:      pld     [r1, #96]
        ldr     r3, [r1]
        ldr     r4, [r1, #4]
        ldr     r5, [r1, #8]
        ldr     r6, [r1, #12]
        ldr     r7, [r1, #16]
        ldr     r8, [r1, #20]
        ldr     r9, [r1, #24]
        ldr     r10, [r1, #28]
        add     r1, r1, #32
        stmia   ip!, {r3-r10}
        subs    r2, r2, #32
        bhs     2b
3:      pop     {r4-r10, lr}
        add     r2, r2, #32
4:      subs    r2, r2, #4              // fewer than 32 are left
        blo     6f
5:      ldr     r3, [r1], #4
        str     r3, [ip], #4
        subs    r2, r2, #4
        bhs     5b
6:      adds    r2, r2, #4
        bxeq    lr
7:      ldrb    r3, [r1], #1
        strb    r3, [ip], #1
        subs    r2, r2, #1
        bne     7b
        bx      lr
        .size   memcpy, . - memcpy

// void __aeabi_memclr(void *to, size_t n); void __aeabi_memset(void *to, size_t n, int byte): another order than C's
// (Run-time ABI for the Arm architecture, section 5.3.5).
        .global __aeabi_memclr, __aeabi_memclr4, __aeabi_memclr8, __aeabi_memset, __aeabi_memset4, __aeabi_memset8, memset
        .type   __aeabi_memclr, %function
        .type   __aeabi_memclr4, %function
        .type   __aeabi_memclr8, %function
        .type   __aeabi_memset, %function
        .type   __aeabi_memset4, %function
        .type   __aeabi_memset8, %function
        .type   memset, %function
        .p2align 5
__aeabi_memclr:
__aeabi_memclr4:
__aeabi_memclr8:
        mov     r2, #0
__aeabi_memset:
__aeabi_memset4:
__aeabi_memset8:
        mov     r3, r1
        mov     r1, r2
        mov     r2, r3
// void *memset(void *to, int byte, size_t n): r0, r1, r2.
memset:
        mov     ip, r0                  // r0 is returned
        and     r1, r1, #255
        orr     r1, r1, r1, lsl #8
        orr     r1, r1, r1, lsl #16
        cmp     r2, #32
        blo     4f
        push    {r4-r9, lr}
0:      tst     ip, #3
        strbne  r1, [ip], #1
        subne   r2, r2, #1
        bne     0b
        mov     r3, r1
        mov     r4, r1
        mov     r5, r1
        mov     r6, r1
        mov     r7, r1
        mov     r8, r1
        mov     r9, r1
        subs    r2, r2, #32
        blo     3f
1:      stmia   ip!, {r1, r3-r9}
        subs    r2, r2, #32
        bhs     1b
3:      pop     {r4-r9, lr}
        add     r2, r2, #32
4:      subs    r2, r2, #4
        blo     6f
5:      str     r1, [ip], #4
        subs    r2, r2, #4
        bhs     5b
6:      adds    r2, r2, #4
        bxeq    lr
7:      strb    r1, [ip], #1
        subs    r2, r2, #1
        bne     7b
        bx      lr
        .size   memset, . - memset

        .section .note.GNU-stack, "", %progbits
