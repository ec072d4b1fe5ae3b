/*
 * What the linker scripts of all instruction sets share: sections in the order they lie in memory,
 * and the names by which C finds their borders. A script includes this after defining
 *
 *   LOAD_ADDR       where the board's firmware puts the image (from board.mk)
 *   SMALL_DATA      input sections that want to lie together at the end of .data; may be empty
 *
 * Each border between different access rights falls on a page, so that the page tables can keep
 * code read-only and data from being executed. The entry code comes first because firmware jumps
 * to the lowest address, whatever the ELF header says.
 */
#define PAGE 4096

/* Objects that are none of the program's. */
#define ROOMS *[/]arch[/]*.o *[/]board[/]*.o *[/]boot[/]*.o *[/]kernel[/]*.o *[/]sched[/]*.o *.a:*

ENTRY(_start)

PHDRS
{
    text PT_LOAD FLAGS(5);
    rodata PT_LOAD FLAGS(4);
    data PT_LOAD FLAGS(6);
    tls PT_TLS FLAGS(4);
}

SECTIONS
{
    . = LOAD_ADDR;
    ASSERT(. % PAGE == 0, "LOAD_ADDR must be page aligned")
    __image_start = .;

    __text_start = .;
    .text : {
        KEEP(*(.text.start))
        *(.text.hot .text.hot.*)
        __text_held_start = .; /* where nobody is preempted: the switch … */
        *(.text.arch_switch)
        __text_unbroken_start = .; /* … and malloc and free: sched/cache.c */
        *(.text.unbroken)
        __text_unbroken_end = .;
        __text_program_start = .; /* the program's own: sched/monitor.c */
        *(EXCLUDE_FILE(ROOMS) .text EXCLUDE_FILE(ROOMS) .text.*)
        __text_program_end = .;
        *(.text .text.* .gnu.linkonce.t.*)
        __text_used_end = .; /* the section's end: crash.c */
    } :text
    . = ALIGN(PAGE);
    __text_end = .;

    __rodata_start = .;
    .rodata : {
        *(.rodata .rodata.* .srodata .srodata.* .gnu.linkonce.r.*)
    } :rodata
    .init_arrays : ALIGN(8) {
        __preinit_array_start = .;
        KEEP(*(.preinit_array))
        __preinit_array_end = .;
        __init_array_start = .;
        KEEP(*(SORT_BY_INIT_PRIORITY(.init_array.*)))
        KEEP(*(.init_array))
        __init_array_end = .;
        __fini_array_start = .;
        KEEP(*(SORT_BY_INIT_PRIORITY(.fini_array.*)))
        KEEP(*(.fini_array))
        __fini_array_end = .;
    } :rodata
    __libc_fini = __fini_array_start; /* that it is there makes newlib run the array at exit */

    /*
     * The image of _Thread_local variables; each goroutine that needs one gets a copy. .tbss
     * takes no room here: the next section starts where .tdata ended. The alignment in front keeps
     * the two adjacent even when .tdata is empty.
     */
    . = ALIGN(64);
    __tdata_start = .;
    .tdata : { *(.tdata .tdata.* .gnu.linkonce.td.*) } :rodata :tls
    __tdata_end = .;
    .tbss : { *(.tbss .tbss.* .gnu.linkonce.tb.*) } :rodata :tls
    __tdata_size = ABSOLUTE(SIZEOF(.tdata));
    __tls_size = ABSOLUTE(SIZEOF(.tbss) == 0 ? SIZEOF(.tdata)
                                             : ADDR(.tbss) + SIZEOF(.tbss) - __tdata_start);
    __tls_align = ABSOLUTE(MAX(MAX(ALIGNOF(.tdata), ALIGNOF(.tbss)), 1));
    ASSERT(__tls_align <= 64, "a _Thread_local variable wants more than 64-byte alignment")

    /* Function names for tracebacks, made from a first link: last, so that it moves no code. */
    .pinion_symtab : ALIGN(8) {
        __symtab_start = .;
        KEEP(*(.pinion_symtab))
        __symtab_end = .;
    } :rodata
    . = ALIGN(PAGE);
    __rodata_end = .;

    __data_start = .;
    .data : {
        *(.data .data.* .gnu.linkonce.d.*)
        *(.got .got.plt) /* what refers to weak symbols */
        . = ALIGN(64);
        __small_data = .;
        SMALL_DATA
        . = ALIGN(64);
    } :data
    __data_end = .;

    __bss_start = .;
    .bss (NOLOAD) : {
        __keys_start = .; /* tables by the addresses of objects: reach.c */
        *(.bss.pinion.keys)
        . = ALIGN(8);
        __keys_end = .;
        *(.bss .bss.* .gnu.linkonce.b.* COMMON)
        . = ALIGN(PAGE);
    } :data
    __bss_end = .;
    __image_end = .;

    __image_size = ABSOLUTE(__image_end - __image_start);
    ASSERT(__text_start >> 32 == __text_end >> 32, "the text crosses a multiple of 4 GiB")
    ASSERT(SIZEOF(.text) > 0, "nothing in .text: no entry code was linked")

    /DISCARD/ : { *(.comment .note .note.* .eh_frame .eh_frame_hdr) }
}
