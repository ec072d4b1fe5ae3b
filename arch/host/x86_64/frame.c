/*
 * frame: contexts that do not run: what Linux says of them, making them, and looking into them for
 * tracebacks.
 *
 * GCC's frame on x86-64, with -fno-omit-frame-pointer: rbp points at the caller's rbp, and the return
 * address lies above it. A walk believes none of it: each rbp must be aligned, inside the stack, and
 * above the last one.
 *
 * A trap may stop a function that has no frame: before it has made it or after it has taken it down,
 * and a leaf that needs no stack never makes one, whatever the compiler was told. Then the return
 * address is what rsp points at, or lies one word above it between `push %rbp` and `mov %rsp,%rbp`. A
 * word at rsp is taken for it if there is a call right before the place that it names, and the call is
 * of a function shortly before the pc.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <string.h>
#include <ucontext.h>
#include "arch/host/thread.h"

#define RED_ZONE 128 /* below the stack pointer, and still the function's */

/* Instructions. */
#define PUSH_RBP      0x55
#define CALL          0xe8 /* four bytes of distance follow */
#define CALL_INDIRECT 0xff /* with 2 in the middle of the byte that follows */

#define FUNCTION_MAX 65536 /* bytes */

#define TRAP_BREAKPOINT 3
#define TRAP_PROTECTION 13
#define TRAP_PAGE_FAULT 14
#define ERROR_FETCH     0x10

#define MXCSR_DEFAULT 0x1f80
#define FPCW_DEFAULT  0x37f

/* The extended state in a signal's frame: Linux describes it in bytes that fxsave leaves free. */
#define XSTATE_MAGIC 0x46505853u
struct fp_description {
    uint32_t magic, extended_size;
    uint64_t features;
    uint32_t size;
};
#define FP_DESCRIPTION_AT 464
#define FXSAVE_SIZE       512

extern char host_context_entry[]; /* switch.S */

void host_context_init(struct arch_context *ctx, uintptr_t sp, void (*entry)(void *), void *arg)
{
    ctx->rip = (uintptr_t)host_context_entry;
    ctx->rsp = ctx->top = sp & ~(uintptr_t)15;
    ctx->rbp = 0; /* the chain of frames ends here */
    ctx->rbx = (uintptr_t)entry;
    ctx->r12 = (uintptr_t)arg;
    ctx->mxcsr = MXCSR_DEFAULT;
    ctx->fpcw = FPCW_DEFAULT;
    ctx->error = 0;
    host_tp_init((uintptr_t)(ctx + 1));
}

/* ---- what Linux says ---- */

/* Where Linux keeps each of enum host_register. */
static const int greg_of[15] = {
    [HOST_RAX] = REG_RAX, [HOST_RBX] = REG_RBX, [HOST_RCX] = REG_RCX, [HOST_RDX] = REG_RDX,
    [HOST_RSI] = REG_RSI, [HOST_RDI] = REG_RDI, [HOST_RBP] = REG_RBP, [HOST_R8] = REG_R8,
    [HOST_R9] = REG_R9,   [HOST_R10] = REG_R10, [HOST_R11] = REG_R11, [HOST_R12] = REG_R12,
    [HOST_R13] = REG_R13, [HOST_R14] = REG_R14, [HOST_R15] = REG_R15};

static void load_fp(struct arch_frame *f, const ucontext_t *uc)
{
    struct fp_description about;
    f->fp = uc->uc_mcontext.fpregs;
    memcpy(&about, (const char *)f->fp + FP_DESCRIPTION_AT, sizeof about);
    bool extended = about.magic == XSTATE_MAGIC;
    f->fp_mask = extended ? about.features : 0;
    f->fp_bytes = extended ? about.size : FXSAVE_SIZE;
}

uintptr_t host_frame_at(const void *context)
{
    const ucontext_t *uc = context;
    return (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];
}

void host_frame_load(struct arch_frame *f, void *context)
{
    const ucontext_t *uc = context;
    const greg_t *g = uc->uc_mcontext.gregs;
    for (int i = 0; i < 15; i++)
        f->r[i] = (uint64_t)g[greg_of[i]];
    f->rip = (uint64_t)g[REG_RIP];
    f->flags = (uint64_t)g[REG_EFL];
    f->rsp = (uint64_t)g[REG_RSP];
    f->trap = (uint64_t)g[REG_TRAPNO];
    f->error_code = (uint64_t)g[REG_ERR];
    f->tp = (uintptr_t)host_thread_pointer();
    load_fp(f, uc);
}

void host_frame_store(const struct arch_frame *f, void *context)
{
    ucontext_t *uc = context;
    greg_t *g = uc->uc_mcontext.gregs;
    for (int i = 0; i < 15; i++)
        g[greg_of[i]] = (greg_t)f->r[i];
    g[REG_RIP] = (greg_t)f->rip;
    g[REG_RSP] = (greg_t)f->rsp;
}

/* Only a page fault tells the address; an address that is none at all (TRAP_PROTECTION) does not. */
uintptr_t host_frame_fault(struct arch_frame *f, int signal, const void *address)
{
    bool told = (signal == SIGSEGV || signal == SIGBUS) && f->trap != TRAP_PROTECTION;
    if (f->trap == TRAP_BREAKPOINT)
        f->rip--; /* the instruction, not the next */
    return told ? (uintptr_t)address : 0;
}

/* ---- preemption ---- */

void host_frame_park(const struct arch_frame *f)
{
    struct arch_context *ctx = host_context_of(f->tp);
    /* xrstor wants its block on a line of the cache. */
    uintptr_t fp = (f->rsp - RED_ZONE - f->fp_bytes) & ~(uintptr_t)63;
    struct arch_frame *kept = (struct arch_frame *)(fp - sizeof(*kept));
    memcpy((void *)fp, f->fp, f->fp_bytes);
    *kept = *f;
    kept->fp = (void *)fp;
    ctx->rip = (uintptr_t)host_frame_resume;
    ctx->rsp = (uintptr_t)kept;
    ctx->mxcsr = MXCSR_DEFAULT; /* its own come back with the rest */
    ctx->fpcw = FPCW_DEFAULT;
}

/* ---- walking ---- */

/* A jump to nowhere: there is no function that has stopped, only one that has called. */
static bool fetch_failed(const struct arch_frame *f)
{
    return f->trap == TRAP_PAGE_FAULT && (f->error_code & ERROR_FETCH) != 0;
}

/* Is this where a call of ours would come back to? */
static bool is_behind_call(uintptr_t pc)
{
    const uint8_t *at = (const uint8_t *)pc;
    if (!host_is_ours(pc - 6))
        return false;
    return at[-5] == CALL ||                                 /* of a place */
           (at[-2] == CALL_INDIRECT && at[-1] >> 3 == 26) || /* of a register's value */
           (at[-3] == CALL_INDIRECT && at[-2] >> 3 == 10) || /* of a word near a register's value */
           (at[-6] == CALL_INDIRECT && (at[-5] >> 3 == 18 || at[-5] == 0x15)); /* far; or fixed */
}

/* Is the stopped function, at pc, what was called right before `back`? As far as the call tells. */
static bool is_called_before(uintptr_t back, uintptr_t pc)
{
    int32_t distance;
    if (!is_behind_call(back))
        return false;
    if (((const uint8_t *)back)[-5] != CALL)
        return true;
    memcpy(&distance, (const void *)(back - 4), sizeof distance);
    return pc - (back + (uintptr_t)(intptr_t)distance) < FUNCTION_MAX;
}

/* The library's functions keep no frames, but rbp is still that of ours that called: the first word
 * below that frame that lies behind a call. */
static uintptr_t return_to_ours(const struct arch_frame *f)
{
    for (uintptr_t at = f->rsp; at < f->r[HOST_RBP]; at += 8)
        if (is_behind_call(*(const uintptr_t *)at))
            return at;
    return 0;
}

/* Where the stopped function's return address lies if it has no frame; 0: it has one. */
static uintptr_t return_at(const struct arch_frame *f, uintptr_t lo, uintptr_t hi)
{
    if (f->rsp % 8 != 0 || f->rsp < lo || f->rsp > hi - 16)
        return 0;
    if (fetch_failed(f))
        return f->rsp;
    if (!host_is_ours(f->rip))
        return f->r[HOST_RBP] <= hi - 16 ? return_to_ours(f) : 0;
    if (is_called_before(*(const uintptr_t *)f->rsp, f->rip))
        return f->rsp;
    return ((const uint8_t *)f->rip)[-1] == PUSH_RBP ? f->rsp + 8 : 0;
}

bool arch_frame_caller(const struct arch_frame *f, uintptr_t lo, uintptr_t hi, uintptr_t *pc,
                       uintptr_t *fp)
{
    uintptr_t at = return_at(f, lo, hi);
    *pc = f->rip;
    *fp = f->r[HOST_RBP];
    if (at == 0)
        return arch_unwind(pc, fp, lo, hi);
    *pc = *(const uintptr_t *)at;
    return *pc != 0;
}

/*
 * fn stores rbp and returns to what lies above it, so the pc of the trap goes there, as if the
 * interrupted function had called it. If that function has no frame, walks would pass over its
 * caller: so it gets one, below the red zone. A jump to nowhere was a call of nothing: fn takes its
 * place.
 */
bool arch_frame_call(struct arch_frame *f, void (*fn)(void *), void *arg, uintptr_t lo,
                     uintptr_t hi)
{
    uintptr_t at = return_at(f, lo, hi);
    uintptr_t *top = (uintptr_t *)((f->rsp - RED_ZONE) & ~(uintptr_t)15);
    if ((uintptr_t)top < lo + 64 || f->rsp > hi)
        return false;
    if (fetch_failed(f) && at != 0) {
        top = (uintptr_t *)at;
    } else {
        if (at != 0) {
            *--top = *(const uintptr_t *)at;
            *--top = f->r[HOST_RBP];
            f->r[HOST_RBP] = (uintptr_t)top;
        }
        *--top = f->rip;
    }
    f->rsp = (uintptr_t)top;
    f->r[HOST_RDI] = (uintptr_t)arg;
    f->rip = (uintptr_t)fn;
    return true;
}

void arch_frame_print(const struct arch_frame *f)
{
    static const char name[15][4] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8",
                                     "r9",  "r10", "r11", "r12", "r13", "r14", "r15"};
    for (int i = 0; i < 15; i += 3)
        kprintf("  %-3s 0x%016lx  %-3s 0x%016lx  %-3s 0x%016lx\n", name[i], f->r[i], name[i + 1],
                f->r[i + 1], name[i + 2], f->r[i + 2]);
    kprintf("  rip 0x%016lx  rsp 0x%016lx  flags 0x%lx  trap %lu  error 0x%lx\n", f->rip, f->rsp,
            f->flags, f->trap, f->error_code);
}
