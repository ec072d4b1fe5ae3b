/*
 * What the linker scripts of programs on the host share: what they add to the linker's own.
 *
 * The program's and the rooms' code is a section of its own, so that a signal handler can tell it
 * from code of libraries and of the linker's making (arch/host/trap.c).
 */
SECTIONS
{
    .pinion_text : {
        __text_start = .;
        __text_held_start = .; /* the switch; malloc, which would follow, is the C library's */
        *(.text.arch_switch)
        __text_unbroken_start = .;
        __text_unbroken_end = .;
        *(.text .text.*)
        __text_used_end = .;
        __text_end = .;
    }
}
INSERT BEFORE .text;

SECTIONS
{
    .pinion_symtab : {
        __symtab_start = .;
        KEEP(*(.pinion_symtab))
        __symtab_end = .;
    }
}
INSERT AFTER .eh_frame_hdr;

__image_start = __executable_start;
__image_end = _end;

#define UP(n, to) (((n) + (to)-1) & (0 - (to)))
__tls_align = MAX(MAX(ALIGNOF(.tdata), ALIGNOF(.tbss)), 1);
__tdata_size = SIZEOF(.tdata);
#define TLS_BYTES (UP(SIZEOF(.tdata), MAX(ALIGNOF(.tbss), 1)) + SIZEOF(.tbss))
